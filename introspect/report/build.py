"""From an analysis to its page."""

from pathlib import Path

from introspect.analysis.analyze import Analysis
from introspect.errors import RunFolderError
from introspect.plots.run import run_figures
from introspect.report.content import ReportContent
from introspect.report.page import write_report


def report_page(analysis: Analysis, out: Path | None = None) -> Path:
    """Write the page of a run, by default ``report.html`` in the run's own folder.

    Raises:
        RunFolderError: The folder has lost the prompts of some trials.
    """
    run = analysis.run
    missing = sum(trial.prompt not in run.prompts for trial in run.trials)
    if missing:
        message = (
            f"{missing} trials of {run.path} have a prompt that is no longer there; the run's own command writes it"
        )
        raise RunFolderError(message)
    content = ReportContent(
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
    )
    return write_report(out or run.path / "report.html", content)
