"""All figures of a run, by the names of their files: those that answer what its experiment asks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go
import polars as pl

from introspect.analysis.analyze import Analysis
from introspect.analysis.metrics import primary
from introspect.analysis.profile import profiles
from introspect.errors import StimulusError
from introspect.plots.arms import arms
from introspect.plots.confusion import confusion
from introspect.plots.dose_response import Over, dose_response
from introspect.plots.estimates import heading_words, metric_of, with_values, words
from introspect.plots.heatmap import heatmap
from introspect.plots.identification import identification
from introspect.plots.layers import layer_curves
from introspect.plots.per_concept import per_concept
from introspect.plots.profile import profile
from introspect.plots.questions import questions
from introspect.plots.ranks import ranks
from introspect.plots.style import CONTROLS, PALETTE, look
from introspect.plots.tasks import in_order
from introspect.stimuli import load_stimuli
from introspect.sweeps.packed import option_counts

Figures = dict[str, go.Figure]

MANY_LAYERS = 9
"""From more layers than this on a panel for each would be more than a page holds; then there is one a strength."""


def run_figures(analysis: Analysis) -> Figures:
    """Draw a run's figures.

    Args:
        analysis: The run's numbers.

    Returns:
        The figures that belong to the experiment alone, then for each task its arms and, where there is a grid, its
        primary measure over layer and strength, then where in depth the effects sit. No figure is of a measure that
        no trial of its task has.
    """
    tasks = in_order(analysis.protocol, analysis.pooled["task"])
    match analysis.protocol:
        case "injected_thought":
            figures = _report(analysis) | _ranks(analysis)
            tasks = [task for task in tasks if task != "report"]
        case "intentional_control":
            return _layers(analysis)
        case "yes_no":
            figures = _questions(analysis)
        case _:
            figures = _bits(analysis) | _confusions(analysis, tasks)
    for task in tasks:
        figures |= _Task(analysis, task).figures
    return figures | _profile(analysis)


def file_name(*parts: str) -> str:
    """Join words to a name that can be a file: a slash, and whatever else a file cannot have, becomes an underscore."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "_", part) for part in parts if part)


def _report(analysis: Analysis) -> Figures:
    """Return the figures of the free report: under short names, and there also before the first trial is."""
    pooled, rows, concepts = (_of(frame, "report") for frame in (analysis.pooled, analysis.rows, analysis.per_concept))
    if pooled.is_empty() and not analysis.pooled.is_empty():
        return {}
    figures = {"arms": arms(pooled)}
    grids = [] if _is_one_cell(rows) else _by_info(rows)
    for name, title, here in grids:
        for metric in ("noticed", "named", "coherent"):
            heading = _heading(title, f"{heading_words(metric)}, by layer and strength: concept vector")
            figures[file_name("heatmap", metric, name)] = heatmap(here, metric, title=heading)
        for metric in ("noticed", "named"):
            heading = _heading(title, f"{heading_words(metric)}, by strength")
            figures[file_name("dose_response", metric, name)] = dose_response(here, metric, title=heading)
    for metric in ("named", "noticed"):
        figures[f"per_concept_{metric}"] = per_concept(concepts, metric)
    return figures


def _is_one_cell(rows: pl.DataFrame) -> bool:
    """Whether a run has a single layer and strength, so that there is no grid to draw."""
    return not rows.is_empty() and rows.select("layer", "strength").drop_nulls().n_unique() == 1


@dataclass(frozen=True)
class _Task:
    """The figures of one task."""

    analysis: Analysis
    task: str

    @property
    def figures(self) -> Figures:
        if not self.metrics:
            return {}
        title = f"{self.task}: the arms side by side"
        return {
            file_name("arms", self.task): arms(self.pooled, self.metrics, title=title, chance=self.chance)
        } | self._grids()

    @cached_property
    def pooled(self) -> pl.DataFrame:
        return _of(self.analysis.pooled, self.task)

    @cached_property
    def metrics(self) -> list[str]:
        return with_values(self.pooled, [metric.name for metric in self.analysis.metrics])

    @cached_property
    def chance(self) -> Mapping[str, float]:
        """What guessing gives, of the measures for which it depends on how many answers are on offer."""
        names = [name for name in self.metrics if metric_of(name).chance == "options"]
        sizes = option_counts(self.analysis.run.trials, self.task) if names else set()
        known = len(sizes) == 1 and min(sizes) > 0
        return {name: 1 / min(sizes) for name in names if known}

    @property
    def metric(self) -> str:
        """The measure by which the task's effect is followed, or its most telling one."""
        wanted = primary(self.analysis.protocol, self.task)
        return wanted if wanted in self.metrics else self.metrics[0]

    def _grids(self) -> Figures:
        metric, figures = self.metric, Figures()
        level = self.chance.get(metric)
        for name, title, rows in _by_info(_of(self.analysis.rows, self.task)):
            cells = rows.drop_nulls(["layer", "strength", f"{metric}_rate"])
            heading = f"{self.task}: {words(metric)}"
            if (cells["arm"] == "concept").any():
                figures[file_name("heatmap", self.task, metric, name)] = heatmap(
                    rows, metric, chance=level, title=_heading(title, f"{heading}, by layer and strength")
                )
            over = _over(cells)
            if over:
                kind = "dose_response" if over == "strength" else "by_layer"
                figures[file_name(kind, self.task, metric, name)] = dose_response(
                    rows, metric, chance=level, over=over, title=_heading(title, f"{heading}, by {over}")
                )
        return figures


