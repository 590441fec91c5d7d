"""Yes or no: whether an injection moves the detection question more than questions that have nothing to do with it."""

from collections.abc import Mapping
from dataclasses import dataclass

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from introspect.analysis.effects import of_metric
from introspect.analysis.means import Mean, clustered_mean
from introspect.analysis.tables import values
from introspect.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MEAN_AXIS,
    ORANGE,
    PURPLE,
    REFERENCE,
    SKY,
    VERMILLION,
    dress,
    empty,
    in_order,
    look,
)
from introspect.plots.text import counted, label, number, number_range

METRIC = "yes_logodds"
UNRELATED = "question"
_MARKS: dict[str, tuple[str, str, str, int]] = {
    "detection": ("is there an injected thought?", BLUE, "star", 15),
    "inverted": ("is there none?", VERMILLION, "diamond", 12),
    "third_person": ("in another model, untouched?", GREEN, "triangle-up", 12),
    "third_person_told": ("in another model, injected?", PURPLE, "triangle-down", 12),
}
_FRAMES: dict[str, tuple[str, str, str]] = {
    "detection": ("unrelated, in the detection question's frame", ORANGE, "circle"),
    "own": ("unrelated, in a frame of its own", SKY, "circle-open"),
    "": ("unrelated question", GREY, "circle-open"),
}


@dataclass(frozen=True, slots=True)
class _Point:
    """One question: where it stands without injection, and how far an arm moves it."""

    head: str
    text: str
    clean: float
    shift: Mean


def questions(outcomes: pl.DataFrame, frames: Mapping[str, str] | None = None, *, title: str = "") -> go.Figure:
    """Draw each question's clean log-odds of yes against its shift under injection, a panel an arm and manner.

    Source: the matched control questions of Hahami et al. (2026) and the entropy matching of Sridharan (2026).

    Args:
        outcomes: One row a trial of the yes–no experiment.
        frames: Which frame an unrelated question has, by its text: ``detection`` or ``own``.
        title: A heading of one's own.

    Returns:
        The figure, everything else pooled. On the dotted line an injection takes all certainty: even odds.
    """
    heading = title or "The shift of every question under injection, by its log-odds of yes without"
    manners = sorted({task.partition("/")[2] for task in outcomes["task"]}) if "task" in outcomes.columns else []
    arms = [arm for arm in in_order(outcomes["arm"]) if arm != "none"] if manners else []
    panels = {(manner, arm): _points(outcomes, manner, arm) for manner in manners for arm in arms}
    every = [point for points in panels.values() for point in points]
    if not every:
        return empty(heading, "No question was asked both with and without an injection, so there is no shift to draw.")
    figure = make_subplots(
        rows=len(manners),
        cols=len(arms),
        shared_yaxes=True,
        subplot_titles=[_panel_words(manner, arm) for manner in manners for arm in arms],
        horizontal_spacing=0.05,
        vertical_spacing=0.3 / len(manners) ** 1.5,
    )
    for (manner, arm), points in panels.items():
        _draw(figure, points, frames or {}, (manners.index(manner) + 1, arms.index(arm) + 1))
    figure.update_xaxes(title_text="log-odds of yes without injection (nats)", **MEAN_AXIS)
    figure.update_yaxes(range=_reach(every), **MEAN_AXIS)
    figure.update_yaxes(title_text="shift under injection (nats)", col=1)
    return dress(figure, heading, _caption(every), height=130 + 330 * len(manners), min_width=290 * len(arms))


def _points(outcomes: pl.DataFrame, manner: str, arm: str) -> list[_Point]:
    points: list[_Point] = []
    for head in (UNRELATED, *_MARKS):
        asked = outcomes.filter(pl.col("task") == (f"{head}/{manner}" if manner else head))
        parts = asked.partition_by("item", maintain_order=True) if head == UNRELATED else [asked]
        points += [point for part in parts if (point := _point(part, head, arm)) is not None]
    return points


