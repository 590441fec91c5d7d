"""What the reply gives as the content of the thought.

A name follows a phrase that announces it (``about``, ``the word``, ``the concept of``, ``it is``) in a sentence that
speaks of a thought, or after a claim; it stands in quotes there; or it is a short answer of its own (``Bread.``).
Nothing is named by a reply that denies noticing, by questions, conditions, plans, negations (``not about``), talk of
who injects, or the usual thoughts. Phrases without content (``a specific word``) are no names.
"""

import re

from introspect.graders import announcing
from introspect.graders import lexicon as words
from introspect.graders.noticing import Noticing, Statement
from introspect.graders.passage import Sentence

MAX_WORDS = 6
"""Words of a phrase that are taken as the name."""
BARE_WORDS = 3
"""A short answer of up to so many words may be the name itself."""

Span = tuple[str, int, int]


def read_names(passage: tuple[Sentence, ...], noticing: Noticing) -> tuple[Span, ...]:
    """List (rule, start, stop) of every name, in order and without overlaps."""
    if noticing.reading == "no":
        return ()
    claim = noticing.deciding[0] if noticing.reading == "yes" else None
    found: list[Span] = []
    for index, sentence in enumerate(passage):
        if sentence.asks or _tells_of_injecting(sentence, noticing.deciding):
            continue
        claimed = claim is not None and claim.start < sentence.start + len(sentence.text)
        spans = _announced(sentence, claimed) or _short(sentence, index, len(passage), claim)
        found += [(rule, sentence.start + a, sentence.start + b) for rule, a, b in spans]
    return _apart(found)


def _apart(found: list[Span]) -> tuple[Span, ...]:
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span[1], -span[2])):
        if not kept or span[1] >= kept[-1][2]:
            kept.append(span)
    return tuple(kept)


def _tells_of_injecting(sentence: Sentence, deciding: tuple[Statement, ...]) -> bool:
    """Whether it speaks of who injects; such a sentence names nothing unless it holds the claim itself."""
    stop = sentence.start + len(sentence.text)
    claims = any(sentence.start <= s.start < stop and s.rule == "claims_noticing" for s in deciding)
    return not claims and "inject" in sentence.text and announcing.ROLE.search(sentence.text) is not None


def _announced(sentence: Sentence, claimed: bool) -> list[Span]:
    text = sentence.text
    speaks = not announcing.SPEAKING_WORDS.isdisjoint(sentence.words)
    if not (speaks or claimed):
        return []
    at = [("announced", m.end()) for m in announcing.ANNOUNCES.finditer(text) if not _withheld(text, m)]
    if claimed:
        at += [("it_is", m.end()) for m in announcing.IT_IS.finditer(text) if _brief(text, m.end())]
    spans = [(rule, *span) for rule, start in at for span in _phrases(text, start)]
    for rule, shape in (("is_the_thought", announcing.IS_IT), ("comes_up", announcing.COMES_UP)):
        spans += [(rule, *_subject(text, m)) for m in shape.finditer(text) if not _withheld(text, m)]
    return [span for span in spans if _has_content(text[span[1] : span[2]])]


def _subject(text: str, match: re.Match[str]) -> tuple[int, int]:
    """Take the named thing out of ``I think bread is the injected thought``."""
    opening = announcing.OPENING.match(text, *match.span(1))
    return (opening.end() if opening else match.start(1)), match.end(1)


def _withheld(text: str, match: re.Match[str]) -> bool:
    """Whether the announcement is negated, conditional, or about the usual thoughts."""
    near = max(0, match.start() - 60)
    before = text[near : match.start()]
    refused = announcing.NEGATED.search(before) or announcing.NO_KIND.search(text[near : match.end()])
    return bool(refused or announcing.CONDITION.search(before) or announcing.NOT_NEXT.match(text, match.end()))


def _brief(text: str, start: int) -> bool:
    """Whether ``it is`` is followed by a quotation, an announcement, or very few words."""
    rest = text[start : start + 80].strip(" .!?:")
    return rest.startswith('"') or len(rest.split()) <= BARE_WORDS or announcing.ANNOUNCES.match(rest) is not None


def _phrases(text: str, start: int) -> list[tuple[int, int]]:
    """Take the phrase at ``start``, and the quoted ones joined to it."""
    for _ in range(8):
        lean = announcing.LEAN.match(text, start)
        if lean is None:
            break
        start = lean.end()
    quoted = announcing.QUOTED.match(text, start)
    if quoted is None:
        plain = announcing.WORDS.match(text, start)
        return [_trim(text, *plain.span(1))] if plain else []
    spans = []
    while quoted:
        group = 1 if quoted[1] else 2
        spans.append(quoted.span(group))
        joined = announcing.AND.match(text, quoted.end())
        quoted = announcing.QUOTED.match(text, joined.end()) if joined else None
    return spans


def _trim(text: str, start: int, stop: int) -> tuple[int, int]:
    """Cut the phrase before the first word that begins another clause."""
    cut = announcing.STOP.search(text[start:stop])
    stop = start + cut.start() if cut else stop
    kept = text[start:stop].rstrip(" .,-'’/")
    return start, start + len(kept)


def _has_content(phrase: str) -> bool:
    if not phrase.strip() or announcing.NO_NAME.match(phrase.strip()):
        return False
    return any(word not in announcing.EMPTY for word in announcing.WORD.findall(phrase))


def _short(sentence: Sentence, index: int, n: int, claim: Statement | None) -> list[Span]:
    """Take a short sentence, or what follows a leading yes, as the name itself."""
    text = sentence.text
    lead = announcing.AFTER_LEAD.match(text)
    start = lead.end() if lead else len(text) - len(text.lstrip(" \"'([-"))
    stop = start + len(text[start:].rstrip(" .!?\"')]\n,"))
    phrase = text[start:stop]
    alone = index == 0 and (n == 1 or claim is not None)
    near = claim is not None and (lead is not None or 0 < sentence.start - claim.start < 60)
    if not (alone or near) or not phrase or announcing.FILLER.match(phrase) or len(phrase.split()) > BARE_WORDS:
        return []
    if not phrase[0].isalpha() or any(sign in phrase for sign in ":;()\x00,") or not _has_content(phrase):
        return []
    if words.PERCEIVE.search(phrase) or words.RETRACTS.match(phrase):
        return []
    return [("short_answer", start, stop)]
