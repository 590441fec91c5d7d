"""A graded run as numbers: the frames that figures draw, the table people read, the JSON that scripts read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from introspect.analysis.outcomes import Grader, grade_run, outcomes
from introspect.analysis.runs import Run, load_run
from introspect.analysis.show import print_analysis
from introspect.analysis.tables import METRICS, rate_table
from introspect.analysis.verdict import Verdict, verdict
from introspect.graders.rules import RuleGrader
from introspect.records import Claim, digest

DEFINITIONS = {
    "noticed": "the reply claims an injected or unusual thought",
    "named": (
        "the reply names the injected concept as that thought's content (random arm: the concept whose norm the "
        "vector has; arm none: any concept of the run)"
    ),
    "coherent": "not empty, not garbled, not repeating itself, in one script",
    "success": "coherent, noticed, named, and not named before it was noticed",
    "readable": "the reply says whether it noticed; unreadable replies stay in every denominator",
    "n_units": "distinct concepts, or distinct prompts in the arm without injection",
    "low, high": "95 % Wilson bounds at the effective sample size over units",
}


@dataclass(frozen=True, slots=True)
class Analysis:
    """A run's numbers. ``rows`` has one row a cell, ``pooled`` one an arm, ``per_concept`` one an arm and concept."""

    run: Run
    claims: Mapping[str, Claim]
    outcomes: pl.DataFrame
    rows: pl.DataFrame
    pooled: pl.DataFrame
    per_concept: pl.DataFrame
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Return the analysis as plain values."""
        manifest = self.run.manifest
        return {
            "run": str(self.run.path),
            "name": manifest.plan.name,
            "question": manifest.plan.question,
            "subject": manifest.subject.model_dump(mode="json"),
            "plan_hash": digest(manifest.plan.identity()),
            "grader": next((claim.grader for claim in self.claims.values()), None),
            "n_trials": len(self.run.trials),
            "n_planned": manifest.n_planned,
            "definitions": DEFINITIONS,
            "verdict": self.verdict.sentence,
            "verdict_points": list(self.verdict.points),
            "arms": [_nested(row) for row in self.pooled.iter_rows(named=True)],
            "rows": [_nested(row) for row in self.rows.iter_rows(named=True)],
        }

    def show(self, cells: bool = False) -> None:
        """Print the arms with their intervals, on demand every cell, and the verdict."""
        rows = self.rows if cells else None
        print_analysis(self.run.manifest, len(self.run.trials), self.pooled, self.verdict, rows)


def analyze(run: Run | str | Path, grader: Grader | None = None) -> Analysis:
    """Grade a run and compute its rates.

    Args:
        run: A run, or its folder.
        grader: What reads the replies; the rule grader by default.
    """
    opened = run if isinstance(run, Run) else load_run(run)
    claims = grade_run(opened, grader or RuleGrader())
    frame = outcomes(opened, claims)
    no_cell = [pl.lit(None, dtype=pl.Int64).alias("layer"), pl.lit(None, dtype=pl.Float64).alias("strength")]
    return Analysis(
        run=opened,
        claims=claims,
        outcomes=frame,
        rows=rate_table(frame, ("arm", "layer", "strength")),
        pooled=rate_table(frame, ("arm",)).with_columns(no_cell),
        per_concept=rate_table(_trials_as_units(frame), ("arm", "concept")),
        verdict=verdict(frame),
    )


def _trials_as_units(frame: pl.DataFrame) -> pl.DataFrame:
    """Within one concept there are no concepts to sample: its trials are the units."""
    return frame.filter(pl.col("concept").is_not_null()).with_columns(pl.col("key").alias("unit"))


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: row[name] for name in ("arm", "layer", "strength", "n", "n_units")}
    return flat | {
        metric: {part: row[f"{metric}_{part}"] for part in ("count", "rate", "low", "high")} for metric in METRICS
    }
