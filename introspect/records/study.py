"""What a study fixes beforehand, what it chose, and what readers that know the vectors made of it."""

from typing import Literal

from pydantic import Field

from introspect.records.base import FolderName, Record, Side


class Rules(Record):
    """What a study fixes before it runs, so that a verdict can be earned.

    ``choose`` is the experiment whose trials, all of the development half, choose one layer and strength for all the
    others, by the statistic ``choose_by``; with ``n_wordings`` they choose so many of its wordings, too. ``rate`` and
    ``logodds`` are the smallest effects that count, the second in nats; ``level`` is that of the two-sided intervals.
    The experiments of ``explore`` run on the same half on their whole grids, and decide nothing. Concepts whose vectors
    have a cosine of ``neighbours`` or more stay on one side of the split.
    """

    choose: FolderName = "choose"
    explore: tuple[FolderName, ...] = ()
    choose_by: Literal["success", "named", "noticed"] = "success"
    n_wordings: int | None = Field(default=None, ge=1)
    rate: float = Field(default=0.10, gt=0, lt=1)
    logodds: float = Field(default=0.5, gt=0)
    level: float = Field(default=0.975, gt=0.5, lt=1)
    neighbours: float = Field(default=0.8, gt=0, le=1)

    @property
    def on_grid(self) -> frozenset[str]:
        """The experiments that run on the half that chooses, on their whole grids."""
        return frozenset({self.choose, *self.explore})


class Candidate(Record):
    """A layer and strength, with what the development half says of it: ``score`` is a share of ``n`` trials.

    Where wordings are chosen, too, ``wordings`` are the best there, and the trials are theirs.
    """

    layer: int
    strength: float
    score: float
    n: int
    wordings: tuple[str, ...] = ()


class Study(Record):
    """How a study went about its choice: the sides of the split, and the cell that was chosen.

    ``sides`` holds every concept. ``candidates`` are all cells of the grid; ``layer``, ``strength`` and, where they are
    chosen, ``wordings`` are those of the best.
    """

    schema_version: int
    rules: Rules
    salt: str
    sides: dict[str, Side]
    groups: tuple[tuple[str, ...], ...] = ()
    experiments: tuple[FolderName, ...]
    candidates: tuple[Candidate, ...] = ()
    layer: int | None = None
    strength: float | None = None
    wordings: tuple[str, ...] = ()


ReaderKind = Literal["nearest vector", "probe", "logit lens"]


class Reader(Record):
    """What a reader that knows what was injected makes of one trial: the likeliest concept, and how likely it looks."""

    kind: ReaderKind = "nearest vector"
    key: str
    arm: str
    concept: str | None
    named: str
    score: float


class Readers(Record):
    """All trials that were read, at one layer, by each kind of reader."""

    layer: int
    rows: tuple[Reader, ...]
