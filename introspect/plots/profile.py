"""Where in depth the effects of several experiments sit, on one axis."""

from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.style import MEAN_AXIS, dress, empty, faded, series
from introspect.plots.text import label, number, number_range


def profile(
    frame: pl.DataFrame,
    competence: pl.DataFrame | None = None,
    readable: pl.DataFrame | None = None,
    *,
    title: str = "",
) -> go.Figure:
    """Draw each experiment's effect over depth, and below what the subject is still able to do there.

    Args:
        frame: ``experiment``, ``depth``, ``effect``, ``low``, ``high`` and ``n_units``: what
            ``introspect.analysis.profile.profiles`` returns.
        competence: ``depth``, ``name`` and ``value``: what is left of the subject's abilities, and surprisals.
        readable: Likewise: the share of replies that can be read.
        title: A heading of one's own.

    Returns:
        The figure. Shares have one panel below; what has values above 1 is no share and has a panel of its own.
    """
    heading = title or "Where in depth the effects sit"
    names = list(dict.fromkeys(frame["experiment"])) if "experiment" in frame.columns else []
    if not names or not frame["effect"].count():
        return empty(heading, "No experiment has an effect at any depth, so there is no profile to draw.")
    panels = _panels([part for part in (readable, competence) if part is not None])
    heights = [1.0, *[0.4] * len(panels)]
    figure = make_subplots(rows=len(heights), shared_xaxes=True, row_heights=heights, vertical_spacing=0.06)
    for place, name in enumerate(names):
        for trace in _curve(name, frame.filter(pl.col("experiment") == name), series(place)):
            figure.add_trace(trace, row=1, col=1)
    guards = [(row, name, part) for row, panel in enumerate(panels, 2) for name, part in panel.items()]
    for place, (row, name, part) in enumerate(guards, len(names)):
        figure.add_trace(_guard(name, part, series(place)), row=row, col=1)
    _set_axes(figure, panels)
    frame_of = _reach(frame)
    if _is_cut(frame, frame_of):
        figure.update_yaxes(range=[-frame_of, frame_of], row=1)
    height, caption = 420 + 150 * len(panels), _caption(frame, bool(panels))
    return dress(figure, heading, caption, height=height, min_width=420)


def _reach(frame: pl.DataFrame) -> float:
    """Return how far from zero the frame reaches: the effects decide, since bands over few concepts can be enormous."""
    largest = max(abs(effect) for effect in frame["effect"].drop_nulls())
    return max(2.5, 2.0 * largest)


def _is_cut(frame: pl.DataFrame, reach: float) -> bool:
    """Whether a band goes beyond the frame."""
    bounds = [*frame["low"].drop_nulls(), *frame["high"].drop_nulls()]
    return any(abs(bound) > reach for bound in bounds)


def _panels(frames: list[pl.DataFrame]) -> list[dict[str, pl.DataFrame]]:
    """Sort what stands below by its scale: all shares together, everything else alone."""
    parts = {
        str(name): part
        for frame in frames
        for (name,), part in frame.drop_nulls("value").group_by(["name"], maintain_order=True)
    }
    shares = {name: part for name, part in parts.items() if (part["value"] <= 1).all()}
    others = [{name: part} for name, part in parts.items() if name not in shares]
    return [shares, *others] if shares else others


def _set_axes(figure: go.Figure, panels: list[dict[str, pl.DataFrame]]) -> None:
    figure.update_yaxes(title_text="effect over its spread", **MEAN_AXIS, row=1)
    for row, panel in enumerate(panels, 2):
        if all((part["value"] <= 1).all() for part in panel.values()):
            figure.update_yaxes(title_text="share", range=[-0.04, 1.06], tickformat=".0%", row=row)
        else:
            figure.update_yaxes(title_text=label(next(iter(panel))), row=row)
    figure.update_xaxes(range=[-0.02, 1.02])
    figure.update_xaxes(title_text="depth (0: first block, 1: last block)", row=len(panels) + 1)


def _curve(name: str, frame: pl.DataFrame, looks: tuple[str, str, str]) -> list[go.Scatter]:
    colour, symbol, dash = looks
    rows = [row for row in frame.sort("depth").iter_rows(named=True) if row["effect"] is not None]
    bounded = [row for row in rows if row["low"] is not None and row["high"] is not None]
    band = go.Scatter(
        x=[row["depth"] for row in bounded] + [row["depth"] for row in reversed(bounded)],
        y=[row["high"] for row in bounded] + [row["low"] for row in reversed(bounded)],
        fill="toself",
        fillcolor=faded(colour, 0.16),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )
    line = go.Scatter(
        x=[row["depth"] for row in rows],
        y=[row["effect"] for row in rows],
        customdata=[_hover(row) for row in rows],
        hovertemplate=f"{label(name)}<br>depth %{{x:.2f}}: %{{customdata}}<extra></extra>",
        mode="lines+markers",
        name=label(name),
        legendgroup=name,
        line={"color": colour, "width": 2, "dash": dash},
        marker={"symbol": symbol, "size": 8},
    )
    return [band, line] if bounded else [line]


def _hover(row: dict[str, Any]) -> str:
    bounds = "no interval" if row["low"] is None or row["high"] is None else number_range(row["low"], row["high"])
    return f"{number(row['effect'])} ({bounds})<br>{row['n_units']} concepts"


def _guard(name: str, frame: pl.DataFrame, looks: tuple[str, str, str]) -> go.Scatter:
    colour, symbol, dash = looks
    ordered = frame.sort("depth")
    return go.Scatter(
        x=ordered["depth"].to_list(),
        y=ordered["value"].to_list(),
        hovertemplate=f"{label(name)}<br>depth %{{x:.2f}}: %{{y:.3~g}}<extra></extra>",
        mode="lines+markers",
        name=label(name),
        line={"color": colour, "width": 1.5, "dash": dash},
        marker={"symbol": symbol, "size": 6},
    )


def _caption(frame: pl.DataFrame, guards: bool) -> str:
    sizes = sorted({n for n in frame["n_units"] if n is not None})
    span = "" if not sizes else f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    cut = " Bands that leave the frame are cut off." if _is_cut(frame, _reach(frame)) else ""
    below = " Below: what the subject is still able to do there." if guards else ""
    return (
        f"Mean over concepts divided by its standard deviation over concepts, {span} concepts a point. Bands are 95 % "
        f"bootstrap intervals over concepts. Noise alone is positive somewhere, so a weak profile has no place."
        f"{cut}{below}"
    )
