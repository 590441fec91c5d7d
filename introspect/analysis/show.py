"""An analysis as a table in the terminal."""

from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from introspect.analysis.verdict import ARM_NAMES, Verdict
from introspect.records import Manifest

COLUMNS = {"noticed": "reports noticing", "named": "names concept", "coherent": "coherent", "success": "success"}


def print_analysis(
    manifest: Manifest,
    n_trials: int,
    pooled: pl.DataFrame,
    verdict: Verdict,
    rows: pl.DataFrame | None = None,
    console: Console | None = None,
) -> None:
    """Print the arms, every cell if ``rows`` is given, and the verdict with what it rests on."""
    out = console or Console(highlight=False)
    if manifest.plan.question:
        out.print(Text(manifest.plan.question, style="bold"))
    out.print(rates(pooled, f"{manifest.plan.name} on {manifest.subject.name}, by arm", heads=()))
    if rows is not None:
        out.print(rates(rows, "by cell", heads=("layer", "strength")))
    if n_trials < manifest.n_planned:
        missing = f"{n_trials} of {manifest.n_planned} planned trials so far; run the same command again to go on."
        out.print(Text(missing, style="yellow"))
    out.print(Text(verdict.sentence, style="bold"))
    for point in verdict.points:
        out.print(Text(f"  {point}"))


def rates(frame: pl.DataFrame, title: str, heads: tuple[str, ...]) -> Table:
    """Lay a frame of rates out as a table: count of n, share, and the 95 % interval."""
    table = Table(title=Text(title), title_justify="left", caption="95 % Wilson intervals at the effective sample size")
    table.add_column("arm")
    for head in (*heads, "trials", "units"):
        table.add_column(head, justify="right")
    for words in COLUMNS.values():
        table.add_column(words, justify="right")
    for row in frame.iter_rows(named=True):
        values = [_plain(row[head]) for head in heads]
        cells = [_cell(row, metric) for metric in COLUMNS]
        table.add_row(ARM_NAMES[row["arm"]], *values, str(row["n"]), str(row["n_units"]), *cells)
    return table


def _plain(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _cell(row: dict[str, Any], metric: str) -> str:
    share = f"{row[f'{metric}_count']} ({100 * row[f'{metric}_rate']:.0f} %)"
    return f"{share}  {100 * row[f'{metric}_low']:.0f}–{100 * row[f'{metric}_high']:.0f} %"
