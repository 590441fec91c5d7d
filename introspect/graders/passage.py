"""The part of a reply that answers the question, as sentences with offsets into the reply.

Small models answer and then go on inventing: the next trial, the next turn of the researcher. The answer to the first
trial is what counts, so the text stops at the first invented trial or turn. Before that, labels (``Answer:``,
``Trial 1:``), echoes of the question and a turn of somebody else at the very beginning are stepped over. Quotations
of a whole sentence are blanked, because they are somebody's speech, unless the answer opens with the quotation mark.

Folding keeps the length of the text, so every offset is an offset into the reply.
"""

import re
from dataclasses import dataclass

READ_LIMIT = 20_000
"""Characters of a reply that are read; a reply of a hundred tokens has about 450."""

_FOLDS = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_FOLDS |= dict.fromkeys(map(ord, "“”„‟«»「」『』″`"), '"') | dict.fromkeys(map(ord, "‘’‚‛′"), "'")
_FOLDS |= dict.fromkeys(map(ord, "*_~#>\u00a0\u200b\t"), " ") | dict.fromkeys(map(ord, "–—―"), "-")
_FOLDS |= {ord("。"): ".", ord("？"): "?", ord("！"): "!", ord("，"): ",", ord("："): ":", ord("\r"): "\n"}

_OTHERS = r"(?:human|user|researcher|interviewer|experimenter|system|grader|question|q)"
_OURS = r"(?:trial\s*\#?1\b|assistant|ai|model|me|answer|response|reply|a|final answer|my answer)"
_NEXT = re.compile(
    rf"\n[ \d.)-]{{0,8}}(?:(?:{_OTHERS}|assistant|ai)\s?\d{{0,2}}\s?:|trial\s?\#?\s?\d+\b)"
    r"|\btrial\s?\#?\s?(?:[2-9]|\d\d+)\s?[:\n-]|<\||</s"
)
_OTHER_TURN = re.compile(rf"[\s\"(\[]*{_OTHERS}\s*\d{{0,2}}\s*:")
_OUR_TURN = re.compile(r"\n {0,8}(?:assistant|ai|model|answer|a)\s*:")
_ECHO = re.compile(
    r"[\s\"(\[]*(?:(?:do|did|have) you (?:detect|notice|sense|feel)|if so"
    r"|what (?:is|was) the (?:injected )?(?:thought|word))[^.!?\n]{0,160}\?[\")\]]*"
)
_LABEL = re.compile(rf"[\s\"(\[]*(?:{_OURS}\s*(?:[:.)\-]|\n)|(?:\d{{1,2}}[.):]|-|•)\s)\s*")
_END = re.compile(r"(?<!\.)[.!?](?![.!?\w])[\")\]]*|\n")
_QUOTE = re.compile(r"\"[^\"\n]*\"")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_LONG_QUOTE_WORDS = 4


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer: folded text, where it starts in the reply, and its words for cheap first looks."""

    text: str
    start: int
    words: frozenset[str]

    @property
    def asks(self) -> bool:
        """Whether it is a question, as opposed to a claim with an uncertain tone."""
        return self.text.rstrip("\" )']").endswith("?") and _ASKING.match(self.text) is not None


_ASKING = re.compile(
    r"\W*(?:(?:and|so|but|or|ok|okay|well)\b\W*)?(?:do|did|does|are|is|was|were|can|could|would|will|have|has|should|am"
    r"|what|which|why|how|who|where|when|if)\b"
)


def fold(reply: str) -> str:
    """Lower ASCII letters and unify quotes, dashes and markdown, one character for one."""
    return reply[:READ_LIMIT].translate(_FOLDS)


def sentences(folded: str) -> tuple[Sentence, ...]:
    """Cut the answer to the first trial into sentences."""
    start = _answer_start(folded)
    later = _NEXT.search(folded, start)
    stop = later.start() if later else len(folded)
    text = _without_long_quotes(folded, start, stop)
    found, left = [], start
    for end in _END.finditer(text, start, stop):
        found.append((left, end.end()))
        left = end.end()
    found.append((left, stop))
    cut = ((text[a:b], a) for a, b in found)
    return tuple(Sentence(said, a, frozenset(_WORD.findall(said))) for said, a in cut if said.strip())


def _answer_start(folded: str) -> int:
    """Step over labels, echoes of the question and, at the very beginning, another speaker's turn."""
    at = 0
    for _ in range(12):
        other = _OTHER_TURN.match(folded, at)
        if other:
            ours = _OUR_TURN.search(folded, other.end())
            at = ours.start() if ours else len(folded)
            continue
        head = _ECHO.match(folded, at) or _LABEL.match(folded, at)
        if head is None:
            break
        at = head.end()
    return at


def _without_long_quotes(folded: str, start: int, stop: int) -> str:
    """Blank quotations of a whole sentence, unless the answer itself opens with the quotation mark."""
    if folded.count('"', start, stop) < 2:
        return folded
    opening = start + len(folded[start:stop]) - len(folded[start:stop].lstrip())
    return _QUOTE.sub(lambda quote: _blank(quote, opening), folded)


def _blank(quote: re.Match[str], opening: int) -> str:
    text = quote.group()
    if quote.start() == opening or len(text.split()) < _LONG_QUOTE_WORDS:
        return text
    return "\x00" * len(text)
