"""A concept's word through the logit lens, layer by layer, and what the injected direction says of it itself."""

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.style import BLUE, GREY, MEAN_AXIS, ORANGE, REFERENCE, dress, empty, faded, look
from introspect.plots.text import counted, number

PANELS = ("rank of the word", "log-probability (nats)", "logit against the others")


def logit_lens(frame: pl.DataFrame, *, layer: int, strength: float, title: str = "") -> go.Figure:
    """Draw rank and log-probability of the word with the injection and without, and below what gives it its logit.

    Args:
        frame: Rows of the schema ``introspect.subjects.logit_lens.LENS``, of one concept or several.
        layer: Where was injected, for the line and the caption.
        strength: Likewise.
        title: A heading of one's own.

    Returns:
        The figure: medians of ranks and means of all else over concepts, with a thin line for each where there are
        several. Bars are what each block adds with the injection less what it adds without.
    """
    heading = title or "The injected word through the logit lens"
    layers = frame.filter(pl.col("layer") >= 0)
    if layers.is_empty():
        return empty(heading, "No concept was read through the lens, so there is nothing to draw.")
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=PANELS)
    for row, column in ((1, "rank"), (2, "logprob")):
        for arm in ("concept", "none"):
            _lines(figure, layers.filter(pl.col("arm") == arm), arm, column, row)
    changes = _changes(layers)
    _attributions(figure, changes)
    figure.update_yaxes(type="log", autorange="reversed", row=1)
    figure.update_yaxes(**MEAN_AXIS, row=3)
    figure.update_xaxes(title_text="layer (output of block)", row=3)
    figure.add_vline(x=layer, line=REFERENCE)
    return dress(figure, heading, _caption(layers, changes, layer, strength), height=760, min_width=420)


def _lines(figure: go.Figure, frame: pl.DataFrame, arm: str, column: str, row: int) -> None:
    looks, several = look(arm), frame["concept"].n_unique() > 1
    for (concept,), part in frame.group_by(["concept"], maintain_order=True) if several else ():
        thin = go.Scatter(x=part["layer"].to_list(), y=part[column].to_list(), mode="lines", name=str(concept))
        thin.update(line={"color": faded(looks.colour, 0.35), "width": 1}, showlegend=False, legendgroup=arm)
        figure.add_trace(thin.update(hovertemplate=f"{concept}, layer %{{x}}: %{{y}}<extra></extra>"), row=row, col=1)
    middle = pl.col(column).median() if column == "rank" else pl.col(column).mean()
    whole = frame.group_by("layer").agg(middle).sort("layer")
    line = go.Scatter(x=whole["layer"].to_list(), y=whole[column].to_list(), mode="lines+markers", name=looks.name)
    line.update(line={"color": looks.colour, "width": 2.2, "dash": looks.dash}, legendgroup=arm, showlegend=row == 1)
    line.update(marker={"size": 5}, hovertemplate=f"{looks.name}, layer %{{x}}: %{{y:.3~g}}<extra></extra>")
    figure.add_trace(line, row=row, col=1)


def _changes(layers: pl.DataFrame) -> pl.DataFrame:
    """Return means over concepts, by layer: the vector's own part, and the changes of the logit and of the blocks."""
    names = ("margin", "direct", "block")
    sides = {arm: layers.filter(pl.col("arm") == arm).sort("concept", "layer") for arm in ("concept", "none")}
    both = sides["concept"].join(sides["none"], on=["concept", "layer"], suffix="_none")
    changed = [(pl.col(name) - pl.col(f"{name}_none")).alias(name) for name in names]
    return both.select("layer", *changed).group_by("layer").agg(pl.col(*names).mean()).sort("layer")


def _attributions(figure: go.Figure, changes: pl.DataFrame) -> None:
    x = changes["layer"].to_list()
    bars = go.Bar(x=x, y=changes["block"].to_list(), name="what the block adds, changed", marker={"color": GREY})
    figure.add_trace(bars.update(hovertemplate="block %{x}: %{y:.3~g}<extra></extra>"), row=3, col=1)
    for column, name, colour, dash in (
        ("direct", "the injected direction itself", BLUE, "solid"),
        ("margin", "the whole stream, changed", ORANGE, "dash"),
    ):
        line = go.Scatter(x=x, y=changes[column].to_list(), mode="lines", name=name)
        line.update(line={"color": colour, "width": 2, "dash": dash})
        figure.add_trace(line.update(hovertemplate=f"{name}, layer %{{x}}: %{{y:.3~g}}<extra></extra>"), row=3, col=1)


def _caption(layers: pl.DataFrame, changes: pl.DataFrame, layer: int, strength: float) -> str:
    names = list(dict.fromkeys(layers["concept"]))
    what = f"“{names[0]}”" if len(names) == 1 else f"{counted(len(names), 'concept')} (median rank, mean else)"
    last = changes.row(-1, named=True)
    return (
        f"{what}, injected at layer {layer} (dotted line) at strength {strength:g}, read at the last prompt token. "
        "Rank 1 is the most probable token. Below: the word's logit less the mean logit of other tokens, with the "
        "scale of the final norm held: at each layer its own, for the bars the last one's. At the end the injection "
        f"changes it by {number(last['margin'])}, of which the direction itself gives {number(last['direct'])}."
    )
