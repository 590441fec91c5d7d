"""From an analysis to its page."""

import shlex
from pathlib import Path

from introspect.analysis.analyze import Analysis
from introspect.plots.run import run_figures
from introspect.report.content import ReportContent
from introspect.report.page import write_report
from introspect.sweeps.folder import read_projections


def report_page(analysis: Analysis, out: Path | None = None) -> Path:
    """Write the page of a run, by default ``report.html`` in the run's own folder."""
    return write_report(out or analysis.run.path / "report.html", content_of(analysis))


def content_of(analysis: Analysis) -> ReportContent:
    """Return what a page shows of a run."""
    run = analysis.run
    return ReportContent(
        manifest=run.manifest,
        verdict=analysis.verdict.sentence,
        verdict_points=analysis.verdict.points,
        pooled=analysis.pooled,
        rows=analysis.rows,
        per_concept=analysis.per_concept,
        outcomes=analysis.outcomes,
        trials=run.trials,
        claims=analysis.claims,
        prompts=run.prompts,
        figures=run_figures(analysis),
        n_planned=run.manifest.n_planned,
        metrics=analysis.metrics,
        findings=analysis.findings,
        folder=shlex.quote(str(run.path)),
        projections=read_projections(run.path),
    )
