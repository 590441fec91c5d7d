"""An analysis as a table in the terminal."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from introspect.analysis.findings.finding import Finding
from introspect.analysis.metrics import METRICS, Metric
from introspect.analysis.runs import Run
from introspect.analysis.verdict import Verdict
from introspect.split import other_salt
from introspect.terminal import Console

ROOM = {"share": 14, "mean": 22}
"""Columns of the terminal that a measure takes; measures are shown as long as they fit into eighty."""


@runtime_checkable
class Shown(Protocol):
    """What is printed of an analysis."""

    @property
    def run(self) -> Run:
        """The run."""
        ...

    @property
    def pooled(self) -> pl.DataFrame:
        """One row a task and arm."""
        ...

    @property
    def rows(self) -> pl.DataFrame:
        """One row a cell."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The measures."""
        ...

    @property
    def verdict(self) -> Verdict:
        """The answer."""
        ...

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What else it shows."""
        ...


def print_analysis(analysis: Shown, cells: bool = False, console: Console | None = None) -> None:
    """Print the arms task by task, every cell on demand, and the verdict with what it rests on."""
    out = console or Console(highlight=False)
    manifest = analysis.run.manifest
    if manifest.plan.question:
        out.print(Text(manifest.plan.question, style="bold"))
    tasks = analysis.pooled["task"].unique(maintain_order=True).to_list()
    for task in tasks:
        words = "" if len(tasks) == 1 else f" · {task}"
        title = f"{manifest.plan.name} on {manifest.subject.name}{words}"
        pooled = analysis.pooled.filter(pl.col("task") == task)
        out.print(rates(pooled, f"{title}, by arm", (), analysis.metrics))
        if cells:
            rows = analysis.rows.filter(pl.col("task") == task)
            out.print(rates(rows, f"{title}, by cell", ("layer", "strength"), analysis.metrics))
    if there := analysis.run.so_far:
        out.print(Text(f"{there} so far; run the same command again to go on.", style="yellow"))
    if said := other_salt(manifest.plan.salt):
        out.print(Text(said, style="yellow"))
    out.print(Text(analysis.verdict.sentence, style="bold"))
    for point in dict.fromkeys((*analysis.verdict.points, *(finding.sentence for finding in analysis.findings))):
        out.print(Text(f"  {point}"))


def rates(frame: pl.DataFrame, title: str, heads: tuple[str, ...], metrics: Sequence[Metric]) -> Table:
    """Lay a frame out as a table that fits eighty columns: shares in %, means as they are, with their intervals."""
    shown = _fitting([metric for metric in metrics if frame[f"{metric.name}_n"].sum()], 58 - 9 * len(heads))
    caption = "shares of all trials in %, Wilson 95 % at the effective sample size; means with 95 % over concepts"
    table = Table(title=Text(title), caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("arm", no_wrap=True)
    for head in (*heads, "n", "units", *(metric.name for metric in shown)):
        table.add_column(head, justify="right", no_wrap=True)
    for row in frame.iter_rows(named=True):
        words = [_plain(row[head]) for head in heads]
        figures = [_cell(row, metric.name) for metric in shown]
        table.add_row(row["arm"], *words, str(row["n"]), str(row["n_units"]), *figures)
    return table


def _fitting(metrics: Sequence[Metric], room: int) -> list[Metric]:
    shown: list[Metric] = []
    for metric in metrics:
        room -= ROOM[metric.kind]
        if room >= 0 or not shown:
            shown.append(metric)
    return shown


def _plain(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _cell(row: dict[str, Any], metric: str) -> str:
    if row[f"{metric}_rate"] is None:
        return "–"
    if METRICS[metric].kind == "share":
        share, low, high = (100 * row[f"{metric}_{part}"] for part in ("rate", "low", "high"))
        return f"{share:.0f} [{low:.0f}–{high:.0f}]"
    mean, low, high = (row[f"{metric}_{part}"] for part in ("rate", "low", "high"))
    digits = 3 if abs(mean) < 1 else 2
    return f"{mean:.{digits}f}" if low is None else f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
