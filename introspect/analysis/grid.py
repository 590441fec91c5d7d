"""Every cell of a grid with what it shows, and how surprising that is among so many cells.

Naming is tested by dealing the injected concepts again, each with its trials in all wordings, detection by flipping
the sign of each concept's distance from the control line; every deal is the same in all cells, and
``introspect.analysis.permutation`` says more. A cell's p by itself is corrected in three ways: against the best cell of
every deal, which knows how cells hang together, and by Holm's and by Benjamini and Hochberg's steps, which do not.

Flipped signs take the control questions as they are. Concepts share them, and so the error of the line; that the
detection question stands out among questions, too, is another test: its best cell against the best cell of each control
question, every distance in standard deviations of the questions' distances there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from introspect.analysis.control_line import ControlLine, control_line
from introspect.analysis.naming import COLUMN, with_first_named
from introspect.analysis.permutation import GridTest, benjamini_hochberg, holm, max_naming, max_sign

_CELL = ("layer", "strength")
P = ("p", "p_best", "p_holm", "p_bh", "p_among")
"""The columns of p: alone, among all cells in three ways, and among the control questions."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells of one grid.

    Attributes:
        measure: ``naming``, or ``detection`` with the manner of asking.
        words: What is measured and how it was dealt again.
        table: One row a cell: ``layer``, ``strength``, ``n_concepts``, ``value`` (a difference of rates, or nats above
            the control line), its ``p`` alone, ``p_best`` among all cells, ``p_holm`` and ``p_bh``; for detection
            ``p_among``, its rank among the control questions there, and ``because`` where the score is undetermined,
            which leaves the cell without any p.
        p: Of the best cell, corrected for having been chosen; ``None`` where no cell has a score.
        p_among: Of the detection question's best cell among the best cells of all questions; ``None`` for naming.
    """

    measure: str
    words: str
    table: pl.DataFrame
    p: float | None
    p_among: float | None = None

    @property
    def sentence(self) -> str:
        """Say what the best cell is worth."""
        open_ = self.table["because"].drop_nulls().to_list()
        n = len(self.table) - len(open_)
        if self.p is None:
            return f"{self.words} is undetermined in all {len(open_)} cells: {open_[0]}."
        strict, mild = (int((self.table[name] < 0.05).sum()) for name in ("p_holm", "p_bh"))
        among = (
            "" if self.p_among is None else f", and among the control questions' own best cells p = {self.p_among:.4f}"
        )
        left = f" ({len(open_)} more are undetermined)" if open_ else ""
        return (
            f"{self.words} in the best of {n} cells{left}: p = {self.p:.4f}, corrected for the choice{among}; below "
            f"0.05 are {strict} cells by Holm and {mild} by Benjamini and Hochberg."
        )


def grids(frame: pl.DataFrame, concepts: Mapping[str, Sequence[str]]) -> list[Grid]:
    """Return the grids that an experiment's outcomes have.

    Args:
        frame: Outcomes on the whole grid, clean trials with them.
        concepts: Every form of every concept.
    """
    manners = sorted({task.partition("/")[2] for task in frame["task"].unique() if task.startswith("detection/")})
    found = [naming_grid(frame, concepts), *(detection_grid(frame, manner) for manner in manners)]
    return [grid for grid in found if grid is not None]


def naming_grid(frame: pl.DataFrame, concepts: Mapping[str, Sequence[str]]) -> Grid | None:
    """Test naming cell by cell, by dealing the injected concepts again, each with its trials in all wordings.

    Args:
        frame: Outcomes of reports on the whole grid.
        concepts: Every form of every concept.

    Returns:
        ``None`` where there are no reports, the cells do not have the same trials, or a wording does not have every
        concept equally often: then concepts cannot be dealt again.
    """
    key = ["wording", "concept", "sample"]
    spoken = (pl.col("protocol") == "injected_thought") & (pl.col("task") == "report") & (pl.col("arm") == "concept")
    reports = frame.filter(spoken)
    if reports.is_empty():
        return None
    trials = with_first_named(reports, concepts)
    cells = {cell: part.sort(key) for cell, part in trials.sort(_CELL).group_by(_CELL, maintain_order=True)}
    first = next(iter(cells.values()))
    if any(not each.select(key).equals(first.select(key)) for each in cells.values()):
        return None
    number = {name: place for place, name in enumerate(concepts)}
    named = np.array([[number.get(name or "", -1) for name in each[COLUMN].to_list()] for each in cells.values()])
    wordings = {name: place for place, name in enumerate(first["wording"].unique(maintain_order=True))}
    injected = np.array([number[name] for name in first["concept"].to_list()])
    sizes = first.group_by("wording", "concept").len()
    whole = len(sizes) == len(wordings) * len(set(injected.tolist()))  # every wording has every concept
    even = sizes.group_by("wording").agg(pl.col("len").n_unique())["len"].max() == 1
    if len(set(injected.tolist())) < 2 or not (whole and even):
        return None
    dealt = np.array([wordings[name] for name in first["wording"].to_list()])
    test = max_naming(named, injected, dealt, "concept")
    n_concepts = [first["concept"].n_unique()] * len(cells)
    return Grid(
        "naming",
        "Naming, injected concepts dealt again,",
        _table(list(cells), n_concepts, test.statistics.tolist(), test),
        test.p,
    )


def detection_grid(frame: pl.DataFrame, manner: str = "words") -> Grid | None:
    """Test cell by cell how far detection lies above the control line, by flipping the signs of concepts.

    Args:
        frame: Outcomes of the yes–no questions on the whole grid, clean trials with them.
        manner: How they were asked: ``words`` or ``digits``.

    Returns:
        ``None`` without questions, or without two cells that have two concepts each.
    """
    asked = frame.filter(pl.col("task").is_in([f"{head}/{manner}" for head in ("detection", "question")]))
    cells = asked.filter(pl.col("layer").is_not_null()).select(_CELL).unique().sort(_CELL).rows()
    lines = {cell: control_line(asked.filter(_in(cell) | pl.col("layer").is_null())) for cell in cells}
    lines = {cell: line for cell, line in lines.items() if len(line.concepts) > 1}
    if len(lines) < 2:
        return None
    scored = [line for line in lines.values() if not line.undetermined_because]
    test = max_sign(_scores(scored)) if scored else None
    table = _table(
        list(lines),
        [len(line.concepts) for line in lines.values()],
        [line.score.value for line in lines.values()],
        test,
        [line.among for line in lines.values()],
        [line.undetermined_because for line in lines.values()],
    )
    words = f"Detection ({manner}) above the control line, signs flipped,"
    return Grid(f"detection/{manner}", words, table, test.p if test else None, _among(scored) if scored else None)


def _scores(lines: Sequence[ControlLine]) -> Float[np.ndarray, "concept cell"]:
    """Return every concept's score in every cell, NaN where the cell lacks it."""
    names = sorted({name for line in lines for name in line.concepts})
    scores = np.full((len(names), len(lines)), np.nan)
    for (row, name), (column, line) in product(enumerate(names), enumerate(lines)):
        scores[row, column] = line.by_concept.get(name, np.nan)
    return scores


