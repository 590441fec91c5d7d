"""The page of a run: one HTML file that needs no network, no server and no other file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from introspect.analysis.metrics import Metric
from introspect.plots.estimates import INTERVALS
from introspect.plots.text import counted, number, percent
from introspect.plots.write import write_text
from introspect.records import SubjectIdentity, digest
from introspect.report.asks import QUESTIONS
from introspect.report.assets import rendered
from introspect.report.content import Entry, ReportContent
from introspect.report.design import design
from introspect.report.figures import Drawings
from introspect.report.tables import Table, plain, rates
from introspect.report.transcripts import entries_data, listing, sampled

__all__ = ["ReportContent", "render", "write_report"]


def write_report(out: Path, content: ReportContent) -> Path:
    """Write the page of a run.

    Args:
        out: The file to write; a folder gets a ``report.html``.
        content: What the page shows.

    Returns:
        The file.
    """
    return write_text(out / "report.html" if out.is_dir() else out, render(content))


def render(content: ReportContent) -> str:
    """Return the page as text."""
    drawings = Drawings()
    for name, figure in content.figures.items():
        drawings.add(name, figure)
    return rendered(
        "page.html.j2",
        drawings=drawings.data,
        browser=entries_data([Entry("", "", content)]),
        sizes=drawings.sizes,
        figures=drawings.figures,
        **_words(content),
    )


def _words(content: ReportContent) -> dict[str, Any]:
    """Return everything on the page that is text or numbers."""
    plan, trials = content.manifest.plan, content.trials
    names = [metric.name for metric in content.metrics]
    return {
        "content": content,
        "version": content.manifest.introspect_version,
        "subject": subject_name(content.manifest.subject),
        "plan": plan,
        "asks": QUESTIONS.get(plan.protocol, ""),
        "plan_hash": digest(plan.identity()),
        "design": design(plan, trials),
        "verdict": content.verdict,
        "verdict_points": content.verdict_points,
        "findings": [(each, None if each.table is None else plain(each.table)) for each in content.findings],
        "completeness": _complete(content),
        "complete": _n_trials(content) == content.n_planned,
        "listing": " ".join(filter(None, (sampled(content), listing(trials)))),
        "definitions": [(metric, chance_words(metric)) for metric in content.metrics],
        "intervals": INTERVALS,
        "trials_word": "readings" if _is_read_by_layer(content) else "trials",
        "filters": filters([Entry("", "", content)]),
        **_tables(content, names),
    }


def _tables(content: ReportContent, names: list[str]) -> dict[str, Table]:
    protocol = content.manifest.plan.protocol
    return {
        "pooled": rates(content.pooled, ("task", "arm"), names, protocol),
        "cells": rates(content.rows, ("task", "info", "arm", "layer", "strength"), names, protocol),
        "concepts": rates(content.per_concept, ("task", "arm", "concept"), names, protocol),
    }


def _is_read_by_layer(content: ReportContent) -> bool:
    """Whether one trial has a row a layer, so that what the tables count is more than trials."""
    return any(trial.scores is not None and bool(trial.scores.curves) for trial in content.trials)


def chance_words(metric: Metric) -> str:
    """Say what guessing gives; empty where that is not fixed."""
    if metric.chance is None:
        return ""
    if metric.chance == "options":
        return "guessing gives one over the number of answers on offer"
    return f"guessing gives {percent(metric.chance) if metric.kind == 'share' else number(metric.chance)}"


def filters(entries: Sequence[Entry]) -> list[str]:
    """Return the fields by which the trials can be filtered: those that tell them apart."""
    specs = [trial.spec for entry in entries for trial in entry.content.trials]
    own = {name: {getattr(entry, name) for entry in entries} for name in ("subject", "experiment")}
    fields = ("task", "info", "arm", "concept", "layer", "strength")
    told = [field for field in fields if len({getattr(spec, field) for spec in specs}) > 1]
    return [*(name for name, values in own.items() if len(values) > 1), *told, *(["verdict"] if specs else [])]


def _n_trials(content: ReportContent) -> int:
    return len(content.trials) if content.n_trials is None else content.n_trials


def subject_name(identity: SubjectIdentity) -> str:
    """Return a subject's name, with its adapter if it has one; of paths the last part."""
    name = Path(identity.name).name if Path(identity.name).is_absolute() else identity.name
    return f"{Path(identity.adapter).name} on {name}" if identity.adapter else name


def _complete(content: ReportContent) -> str:
    """Say how much of the plan was run, where the page holds a sample of it."""
    if not sampled(content):
        return completeness(len(content.trials), content.n_planned, listing(content.trials) == "")
    return f"{_n_trials(content):,} of {counted(content.n_planned, 'planned trial')} were run."


def completeness(n: int, n_planned: int, listed: bool) -> str:
    """Say how much of the plan was run and, where the page lists every trial, that it does."""
    if n < n_planned:
        missing = n_planned - n
        held = "This page holds" if listed else "There are"
        return f"{held} {n:,} of {counted(n_planned, 'planned trial')}; {missing:,} {_be(missing)} missing."
    where = "in this page" if listed else "run"
    return (
        f"All {counted(n_planned, 'planned trial')} {_be(n_planned, past=not listed)} {where} ({n:,} of {n_planned:,})."
    )


def _be(n: int, past: bool = False) -> str:
    return ("was" if n == 1 else "were") if past else ("is" if n == 1 else "are")
