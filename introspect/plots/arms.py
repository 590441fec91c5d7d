"""The arms beside each other, everything else pooled: the first figure to look at."""

import textwrap
from collections.abc import Mapping, Sequence

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
    estimate,
    metric_of,
    value_axis,
    with_values,
    words,
)
from introspect.plots.style import REFERENCE, absent, dress, empty, in_order, lacking, look
from introspect.plots.text import counted

_WIDE = 14


def arms(
    pooled: pl.DataFrame,
    metrics: Sequence[str] = ("noticed", "named", "success", "coherent"),
    *,
    title: str = "",
    chance: Mapping[str, float] | None = None,
) -> go.Figure:
    """Draw each arm's shares as grouped bars, and its means as points, each mean on an axis of its own.

    Args:
        pooled: One row an arm, with ``{metric}_n``, ``_count``, ``_rate``, ``_low`` and ``_high`` for each metric.
        metrics: Which measures, from left to right; one without any value is left out.
        title: A heading of one's own.
        chance: What guessing gives, where the measure itself does not say.

    Returns:
        The figure; an arm without a value of a measure has no bar there.
    """
    heading = title or "The arms side by side"
    by_arm = {row["arm"]: row for row in pooled.iter_rows(named=True)}
    drawn = with_values(pooled, metrics)
    if not by_arm or not drawn:
        return empty(heading, "No trial has been graded yet, so there is no rate to draw.")
    panels = _panels(drawn)
    figure = make_subplots(cols=len(panels), column_widths=[len(panel) for panel in panels], horizontal_spacing=0.09)
    for column, panel in enumerate(panels, 1):
        _draw(figure, column, panel, by_arm)
        _mark_chance(figure, column, panel, chance or {})
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.08, scattermode="group", scattergap=0.5)
    every = [each for row in by_arm.values() for name in drawn if (each := estimate(row, name))]
    return dress(figure, heading, _caption(by_arm, every), min_width=95 * len(drawn))


def _panels(metrics: Sequence[str]) -> list[list[str]]:
    """Put all shares on one axis, and every mean on its own."""
    shares = [name for name in metrics if metric_of(name).kind == "share"]
    means = [[name] for name in metrics if metric_of(name).kind == "mean"]
    return [shares, *means] if shares else means


def _draw(figure: go.Figure, column: int, panel: list[str], by_arm: Mapping[str, Row]) -> None:
    for arm in in_order(by_arm):
        found = [(name, each) for name in panel if (each := estimate(by_arm[arm], name)) is not None]
        trace = _bars(arm, found) if metric_of(panel[0]).kind == "share" else _points(arm, found)
        trace.update(legendgroup=arm, showlegend=column == 1)
        figure.add_trace(trace, row=1, col=column)
    order = [words(name) for name in panel]
    ticks = {"tickvals": order, "ticktext": ["<br>".join(textwrap.wrap(name, _WIDE)) for name in order]}
    axis = {"type": "category", "categoryorder": "array", "categoryarray": order, "showgrid": False}
    figure.update_xaxes(axis | ticks | {"range": [-0.5, len(order) - 0.5]}, col=column)
    share = metric_of(panel[0]).kind == "share"
    figure.update_yaxes(title_text="share of trials" if share else axis_words(panel[0]), col=column)
    figure.update_yaxes(**value_axis(panel[0]), col=column)


def _bars(arm: str, found: list[tuple[str, Estimate]]) -> go.Bar:
    own, estimates = look(arm), [each for _, each in found]
    return go.Bar(
        x=[words(name) for name, _ in found],
        y=[each.rate for each in estimates],
        error_y=error_bars(estimates) | {"color": own.colour},
        customdata=[each.custom for each in estimates],
        hovertemplate=f"{own.name}<br>%{{x}}, " + HOVER,
        name=own.name,
        marker={"color": own.fill, "line": {"color": own.colour, "width": 1.2}},
        offsetgroup=arm,
    )


def _points(arm: str, found: list[tuple[str, Estimate]]) -> go.Scatter:
    own, estimates = look(arm), [each for _, each in found]
    return go.Scatter(
        x=[words(name) for name, _ in found],
        y=[each.rate for each in estimates],
        error_y=error_bars(estimates),
        customdata=[each.custom for each in estimates],
        hovertemplate=f"{own.name}<br>%{{x}}, " + HOVER,
        mode="markers",
        name=own.name,
        marker={"color": own.colour, "symbol": own.symbol, "size": 9, "line": {"color": own.colour, "width": 2}},
        offsetgroup=arm,
    )


def _mark_chance(figure: go.Figure, column: int, panel: list[str], given: Mapping[str, float]) -> None:
    """Draw a line across a measure's bars at what guessing gives."""
    for place, name in enumerate(panel):
        level = chance_of(name, given.get(name))
        if level is not None:
            first = not any(figure.select_shapes({"name": "guessing"}))
            ends = {"x0": place - 0.46, "x1": place + 0.46, "y0": level, "y1": level}
            legend = {"name": "guessing", "legendgroup": "guessing", "showlegend": first}
            figure.add_shape(type="line", line=REFERENCE, **ends, **legend, row=1, col=column)


def _caption(by_arm: dict[str, Row], every: list[Estimate]) -> str:
    sizes = "; ".join(f"{look(arm).words} {counted(by_arm[arm]['n'], 'trial')}" for arm in in_order(by_arm))
    return f"n: {sizes}. {bars_are(every)} {absent(lacking(by_arm), 'trials')}".strip()
