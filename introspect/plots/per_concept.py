"""One line a concept: whether an effect is carried by a few words or by all."""

import plotly.graph_objects as go
import polars as pl

from introspect.plots.estimates import (
    HOVER,
    Estimate,
    axis_words,
    bars_are,
    chance_of,
    error_bars,
    guessing,
    heading_words,
    metric_of,
    n_range,
    of_arm,
    value_axis,
)
from introspect.plots.links import links
from introspect.plots.style import REFERENCE, absent, dress, empty, in_order, lacking, look
from introspect.plots.text import label

Found = dict[str, Estimate]


def per_concept(
    frame: pl.DataFrame, metric: str = "noticed", *, title: str = "", chance: float | None = None
) -> go.Figure:
    """Draw each concept's share as a horizontal bar (a mean as a point), its own vector beside the controls.

    Args:
        frame: One row an arm and concept, with ``{metric}_n``, ``_count``, ``_rate``, ``_low`` and ``_high``.
        metric: Which measure.
        title: A heading of one's own.
        chance: What guessing gives, where the measure itself does not say.

    Returns:
        The figure, the highest value of the first arm at the top and ties in the order of the alphabet.
    """
    heading = title or f"{heading_words(metric)}, by concept"
    arms = in_order(row["arm"] for row in frame.iter_rows(named=True))
    found = {arm: each for arm in arms if (each := _by_concept(frame, arm, metric))}
    concepts = _ranked(found)
    if not concepts:
        return empty(heading, "No trial belongs to a concept, so there is nothing to tell concepts apart by.")
    share = metric_of(metric).kind == "share"
    draw = _bars if share else _points
    figure = go.Figure([draw(arm, concepts, found[arm]).update(meta={"arm": arm}) for arm in reversed(found)])
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.05, legend_traceorder="reversed")
    figure.update_layout(scattermode="group", scattergap=0.4)
    figure.update_xaxes(title_text=axis_words(metric), **value_axis(metric))
    order = [label(concept) for concept in concepts]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order, showgrid=False, dtick=1)
    level = chance_of(metric, chance)
    if level is not None:
        figure.add_vline(x=level, line=REFERENCE, layer="below")
    height = 170 + (18 + 8 * max(2, len(found))) * len(concepts)
    dress(figure, heading, _caption(found, guessing(metric, chance)), height=height)
    return links(figure, frame, y="concept")


def _by_concept(frame: pl.DataFrame, arm: str, metric: str) -> Found:
    return {row["concept"]: each for row, each in of_arm(frame, arm, metric) if row["concept"] is not None}


def _ranked(found: dict[str, Found]) -> list[str]:
    """Order concepts from the bottom of the figure to its top, by the concept arm or whichever comes first."""
    leading = found.get("concept") or next(iter(found.values()), {})

    def rank(name: str) -> float:
        return leading[name].rate if name in leading else float("-inf")

    return sorted(sorted({name for each in found.values() for name in each}, reverse=True), key=rank)


def _bars(arm: str, concepts: list[str], found: Found) -> go.Bar:
    own, names = look(arm), [concept for concept in concepts if concept in found]
    return go.Bar(
        y=[label(concept) for concept in names],
        x=[found[concept].rate for concept in names],
        error_x=error_bars([found[concept] for concept in names]) | {"color": own.colour},
        customdata=[found[concept].custom for concept in names],
        hovertemplate=f"%{{y}}, {own.name}<br>" + HOVER,
        orientation="h",
        name=own.name,
        marker={"color": own.fill, "line": {"color": own.colour, "width": 1.2}},
    )


def _points(arm: str, concepts: list[str], found: Found) -> go.Scatter:
    own, names = look(arm), [concept for concept in concepts if concept in found]
    return go.Scatter(
        y=[label(concept) for concept in names],
        x=[found[concept].rate for concept in names],
        error_x=error_bars([found[concept] for concept in names]),
        customdata=[found[concept].custom for concept in names],
        hovertemplate=f"%{{y}}, {own.name}<br>" + HOVER,
        orientation="h",
        mode="markers",
        name=own.name,
        offsetgroup=arm,
        marker={"color": own.colour, "symbol": own.symbol, "size": 8, "line": {"color": own.colour, "width": 2}},
    )


def _caption(found: dict[str, Found], guess: str) -> str:
    every = [each for arm in found.values() for each in arm.values()]
    missing = absent([arm for arm in lacking(found) if arm != "none"], "rates")
    return " ".join(filter(None, (f"{n_range(every, 'bar')}.", bars_are(every), guess, missing)))
