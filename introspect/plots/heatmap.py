"""Layer × strength, one arm, one rate: where in the grid something happens."""

import plotly.graph_objects as go
import polars as pl

from introspect.plots.estimates import HOVER, METRICS, Estimate, n_range, of_arm
from introspect.plots.style import ARM_WORDS, dress, empty
from introspect.plots.text import counted, percent

_CELL = 44


def heatmap(rows: pl.DataFrame, metric: str = "noticed", arm: str = "concept", *, title: str = "") -> go.Figure:
    """Draw an arm's rate in each cell of layer and strength, on a colour scale that always runs from 0 to 1.

    Args:
        rows: One row an arm, layer and strength, with ``{metric}_count``, ``_rate``, ``_low`` and ``_high``.
        metric: Which rate.
        arm: Which arm.
        title: A heading of one's own.

    Returns:
        The figure; a cell that was not run stays blank.
    """
    heading = title or f"{METRICS.get(metric, metric).capitalize()}, by layer and strength: {ARM_WORDS.get(arm, arm)}"
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
    figure.update_xaxes(title_text="strength (multiplies the raw vector)", type="category", showgrid=False)
    figure.update_yaxes(title_text="layer", type="category", showgrid=False)
    return dress(figure, heading, _caption(list(cells.values())), height=max(280, 150 + _CELL * len(layers)))


def _trace(grid: list[list[Estimate | None]], layers: list[str], strengths: list[str]) -> go.Heatmap:
    return go.Heatmap(
        x=strengths,
        y=layers,
        z=[[cell.rate if cell else None for cell in line] for line in grid],
        text=[[f"{percent(cell.rate)} (n={cell.n})" if cell else "" for cell in line] for line in grid],
        customdata=[[cell.custom if cell else [None] * 5 for cell in line] for line in grid],
        texttemplate="%{text}",
        hovertemplate="layer %{y}, strength %{x}<br>%{z:.1%}: " + HOVER,
        hoverongaps=False,
        zmin=0,
        zmax=1,
        colorscale="Cividis",
        xgap=2,
        ygap=2,
        colorbar={"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1], "outlinewidth": 0, "thickness": 12},
    )


def _caption(cells: list[Estimate]) -> str:
    total = counted(sum(cell.n for cell in cells), "trial")
    return (
        f"{n_range(cells, 'cell')}, {total} in all. Counts and intervals show on hover; there are no error bars here."
    )
