"""One bar a concept: whether a rate is carried by a few words or by all."""

import plotly.graph_objects as go
import polars as pl

from introspect.plots.estimates import HOVER, INTERVALS, METRICS, Estimate, error_bars, n_range, of_arm
from introspect.plots.style import ARM_COLOURS, ARM_FILLS, ARM_WORDS, RATE_AXIS, absent, dress, empty
from introspect.plots.text import label

_ARMS = ("concept", "random")


def per_concept(frame: pl.DataFrame, metric: str = "noticed", *, title: str = "") -> go.Figure:
    """Draw each concept's rate as a horizontal bar, its own vector beside the random one of its norm.

    Args:
        frame: One row an arm and concept, with ``{metric}_count``, ``_rate``, ``_low`` and ``_high``.
        metric: Which rate.
        title: A heading of one's own.

    Returns:
        The figure, the highest rate of the concept arm at the top and ties in the order of the alphabet.
    """
    heading = title or f"{METRICS.get(metric, metric).capitalize()}, by concept"
    found = {arm: _by_concept(frame, arm, metric) for arm in _ARMS}
    concepts = _ranked(found["concept"], found["random"])
    if not concepts:
        return empty(heading, "No trial belongs to a concept, so there is nothing to tell concepts apart by.")
    figure = go.Figure([_bars(arm, concepts, found[arm]) for arm in reversed(_ARMS) if found[arm]])
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.05, legend_traceorder="reversed")
    figure.update_xaxes(title_text=METRICS.get(metric, metric), **RATE_AXIS)
    order = [label(concept) for concept in concepts]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order, showgrid=False, dtick=1)
    every = [each for arm in _ARMS for each in found[arm].values()]
    missing = absent([arm for arm in _ARMS if not found[arm]], "rates")
    caption = f"{n_range(every, 'bar')}. Error bars are {INTERVALS}. {missing}".strip()
    return dress(figure, heading, caption, height=170 + 30 * len(concepts))


def _by_concept(frame: pl.DataFrame, arm: str, metric: str) -> dict[str, Estimate]:
    return {row["concept"]: each for row, each in of_arm(frame, arm, metric) if row["concept"] is not None}


def _ranked(concept: dict[str, Estimate], random: dict[str, Estimate]) -> list[str]:
    """Order concepts from the bottom of the figure to its top."""

    def rank(name: str) -> float:
        return concept[name].rate if name in concept else -1.0

    return sorted(sorted({*concept, *random}, reverse=True), key=rank)


def _bars(arm: str, concepts: list[str], found: dict[str, Estimate]) -> go.Bar:
    present = [concept for concept in concepts if concept in found]
    estimates = [found[concept] for concept in present]
    return go.Bar(
        y=[label(concept) for concept in present],
        x=[each.rate for each in estimates],
        error_x=error_bars(estimates) | {"color": ARM_COLOURS[arm]},
        customdata=[each.custom for each in estimates],
        hovertemplate=f"%{{y}}, {ARM_WORDS[arm]}: %{{x:.1%}}<br>" + HOVER,
        orientation="h",
        name=ARM_WORDS[arm],
        marker={"color": ARM_FILLS[arm], "line": {"color": ARM_COLOURS[arm], "width": 1.2}},
    )
