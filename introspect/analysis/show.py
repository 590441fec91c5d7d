"""An analysis as a table in the terminal."""

from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from introspect.analysis.verdict import Verdict
from introspect.records import Manifest

METRICS = ("noticed", "named", "coherent", "success")


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
    """Lay a frame of rates out as a table that fits eighty columns: shares of all trials with their intervals."""
    caption = "share of all trials in %, with the 95 % Wilson interval at the effective sample size"
    table = Table(title=Text(title), caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    metrics = METRICS[:3] if heads else METRICS
    table.add_column("arm", no_wrap=True)
    for head in (*heads, "n", "units", *metrics):
        table.add_column(head, justify="right", no_wrap=True)
    for row in frame.iter_rows(named=True):
        values = [_plain(row[head]) for head in heads]
        cells = [_cell(row, metric) for metric in metrics]
        table.add_row(row["arm"], *values, str(row["n"]), str(row["n_units"]), *cells)
    return table


def _plain(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _cell(row: dict[str, Any], metric: str) -> str:
    share, low, high = (100 * row[f"{metric}_{part}"] for part in ("rate", "low", "high"))
    return f"{share:.0f} [{low:.0f}–{high:.0f}]"
