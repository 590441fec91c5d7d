"""Frames as rows of words and numbers, ready for the page's tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import polars as pl

from introspect.plots.estimates import Estimate, Row, estimate, with_values, words
from introspect.plots.style import in_order, look
from introspect.plots.tasks import in_order as tasks_in_order
from introspect.plots.text import number

MOST_ROWS = 1500
"""Rows of a table of rates; a page with more cannot be read, and hardly loaded."""
MOST_PLAIN_ROWS = 80
"""Rows of a finding's table."""
_TEXT = frozenset({"task", "info", "arm", "concept"})
_TELLING = frozenset({"task", "info"})
"""Heads that say something only where they differ from row to row."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number in a table: a share or a mean, its interval, and what stands behind it."""

    rate: str
    interval: str
    counts: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: its arm, what it is about in words, then a cell a measure (``None``: it has no value).

    ``trials`` is the place of the page that lists the trials behind it.
    """

    arm: str
    head: tuple[str, ...]
    n: str
    n_units: str
    cells: tuple[Cell | None, ...]
    trials: str = "#trials"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with what their columns are: ``heads``, the arm among them, then ``metrics`` by name."""

    heads: tuple[str, ...]
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]
    n_omitted: int = 0

    @property
    def columns(self) -> list[str]:
        """What the columns of the measures are called."""
        return [words(name) for name in self.metrics]

    @property
    def is_text(self) -> list[bool]:
        """Whether a head holds words, one for each head."""
        return [head in _TEXT for head in self.heads]

    @property
    def n_rows(self) -> int:
        """How many rows there are, the omitted ones among them."""
        return len(self.lines) + self.n_omitted


@dataclass(frozen=True, slots=True)
class PlainTable:
    """Any frame in writing: names of columns, whether they hold numbers, and rows."""

    columns: tuple[str, ...]
    is_number: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    n_omitted: int


def rates(
    frame: pl.DataFrame,
    heads: Iterable[str],
    metrics: Iterable[str],
    protocol: str = "",
    own: Mapping[str, str] | None = None,
) -> Table:
    """Turn a frame of estimates into a table.

    Args:
        frame: One row a line, with ``arm``, ``n``, ``n_units`` and the columns of each measure.
        heads: The columns that may say what a row is about. Those without any value are left out, and so are
            ``task`` and ``info`` where there is only one.
        metrics: The measures that may have a column; those without any value have none.
        protocol: The experiment, for the order of its tasks.
        own: Fields that the trials of all rows share, for the links to them.

    Returns:
        The table, sorted by its heads; tasks and arms have an order of their own.
    """
    kept = tuple(head for head in heads if _telling(frame, head))
    columns = tuple(with_values(frame, metrics))
    order = {
        "task": tasks_in_order(protocol, frame["task"]) if "task" in kept else [],
        "arm": in_order(frame["arm"]) if "arm" in kept else [],
    }

    def place(row: Row) -> tuple[Any, ...]:
        values = ((head, row[head]) for head in kept)
        return tuple(
            order[head].index(value) if head in order else (value is not None, value) for head, value in values
        )

    rows = sorted(frame.iter_rows(named=True), key=place)
    lines = tuple(_line(row, kept, columns, own or {}) for row in rows[:MOST_ROWS])
    return Table(kept, columns, lines, max(0, len(rows) - MOST_ROWS))


def plain(frame: pl.DataFrame) -> PlainTable:
    """Write a frame of any columns out, the arms and measures in it in words."""
    numbers = tuple(dtype.is_numeric() for dtype in frame.dtypes)
    rows = tuple(
        tuple(_word(_spoken(column, value)) for column, value in zip(frame.columns, row, strict=True))
        for row in frame.head(MOST_PLAIN_ROWS).iter_rows()
    )
    columns = tuple(column.replace("_", " ") for column in frame.columns)
    return PlainTable(columns, numbers, rows, max(0, len(frame) - MOST_PLAIN_ROWS))


def _telling(frame: pl.DataFrame, head: str) -> bool:
    if head not in frame.columns or not frame[head].count():
        return False
    return head not in _TELLING or frame[head].n_unique() > 1


def trials_at(values: Mapping[str, Any]) -> str:
    """Return the place of the page that lists the trials with these values; what is ``None`` does not matter."""
    query = urlencode({name: _plain_word(value) for name, value in values.items() if value is not None})
    return f"#trials?{query}" if query else "#trials"


def _line(row: Row, heads: tuple[str, ...], metrics: tuple[str, ...], own: Mapping[str, str]) -> Line:
    return Line(
        arm=row["arm"],
        head=tuple(_plain_word(_spoken(name, row[name])) for name in heads),
        n=f"{row['n']:,}",
        n_units=f"{row['n_units']:,}",
        cells=tuple(_cell(estimate(row, metric)) for metric in metrics),
        trials=trials_at({**own, **{name: row[name] for name in heads}}),
    )


def _cell(found: Estimate | None) -> Cell | None:
    return None if found is None else Cell(found.value, found.bounds or "no interval", found.counts)


def _plain_word(value: object) -> str:
    """Write what a row is about: a strength as it was asked for."""
    return f"{value:g}" if isinstance(value, float) else _word(value)


def _spoken(column: str, value: object) -> object:
    if column == "arm" and isinstance(value, str):
        return look(value).words
    return words(value) if column == "metric" and isinstance(value, str) else value


def _word(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return number(value)
        case int():
            return f"{value:,}"
        case _:
            return str(value)
