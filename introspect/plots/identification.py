"""Identification in bits: what the choices say about the injected concept, against what dealt-out choices say."""

import plotly.graph_objects as go
import polars as pl

from introspect.plots.style import INK, absent, dress, empty, in_order, look
from introspect.plots.text import counted, label, number


def identification(frame: pl.DataFrame, *, title: str = "") -> go.Figure:
    """Draw the mutual information of each task and arm beside its permutation null.

    Args:
        frame: ``task``, ``arm``, ``bits`` (plug-in mutual information), ``null`` (its mean under permutation), ``p``
            and ``n``, one row each.
        title: A heading of one's own.

    Returns:
        The figure: a bar an arm, and across it a line at the null.
    """
    heading = title or "How much the choices say about the injected concept"
    arms = in_order(frame["arm"]) if "arm" in frame.columns else []
    if not arms:
        return empty(heading, "No task asked which concept was injected, so there is no information to measure.")
    figure = go.Figure()
    for arm in arms:
        rows = frame.filter(pl.col("arm") == arm)
        figure.add_traces([_bars(arm, rows), _nulls(arm, rows, legend=arm == arms[0])])
    figure.update_layout(barmode="group", scattermode="group", bargap=0.3, scattergap=0.3)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(title_text="mutual information (bits)", rangemode="tozero")
    sizes = sorted(set(frame["n"]))
    span = counted(sizes[0], "trial") if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,} trials"
    caption = (
        f"n = {span} a bar. Lines are the mean of the same measure after choices were dealt out anew among trials that "
        f"were asked alike; only what is above the line counts. {absent(_missing(arms), 'choices')}"
    )
    return dress(figure, heading, caption.strip())


def _missing(arms: list[str]) -> list[str]:
    return [arm for arm in ("concept", "random") if arm not in arms]


def _bars(arm: str, rows: pl.DataFrame) -> go.Bar:
    own = look(arm)
    return go.Bar(
        x=[label(task) for task in rows["task"]],
        y=rows["bits"].to_list(),
        customdata=[f"{number(null)} by chance, p = {p:.3f}, n = {n:,}" for null, p, n in _chance(rows)],
        hovertemplate=f"{own.name}<br>%{{x}}: %{{y:.2f}} bits, %{{customdata}}<extra></extra>",
        name=own.name,
        offsetgroup=arm,
        marker={"color": own.fill, "line": {"color": own.colour, "width": 1.2}},
    )


def _chance(rows: pl.DataFrame) -> list[tuple[float, float, int]]:
    return rows.select("null", "p", "n").rows()


def _nulls(arm: str, rows: pl.DataFrame, *, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=[label(task) for task in rows["task"]],
        y=rows["null"].to_list(),
        mode="markers",
        name="permutation null",
        legendgroup="null",
        showlegend=legend,
        offsetgroup=arm,
        marker={"symbol": "line-ew", "size": 46, "line": {"color": INK, "width": 2}},
        hovertemplate="%{x}: %{y:.2f} bits by chance<extra></extra>",
    )
