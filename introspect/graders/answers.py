"""A judge's answer, read strictly: either all lines are there and say something allowed, or there is no verdict.

Nothing is guessed: a missing, doubled or unknown line, an answer that is not on offer, or a name that the reply does
not contain leaves the reply *unscored*, with the reason. So a judge that repeats what a reply dictates to it, that
chats, or that was cut off is seen as such.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from introspect.graders.rubric import LABELS, NONE, QUESTIONS, VERSION, WORD
from introspect.records import Claim, Evidence, Reading

_LINE = re.compile(r"([A-Z_]+): *(.*)")
_READINGS: Mapping[str, Reading] = {"yes": "yes", "no": "no", "unclear": "unreadable"}
_QUOTES = "\"'“”‘’«»`"
_SHOWN = 60
"""Characters of a line that a reason quotes."""
Detail = Literal["checkable", "uncheckable"]
_DETAILS: Mapping[str, tuple[Detail, ...]] = {
    "none": (),
    "checkable": ("checkable",),
    "uncheckable": ("uncheckable",),
    "both": ("checkable", "uncheckable"),
}


class UnscoredError(ValueError):
    """An answer that gives no verdict; the sentence says why."""


def grader_name(model: str) -> str:
    """Return what claims of a judge are signed with: the rubric's version is part of it."""
    return f"judge-{VERSION}:{model}"


def read_answer(reply: str, answer: str, grader: str) -> Claim:
    """Turn the answer to ``rubric.prompt`` into a claim; it is unscored where the answer breaks the form.

    Args:
        reply: What was judged.
        answer: All that the judge wrote.
        grader: Who claims it.
    """
    try:
        said = _lines(answer, LABELS)
        for question in QUESTIONS:
            if question.answers:
                _offered(question.label, said[question.label], question.answers)
        named = _named(reply, said["NAMED"])
    except UnscoredError as error:
        return unscored(grader, str(error))
    noticed, coherent = _READINGS[said["NOTICED"]], said["COHERENT"] == "yes"
    both = noticed == "yes" and bool(named)
    order = (
        cast(Literal["noticed_first", "named_first"], said["ORDER"]) if both and said["ORDER"] != "neither" else None
    )
    return Claim(
        grader=grader,
        noticed=noticed,
        named=named,
        order=order,
        coherent=coherent,
        incoherent_because=None if coherent else "judged",
        refuses=said["REFUSES"] == "yes",
        details=_DETAILS[said["DETAIL"]],
    )


def read_choice(claim: Claim, answer: str, words: Sequence[str]) -> Claim:
    """Return the claim with the word that the judge chose among those on offer; unscored where it chose none such."""
    by_case = {word.casefold(): word for word in words}
    try:
        said = _lines(answer, (WORD,))[WORD].casefold()
        if said != NONE and said not in by_case:
            message = f"the word is {said[:_SHOWN]!r}, which was not on offer"
            raise UnscoredError(message)
    except UnscoredError as error:
        return unscored(claim.grader, str(error))
    return claim.model_copy(update={"offered": tuple(words), "matched": by_case.get(said)})


def unscored(grader: str, because: str) -> Claim:
    """Return the claim of a reply without a verdict: it stays in every denominator and counts as unreadable."""
    return Claim(grader=grader, noticed="unreadable", coherent=False, incoherent_because="unscored", unscored=because)


def _lines(answer: str, labels: Sequence[str]) -> dict[str, str]:
    """Return every label's text; there must be just one line of each and no other.

    Raises:
        UnscoredError: There are more, fewer or other lines.
    """
    said: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in answer.splitlines())):
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in labels:
            message = f"the answer has a line that was not asked for: {line[:_SHOWN]!r}"
            raise UnscoredError(message)
        if found[1] in said:
            message = f"{found[1]} is answered twice"
            raise UnscoredError(message)
        said[found[1]] = found[2].strip()
    missing = [label for label in labels if label not in said]
    if missing:
        message = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not answered"
        raise UnscoredError(message)
    return said


def _offered(label: str, said: str, answers: Sequence[str]) -> None:
    if said not in answers:
        message = f"{label} is {said[:_SHOWN]!r}, not {' or '.join(answers)}"
        raise UnscoredError(message)


def _named(reply: str, said: str) -> tuple[Evidence, ...]:
    """Find every name in the reply, case, white space and quotation marks aside.

    Raises:
        UnscoredError: One is not there.
    """
    if said.casefold().strip(_QUOTES) == NONE:
        return ()
    found: list[Evidence] = []
    for part in said.split("|"):
        stretch = r"\s+".join(map(re.escape, part.strip().strip(_QUOTES).split()))
        at = (re.search(stretch, reply) or re.search(stretch, reply, flags=re.IGNORECASE)) if stretch else None
        if at is None:
            message = f"NAMED is {part.strip()[:_SHOWN]!r}, which does not stand in the reply"
            raise UnscoredError(message)
        found.append(Evidence(rule="named:judge", start=at.start(), stop=at.end(), text=at.group()))
    return tuple(found)
