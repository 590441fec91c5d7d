"""Frames as rows of words and numbers, ready for the page's tables."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from introspect.plots.estimates import METRICS, Estimate, estimate
from introspect.plots.style import ARM_WORDS
from introspect.plots.text import interval, percent

_ARM_ORDER = {arm: place for place, arm in enumerate(ARM_WORDS)}


@dataclass(frozen=True, slots=True)
class Cell:
    """One rate in a table: the rate, its interval and the counts behind it."""

    rate: str
    interval: str
    counts: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: what it is about, then a cell a metric (``None`` where there is no rate)."""

    arm: str
    head: tuple[str, ...]
    n: str
    n_units: str
    cells: tuple[Cell | None, ...]


def lines(frame: pl.DataFrame, heads: tuple[str, ...]) -> list[Line]:
    """Turn a frame of rates into table rows, arm by arm.

    Args:
        frame: One row a line, with ``arm``, ``n``, ``n_units`` and the columns of each metric.
        heads: The columns that say what a row is about, besides the arm.

    Returns:
        The rows, the arms in the order concept, random, none, each arm sorted by ``heads``.
    """
    rows = sorted(frame.iter_rows(named=True), key=lambda row: _order(row, heads))
    return [
        Line(
            arm=row["arm"],
            head=tuple(_word(row.get(name)) for name in heads),
            n=f"{row['n']:,}",
            n_units=f"{row['n_units']:,}",
            cells=tuple(_cell(estimate(row, metric)) for metric in METRICS),
        )
        for row in rows
    ]


def _order(row: dict[str, Any], heads: tuple[str, ...]) -> tuple[Any, ...]:
    values = (row.get(name) for name in heads)
    return _ARM_ORDER.get(row["arm"], len(_ARM_ORDER)), *((value is not None, value) for value in values)


def _word(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _cell(found: Estimate | None) -> Cell | None:
    if found is None:
        return None
    return Cell(percent(found.rate), interval(found.low, found.high), f"{found.count:,}/{found.n:,}")
