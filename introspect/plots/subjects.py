"""Several subjects beside each other: one line an experiment and task, one mark a subject."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from introspect.plots.style import REFERENCE, dress, empty, series
from introspect.plots.text import label, number, number_range

_ROW = 26


def subjects(frame: pl.DataFrame, *, unit: str = "effect over its spread", title: str = "") -> go.Figure:
    """Draw the effects of several subjects as dots with intervals.

    Args:
        frame: ``subject``, ``experiment``, ``task``, ``effect``, ``low`` and ``high``, one row each.
        unit: What the effects are measured in, for the axis.
        title: A heading of one's own.

    Returns:
        The figure, experiments from top to bottom in the order of the frame.
    """
    heading = title or "The subjects side by side"
    rows = [row for row in frame.iter_rows(named=True) if row["effect"] is not None]
    if not rows:
        return empty(heading, "No subject has an effect in any experiment, so there is nothing to compare.")
    lines = list(dict.fromkeys(_line(row) for row in rows))
    names = list(dict.fromkeys(row["subject"] for row in rows))
    figure = go.Figure([_dots(name, [row for row in rows if row["subject"] == name], names) for name in names])
    figure.update_layout(scattermode="group", scattergap=0.35)
    figure.add_vline(x=0, line=REFERENCE, layer="below")
    figure.update_xaxes(title_text=label(unit))
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=lines[::-1], dtick=1)
    figure.update_yaxes(range=[-0.5, len(lines) - 0.5])
    bare = any(row["low"] is None or row["high"] is None for row in rows)
    caption = "Bars are 95 % intervals over concepts." + (" A dot without a bar has no interval." if bare else "")
    height = 170 + max(_ROW, 12 * len(names)) * len(lines)
    return dress(figure, heading, caption, height=height, min_width=480)


def _line(row: dict[str, Any]) -> str:
    parts = (row["experiment"], row.get("task"))
    return label(": ".join(str(part).replace("_", " ") for part in parts if part))


def _dots(name: str, rows: list[dict[str, Any]], names: list[str]) -> go.Scatter:
    colour, symbol, _ = series(names.index(name))
    return go.Scatter(
        y=[_line(row) for row in rows],
        x=[row["effect"] for row in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [None if row["high"] is None else max(0.0, row["high"] - row["effect"]) for row in rows],
            "arrayminus": [None if row["low"] is None else max(0.0, row["effect"] - row["low"]) for row in rows],
            "thickness": 1.6,
            "width": 3,
        },
        customdata=[_hover(row) for row in rows],
        hovertemplate=f"{label(name)}<br>%{{y}}: %{{customdata}}<extra></extra>",
        mode="markers",
        orientation="h",
        name=label(name),
        offsetgroup=name,
        marker={"color": colour, "symbol": symbol, "size": 9},
    )


def _hover(row: dict[str, Any]) -> str:
    if row["low"] is None or row["high"] is None:
        return f"{number(row['effect'])} (no interval)"
    return f"{number(row['effect'])} ({number_range(row['low'], row['high'])})"
