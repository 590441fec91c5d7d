"""How every figure looks: palette, template, titles, and the sentence that stands where data are missing.

Colours are from the Okabe–Ito set, which the common kinds of colour blindness tell apart; there are more arms than
colours, and arms also differ by mark. Backgrounds are transparent and text is a middle grey, so that a figure can be
read on white and on black; the report page sets the text colour of its theme.
"""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from introspect.analysis.tables import ARM_ORDER
from introspect.plots.text import label, visible

BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
GREY = "#848B95"
INK = "#737A85"
GRID = "rgba(128, 134, 145, 0.22)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True, slots=True)
class Look:
    """An arm in words, and how it is drawn."""

    words: str
    colour: str
    symbol: str
    dash: str

    @property
    def fill(self) -> str:
        """The colour for an area, through which a grid can be seen."""
        return faded(self.colour)

    @property
    def name(self) -> str:
        """The words for a legend or a hover label."""
        return label(self.words)


LOOKS: dict[str, Look] = {
    "concept": Look("concept vector", BLUE, "circle", "solid"),
    "both": Look("vector and text", BLUE, "star-diamond", "dashdot"),
    "text": Look("concept as text", GREEN, "diamond", "dash"),
    "later": Look("after the prefill", SKY, "triangle-up", "dashdot"),
    "random": Look("matched random vector", VERMILLION, "square-open", "dot"),
    "covariance": Look("covariance-matched noise", ORANGE, "diamond-open", "dash"),
    "shuffled": Look("coordinates shuffled", PURPLE, "x-thin-open", "longdash"),
    "negated": Look("negated", GREEN, "triangle-down-open", "dashdot"),
    "other": Look("another concept, matched", ORANGE, "cross-open", "longdashdot"),
    "swap": Look("swapped activation", SKY, "star-open", "dash"),
    "amplify": Look("own activation amplified", PURPLE, "triangle-up-open", "dot"),
    "forced": Look("sentence put into the reply", BLUE, "hexagon", "longdash"),
    "sampled": Look("sentence written by the subject", ORANGE, "pentagon-open", "dot"),
    "none": Look("no injection", GREY, "line-ew-open", "dash"),
}
"""Every arm there is. "Matched" is by norm, or by effect where a plan asks for that."""

CONTROLS = frozenset(LOOKS) - {"concept", "both", "none", "forced", "sampled"}
"""Arms that a concept vector can be compared with, besides the one without injection."""


def look(arm: str) -> Look:
    """Return how an arm is drawn; one that nobody has thought of is grey and keeps its name."""
    return LOOKS.get(arm) or Look(arm, INK, "circle-x-open", "solid")


def faded(colour: str, opacity: float = 0.32) -> str:
    """Return a colour given as ``#RRGGBB`` as one that lets the background through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def in_order(arms: Iterable[str]) -> list[str]:
    """Return arms in the order in which figures and tables have them: the concept's, its controls, no injection."""
    return sorted(set(arms), key=lambda arm: (ARM_ORDER.get(arm, len(ARM_ORDER)), arm))


def lacking(arms: Iterable[str]) -> list[str]:
    """Return the arms without which a figure says little: the concept's, a control, and no injection."""
    present = set(arms)
    if present & {"forced", "sampled"}:
        return []
    wanted = ["concept", "none"] if present & CONTROLS else ["concept", "random", "none"]
    return [arm for arm in wanted if arm not in present]


def series(place: int) -> tuple[str, str, str]:
    """Return colour, mark and dash of the nth thing that is no arm, such as an experiment; the first 42 all differ."""
    turn = place + place // len(PALETTE)
    return PALETTE[place % len(PALETTE)], _SYMBOLS[turn % len(_SYMBOLS)], _DASHES[turn % len(_DASHES)]


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
MEAN_AXIS: dict[str, Any] = {"zeroline": True, "zerolinecolor": "rgba(128, 134, 145, 0.7)", "zerolinewidth": 1.5}
REFERENCE: dict[str, Any] = {"color": INK, "width": 1.2, "dash": "dot"}
"""The line of what guessing gives, and of other things that are not data."""


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
