"""Rate against strength, layer by layer, with the arm without injection as the floor."""

import math
from dataclasses import dataclass

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.estimates import HOVER, INTERVALS, METRICS, Estimate, Row, error_bars, n_range, of_arm
from introspect.plots.style import (
    ARM_COLOURS,
    ARM_FILLS,
    ARM_SYMBOLS,
    ARM_WORDS,
    RATE_AXIS,
    absent,
    dress,
    empty,
)
from introspect.plots.text import interval, percent

_MOST_COLUMNS = 3
_ARMS = ("concept", "random")


@dataclass(frozen=True, slots=True)
class _Facets:
    """The panels of the figure and where they stand: one a layer."""

    layers: list[int]
    strengths: list[str]

    @property
    def n_columns(self) -> int:
        n_rows = math.ceil(len(self.layers) / _MOST_COLUMNS)
        return math.ceil(len(self.layers) / n_rows)

    @property
    def n_rows(self) -> int:
        return math.ceil(len(self.layers) / self.n_columns)

    def place(self, layer: int) -> tuple[int, int]:
        row, column = divmod(self.layers.index(layer), self.n_columns)
        return row + 1, column + 1


def dose_response(rows: pl.DataFrame, metric: str = "noticed", *, title: str = "") -> go.Figure:
    """Draw the rate over strength, a panel a layer, the arms beside each other in it.

    Args:
        rows: One row an arm, layer and strength, with ``{metric}_count``, ``_rate``, ``_low`` and ``_high``.
        metric: Which rate.
        title: A heading of one's own.

    Returns:
        The figure. Strengths stand at equal distances in rising order; the arm without injection is a horizontal
        band, as wide as its interval.
    """
    heading = title or f"{METRICS.get(metric, metric).capitalize()}, by strength"
    found = {arm: _injected(rows, arm, metric) for arm in _ARMS}
    floor = next((each for _, each in of_arm(rows, "none", metric)), None)
    every = [pair for pairs in found.values() for pair in pairs]
    if not every:
        return empty(heading, "No trial with an injection is here, so there is no strength to draw a rate over.")
    facets = _facets([row for row, _ in every])
    figure = make_subplots(
        rows=facets.n_rows,
        cols=facets.n_columns,
        shared_yaxes=True,
        subplot_titles=[f"layer {layer}" for layer in facets.layers],
        horizontal_spacing=0.04,
        vertical_spacing=0.24 / facets.n_rows,
    )
    for arm in _ARMS:
        _add_arm(figure, facets, arm, found[arm])
    if floor:
        _add_floor(figure, floor)
    _set_axes(figure, facets)
    missing = absent([arm for arm in _ARMS if not found[arm]] + ([] if floor else ["none"]), "rates")
    caption = f"{_caption([each for _, each in every], floor)} {missing}".strip()
    return dress(figure, heading, caption, height=170 + 250 * facets.n_rows, min_width=230 * facets.n_columns)


def _injected(rows: pl.DataFrame, arm: str, metric: str) -> list[tuple[Row, Estimate]]:
    pairs = [pair for pair in of_arm(rows, arm, metric) if pair[0]["layer"] is not None]
    return sorted((pair for pair in pairs if pair[0]["strength"] is not None), key=lambda pair: pair[0]["strength"])


def _facets(rows: list[Row]) -> _Facets:
    strengths = sorted({row["strength"] for row in rows})
    return _Facets(sorted({row["layer"] for row in rows}), [f"{strength:g}" for strength in strengths])


def _add_arm(figure: go.Figure, facets: _Facets, arm: str, pairs: list[tuple[Row, Estimate]]) -> None:
    layers = sorted({row["layer"] for row, _ in pairs})
    for layer in layers:
        here = [(row, each) for row, each in pairs if row["layer"] == layer]
        row, column = facets.place(layer)
        figure.add_trace(_line(arm, here, legend=layer == layers[0]), row=row, col=column)


def _line(arm: str, pairs: list[tuple[Row, Estimate]], *, legend: bool) -> go.Scatter:
    estimates = [each for _, each in pairs]
    return go.Scatter(
        x=[f"{row['strength']:g}" for row, _ in pairs],
        y=[each.rate for each in estimates],
        error_y=error_bars(estimates),
        customdata=[each.custom for each in estimates],
        hovertemplate=f"{ARM_WORDS[arm]}<br>strength %{{x}}: %{{y:.1%}}<br>" + HOVER,
        mode="lines+markers",
        name=ARM_WORDS[arm],
        legendgroup=arm,
        showlegend=legend,
        offsetgroup=arm,
        line={"color": ARM_COLOURS[arm], "width": 2, "dash": "solid" if arm == "concept" else "dot"},
        marker={"symbol": ARM_SYMBOLS[arm], "size": 8, "line": {"width": 2}},
    )


def _add_floor(figure: go.Figure, floor: Estimate) -> None:
    figure.add_hrect(
        y0=floor.low,
        y1=floor.high,
        fillcolor=ARM_FILLS["none"],
        line_width=0,
        layer="below",
    )
    figure.add_hline(
        y=floor.rate,
        line={"color": ARM_COLOURS["none"], "width": 1.5, "dash": "dash"},
        layer="below",
    )
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="lines",
            name=f"{ARM_WORDS['none']} (band: interval)",
            line={"color": ARM_COLOURS["none"], "width": 1.5, "dash": "dash"},
            offsetgroup="concept",
        ),
        row=1,
        col=1,
    )


def _set_axes(figure: go.Figure, facets: _Facets) -> None:
    figure.update_layout(scattermode="group", scattergap=0.85)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=facets.strengths, showgrid=False)
    figure.update_xaxes(range=[-0.5, len(facets.strengths) - 0.5])
    figure.update_yaxes(**RATE_AXIS)
    for layer in facets.layers[-facets.n_columns :]:
        row, column = facets.place(layer)
        figure.update_xaxes(title_text="strength", row=row, col=column)


def _caption(estimates: list[Estimate], floor: Estimate | None) -> str:
    text = f"{n_range(estimates, 'point')}. Error bars are {INTERVALS}."
    if floor is None:
        return text
    rate, bounds = percent(floor.rate), interval(floor.low, floor.high)
    return f"{text} Without injection: {rate} ({bounds}, n = {floor.n:,})."
