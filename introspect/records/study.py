"""What a study fixes beforehand, what it chose, and what a reader that knows the vectors made of it."""

from typing import Literal

from pydantic import Field

from introspect.records.base import FolderName, Record, Side


class Rules(Record):
    """What a study fixes before it runs, so that a verdict can be earned.

    ``choose`` is the experiment whose trials, all of the development half, choose one layer and strength for all the
    others, by the statistic ``choose_by``. ``rate`` and ``logodds`` are the smallest effects that count, the second in
    nats; ``level`` is that of the two-sided intervals. The experiments of ``explore`` run on the same half on
    their whole grids, and decide nothing. Concepts whose vectors have a cosine of ``neighbours`` or more stay on one
    side of the split.
    """

    choose: FolderName = "choose"
    explore: tuple[FolderName, ...] = ()
    choose_by: Literal["success", "named", "noticed"] = "success"
    rate: float = Field(default=0.10, gt=0, lt=1)
    logodds: float = Field(default=0.5, gt=0)
    level: float = Field(default=0.975, gt=0.5, lt=1)
    neighbours: float = Field(default=0.8, gt=0, le=1)

    @property
    def on_grid(self) -> frozenset[str]:
        """The experiments that run on the half that chooses, on their whole grids."""
        return frozenset({self.choose, *self.explore})


class Candidate(Record):
    """A layer and strength, with what the development half says of it: ``score`` is a share of ``n`` trials."""

    layer: int
    strength: float
    score: float
    n: int


class Study(Record):
    """How a study went about its choice: the sides of the split, and the cell that was chosen.

    ``sides`` holds every concept. ``candidates`` are all cells of the grid, ``layer`` and ``strength`` those chosen.
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


class Reader(Record):
    """What a reader that knows the vectors makes of one trial: the nearest concept, and its cosine."""

    key: str
    arm: str
    concept: str | None
    named: str
    score: float


class Readers(Record):
    """All trials that the reader read, at one layer."""

    layer: int
    rows: tuple[Reader, ...]
