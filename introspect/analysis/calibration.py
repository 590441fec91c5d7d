"""A grader against labels by hand: agreement, and how often it finds what is there and passes over what is not.

Six questions, each true or false of a reply: does it claim noticing (``noticed``), say either way (``readable``), name
the concept (``named``, of replies about one), read as language (``coherent``), deny inner states (``refuses``), claim
detail that nothing can check (``details``). A reply without a verdict counts as the grader's claim has it: it is not
found to be so, and it is an error where it was so.

Rates come by question over all replies, over those that a subject gave, by stratum and by arm, with Clopper–Pearson
intervals, and κ. All of it is one JSON file with a version.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from introspect.analysis.agreement import (
    OF_LABELS,
    Agreement,
    between_passes,
    check_passes,
    disagree,
    kappa,
    label,
    settled,
)
from introspect.analysis.identify import identified
from introspect.analysis.judging import Errors
from introspect.errors import LabelError
from introspect.graders.labels import DISAGREEMENT, FORMAT, QUESTIONS, WRITTEN, LabelledReply, LabelSet, Question
from introspect.records import Claim, Record

FEWEST = 10
"""Labelled replies of a kind in one arm from which the arm's own error rate is taken."""
ALL, SUBJECTS = "all arms", "subjects' replies"
By = Literal["all", "subjects", "arm", "stratum"]
_OF_CLAIM: Mapping[Question, Callable[[Claim, LabelledReply], bool]] = {
    "noticed": lambda claim, _: claim.noticed == "yes",
    "readable": lambda claim, _: claim.noticed != "unreadable",
    "named": lambda claim, reply: identified(claim, reply.concept_forms),
    "coherent": lambda claim, _: claim.coherent,
    "refuses": lambda claim, _: claim.refuses,
    "details": lambda claim, _: "uncheckable" in claim.details,
}


class Share(Record):
    """A share with 95 % bounds; ``None`` where nothing was counted."""

    value: float | None
    low: float
    high: float


class Figures(Record):
    """The counts of one question over some labelled replies, and the rates from them."""

    question: Question
    by: By
    of: str
    found: int
    missed: int
    passed: int
    false: int
    tpr: Share
    tnr: Share

    @property
    def errors(self) -> Errors:
        """The counts alone."""
        return Errors(self.found, self.missed, self.passed, self.false, source=self.of)


class Calibration(Record):
    """A grader's agreement with labels, on disk.

    ``between_passes`` is that of the two passes of labels with each other, the most a grader can be asked for.
    """

    format: Literal[1]
    grader: str
    labels: str
    labels_blake2b: str
    labelled_by: tuple[str, ...]
    split: str
    n: int
    n_unscored: int
    level: float = 0.95
    agreement: tuple[Agreement, ...]
    between_passes: tuple[Agreement, ...] = ()
    figures: tuple[Figures, ...] = Field(default_factory=tuple)

    def errors(self, question: Question, arm: str | None = None) -> Errors:
        """Return the errors in a question: those of an arm where enough of its replies are labelled, or all arms'.

        Replies that were written to be hard count only where subjects' own are too few.
        """
        of = {(each.by, each.of): each.errors for each in self.figures if each.question == question}
        for narrow in (of.get(("arm", arm or "")), of.get(("subjects", SUBJECTS))):
            if narrow and min(narrow.found + narrow.missed, narrow.passed + narrow.false) >= FEWEST:
                return narrow
        return of.get(("all", ALL), Errors(0, 0, 0, 0))


