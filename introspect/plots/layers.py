"""Intentional control, layer by layer: the trace of a word when the subject is told to think of it, and not to."""

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.analysis.effects import PAIRS
from introspect.plots.estimates import HOVER, Estimate, axis_words, bars_are, heading_words, n_range, of_arm
from introspect.plots.style import BLUE, GREY, MEAN_AXIS, VERMILLION, dress, empty, faded, look
from introspect.plots.text import label

N_MAIN = 4
"""The first pairs have a panel each; the others are neutral controls and thin lines in every panel."""
_COLUMNS = 2
_TASK_WORDS = {"dont_think": "don't think"}
_SIDES = ((BLUE, "circle", "solid"), (VERMILLION, "square-open", "dash"))

Curve = list[tuple[int, Estimate]]


def layer_curves(frame: pl.DataFrame, metric: str = "above", arm: str = "forced", *, title: str = "") -> go.Figure:
    """Draw a measure by layer, a panel for each pair of an instruction or incentive and its counterpart.

    Source: the layout of Lindsey (2025), experiment 4, with neutral controls added.

    Args:
        frame: One row a task, arm and layer, with ``{metric}_n``, ``_rate``, ``_low`` and ``_high``.
        metric: Which measure, such as ``above`` or ``centred_above``.
        arm: How the sentence came into the reply: ``forced`` or ``sampled``.
        title: A heading of one's own.

    Returns:
        The figure. Bands are intervals; tasks that only mention the word are thin grey lines.
    """
    heading = title or f"{heading_words(metric)}, by layer: {look(arm).words}"
    curves = _curves(frame, metric, arm)
    pairs = [pair for pair in PAIRS[:N_MAIN] if any(task in curves for task in pair)]
    if not pairs:
        return empty(heading, f"No trial of the “{arm}” arm was read layer by layer, so there is no curve to draw.")
    neutral = {task: curves[task] for pair in PAIRS[N_MAIN:] for task in pair if task in curves}
    n_columns = min(_COLUMNS, len(pairs))
    figure = make_subplots(
        rows=-(-len(pairs) // n_columns),
        cols=n_columns,
        shared_yaxes=True,
        shared_xaxes=True,
        subplot_titles=[f"{_words(one)} against {_words(other)}" for one, other in pairs],
        horizontal_spacing=0.05,
        vertical_spacing=0.12,
    )
    for place, pair in enumerate(pairs):
        row, column = divmod(place, n_columns)
        _draw(figure, pair, curves, neutral, (row + 1, column + 1))
    figure.update_xaxes(title_text="layer", showgrid=False, row=-(-len(pairs) // n_columns))
    figure.update_xaxes(matches="x")
    figure.update_yaxes(matches="y", **MEAN_AXIS)
    figure.update_yaxes(title_text=axis_words(metric), col=1)
    rows = -(-len(pairs) // n_columns)
    caption = _caption([each for curve in curves.values() for _, each in curve], bool(neutral))
    return dress(figure, heading, caption, height=150 + 240 * rows, min_width=300 * n_columns)


def _curves(frame: pl.DataFrame, metric: str, arm: str) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for row, each in of_arm(frame, arm, metric):
        if row["layer"] is not None:
            curves.setdefault(row["task"], []).append((row["layer"], each))
    return {task: sorted(curve, key=lambda point: point[0]) for task, curve in curves.items()}


def _draw(
    figure: go.Figure,
    pair: tuple[str, str],
    curves: Mapping[str, Curve],
    neutral: Mapping[str, Curve],
    place: tuple[int, int],
) -> None:
    row, col = place
    for number, (task, curve) in enumerate(neutral.items()):
        figure.add_trace(_thin(task, curve, legend=place == (1, 1) and number == 0), row=row, col=col)
    for task, (colour, symbol, dash) in zip(pair, _SIDES, strict=True):
        if task in curves:
            band = _band(curves[task], colour)
            if band is not None:
                figure.add_trace(band, row=row, col=col)
            figure.add_trace(_line(task, curves[task], (colour, symbol, dash)), row=row, col=col)


def _line(task: str, curve: Curve, look_of: tuple[str, str, str]) -> go.Scatter:
    colour, symbol, dash = look_of
    return go.Scatter(
        x=[layer for layer, _ in curve],
        y=[each.rate for _, each in curve],
        customdata=[each.custom for _, each in curve],
        hovertemplate=f"{_words(task)}<br>layer %{{x}}, " + HOVER,
        mode="lines+markers",
        name=_words(task),
        line={"color": colour, "width": 2, "dash": dash},
        marker={"symbol": symbol, "size": 6},
    )


def _band(curve: Curve, colour: str) -> go.Scatter | None:
    """Return the area between the bounds, or nothing where there are none."""
    bounds = [(layer, each.low, each.high) for layer, each in curve if each.low is not None and each.high is not None]
    if not bounds:
        return None
    return go.Scatter(
        x=[layer for layer, _, _ in bounds] + [layer for layer, _, _ in reversed(bounds)],
        y=[high for _, _, high in bounds] + [low for _, low, _ in reversed(bounds)],
        fill="toself",
        fillcolor=faded(colour, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )


def _thin(task: str, curve: Curve, *, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=[layer for layer, _ in curve],
        y=[each.rate for _, each in curve],
        hovertemplate=f"neutral control: {_words(task)}<br>layer %{{x}}: %{{y:.3f}}<extra></extra>",
        mode="lines",
        name="neutral controls",
        legendgroup="neutral",
        showlegend=legend,
        line={"color": GREY, "width": 1, "dash": "dot" if task.endswith(("_not", "_punished")) else "solid"},
        opacity=0.6,
    )


def _words(task: str) -> str:
    return label(_TASK_WORDS.get(task, task.replace("_", " ")))


def _caption(every: list[Estimate], neutral: bool) -> str:
    thin = " Thin grey lines are tasks that only mention the word, dotted where it is negated." if neutral else ""
    return f"{n_range(every, 'point')}. {bars_are(every).replace('Error bars', 'Bands')}{thin}"
