"""A measure against strength, layer by layer (or the other way round), the arms without injection as the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.estimates import (
    HOVER,
    Estimate,
    Row,
    axis_words,
    bars_are,
    chance_of,
    error_bars,
    guessing,
    heading_words,
    n_range,
    of_arm,
    value_axis,
)
from introspect.plots.links import links
from introspect.plots.style import REFERENCE, absent, dress, empty, in_order, lacking, look

Over = Literal["strength", "layer"]
Pair = tuple[Row, Estimate]

_MOST_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class _Facets:
    """The panels of the figure and where they stand: one a value of ``by``; what each is drawn over."""

    over: Over
    by: Over
    panels: list[float]
    ticks: list[float]

    @property
    def n_columns(self) -> int:
        n_rows = math.ceil(len(self.panels) / _MOST_COLUMNS)
        return math.ceil(len(self.panels) / n_rows)

    @property
    def n_rows(self) -> int:
        return math.ceil(len(self.panels) / self.n_columns)

    def place(self, panel: float) -> tuple[int, int]:
        row, column = divmod(self.panels.index(panel), self.n_columns)
        return row + 1, column + 1


def dose_response(
    rows: pl.DataFrame,
    metric: str = "noticed",
    *,
    title: str = "",
    chance: float | None = None,
    over: Over = "strength",
) -> go.Figure:
    """Draw a share or mean over strength, a panel a layer, the arms beside each other in it.

    Args:
        rows: One row an arm, layer and strength, with ``{metric}_n``, ``_count``, ``_rate``, ``_low`` and ``_high``.
        metric: Which measure.
        title: A heading of one's own.
        chance: What guessing gives, where the measure itself does not say.
        over: What the horizontal axis is; ``layer`` gives a panel a strength.

    Returns:
        The figure. Strengths stand at equal distances in rising order; an arm without injection is a horizontal
        band, as wide as its interval.
    """
    heading = title or f"{heading_words(metric)}, by {over}"
    arms = in_order(row["arm"] for row in rows.iter_rows(named=True))
    found = {arm: each for arm in arms if (each := _injected(rows, arm, metric, over))}
    floors = {arm: each for arm in arms if arm not in found and (each := _floor(rows, arm, metric))}
    every = [pair for pairs in found.values() for pair in pairs]
    if not every:
        return empty(heading, f"No trial with an injection is here, so there is no {over} to draw a rate over.")
    facets = _facets([row for row, _ in every], over)
    figure = make_subplots(
        rows=facets.n_rows,
        cols=facets.n_columns,
        shared_yaxes=True,
        subplot_titles=[f"{facets.by} {panel:g}" for panel in facets.panels],
        horizontal_spacing=0.04,
        vertical_spacing=0.24 / facets.n_rows,
    )
    for arm, pairs in found.items():
        _add_arm(figure, facets, arm, pairs)
    for arm, floor in floors.items():
        _add_floor(figure, arm, floor)
    _set_axes(figure, facets, metric, chance_of(metric, chance))
    caption = _caption([each for _, each in every], floors, lacking({*found, *floors}), guessing(metric, chance))
    dress(figure, heading, caption, height=170 + 250 * facets.n_rows, min_width=230 * facets.n_columns)
    return links(figure, rows, x=over)


def _injected(rows: pl.DataFrame, arm: str, metric: str, over: Over) -> list[Pair]:
    pairs = of_arm(rows, arm, metric)
    whole = [pair for pair in pairs if pair[0]["layer"] is not None and pair[0]["strength"] is not None]
    return sorted(whole, key=lambda pair: pair[0][over])


def _floor(rows: pl.DataFrame, arm: str, metric: str) -> Estimate | None:
    """Return the value of an arm whose trials belong to no cell, and so to every cell."""
    return next((each for row, each in of_arm(rows, arm, metric) if row["layer"] is None), None)


def _facets(rows: list[Row], over: Over) -> _Facets:
    by: Over = "layer" if over == "strength" else "strength"
    return _Facets(over, by, sorted({row[by] for row in rows}), sorted({row[over] for row in rows}))


def _add_arm(figure: go.Figure, facets: _Facets, arm: str, pairs: Sequence[Pair]) -> None:
    panels = sorted({row[facets.by] for row, _ in pairs})
    for panel in panels:
        here = [(row, each) for row, each in pairs if row[facets.by] == panel]
        row, column = facets.place(panel)
        line = _line(arm, here, facets.over, legend=panel == panels[0])
        figure.add_trace(line.update(meta={"arm": arm, facets.by: f"{panel:g}"}), row=row, col=column)


def _line(arm: str, pairs: Sequence[Pair], over: Over, *, legend: bool) -> go.Scatter:
    own, estimates = look(arm), [each for _, each in pairs]
    return go.Scatter(
        x=[f"{row[over]:g}" for row, _ in pairs],
        y=[each.rate for each in estimates],
        error_y=error_bars(estimates),
        customdata=[each.custom for each in estimates],
        hovertemplate=f"{own.name}<br>{over} %{{x}}, " + HOVER,
        mode="lines+markers",
        name=own.name,
        legendgroup=arm,
        showlegend=legend,
        offsetgroup=arm,
        line={"color": own.colour, "width": 2, "dash": own.dash},
        marker={"symbol": own.symbol, "size": 8, "line": {"width": 2}},
    )


def _add_floor(figure: go.Figure, arm: str, floor: Estimate) -> None:
    own = look(arm)
    line = {"color": own.colour, "width": 1.5, "dash": own.dash}
    if floor.low is not None and floor.high is not None:
        figure.add_hrect(y0=floor.low, y1=floor.high, fillcolor=own.fill, line_width=0, layer="below")
    figure.add_hline(y=floor.rate, line=line, layer="below")
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="lines",
            name=f"{own.name} (band: interval)",
            line=line,
            offsetgroup="concept",
        ),
        row=1,
        col=1,
    )


def _set_axes(figure: go.Figure, facets: _Facets, metric: str, chance: float | None) -> None:
    ticks = [f"{tick:g}" for tick in facets.ticks]
    figure.update_layout(scattermode="group", scattergap=0.85)
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=ticks, showgrid=False)
    figure.update_xaxes(range=[-0.5, len(ticks) - 0.5])
    figure.update_yaxes(matches="y", **value_axis(metric))
    if chance is not None:
        figure.add_hline(y=chance, line=REFERENCE, layer="below")
    for row in range(1, facets.n_rows + 1):
        figure.update_yaxes(title_text=axis_words(metric), row=row, col=1)
    for panel in facets.panels[-facets.n_columns :]:
        row, column = facets.place(panel)
        figure.update_xaxes(title_text=facets.over, row=row, col=column)


def _caption(estimates: list[Estimate], floors: dict[str, Estimate], missing: list[str], guess: str) -> str:
    said = [f"{n_range(estimates, 'point')}.", bars_are(estimates)]
    for arm, floor in floors.items():
        name = "Without injection" if arm == "none" else look(arm).words.capitalize()
        bounds = f"{floor.bounds}, " if floor.bounds else ""
        said.append(f"{name}: {floor.value} ({bounds}n = {floor.n:,}).")
    return " ".join(filter(None, (*said, guess, absent(missing, "rates"))))