def calibrate(labels: LabelSet, claims: Mapping[str, Claim], split: str, grader: str) -> Calibration:
    """Compare a grader's claims with labels.

    Args:
        labels: The set; κ in its companion is checked against the labels.
        claims: The claim of every reply of the split, by id.
        split: ``development``, ``test`` or ``all``.
        grader: Who claimed.

    Raises:
        LabelError: The split is empty, or the companion's κ is not that of the passes.
    """
    check_passes(labels)
    replies = labels.of(split)
    if not replies:
        message = f"{labels.path} has no reply in the split {split!r}"
        raise LabelError(message)
    return Calibration(
        format=FORMAT,
        grader=grader,
        labels=labels.companion.name,
        labels_blake2b=labels.companion.blake2b,
        labelled_by=labels.companion.labelled_by,
        split=split,
        n=len(replies),
        n_unscored=sum(claims[reply.id].unscored is not None for reply in replies),
        agreement=tuple(_agreement(question, replies, claims) for question in QUESTIONS),
        between_passes=between_passes(labels.replies),
        figures=tuple(each for question in QUESTIONS for each in _figures(question, replies, claims)),
    )


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration, whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.write_text(calibration.model_dump_json(indent=1) + "\n", "utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_calibration(path: Path | Traversable) -> Calibration:
    """Read a calibration.

    Raises:
        LabelError: The file is missing, damaged, or of another version.
    """
    try:
        content = json.loads(path.read_bytes())
        version = content.get("format") if isinstance(content, dict) else None
        if version is not None and version != FORMAT:
            message = f"{path} is a calibration in format {version}, and this is format {FORMAT}; calibrate again"
            raise LabelError(message)
        return Calibration.model_validate(content)
    except OSError as error:
        message = f"there is no calibration file {path}; introspect calibrate writes one"
        raise LabelError(message) from error
    except ValidationError as error:
        message = f"{path} is no calibration: {error.errors()[0]['msg']}"
        raise LabelError(message) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, LabelError):
            raise
        message = f"{path} is no calibration: {error}"
        raise LabelError(message) from error


def _agreement(question: Question, replies: Sequence[LabelledReply], claims: Mapping[str, Claim]) -> Agreement:
    pairs: list[tuple[str, str]] = []
    for reply in replies:
        truth = settled(question, reply)
        if truth is not None:
            pairs.append((label(question, truth, reply), _claimed(question, claims[reply.id], reply)))
    return kappa(question, pairs)


def _claimed(question: Question, claim: Claim, reply: LabelledReply) -> str:
    return claim.noticed if question == "noticed" else str(_OF_CLAIM[question](claim, reply))


def _figures(question: Question, replies: Sequence[LabelledReply], claims: Mapping[str, Claim]) -> list[Figures]:
    groups: dict[tuple[By, str], list[tuple[bool, bool]]] = {("all", ALL): []}
    for reply in replies:
        truth = settled(question, reply)
        if truth is None:
            continue
        pair = OF_LABELS[question](truth, reply), _OF_CLAIM[question](claims[reply.id], reply)
        for group in _groups(question, reply):
            groups.setdefault(group, []).append(pair)
    if ("arm", WRITTEN) not in groups:
        groups.pop(("subjects", SUBJECTS), None)  # they are all there is
    order = get_args(By)
    by_kind = sorted(groups.items(), key=lambda group: (order.index(group[0][0]), group[0][1]))
    return [_counted(question, by, of, pairs) for (by, of), pairs in by_kind]


def _groups(question: Question, reply: LabelledReply) -> Iterator[tuple[By, str]]:
    yield "all", ALL
    if reply.arm != WRITTEN:
        yield "subjects", SUBJECTS
    yield "arm", reply.arm
    yield "stratum", DISAGREEMENT if disagree(question, reply) else reply.stratum


def _counted(question: Question, by: By, of: str, pairs: Sequence[tuple[bool, bool]]) -> Figures:
    count = {(a, b): sum(pair == (a, b) for pair in pairs) for a in (True, False) for b in (True, False)}
    errors = Errors(count[True, True], count[True, False], count[False, False], count[False, True])
    shares = [
        Share(value=None if math.isnan(each.value) else each.value, low=each.low, high=each.high)
        for each in (errors.tpr, errors.tnr)
    ]
    return Figures(
        question=question,
        by=by,
        of=of,
        found=errors.found,
        missed=errors.missed,
        passed=errors.passed,
        false=errors.false,
        tpr=shares[0],
        tnr=shares[1],
    )
