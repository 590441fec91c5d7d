"""Features that an injection lights up: how active they are with it and without, and do they predict the report?"""

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.style import BLUE, GREY, REFERENCE, dress, empty
from introspect.plots.text import counted

ENOUGH = 3
"""Fewest replies of either kind for an area to be drawn."""


def features(table: pl.DataFrame, *, source: str, n_features: int, title: str = "") -> go.Figure:
    """Draw a row a feature: activation with and without the injection, and the area under the curve beside it.

    Args:
        table: What ``introspect.analysis.features.predictive`` returns.
        source: The autoencoder, for the caption.
        n_features: How many features it has in all, from which those of the table are the most changed.
        title: A heading of one's own.

    Returns:
        The figure; areas only where at least three replies of either kind are there.
    """
    heading = title or "Features that the injection changes most, and whether they predict the report"
    if table.is_empty():
        return empty(heading, "No trial with an injection was read, so there is no feature to draw.")
    names = [f"#{index}" for index in table["feature"]]
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06, column_widths=[0.6, 0.4])
    _activations(figure, table, names)
    _areas(figure, table.filter((pl.col("n_reported") >= ENOUGH) & (pl.col("n_denied") >= ENOUGH)), len(names))
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], type="category")
    figure.update_xaxes(title_text="mean activation", col=1)
    figure.update_xaxes(title_text="area under the curve for the report", range=[-0.02, 1.02], col=2)
    return dress(figure, heading, _caption(table, source, n_features), height=140 + 24 * len(names), min_width=460)


def _activations(figure: go.Figure, table: pl.DataFrame, names: list[str]) -> None:
    ends = [value for row in table.iter_rows(named=True) for value in (row["plain"], row["steered"], None)]
    places = [value for name in names for value in (name, name, None)]
    line = go.Scatter(x=ends, y=places, mode="lines", line={"color": GREY, "width": 1.2}, showlegend=False)
    figure.add_trace(line.update(hoverinfo="skip"), row=1, col=1)
    for column, words, colour, symbol in (
        ("plain", "no injection", GREY, "circle-open"),
        ("steered", "concept vector", BLUE, "circle"),
    ):
        hover = f"feature %{{y}}, {words}: %{{x:.3g}}<extra></extra>"
        marker = {"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5}}
        trace = go.Scatter(x=table[column].to_list(), y=names, mode="markers", name=words, marker=marker)
        figure.add_trace(trace.update(hovertemplate=hover), row=1, col=1)


def _areas(figure: go.Figure, table: pl.DataFrame, n_rows: int) -> None:
    names = [f"#{index}" for index in table["feature"]]
    bars = {
        "array": [_reach(row["high"], row["auc"]) for row in table.iter_rows(named=True)],
        "arrayminus": [_reach(row["auc"], row["low"]) for row in table.iter_rows(named=True)],
        "thickness": 1.3,
        "width": 0,
    }
    marker = {"color": BLUE, "symbol": "diamond", "size": 8}
    trace = go.Scatter(x=table["auc"].to_list(), y=names, error_x=bars, mode="markers", name="area", marker=marker)
    figure.add_trace(
        trace.update(hovertemplate="feature %{y}: %{x:.2f}<extra></extra>", showlegend=False), row=1, col=2
    )
    chance = {"type": "line", "x0": 0.5, "x1": 0.5, "y0": -0.5, "y1": n_rows - 0.5, "line": REFERENCE}
    figure.add_shape(chance, row=1, col=2)


def _reach(above: float | None, below: float | None) -> float:
    return 0.0 if above is None or below is None else above - below


def _caption(table: pl.DataFrame, source: str, n_features: int) -> str:
    first = table.row(0, named=True)
    told = (
        f"{first['n_reported']} reported noticing, {first['n_denied']} denied it; "
        "bars are 95 % intervals over concepts, the dotted line is chance."
    )
    if min(first["n_reported"], first["n_denied"]) < ENOUGH:
        told = f"With {first['n_reported']} reports and {first['n_denied']} denials there is no area to draw."
    return (
        f"n = {counted(first['n'], 'trial')}; the {len(table)} of {n_features} features of {source} whose activation "
        f"at the last prompt token the injection changes most. {told}"
    )
