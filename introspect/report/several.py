"""A page of several runs side by side: subjects × experiments, and what stands above them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from introspect.analysis.analyze import Analysis
from introspect.analysis.grid import Grid, P
from introspect.plots.text import counted
from introspect.plots.write import write_text
from introspect.records import digest
from introspect.report.asks import QUESTIONS
from introspect.report.assets import rendered
from introspect.report.build import content_of
from introspect.report.content import Entry, ReportContent
from introspect.report.design import design
from introspect.report.figures import Drawings, Figure
from introspect.report.page import completeness, filters, subject_name
from introspect.report.tables import rates, trials_at
from introspect.report.transcripts import entries_data, listed, listing

LEDE = (
    "A direction is added to a model's activations, and the model is asked what it notices. The page shows what it "
    "said, what controls said, and how sure the difference is."
)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A run on a page of several; ``grids`` are those of a study that explores."""

    subject: str
    experiment: str
    analysis: Analysis
    content: ReportContent
    grids: Sequence[Grid] = ()

    @property
    def own(self) -> dict[str, str]:
        """The fields that its trials share."""
        return {"subject": self.subject, "experiment": self.experiment}

    @classmethod
    def of(cls, subject: str, experiment: str, analysis: Analysis, grids: Sequence[Grid] = ()) -> "Shown":
        """Put an analysed run on a page."""
        return cls(subject, experiment, analysis, content_of(analysis), grids)


def several_page(
    analyses: Sequence[tuple[str, Analysis]], out: Path, title: str = "Runs side by side", lede: Sequence[str] = (LEDE,)
) -> Path:
    """Write the page of some runs.

    Args:
        analyses: Each with the name of its experiment; runs of one name stand side by side.
        out: The file.
        title: What the page is called.
        lede: What stands under it.
    """
    subjects = told_apart([(subject_name(each.run.manifest.subject), name) for name, each in analyses])
    runs = [Shown.of(subject, name, each) for subject, (name, each) in zip(subjects, analyses, strict=True)]
    return write_text(out, render_several(runs, out.parent, Drawings(), title=title, lede=lede))


def told_apart(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return names for subjects such that no two runs have both subject and experiment in common."""
    seen: dict[tuple[str, str], int] = {}
    names: list[str] = []
    for subject, experiment in pairs:
        n = seen[subject, experiment] = seen.get((subject, experiment), 0) + 1
        names.append(subject if n == 1 else f"{subject} ({n})")
    return names


def render_several(
    runs: Sequence[Shown],
    beside: Path,
    drawings: Drawings,
    *,
    title: str,
    lede: Sequence[str],
    above: Mapping[str, Any] | None = None,
) -> str:
    """Return the page as text.

    Args:
        runs: What it shows, in order.
        beside: The folder of the page, for links to the pages of the runs.
        drawings: The figures so far.
        title: What it is called.
        lede: What stands under the title.
        above: What stands above the experiments: criteria and studies, or layer profiles.
    """
    entries = [Entry(run.subject, run.experiment, run.content) for run in runs]
    first = runs[0].content.manifest
    parts = {"criteria": [], "studies": [], "comparisons": [], "profiles": None, **(above or {})}
    experiments = list(_experiments(runs, beside, drawings))
    return rendered(
        "several.html.j2",
        drawings=drawings.data,
        browser=entries_data(entries),
        sizes=drawings.sizes,
        title=title,
        lede=lede,
        version=first.introspect_version,
        subjects=list(dict.fromkeys(run.subject for run in runs)),
        experiments=experiments,
        filters=filters(entries),
        listing=_listing(runs),
        provenance=[_provenance(run) for run in runs],
        **parts,
    )


def _experiments(runs: Sequence[Shown], beside: Path, drawings: Drawings) -> Iterator[dict[str, Any]]:
    names = list(dict.fromkeys(run.experiment for run in runs))
    for number, name in enumerate(names):
        here = [run for run in runs if run.experiment == name]
        yield {
            "name": name,
            "question": QUESTIONS.get(here[0].analysis.protocol, ""),
            "open": number == 0 or name == "report",
            "runs": [_run(run, beside) for run in here],
            "figures": list(_figures(here, drawings, number)),
        }


def _figures(runs: Sequence[Shown], drawings: Drawings, number: int) -> Iterator[Figure]:
    """Gather an experiment's figures, the same figure of all subjects together."""
    several = len(runs) > 1
    for name in dict.fromkeys(name for run in runs for name in run.content.figures):
        for place, run in enumerate(runs):
            if name in run.content.figures:
                subject = run.subject if several else ""
                prefix = f"e{number}-{place}-"
                yield drawings.add(name, run.content.figures[name], run.own, prefix=prefix, subject=subject)


def _run(run: Shown, beside: Path) -> dict[str, Any]:
    content = run.content
    names, protocol = [metric.name for metric in content.metrics], content.manifest.plan.protocol
    return {
        "subject": run.subject,
        "verdict": content.verdict,
        "completeness": completeness(len(run.analysis.run.trials), content.n_planned, listing(content.trials) == ""),
        "trials": trials_at(run.own),
        "href": Path(os.path.relpath(run.analysis.run.path / "report.html", beside)).as_posix(),
        "grids": [
            {"name": grid.measure, "rows": [_cell(row) for row in grid.table.iter_rows(named=True)]}
            for grid in run.grids
        ],
        "findings": [finding.sentence for finding in content.findings],
        "pooled": rates(content.pooled, ("task", "arm"), names, protocol, run.own),
        "cells": rates(content.rows, ("task", "info", "arm", "layer", "strength"), names, protocol, run.own),
    }


def _cell(row: dict[str, Any]) -> dict[str, str]:
    """Write a cell of a grid."""
    p = {name: "–" if row[name] is None else f"{row[name]:.4f}" for name in P}
    return {
        "layer": str(row["layer"]), "strength": f"{row['strength']:g}", "n": str(row["n_concepts"]),
        "value": "–" if row["value"] is None else f"{row['value']:+.2f}", "because": row["because"] or "", **p,
    }  # fmt: skip


def _listing(runs: Sequence[Shown]) -> str:
    """Say how many of the trials the page lists."""
    shown = sum(len(listed(run.content.trials, run.content.manifest.plan.seed)) for run in runs)
    every = sum(run.content.n_trials or len(run.content.trials) for run in runs)
    if shown == every:
        return f"All {counted(every, 'trial')} of {counted(len(runs), 'run')} are here."
    return (
        f"{shown:,} of {counted(every, 'trial')} of {counted(len(runs), 'run')} are here, sampled where a run has very "
        "many; the numbers rest on all."
    )


def _provenance(run: Shown) -> dict[str, Any]:
    plan = run.content.manifest.plan
    return {
        "name": f"{run.experiment}, {run.subject}",
        "content": run.content,
        "plan_hash": digest(plan.identity()),
        "design": design(plan, run.content.trials),
    }