def _over(cells: pl.DataFrame) -> Over | None:
    """Choose what a grid is drawn over, so that there is a line and the panels are few."""
    n_layers, n_strengths = (cells[name].n_unique() for name in ("layer", "strength"))
    if n_strengths > 1 and n_layers <= MANY_LAYERS:
        return "strength"
    return "layer" if n_layers > 1 else None


def _of(frame: pl.DataFrame, task: str) -> pl.DataFrame:
    return frame.filter(pl.col("task") == task)


def _by_info(rows: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Go through the information texts: a part for a file's name, words for a title, and the rows."""
    texts = list(dict.fromkeys(rows["info"]))
    if len(texts) < 2:
        yield "", "", rows
        return
    for text in texts:
        title = "no information text" if text == "none" else f"{text} information text"
        yield f"info_{text}", title, rows.filter(pl.col("info") == text)


def _heading(info: str, title: str) -> str:
    return f"{title} ({info})" if info else title


def _ranks(analysis: Analysis) -> Figures:
    return {"ranks": ranks(analysis.outcomes)} if analysis.outcomes["rank_gain"].count() else {}


def _layers(analysis: Analysis) -> Figures:
    figures: Figures = {}
    for name, title, rows in _by_info(analysis.rows):
        for metric in ("above", "centred_above"):
            read = rows.drop_nulls(["layer", f"{metric}_rate"])
            for arm in dict.fromkeys(read["arm"]):
                heading = _heading(title, f"{heading_words(metric)}, by layer: {look(arm).words}")
                figures[file_name("layer_curves", arm, metric, name)] = layer_curves(read, metric, arm, title=heading)
    return figures


def _questions(analysis: Analysis) -> Figures:
    if not analysis.outcomes["yes_logodds"].count():
        return {}
    return {"questions": questions(analysis.outcomes, _frames(analysis.run.manifest.plan.stimuli))}


def _frames(stimuli: str) -> Mapping[str, str]:
    """Return the frame of each unrelated question; nothing where the run's stimulus file is no longer here."""
    try:
        return {question.text: question.frame for question in load_stimuli(stimuli).question}
    except StimulusError:
        return {}


def _confusions(analysis: Analysis, tasks: list[str]) -> Figures:
    """Draw what was chosen, for every task in which the injected concept is the right answer."""
    figures: Figures = {}
    for task in tasks:
        chosen = _of(analysis.outcomes, task).filter((pl.col("arm") == "concept") & pl.col("truth").is_not_null())
        if chosen["answer"].count() and (chosen["truth"] == chosen["concept"]).all():
            figures[file_name("confusion", task)] = confusion(analysis.outcomes, task)
    return figures


def _bits(analysis: Analysis) -> Figures:
    """Draw mutual information where a finding has a table of it."""
    wanted = {"task", "arm", "bits", "null", "p", "n"}
    tables = [each.table for each in analysis.findings if each.table is not None]
    found = [table.select(sorted(wanted)) for table in tables if wanted <= set(table.columns)]
    return {"identification": identification(pl.concat(found, how="vertical_relaxed"))} if found else {}


def _profile(analysis: Analysis) -> Figures:
    """Draw the effects over depth, the concept vectors' and, where there is room, the controls'."""
    known = analysis.effects.drop_nulls(["depth", "effect"])
    for kept in ({"concept"} | CONTROLS, {"concept"}):
        here = known.filter(pl.col("arm").is_in(kept))
        lines = here.select("task", "arm").unique(maintain_order=True).rows()
        if len(lines) <= len(PALETTE):
            break
    else:
        return {}
    if here["depth"].n_unique() < 2 or here["unit"].n_unique() < 2:
        return {}
    names = {(task, arm): f"{task}, {look(arm).words}" for task, arm in lines}
    keys = here.select("task", "arm").iter_rows()
    frame = here.with_columns(pl.Series("experiment", [names[key] for key in keys], dtype=pl.String))
    found = profiles(frame)
    return {"profile": profile(found, readable=_readable(analysis))} if found["effect"].count() else {}


def _readable(analysis: Analysis) -> pl.DataFrame | None:
    """Return the share of readable replies under concept vectors, by depth, for every task that has replies."""
    if "readable_count" not in analysis.rows.columns:
        return None
    last = max(analysis.run.manifest.subject.n_layers - 1, 1)
    found = analysis.rows.filter((pl.col("arm") == "concept") & pl.col("layer").is_not_null())
    shares = found.drop_nulls("readable_count").group_by("task", "layer", maintain_order=True)
    value = pl.col("readable_count").sum() / pl.col("readable_n").sum()
    return shares.agg(value.alias("value")).select(
        (pl.col("layer") / last).alias("depth"), ("readable replies, " + pl.col("task")).alias("name"), "value"
    )
