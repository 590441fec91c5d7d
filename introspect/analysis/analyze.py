"""A graded run as numbers: the frames that figures draw, the table people read, the JSON that scripts read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from introspect.analysis.calibration import Calibration
from introspect.analysis.effects import effects
from introspect.analysis.findings import Finding, findings
from introspect.analysis.findings.special import with_both
from introspect.analysis.graded import cautioned, gradings, judging_findings
from introspect.analysis.metrics import METRICS, Metric, metrics_of
from introspect.analysis.outcomes import Grader, outcomes
from introspect.analysis.runs import Run, load_run
from introspect.analysis.show import print_analysis
from introspect.analysis.tables import PARTS, rate_table
from introspect.analysis.verdict import Verdict, verdict, verdict_of
from introspect.records import Claim, digest

NOTES = {
    "n_units": "distinct concepts, or distinct lead-ins, questions or prompts in the arm without injection",
    "low, high": (
        "95 % bounds: of shares, Wilson at the effective sample size over units; of means, Student's over units"
    ),
}


@dataclass(frozen=True, slots=True)
class Analysis:
    """A run's numbers.

    Attributes:
        run: The run.
        claims: What the grader read in each reply, by trial key.
        outcomes: One row a trial (intentional control: a trial and layer).
        pooled: One row a task and arm.
        rows: One row a task, information text, arm, layer and strength.
        per_concept: One row a task, arm and concept.
        effects: Every concept's effect in every cell, by each task's primary measure.
        verdict: The answer to the plan's question.
        findings: What else the run shows, a sentence and a table each.
        grader: Who read the replies.
        caution: What has to be said of that grader wherever its rates are shown; mostly empty.
    """

    run: Run
    claims: Mapping[str, Claim]
    outcomes: pl.DataFrame
    pooled: pl.DataFrame
    rows: pl.DataFrame
    per_concept: pl.DataFrame
    effects: pl.DataFrame
    verdict: Verdict
    findings: tuple[Finding, ...]
    grader: str = ""
    caution: str = ""

    @property
    def protocol(self) -> str:
        """The experiment."""
        return self.run.manifest.plan.protocol

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The experiment's measures, the most telling first."""
        return metrics_of(self.protocol)

    def to_json(self) -> dict[str, Any]:
        """Return the analysis as plain values."""
        manifest = self.run.manifest
        names = [metric.name for metric in self.metrics]
        return {
            "run": str(self.run.path),
            "name": manifest.plan.name,
            "protocol": self.protocol,
            "question": manifest.plan.question,
            "subject": manifest.subject.model_dump(mode="json"),
            "plan_hash": digest(manifest.plan.identity()),
            "salt": manifest.plan.salt,
            "grader": self.grader if self.claims else None,
            **({"caution": self.caution} if self.caution else {}),
            "n_trials": len(self.run.trials),
            "n_planned": manifest.n_planned,
            "definitions": {name: METRICS[name].definition for name in names} | NOTES,
            "verdict": self.verdict.sentence,
            "verdict_points": list(self.verdict.points),
            "findings": [
                {"name": each.name, "sentence": each.sentence, "table": _plain(each.table)} for each in self.findings
            ],
            "arms": [_nested(row, names) for row in self.pooled.iter_rows(named=True)],
            "rows": [_nested(row, names) for row in self.rows.iter_rows(named=True)],
        }

    def show(self, cells: bool = False) -> None:
        """Print the arms with their intervals, on demand every cell, the verdict and the findings."""
        print_analysis(self, cells)


def analyze(
    run: Run | str | Path,
    grader: Grader | str | None = None,
    calibration: Calibration | Path | None = None,
) -> Analysis:
    """Grade a run and compute its rates, effects and findings.

    Args:
        run: A run, or its folder.
        grader: What reads the replies, or the name of a grader whose claims lie in the run's folder; by default the
            rules.
        calibration: What is known of the grader's errors, or the file of it; a judge without one is warned of.
    """
    opened = run if isinstance(run, Run) else load_run(run)
    protocol, n_layers = opened.manifest.plan.protocol, opened.manifest.subject.n_layers
    graded = gradings(opened, grader, calibration)
    claims = graded.claims
    frame = outcomes(opened, claims) if graded.frame is None else graded.frame
    if protocol == "thought_vs_text":
        frame = with_both(frame)
    names = [metric.name for metric in metrics_of(protocol)]
    changes = effects(frame, protocol, n_layers)
    found = (*judging_findings(graded, frame, names), *findings(protocol, frame, changes, opened.effects))
    report = protocol == "injected_thought" and (frame.is_empty() or (frame["task"] == "report").any())
    return Analysis(
        run=opened,
        claims=claims,
        outcomes=frame,
        pooled=rate_table(frame, ("task", "arm"), names),
        rows=rate_table(frame, ("task", "info", "arm", "layer", "strength"), names),
        per_concept=rate_table(_trials_as_units(frame), ("task", "arm", "concept"), names),
        effects=changes,
        verdict=cautioned(
            verdict(frame.filter(pl.col("task") == "report")) if report else verdict_of(frame, changes), graded
        ),
        findings=found,
        grader=graded.grader,
        caution=graded.caution.strip(),
    )


def _trials_as_units(frame: pl.DataFrame) -> pl.DataFrame:
    """Within one concept there are no concepts to sample: its trials are the units."""
    return frame.filter(pl.col("concept").is_not_null()).with_columns(pl.col("key").alias("unit"))


def _nested(row: Mapping[str, Any], metrics: list[str]) -> dict[str, Any]:
    names = ("task", "info", "arm", "layer", "strength", "n", "n_units")
    flat = {name: row.get(name) for name in names}
    return flat | {
        metric: {part: row[f"{metric}_{part}"] for part in ("n", *PARTS)} for metric in metrics if row[f"{metric}_n"]
    }


def _plain(table: pl.DataFrame | None) -> list[dict[str, Any]] | None:
    return None if table is None else table.to_dicts()
