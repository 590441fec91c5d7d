"""Which concept is chosen when which was injected: counts, the right choices on the marked diagonal."""

from collections import Counter

import plotly.graph_objects as go
import polars as pl

from introspect.plots.style import INK, dress, empty, look
from introspect.plots.text import counted, label, percent

MOST_OTHERS = 12
"""Answers that were never injected have a column each up to this number; the rest share one."""
_NOTHING = "(none of them)"


def confusion(outcomes: pl.DataFrame, task: str, arm: str = "concept", *, title: str = "") -> go.Figure:
    """Draw the counts of injected × chosen concepts, all cells together.

    Args:
        outcomes: One row a trial, with ``task``, ``arm``, ``concept`` and ``answer``.
        task: Which task.
        arm: Which arm.
        title: A heading of one's own.

    Returns:
        The figure: injected concepts from top to bottom, the same ones and then other answers from left to right.
    """
    heading = title or f"{task}: injected and chosen concepts, {look(arm).words}"
    pairs = _pairs(outcomes, task, arm)
    if not pairs:
        return empty(heading, f"No trial of the “{arm}” arm chose among concepts, so there is nothing to confuse.")
    injected = sorted({own for own, _ in pairs})
    columns, lumped = _columns(injected, Counter(chosen for _, chosen in pairs))
    counts = Counter((own, chosen if chosen in columns else lumped) for own, chosen in pairs)
    every = [*columns, lumped] if lumped else columns
    figure = go.Figure(_trace(injected, every, counts))
    for place in range(len(injected)):
        figure.add_shape(type="rect", x0=place - 0.5, x1=place + 0.5, y0=place - 0.5, y1=place + 0.5)
    figure.update_shapes(line={"color": INK, "width": 2}, fillcolor="rgba(0,0,0,0)")
    figure.update_xaxes(title_text="chosen", type="category", showgrid=False, tickangle=-45, dtick=1)
    figure.update_yaxes(title_text="injected", type="category", showgrid=False, autorange="reversed", dtick=1)
    right = sum(own == chosen for own, chosen in pairs)
    caption = (
        f"n = {counted(len(pairs), 'trial')}, all cells together; {right:,} ({percent(right / len(pairs))}) on the "
        "framed diagonal, where the injected concept is chosen. It is on offer in every trial, each other word only in "
        "some. A column that is dark from top to bottom is a word that is chosen whatever was injected."
    )
    height, width = 190 + 24 * len(injected), 120 + 26 * len(every)
    return dress(figure, heading, caption, height=max(320, height), min_width=width)


def _pairs(outcomes: pl.DataFrame, task: str, arm: str) -> list[tuple[str, str]]:
    if "answer" not in outcomes.columns:
        return []
    chosen = outcomes.filter((pl.col("task") == task) & (pl.col("arm") == arm) & pl.col("concept").is_not_null())
    return [(own, answer or _NOTHING) for own, answer in chosen.select("concept", "answer").iter_rows()]


def _columns(injected: list[str], chosen: Counter[str]) -> tuple[list[str], str]:
    """Return the answers with a column of their own, and what the one of all others is called, if there is one."""
    others = [name for name, _ in sorted(chosen.items(), key=lambda item: (-item[1], item[0])) if name not in injected]
    rest = len(others) - MOST_OTHERS
    return injected + others[:MOST_OTHERS], f"{rest} other words" if rest > 0 else ""


def _trace(injected: list[str], columns: list[str], counts: Counter[tuple[str, str]]) -> go.Heatmap:
    grid = [[counts[own, chosen] for chosen in columns] for own in injected]
    return go.Heatmap(
        x=[label(name) for name in columns],
        y=[label(name) for name in injected],
        z=grid,
        text=[[str(count) if count else "" for count in line] for line in grid],
        texttemplate="%{text}",
        hovertemplate="%{y} injected, %{x} chosen: %{z}<extra></extra>",
        zmin=0,
        colorscale="Cividis_r",
        xgap=1,
        ygap=1,
        colorbar={"title": {"text": "trials", "side": "right"}, "outlinewidth": 0, "thickness": 12},
    )
