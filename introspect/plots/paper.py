"""Figures for print: the width of one or two columns, black on white, as SVG and PDF.

A figure is laid out at 128 pixels an inch and printed at that size, so that its text of 12 to 13 pixels comes out at
about 7 points and lines and marks keep their proportions to it. The title and the caption are left to the paper; both
are in the sidecar. SVG and PDF are drawn by kaleido in a browser of the system, offline.
"""

import asyncio
import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import plotly.graph_objects as go

from introspect.errors import FigureError
from introspect.plots.style import TEMPLATE

Columns = Literal[1, 2]
Style = Literal["screen", "paper"]
WIDTH_IN: dict[Columns, float] = {1: 3.25, 2: 6.75}
"""Widths of one and of two columns, in inches."""
FORMATS = ("svg", "pdf")
NO_BROWSER = (
    "figures as SVG and PDF are drawn in Chromium or Chrome, and none was found; install one (on Debian: apt install "
    "chromium), name it in BROWSER_PATH, or leave --style paper out for HTML and JSON"
)
PX_PER_IN = 128
SCALE = 96 / PX_PER_IN
"""A browser prints 96 pixels to the inch."""

_INK, _GRID, _AXIS = "#1A1A1A", "#DDDDDD", "#808080"
_FONT = "Arial, Helvetica, 'Liberation Sans', 'Nimbus Sans', 'DejaVu Sans', sans-serif"
_SIZE, _SMALL = 13, 12
_AROUND = 128
"""Of a figure's height in ``layout.meta``, what is not its drawing area but margins."""
_LEGEND_ROW, _PER_LETTER, _PER_ENTRY = 19, 6.6, 46


def paper(figure: go.Figure, columns: Columns = 1) -> go.Figure:
    """Return a copy of a figure as it goes into a paper.

    Args:
        figure: A figure of this package; its data are not touched.
        columns: Whether it fills one column or two.

    Returns:
        The copy, without a title: that and the caption stay as text in ``layout.meta``.
    """
    drawn = go.Figure(copy.deepcopy(figure.to_dict()))
    layout: Any = drawn.layout
    meta: dict[str, Any] = dict(layout.meta or {})
    width = round(WIDTH_IN[columns] * PX_PER_IN)
    legend = _legend_rows(drawn, width)
    bottom, top = 58 + _LEGEND_ROW * legend, 26 if layout.annotations else 12
    area = max(150.0, (meta.get("height", 420) - _AROUND) * (0.72 if columns == 1 else 0.9))
    drawn.update_layout(
        template=_template(),
        title=None,
        meta=meta | {"columns": columns, "readable": meta.get("min_width", 0) <= width},
        width=width,
        height=round(area + top + bottom),
        margin={"l": 56, "r": 10, "t": top, "b": bottom},
    )
    drawn.update_annotations(font_size=_SMALL)
    drawn.update_traces(colorbar={"tickfont": {"size": _SMALL}, "ticklen": 3}, selector={"type": "heatmap"})
    return drawn


def readable(printed: go.Figure) -> bool:
    """Return whether a printed figure is at least as wide as its panels need."""
    layout: Any = printed.layout
    return bool(layout.meta["readable"])


def _template() -> go.layout.Template:
    axis = {"gridcolor": _GRID, "linecolor": _AXIS, "showline": True, "ticks": "outside", "ticklen": 4}
    small = {"tickfont": {"size": _SMALL}, "title": {"standoff": 6, "font": {"size": _SIZE}}}
    template = go.layout.Template(TEMPLATE)
    layout: Any = template.layout
    layout.update(
        font={"family": _FONT, "size": _SIZE, "color": _INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        xaxis=axis | small,
        yaxis=axis | small,
        legend={"font": {"size": _SMALL}},
    )
    return template


def _legend_rows(figure: go.Figure, width: float) -> int:
    """Estimate how many rows the legend takes: plotly gives each entry the room of the longest."""
    data: Any = figure.data
    layout: Any = figure.layout
    traces = [each for each in data if each.showlegend is not False and each.name]
    shapes = [each for each in layout.shapes if each.showlegend and each.name]
    names = list(dict.fromkeys(each.name for each in (*traces, *shapes)))
    if not names or (len(traces) == 1 and not shapes and traces[0].showlegend is None):
        return 0
    widest = _PER_ENTRY + _PER_LETTER * max(len(name) for name in names)
    a_row = max(1, int(width // widest))
    return -(-len(names) // a_row)


def chromium() -> str | None:
    """Return the browser that draws: ``BROWSER_PATH``, or the first Chromium or Chrome of the system."""
    from choreographer.browsers.chromium import Chromium

    found = Chromium.find_browser(skip_local=False)
    return found if found and Path(shutil.which(found) or found).is_file() else None


def images(figures: Mapping[str, go.Figure]) -> dict[str, dict[str, bytes]]:
    """Draw figures as SVG and PDF, all in one browser.

    Args:
        figures: Figures by name, with width and height as ``paper`` gives them.

    Returns:
        By name and format, what the file holds.

    Raises:
        FigureError: There is no browser to draw in, or it does not draw.
    """
    browser = chromium()
    if browser is None:
        raise FigureError(NO_BROWSER)
    return asyncio.run(_images(figures, browser)) if figures else {}


async def _images(figures: Mapping[str, go.Figure], browser: str) -> dict[str, dict[str, bytes]]:
    from kaleido import Kaleido, errors

    drawn: dict[str, dict[str, bytes]] = {}
    try:
        async with Kaleido(n=1, path=browser, mathjax=False) as kaleido:
            for name, figure in figures.items():
                drawn[name] = {}
                for form in FORMATS:
                    drawn[name][form] = await kaleido.calc_fig(figure, {"format": form, "scale": SCALE})
    except (
        errors.BrowserClosedError,
        errors.BrowserFailedError,
        errors.ChromeNotFoundError,
        errors.JavascriptError,
        errors.KaleidoError,
        TimeoutError,
    ) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"{browser} does not draw the figures ({first}); leave --style paper out for HTML and JSON"
        raise FigureError(message) from error
    return drawn
