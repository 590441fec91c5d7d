"""Replies with labels by hand: what graders are measured against.

``NAME.jsonl`` has one ``LabelledReply`` a line; ``NAME.json`` beside it says who labelled and how well the two passes
agree. Labels say what a reply claims, as a claim does: they are given without the concept, layer, strength or arm in
sight. Where the passes disagree the reply belongs to the stratum ``disagreement`` for that question, and counts only if
a third look settled it.

Shipped sets are in ``introspect/data/calibration``; a path reads a set of your own.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from introspect.errors import LabelError, UnknownNameError
from introspect.records import Reading, Record
from introspect.split import side_of

FORMAT = 1
SHIPPED = Path(str(files("introspect").joinpath("data", "calibration")))
DISAGREEMENT = "disagreement"
WRITTEN = "written"
"""The arm of a reply that no subject gave: one written to be hard says nothing of how often its like comes."""

Question = Literal["noticed", "readable", "named", "coherent", "refuses", "details"]
QUESTIONS: tuple[Question, ...] = ("noticed", "readable", "named", "coherent", "refuses", "details")
"""What is compared, each true or false of a reply (see ``introspect.analysis.calibration``)."""


class Labels(Record):
    """What a person reads in a reply. ``named`` are its own words for the content of the thought, in order."""

    noticed: Reading
    named: tuple[str, ...] = ()
    order: Literal["noticed_first", "named_first"] | None = None
    coherent: bool = True
    refuses: bool = False
    details: tuple[Literal["checkable", "uncheckable"], ...] = ()

    @model_validator(mode="after")
    def _order_has_ends(self) -> "Labels":
        if self.order is not None and (self.noticed != "yes" or not self.named):
            message = f"order is {self.order!r}, but there is an order only between a noticing and a name"
            raise ValueError(message)
        return self


class LabelledReply(Record):
    """One reply with its labels.

    ``concept`` is what the trial was about, with ``forms`` that count as it; graders never see them, nor ``arm``, which
    is ``written`` where no subject gave the reply.
    ``stratum`` says what makes it a case of its kind, ``source`` where it comes from. ``second`` is a pass made without
    sight of the first; ``settled`` is a third look, only where the two disagree.
    """

    id: str
    reply: str
    task: str
    stratum: str
    arm: str
    source: str
    split: Literal["development", "test"]
    concept: str | None = None
    forms: tuple[str, ...] = ()
    first: Labels
    second: Labels | None = None
    settled: Labels | None = None

    @model_validator(mode="after")
    def _fits(self) -> "LabelledReply":
        for labels in (self.first, self.second, self.settled):
            for word in labels.named if labels else ():
                if word.casefold() not in self.reply.casefold():
                    message = f"the label names {word!r}, which does not stand in the reply"
                    raise ValueError(message)
        if self.settled is not None and self.second in (None, self.first):
            message = "settled is given, but there are no two passes that disagree"
            raise ValueError(message)
        if self.stratum == DISAGREEMENT:
            message = f"the stratum {DISAGREEMENT!r} is for replies whose passes disagree and is not given by hand"
            raise ValueError(message)
        return self

    @property
    def concept_forms(self) -> tuple[str, ...]:
        """What counts as naming the concept."""
        return self.forms or ((self.concept,) if self.concept else ())


class Companion(Record):
    """What stands beside the replies: who labelled them, how many there are, and κ between the passes by question.

    ``bounds`` are 95 % bounds of κ. ``blake2b`` is a hash of the file of replies, so that labels and companion cannot
    drift apart.
    """

    format: Literal[1]
    name: str
    note: str
    labelled_by: tuple[str, ...] = Field(min_length=1)
    n: int
    blake2b: str
    kappa: dict[str, float | None] = Field(default_factory=dict)
    bounds: dict[str, tuple[float, float] | None] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labelled replies and their companion."""

    path: Path
    companion: Companion
    replies: tuple[LabelledReply, ...]

    def of(self, split: str) -> tuple[LabelledReply, ...]:
        """Return the replies of ``development`` or ``test``, or ``all``."""
        return tuple(each for each in self.replies if split in {"all", each.split})


def half_of(identity: str) -> Literal["development", "test"]:
    """Return the half that a reply belongs to, by a hash of its id, so that nobody can look for a split that suits."""
    return "test" if side_of(identity, "label") == "report" else "development"


def shipped_labels() -> list[str]:
    """Return the names of the sets that come with the package."""
    return sorted(file.stem for file in SHIPPED.glob("*.jsonl"))


def load_labels(source: str | Path) -> LabelSet:
    """Read a set of labelled replies, shipped or your own.

    Raises:
        LabelError: A file is missing, a line is damaged, or the companion does not belong to the replies.
        UnknownNameError: No shipped set has that name.
    """
    path = _locate(str(source))
    replies = read_replies(path)
    file = path.with_suffix(".json")
    try:
        companion = Companion.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        message = f"{path} has no companion {file.name} that says who labelled it"
        raise LabelError(message) from error
    except (OSError, ValidationError) as error:
        message = f"{file} is no companion of labelled replies: {_problem(error)}"
        raise LabelError(message) from error
    if companion.n != len(replies) or companion.blake2b != fingerprint(path):
        message = f"{file} was written for other replies than those in {path.name}; write it anew (see docs/judges.md)"
        raise LabelError(message)
    return LabelSet(path, companion, replies)


def read_replies(path: Path) -> tuple[LabelledReply, ...]:
    """Read the replies alone.

    Raises:
        LabelError: The file is missing or empty, or a line is damaged or repeats an id.
    """
    try:
        text = path.read_text("utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read as labelled replies: {error}"
        raise LabelError(message) from error
    replies: dict[str, LabelledReply] = {}
    lines = text.split("\n") if text else []  # not at the other line ends, which a reply may hold as they are
    for number, line in enumerate(lines, start=1):
        try:
            reply = LabelledReply.model_validate_json(line)
        except ValidationError as error:
            message = f"line {number} of {path} is no labelled reply: {_problem(error)}"
            raise LabelError(message) from error
        if reply.id in replies:
            message = f"line {number} of {path} repeats the id {reply.id!r}"
            raise LabelError(message)
        replies[reply.id] = reply
    if not replies:
        message = f"{path} holds no reply"
        raise LabelError(message)
    return tuple(replies.values())


def fingerprint(path: Path) -> str:
    """Return the hash by which a companion knows its replies."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _locate(source: str) -> Path:
    path = Path(source)
    if path.suffix == ".jsonl" or path.is_file():
        return path
    if source not in shipped_labels():
        raise UnknownNameError("set of labelled replies", source, shipped_labels())
    return SHIPPED / f"{source}.jsonl"


def _problem(error: Exception) -> str:
    """Return what is wrong in one line, with the field."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where + ': ' if where else ''}{first['msg']}"
    return str(error)
