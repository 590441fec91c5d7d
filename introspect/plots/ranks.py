"""The forced report: where the injected word ranks at the place at which it would be named, and elsewhere."""

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.style import REFERENCE, dress, empty, in_order, look
from introspect.plots.text import counted, label

_MOST_COLUMNS = 3
STEERING = (
    "This shows that the vector steers what is said next. It is no evidence of introspection, and no criterion uses it."
)


def ranks(outcomes: pl.DataFrame, *, title: str = "") -> go.Figure:
    """Draw the word's rank at the report against its median rank elsewhere, a panel a strength.

    Source: Gurnee et al. (2026), section 3.1.

    Args:
        outcomes: One row a trial; those with ``rank_report`` and ``rank_gain`` (log10 of ranks) count.
        title: A heading of one's own.

    Returns:
        The figure. Below the dotted line the word is likelier at the report; trials without injection are in every
        panel.
    """
    heading = title or "Rank of the concept's word at the report and elsewhere"
    found = outcomes.drop_nulls(["rank_report", "rank_gain"]) if "rank_gain" in outcomes.columns else pl.DataFrame()
    if found.is_empty():
        return empty(heading, "No trial began the report for the subject, so there is no rank to draw.")
    found = found.with_columns(
        (10 ** pl.col("rank_report")).alias("report"), (10 ** (pl.col("rank_report") + pl.col("rank_gain"))).alias("at")
    )
    strengths = sorted(found["strength"].drop_nulls().unique().to_list())
    panels: list[float | None] = [*strengths] if strengths else [None]
    columns = min(_MOST_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=[f"strength {strength:g}" if strength is not None else "" for strength in panels],
        horizontal_spacing=0.05,
        vertical_spacing=0.24 / rows,
    )
    largest = max(float(found[name].to_numpy().max()) for name in ("report", "at"))
    for place, strength in enumerate(panels):
        row, column = divmod(place, columns)
        _draw(figure, _panel(found, strength), largest, (row + 1, column + 1))
    figure.update_xaxes(type="log", dtick=1, matches="x")
    figure.update_yaxes(type="log", dtick=1, matches="y")
    figure.update_xaxes(title_text="median rank elsewhere", row=rows)
    figure.update_yaxes(title_text="rank at the report", col=1)
    caption = (
        f"n = {counted(len(found), 'trial')}, one point each; rank 1 is the likeliest token. Below the dotted line the "
        f"word is likelier where it would be named. {STEERING}"
    )
    return dress(figure, heading, caption, height=150 + 280 * rows, min_width=250 * columns)


def _panel(found: pl.DataFrame, strength: float | None) -> pl.DataFrame:
    here = pl.col("strength").is_null()
    return found.filter(here if strength is None else here | (pl.col("strength") == strength))


def _draw(figure: go.Figure, found: pl.DataFrame, largest: float, place: tuple[int, int]) -> None:
    row, col = place
    first = place == (1, 1)
    equal = go.Scatter(x=[1, largest], y=[1, largest], mode="lines", name="the same", line=REFERENCE)
    figure.add_trace(equal.update(hoverinfo="skip", showlegend=first, legendgroup="equal"), row=row, col=col)
    for arm in in_order(found["arm"]):
        trace = _points(arm, found.filter(pl.col("arm") == arm))
        figure.add_trace(trace.update(showlegend=first, legendgroup=arm), row=row, col=col)


def _points(arm: str, found: pl.DataFrame) -> go.Scatter:
    own = look(arm)
    hover = f"{own.name}: %{{customdata}}<br>rank %{{y:.0f}} at the report, %{{x:.0f}} elsewhere<extra></extra>"
    return go.Scatter(
        x=found["at"].to_list(),
        y=found["report"].to_list(),
        customdata=[_words(concept, layer) for concept, layer in found.select("concept", "layer").iter_rows()],
        hovertemplate=hover,
        mode="markers",
        name=own.name,
        marker={"color": own.colour, "symbol": own.symbol, "size": 7, "opacity": 0.7, "line": {"width": 1.5}},
    )


def _words(concept: str | None, layer: int | None) -> str:
    return label(concept or "no concept") + ("" if layer is None else f", layer {layer}")
