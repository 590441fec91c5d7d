"""How every figure looks: palette, template, titles, and the sentence that stands where data are missing.

Colours are from the Okabe–Ito set, which the common kinds of colour blindness tell apart, and arms also differ by
mark. Backgrounds are transparent and text is a middle grey, so that a figure can be read on white and on black; the
report page sets the text colour of its theme.
"""

import textwrap
from typing import Any

import plotly.graph_objects as go

from introspect.plots.text import label, visible

ARM_COLOURS: dict[str, str] = {"concept": "#0072B2", "random": "#D55E00", "none": "#848B95"}
ARM_FILLS: dict[str, str] = {
    "concept": "rgba(0, 114, 178, 0.35)",
    "random": "rgba(213, 94, 0, 0.30)",
    "none": "rgba(132, 139, 149, 0.30)",
}
ARM_SYMBOLS: dict[str, str] = {"concept": "circle", "random": "square-open", "none": "line-ew"}
ARM_WORDS: dict[str, str] = {
    "concept": "concept vector",
    "random": "random vector, same norm",
    "none": "no injection",
}
INK = "#737A85"
GRID = "rgba(128, 134, 145, 0.22)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_AXIS: dict[str, Any] = {
    "gridcolor": GRID,
    "linecolor": "rgba(128, 134, 145, 0.5)",
    "zeroline": False,
    "automargin": True,
    "title": {"standoff": 12},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "title": {
            "font": {"size": 17},
            "subtitle": {"font": {"size": 12.5}},
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"t": 14, "l": 12},
        },
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom", "yref": "container"},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"font": {"family": FONT}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "rgba(128, 134, 145, 0.7)", "activecolor": INK},
    }
)

RATE_AXIS: dict[str, Any] = {"range": [-0.02, 1.04], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"}


def dress(figure: go.Figure, title: str, caption: str, *, height: int = 420, min_width: int = 0) -> go.Figure:
    """Give a figure the house template, its title and its caption.

    Args:
        figure: The figure, changed in place.
        title: Any text, escaped here.
        caption: What n is and what the error bars are; any text, escaped here.
        height: Height of the drawing in pixels, without the title.
        min_width: Narrowest width at which the drawing can be read.

    Returns:
        The same figure. ``layout.meta`` keeps title and caption as plain text for a page that sets them itself.
    """
    lines = textwrap.wrap(visible(caption), 105)
    top = 62 + 17 * len(lines)
    figure.update_layout(
        template=TEMPLATE,
        title={"text": label(title), "subtitle": {"text": "<br>".join(label(line) for line in lines)}},
        meta={"title": visible(title), "caption": visible(caption), "height": height, "min_width": min_width},
        margin={"l": 64, "r": 24, "t": top, "b": 92},
        height=height + top - 36,
    )
    return figure


def empty(title: str, sentence: str) -> go.Figure:
    """Draw the figure that says why there is nothing to draw."""
    figure = dress(go.Figure(), title, "", height=220)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return note(figure, sentence)


def note(figure: go.Figure, sentence: str) -> go.Figure:
    """Write a sentence in the middle of an otherwise empty drawing."""
    text = "<br>".join(label(line) for line in textwrap.wrap(visible(sentence), 60))
    return figure.add_annotation(
        text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 14}
    )


def absent(arms: list[str], what: str) -> str:
    """Say in a sentence which arms a figure had no data for; empty where it had all."""
    if not arms:
        return ""
    names = " and ".join(f"“{arm}”" for arm in arms)
    return f"No {what} for the {names} {'arm' if len(arms) == 1 else 'arms'}."
