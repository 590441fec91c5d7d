"""What a criterion rests on: every part of its clauses with its interval, beside zero and the smallest effect."""

import textwrap

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.plots.style import INK, dress, empty, faded, series
from introspect.plots.text import label, number

UNITS = {"rate": "difference of two rates", "log-odds": "log-odds, in nats"}
COLUMNS: tuple[str, ...] = ("subject", "part", "unit", "value", "low", "high", "smallest", "status", "n", "level")
_LEFT = 46
_SYMBOLS = {"met": "circle", "not met": "circle-open", "undetermined": "circle-dot"}


def criterion(parts: pl.DataFrame, title: str) -> go.Figure:
    """Draw the parts of a criterion's clauses, subject under subject.

    Args:
        parts: One row a subject and part, with ``part`` in words, its ``unit`` (``rate`` or ``log-odds``), ``value``,
            ``low``, ``high``, the ``smallest`` effect that counts, ``status``, ``n`` concepts and the interval's
            ``level``.
        title: The criterion.

    Returns:
        The figure, a panel a unit; from zero to the smallest effect it is grey. A part without a value is left out.
    """
    known = parts.drop_nulls("value") if len(parts) else parts
    if known.is_empty():
        return empty(title, "No part of this criterion has a value yet.")
    units = [unit for unit in UNITS if unit in set(known["unit"])]
    rows = [known.filter(pl.col("unit") == unit)["part"].n_unique() for unit in units]
    subjects = list(dict.fromkeys(parts["subject"]))
    figure = make_subplots(rows=len(units), row_heights=rows, vertical_spacing=0.32 / max(len(units), 1) / 1.4)
    for row, unit in enumerate(units, start=1):
        _panel(figure, row, unit, known.filter(pl.col("unit") == unit), subjects)
    figure.update_layout(scattermode="group", scattergap=0.55, legend_traceorder="normal")
    height = 110 + 74 * len(units) + (58 + 16 * len(subjects)) * sum(rows)
    return dress(figure, title, _caption(known), height=height, min_width=620)


def _panel(figure: go.Figure, row: int, unit: str, parts: pl.DataFrame, subjects: list[str]) -> None:
    order = list(dict.fromkeys(parts["part"]))[::-1]
    for place, subject in enumerate(subjects):
        own = parts.filter(pl.col("subject") == subject)
        figure.add_trace(_points(own, subject, place, legend=row == 1), row=row, col=1)
    axis = "" if row == 1 else row
    across = {"xref": f"x{axis}", "yref": f"y{axis} domain", "y0": 0, "y1": 1, "layer": "below"}
    smallest = float(parts["smallest"][0])
    figure.add_shape(type="rect", x0=0, x1=smallest, fillcolor=faded(INK, 0.2), line={"width": 0}, **across)
    figure.add_shape(type="line", x0=0, x1=0, line={"color": INK, "width": 1.5}, **across)
    texts = ["<br>".join(label(line) for line in textwrap.wrap(part, _LEFT)) for part in order]
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=order, tickvals=order, ticktext=texts, showgrid=False,
        range=[-0.6, len(order) - 0.4], row=row,
    )  # fmt: skip
    figure.update_xaxes(title_text=UNITS[unit], row=row)


def _points(parts: pl.DataFrame, subject: str, place: int, *, legend: bool) -> go.Scatter:
    colour, _, _ = series(place)
    rows = list(parts.iter_rows(named=True))
    ends = {
        "array": [None if each["high"] is None else each["high"] - each["value"] for each in rows],
        "arrayminus": [None if each["low"] is None else each["value"] - each["low"] for each in rows],
    }
    return go.Scatter(
        x=[each["value"] for each in rows],
        y=[each["part"] for each in rows],
        error_x={"type": "data", "symmetric": False, "thickness": 2, "width": 5, **ends},
        customdata=[_hover(each) for each in rows],
        hovertemplate="%{customdata}<extra></extra>",
        orientation="h",
        mode="markers",
        name=label(subject),
        offsetgroup=subject,
        legendgroup=subject,
        showlegend=legend,
        marker={
            "color": colour,
            "size": 11,
            "symbol": [_SYMBOLS.get(each["status"], "x-thin-open") for each in rows],
            "line": {"color": colour, "width": 2},
        },
    )


def _hover(each: dict[str, object]) -> str:
    bounds = "no interval"
    if isinstance(each["low"], float) and isinstance(each["high"], float):
        bounds = f"{number(each['low'])} to {number(each['high'])}"
    value = number(float(str(each["value"])))
    return f"{label(str(each['subject']))}<br>{value} ({bounds})<br>{each['status']}, {each['n']} concepts"


def _caption(parts: pl.DataFrame) -> str:
    sizes = sorted(set(parts["n"]))
    span = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"Bars are {100 * float(parts['level'][0]):g} % intervals over {span} concepts."
