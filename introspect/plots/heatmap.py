"""Layer × strength, one arm, one measure: where in the grid something happens."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from introspect.plots.estimates import HOVER, Estimate, axis_words, chance_of, heading_words, metric_of, n_range, of_arm
from introspect.plots.links import links
from introspect.plots.style import dress, empty, look
from introspect.plots.text import counted, number, percent

_CELL = 44
_SHARES: dict[str, Any] = {
    "zmin": 0,
    "zmax": 1,
    "colorscale": "Cividis",
    "colorbar": {"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1], "outlinewidth": 0, "thickness": 12},
}


def heatmap(
    rows: pl.DataFrame, metric: str = "noticed", arm: str = "concept", *, title: str = "", chance: float | None = None
) -> go.Figure:
    """Draw an arm's share or mean in each cell of layer and strength.

    Args:
        rows: One row an arm, layer and strength, with ``{metric}_n``, ``_count``, ``_rate``, ``_low`` and ``_high``.
        metric: Which measure.
        arm: Which arm.
        title: A heading of one's own.
        chance: What guessing gives, where the measure itself does not say.

    Returns:
        The figure; a cell that was not run stays blank. Colours run from 0 to 1 for a share; for a mean with values
        of both signs they are two, one for each sign.
    """
    heading = title or f"{heading_words(metric)}, by layer and strength: {look(arm).words}"
    cells = {
        (row["layer"], row["strength"]): found
        for row, found in of_arm(rows, arm, metric)
        if row["layer"] is not None and row["strength"] is not None
    }
    if not cells:
        return empty(heading, f"No trial of the “{arm}” arm has a layer and a strength, so there is no grid to draw.")
    layers = sorted({layer for layer, _ in cells})
    strengths = sorted({strength for _, strength in cells})
    grid = [[cells.get((layer, strength)) for strength in strengths] for layer in layers]
    figure = go.Figure(_trace(grid, [str(layer) for layer in layers], [f"{strength:g}" for strength in strengths]))
    figure.update_traces(_colours(metric, [each.rate for each in cells.values()]), meta={"arm": arm})
    figure.update_xaxes(title_text="strength (multiplies the raw vector)", type="category", showgrid=False)
    figure.update_yaxes(title_text="layer", type="category", showgrid=False)
    caption = _caption(list(cells.values()), metric, chance_of(metric, chance))
    dress(figure, heading, caption, height=max(280, 150 + _CELL * len(layers)))
    return links(figure, rows, x="strength", y="layer")


def _trace(grid: list[list[Estimate | None]], layers: list[str], strengths: list[str]) -> go.Heatmap:
    return go.Heatmap(
        x=strengths,
        y=layers,
        z=[[cell.rate if cell else None for cell in line] for line in grid],
        text=[[f"{cell.value} (n={cell.n})" if cell else "" for cell in line] for line in grid],
        customdata=[[cell.custom if cell else [None] * 6 for cell in line] for line in grid],
        texttemplate="%{text}",
        hovertemplate="layer %{y}, strength %{x}<br>" + HOVER,
        hoverongaps=False,
        xgap=2,
        ygap=2,
    )


def _colours(metric: str, values: list[float]) -> dict[str, Any]:
    """Return the colour scale of a measure: fixed for shares; two-sided for means that have both signs."""
    if metric_of(metric).kind == "share":
        return _SHARES
    bar = {"title": {"text": axis_words(metric), "side": "right"}, "outlinewidth": 0, "thickness": 12}
    if min(values) >= 0:
        return {"colorscale": "Cividis", "colorbar": bar}
    widest = max(abs(value) for value in values)
    return {"colorscale": "PuOr_r", "zmid": 0, "zmin": -widest, "zmax": widest, "colorbar": bar}


def _caption(cells: list[Estimate], metric: str, chance: float | None) -> str:
    total = counted(sum(cell.n for cell in cells), "trial")
    level = "" if chance is None else percent(chance) if metric_of(metric).kind == "share" else number(chance)
    guess = f" Guessing gives {level}." if level else ""
    return (
        f"{n_range(cells, 'cell')}, {total} in all. Counts and intervals show on hover; there are no error bars here."
        + guess
    )