def _among(lines: Sequence[ControlLine]) -> float:
    """Return the share of questions, the scored one among them, whose best cell is as good as the scored one's."""
    best: dict[str, float] = {}
    own = -math.inf
    for line in lines:
        spread = float(line.placebos.std(ddof=1)) or 1.0  # all on the line: none is far from it
        own = max(own, (line.score.value or 0.0) / spread)
        for question, apart in zip(line.questions, (line.placebos / spread).tolist(), strict=True):
            best[question] = max(best.get(question, -math.inf), apart)
    return (1 + sum(each >= own for each in best.values())) / (1 + len(best))


def _in(cell: tuple[Any, ...]) -> pl.Expr:
    return (pl.col("layer") == cell[0]) & (pl.col("strength") == cell[1])


def _table(
    cells: Sequence[tuple[Any, ...]],
    n_concepts: Sequence[int],
    values: Sequence[float | None],
    test: GridTest | None,
    among: Sequence[float] | None = None,
    because: Sequence[str | None] | None = None,
) -> pl.DataFrame:
    """Return the cells in their order; those that are undetermined for a reason were no part of the test."""
    tested = np.array([not why for why in because or [None] * len(cells)])
    columns = {"p_among": among or [math.nan] * len(cells)}
    if test is not None:
        columns |= {"p": test.alone, "p_best": test.adjusted}
        columns |= {"p_holm": holm(test.alone), "p_bh": benjamini_hochberg(test.alone)}
    p = {name: np.full(len(cells), np.nan) for name in P}
    for name, found in columns.items():
        p[name][tested] = np.asarray(found)[tested] if name == "p_among" else found
    rest = {"because": pl.Series(because or [None] * len(cells), dtype=pl.String)}
    start = {"layer": [cell[0] for cell in cells], "strength": [cell[1] for cell in cells], "n_concepts": n_concepts}
    frame = pl.DataFrame(start | {"value": list(values)} | p | rest, schema_overrides={"value": pl.Float64})
    return frame.with_columns(pl.col(P).fill_nan(None))