def _point(asked: pl.DataFrame, head: str, arm: str) -> _Point | None:
    clean = values(asked.filter(pl.col("arm") == "none"), METRIC)["_hit"]
    shifts = of_metric(asked.filter(pl.col("arm").is_in([arm, "none"])), METRIC)
    level = clean.mean()
    if not isinstance(level, float) or shifts.is_empty():
        return None
    text = str(asked["item"][0]) if head == UNRELATED else _MARKS[head][0]
    return _Point(head, text, level, clustered_mean(shifts["effect"].to_list(), shifts["unit"].to_list()))


def _draw(figure: go.Figure, points: list[_Point], frames: Mapping[str, str], place: tuple[int, int]) -> None:
    row, col = place
    first = place == (1, 1)
    levels = [point.clean for point in points]
    if levels:
        ends = [min(levels), max(levels)]
        even = go.Scatter(x=ends, y=[-end for end in ends], mode="lines", name="even odds", line=REFERENCE)
        even.update(showlegend=first, legendgroup="even odds", hoverinfo="skip")
        figure.add_trace(even, row=row, col=col)
    for frame, looks in _FRAMES.items():
        dots = [point for point in points if point.head == UNRELATED and _frame(frames, point.text) == frame]
        if dots:
            figure.add_trace(_dots(dots, looks, legend=first), row=row, col=col)
    for point in points:
        if point.head != UNRELATED:
            figure.add_trace(_marked(point, legend=first), row=row, col=col)


def _reach(every: list[_Point]) -> list[float]:
    """Return the vertical range: zero and every shift, so that the line of even odds does not press them flat."""
    shifts = [0.0, *(point.shift.value for point in every if point.shift.value is not None)]
    margin = 0.25 * (max(shifts) - min(shifts)) or 1.0
    return [min(shifts) - margin, max(shifts) + margin]


def _frame(frames: Mapping[str, str], text: str) -> str:
    known = frames.get(text, "")
    return known if known in _FRAMES else ""


def _dots(points: list[_Point], looks: tuple[str, str, str], *, legend: bool) -> go.Scatter:
    words, colour, symbol = looks
    return go.Scatter(
        x=[point.clean for point in points],
        y=[point.shift.value for point in points],
        customdata=[_hover(point) for point in points],
        hovertemplate="%{customdata}<extra></extra>",
        mode="markers",
        name=words,
        legendgroup=words,
        showlegend=legend,
        marker={"color": colour, "symbol": symbol, "size": 7, "line": {"color": colour, "width": 1.5}},
    )


def _marked(point: _Point, *, legend: bool) -> go.Scatter:
    words, colour, symbol, size = _MARKS[point.head]
    shift = point.shift
    ends = [None if end is None or shift.value is None else abs(end - shift.value) for end in (shift.high, shift.low)]
    return go.Scatter(
        x=[point.clean],
        y=[shift.value],
        error_y={"type": "data", "symmetric": False, "array": ends[:1], "arrayminus": ends[1:], "width": 4},
        customdata=[_hover(point)],
        hovertemplate="%{customdata}<extra></extra>",
        mode="markers",
        name=words,
        legendgroup=point.head,
        showlegend=legend,
        marker={"color": colour, "symbol": symbol, "size": size, "line": {"color": INK, "width": 1}},
    )


def _hover(point: _Point) -> str:
    shift = point.shift
    bounds = "no interval" if shift.low is None or shift.high is None else number_range(shift.low, shift.high)
    moved = "–" if shift.value is None else number(shift.value)
    behind = f"{counted(shift.n, 'concept × cell')}, {counted(shift.n_units, 'concept')}"
    return f"{label(point.text)}<br>without injection {number(point.clean)}<br>shift {moved} ({bounds})<br>{behind}"


def _panel_words(manner: str, arm: str) -> str:
    return f"{look(arm).name}, in {label(manner)}" if manner else look(arm).name


def _caption(every: list[_Point]) -> str:
    units = sorted({point.shift.n_units for point in every})
    span = f"{units[0]}" if len(units) == 1 else f"{units[0]} to {units[-1]}"
    return (
        f"One point a question, its shift averaged over cells and {span} concepts. Error bars are 95 % intervals with "
        "concepts as the units; long ones leave the panel. An injection that only makes answers less certain moves "
        "every question towards the dotted line of even odds, so what counts are questions at about the detection "
        "question's place on the horizontal axis."
    )
