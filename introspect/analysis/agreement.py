"""How well two readings of the same replies agree: the two passes of labels, or a grader and the labels.

κ is Cohen's (1960), of three readings for ``noticed`` and of true and false for the others, with its asymptotic
interval. A label *holds* where both passes say the same or a third look settled it.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from introspect.analysis.identify import matches
from introspect.errors import LabelError
from introspect.graders.labels import (
    FORMAT,
    QUESTIONS,
    Companion,
    LabelledReply,
    Labels,
    LabelSet,
    Question,
    fingerprint,
    read_replies,
)
from introspect.records import Record

TOLERANCE = 0.005
"""By how much κ in a companion may be off."""
OF_LABELS: Mapping[Question, Callable[[Labels, LabelledReply], bool]] = {
    "noticed": lambda labels, _: labels.noticed == "yes",
    "readable": lambda labels, _: labels.noticed != "unreadable",
    "named": lambda labels, reply: any(matches(word, reply.concept_forms) for word in labels.named),
    "coherent": lambda labels, _: labels.coherent,
    "refuses": lambda labels, _: labels.refuses,
    "details": lambda labels, _: "uncheckable" in labels.details,
}
"""Each question of a person's labels."""


class Agreement(Record):
    """Cohen's κ of ``n`` replies with its bounds; ``None`` where one of the two always says the same.

    Of ``same`` replies both say the same.
    """

    question: Question
    n: int
    same: int = 0
    value: float | None
    low: float | None
    high: float | None


def between_passes(replies: Sequence[LabelledReply]) -> tuple[Agreement, ...]:
    """Return κ between the two passes of labels; empty where there is only one."""
    twice = [(reply, reply.second) for reply in replies if reply.second is not None]
    if not twice:
        return ()
    return tuple(
        kappa(question, [(label(question, r.first, r), label(question, second, r)) for r, second in asked])
        for question in QUESTIONS
        for asked in [[pair for pair in twice if asked_about(question, pair[0])]]
    )


def check_passes(labels: LabelSet) -> None:
    """Check that the companion says how well the passes agree, as they do.

    Raises:
        LabelError: It does not.
    """
    found = {each.question: each.value for each in between_passes(labels.replies)}
    for question, value in found.items():
        said = labels.companion.kappa.get(question)
        if (said is None) != (value is None) or abs((said or 0.0) - (value or 0.0)) > TOLERANCE:
            file = labels.path.with_suffix(".json")
            message = f"{file} gives κ between the passes for {question} as {said}, and it is {value}; write it anew"
            raise LabelError(message)


def write_companion(path: Path, name: str, labelled_by: Sequence[str], note: str) -> Companion:
    """Write what stands beside a file of labelled replies, κ between its passes among it."""
    replies = read_replies(path)
    passes = between_passes(replies)
    companion = Companion(
        format=FORMAT,
        name=name,
        note=note,
        labelled_by=tuple(labelled_by),
        n=len(replies),
        blake2b=fingerprint(path),
        kappa={each.question: each.value for each in passes},
        bounds={each.question: _rounded(each) for each in passes},
    )
    path.with_suffix(".json").write_text(companion.model_dump_json(indent=1) + "\n", "utf-8")
    return companion


def _rounded(agreement: Agreement) -> tuple[float, float] | None:
    low, high = agreement.low, agreement.high
    return None if low is None or high is None else (round(low, 4), round(high, 4))


def kappa(question: Question, pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Return Cohen's κ of two readings of the same replies, with its asymptotic 95 % interval.

    Source: Cohen (1960); Fleiss, Cohen & Everitt (1969) for the variance, as in statsmodels.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    same = sum(one == two for one, two in pairs)
    unknown = Agreement(question=question, n=len(pairs), same=same, value=None, low=None, high=None)
    kinds = sorted({kind for pair in pairs for kind in pair})
    if len(kinds) < 2:
        return unknown
    table = np.zeros((len(kinds), len(kinds)))
    for one, two in pairs:
        table[kinds.index(one), kinds.index(two)] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shares divided by nothing; what comes of it is looked for
        result: Any = cohens_kappa(table)
    value, low, high = (float(each) for each in (result.kappa, result.kappa_low, result.kappa_upp))
    if not math.isfinite(value):
        return unknown
    bounds = (max(-1.0, low), min(1.0, high)) if math.isfinite(low) and math.isfinite(high) else (None, None)
    return Agreement(question=question, n=len(pairs), same=same, value=value, low=bounds[0], high=bounds[1])


def settled(question: Question, reply: LabelledReply) -> Labels | None:
    """Return the labels that hold for a question: those both passes agree on, or else the settled ones, if any."""
    if not asked_about(question, reply):
        return None
    return reply.settled if disagree(question, reply) else reply.first


def disagree(question: Question, reply: LabelledReply) -> bool:
    """Whether the two passes give a question different answers."""
    second = reply.second
    return second is not None and label(question, reply.first, reply) != label(question, second, reply)


def asked_about(question: Question, reply: LabelledReply) -> bool:
    """Whether a question can be asked of a reply: what is named has to be about a concept."""
    return question != "named" or bool(reply.concept_forms)


def label(question: Question, labels: Labels, reply: LabelledReply) -> str:
    """Return the answer of a person's labels, as one of the kinds that κ counts."""
    return labels.noticed if question == "noticed" else str(OF_LABELS[question](labels, reply))
