"""From an analysis to its page."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from introspect.analysis.analyze import Analysis
from introspect.analysis.packing import ClaimsOnDemand
from introspect.errors import RunFolderError
from introspect.plots.run import run_figures
from introspect.records import Claim, Trial
from introspect.report.content import ReportContent
from introspect.report.page import write_report
from introspect.sweeps.packed import PackedTrials
from introspect.sweeps.reading import read_projections

MOST_TRIALS = 3000
"""Trials of which a page has the transcripts; of a larger run a seeded sample, the rest is in the run folder."""


def shown(analysis: Analysis, most: int | None = None) -> tuple[Sequence[Trial], Mapping[str, Claim]]:
    """Return the trials whose transcripts a page has, and their claims: all of them, or of packed trials a sample.

    The sample has the same number from every arm of every task, as far as there are so many.
    """
    trials, claims, most = analysis.run.trials, analysis.claims, most or MOST_TRIALS
    if not isinstance(trials, PackedTrials) or len(trials) <= most:
        return tuple(trials), claims
    keys = sampled(trials.frame().select("key", "task", "arm").collect(), most, analysis.run.manifest.plan.seed)
    found = trials.of(keys)
    by_rules = isinstance(claims, ClaimsOnDemand)
    own = claims.of(found) if by_rules else {each.key: claims[each.key] for each in found if each.key in claims}
    return found, own


def sampled(frame: pl.DataFrame, most: int, seed: int) -> list[str]:
    """Return about ``most`` keys, as many from each task and arm as from any other while they last."""
    order = frame.sort("key").sample(fraction=1.0, shuffle=True, seed=seed)
    turn = order.with_columns(pl.int_range(pl.len()).over("task", "arm").alias("turn"))
    return turn.sort("turn", "task", "arm").head(most)["key"].sort().to_list()


def report_page(analysis: Analysis, out: Path | None = None) -> Path:
    """Write the page of a run, by default ``report.html`` in the run's own folder.

    Raises:
        RunFolderError: The folder has lost the prompts of some trials.
    """
    return write_report(out or analysis.run.path / "report.html", content_of(analysis))


def content_of(analysis: Analysis) -> ReportContent:
    """Return what a page shows of a run.

    Raises:
        RunFolderError: The folder has lost the prompts of some trials.
    """
    run = analysis.run
    trials, claims = shown(analysis)
    missing = sum(trial.prompt not in run.prompts for trial in trials)
    if missing:
        message = (
            f"{missing} trials of {run.path} have a prompt that is no longer there; the run's own command writes it"
        )
        raise RunFolderError(message)
    return ReportContent(
        manifest=run.manifest,
        verdict=analysis.verdict.sentence,
        verdict_points=analysis.verdict.points,
        pooled=analysis.pooled,
        rows=analysis.rows,
        per_concept=analysis.per_concept,
        outcomes=analysis.outcomes.filter(pl.col("key").is_in([trial.key for trial in trials])),
        trials=trials,
        claims=claims,
        prompts=run.prompts,
        figures=run_figures(analysis),
        n_planned=run.manifest.n_planned,
        metrics=analysis.metrics,
        findings=analysis.findings,
        folder=shlex.quote(str(run.path)),
        n_trials=len(run.trials),
        projections=read_projections(run.path),
    )
