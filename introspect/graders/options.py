"""Which of the words on offer does a reply name, and does a reply repeat a sentence? Blind readings by rules.

The options are what everybody sees; which of them was injected is not known here. A word counts as named where it
stands as a whole word in any inflection (``introspect.words``), in the answer and not in a question, unless it is
turned down (``not bread``) or part of a longer option (the ``balloon`` of ``hot air balloon``).

One option named is the choice. Of several the reply has to single one out: the one it opens with (``Ocean. It is more
like water than bread``), or else the only one behind words of choosing (``I choose``, ``the answer is``); in either
place a list that goes on to another option singles out none. Otherwise nothing is chosen, however short the reply: the
first of several words is no answer, and a guess of the grader's would add to chance.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from introspect.graders.passage import fold, sentences
from introspect.words import mention

_TURNED_DOWN = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\brather than|\binstead of|\bthan|\bexcept|\bbesides|\bunlike|\bwithout|\bno)"
    r"(?: (?:about|of|to|the|an?|really|exactly|say|choose|pick|think of|word|words)){0,3}[\s\"']*$"
)
_CHOOSES = re.compile(
    r"(?:\b(?:choose|chose|pick|picked|select|say|guess|name|detect|sense|notice|about|option|(?:go|going) with"
    r"|going for|(?:answer|choice|word|concept|thought|idea) is|answer|it is|it's|that is|must be"
    r"|(?:think|thinking|thought) of)|:)"
    r"(?: (?:the|an?|of|about|is|be|word|words|concept|option|thought|probably|most likely)){0,4}[\s\":'-]*$"
)
_OPENS = re.compile(
    r"[\s\"'(\[.-]*(?:(?:the|an?|word|concept|answer|option|i think|maybe|probably|definitely|well|hmm+|oh|yes|it is"
    r"|it's|that is)\b[\s,.:\"'-]*){0,4}$"
)
_LIST_GOES_ON = re.compile(r"[\s\"'.)]*(?:[,;/&]|and\b|or\b)?[\s\"'(-]*(?:(?:and|or|the|an?|maybe|perhaps) )*$")
_WORD_END = re.compile(r"[^\W_]+")
_MOST = 20
"""Mentions of one option in one sentence that are looked at; a loop has more."""


@dataclass(frozen=True, slots=True)
class _Named:
    """An option, where it stands in the reply, and whether words of choosing stand before it."""

    option: str
    start: int
    stop: int
    announced: bool


def choose_option(reply: str, options: Mapping[str, Sequence[str]]) -> str | None:
    """Return the option that a reply names.

    Source: a reader among options in place of the judge of Lindsey (2025), experiment 2; the rule is ours.

    Args:
        reply: The text the subject generated, and only that.
        options: The forms of every option, the word and its aliases, by the option's name. Forms of a single letter
            are words like any other here: the article of "a thought" names an option "A".

    Returns:
        The name of the option, or ``None`` where the reply names none or does not single one out.
    """
    folded = fold(reply)
    found = list[_Named]()
    answers = [sentence for sentence in sentences(folded) if not sentence.asks]
    for sentence in answers:
        here = [each for name, forms in options.items() for each in _named(sentence.text, sentence.start, name, forms)]
        found += [] if _puts_to_choice(sentence.text, here) else here
    found = sorted(_whole(found), key=lambda each: (each.start, each.option))
    single = [each for each in found if not _in_list(each, found, folded)]
    opening = _opening(found, single, folded, answers[0].start if answers else 0)
    for chosen in (found, opening, [each for each in single if each.announced]):
        names = {each.option for each in chosen}
        if len(names) == 1:
            return names.pop()
    return None


def repeats(reply: str, sentence: str) -> bool:
    """Whether a sentence stands in a reply; case, white space, markdown and the style of quotes do not matter.

    Source: Lindsey (2025), experiment 2, containment of the lower-cased sentence.

    Args:
        reply: The text the subject generated.
        sentence: What it was to repeat.

    Raises:
        ValueError: The sentence is empty, and so stands in every reply.
    """
    wanted = _plain(sentence)
    if not wanted:
        message = "an empty sentence stands in every reply; give the sentence that was to be repeated"
        raise ValueError(message)
    return wanted in _plain(reply)


def _plain(text: str) -> str:
    return " ".join(fold(text).casefold().split())


def _named(text: str, offset: int, option: str, forms: Sequence[str]) -> list[_Named]:
    """List an option's mentions in one sentence that are not turned down."""
    found, at = list[_Named](), 0
    for _ in range(_MOST):
        ahead = mention(text[at:], forms)
        if ahead is None:
            break
        start = at + ahead
        at = _stop(text, start, forms)
        before = text[max(0, start - 60) : start]
        if not _TURNED_DOWN.search(before):
            found.append(_Named(option, offset + start, offset + at, _CHOOSES.search(before) is not None))
    return found


def _stop(text: str, start: int, forms: Sequence[str]) -> int:
    """Return where the mention that begins at ``start`` ends."""
    ends = (word.end() for word in _WORD_END.finditer(text, start))
    return next((end for end in ends if mention(text[start:end], forms) == 0), len(text))


def _whole(found: list[_Named]) -> list[_Named]:
    """Leave out what is only part of a longer mention of another option."""
    return [
        each
        for each in found
        if not any(
            other.start <= each.start and each.stop <= other.stop and other.stop - other.start > each.stop - each.start
            for other in found
        )
    ]


def _puts_to_choice(text: str, found: list[_Named]) -> bool:
    """Whether a sentence asks between options (``Bread or silver?``) rather than guesses at one (``Bread?``)."""
    return text.rstrip(" \"')").endswith("?") and len({each.option for each in _whole(found)}) > 1


def _in_list(one: _Named, found: list[_Named], folded: str) -> bool:
    """Whether a list goes on from here to another option."""
    after = next((each for each in found if each.start >= one.stop), None)
    if after is None or after.option == one.option:
        return False
    return _LIST_GOES_ON.match(folded[one.stop : after.start]) is not None


def _opening(found: list[_Named], single: list[_Named], folded: str, begins: int) -> list[_Named]:
    """Return the options at the head of the answer."""
    if not found or not _OPENS.match(folded[begins : found[0].start]):
        return []
    return [each for each in single if each.start == found[0].start]
