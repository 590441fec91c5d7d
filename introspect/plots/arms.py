"""The arms beside each other, everything else pooled: the first figure to look at."""

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from introspect.plots.estimates import HOVER, INTERVALS, METRICS, Row, error_bars, estimate
from introspect.plots.style import ARM_COLOURS, ARM_FILLS, ARM_WORDS, RATE_AXIS, absent, dress, empty
from introspect.plots.text import counted

ARMS = ("concept", "random", "none")


def arms(
    pooled: pl.DataFrame,
    metrics: Sequence[str] = ("noticed", "named", "success", "coherent"),
    *,
    title: str = "",
) -> go.Figure:
    """Draw each arm's rates as grouped bars.

    Args:
        pooled: One row an arm, with ``{metric}_count``, ``_rate``, ``_low`` and ``_high`` for each metric.
        metrics: Which rates, from left to right.
        title: A heading of one's own.

    Returns:
        The figure; an arm without a rate for a metric has no bar there.
    """
    heading = title or "The arms side by side"
    by_arm = {row["arm"]: row for row in pooled.iter_rows(named=True)}
    present = [arm for arm in ARMS if arm in by_arm]
    if not present:
        return empty(heading, "No trial has been graded yet, so there is no rate to draw.")
    figure = go.Figure([_bars(arm, by_arm[arm], metrics) for arm in present])
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.08)
    order = [METRICS.get(metric, metric) for metric in metrics]
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=order, showgrid=False)
    figure.update_yaxes(title_text="share of all trials", **RATE_AXIS)
    return dress(figure, heading, _caption(by_arm, present))


def _bars(arm: str, row: Row, metrics: Sequence[str]) -> go.Bar:
    found = [(metric, each) for metric in metrics if (each := estimate(row, metric)) is not None]
    estimates = [each for _, each in found]
    return go.Bar(
        x=[METRICS.get(metric, metric) for metric, _ in found],
        y=[each.rate for each in estimates],
        error_y=error_bars(estimates) | {"color": ARM_COLOURS[arm]},
        customdata=[each.custom for each in estimates],
        hovertemplate=f"{ARM_WORDS[arm]}<br>%{{x}}: %{{y:.1%}}<br>" + HOVER,
        name=ARM_WORDS[arm],
        marker={"color": ARM_FILLS[arm], "line": {"color": ARM_COLOURS[arm], "width": 1.2}},
    )


def _caption(by_arm: dict[str, Row], present: list[str]) -> str:
    sizes = ", ".join(f"{ARM_WORDS[arm]} {counted(by_arm[arm]['n'], 'trial')}" for arm in present)
    missing = absent([arm for arm in ARMS if arm not in by_arm], "trials")
    return f"n: {sizes}. Error bars are {INTERVALS}. {missing}".strip()
