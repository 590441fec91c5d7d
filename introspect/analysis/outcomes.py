"""Truth meets claim: one row a trial, from what the reply claims and what was really done.

``named`` is true in the concept arm if the reply names the injected concept; in the random arm if it names the
concept whose norm the random vector has, which only chance brings about; in the arm without injection if it names any
concept of the run, an upper bound on naming by chance. ``success`` is the criterion of Lindsey (2025), experiment 1:
coherent, noticed, the concept named, and not before the noticing.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import polars as pl

from introspect.analysis.identify import identified, named_after_noticing
from introspect.analysis.runs import Run
from introspect.records import Claim, Trial

SCHEMA = {
    "key": pl.String,
    "arm": pl.String,
    "unit": pl.String,
    "concept": pl.String,
    "layer": pl.Int64,
    "strength": pl.Float64,
    "wording": pl.String,
    "sample": pl.Int64,
    "noticed": pl.String,
    "readable": pl.Boolean,
    "named": pl.Boolean,
    "named_text": pl.String,
    "coherent": pl.Boolean,
    "refuses": pl.Boolean,
    "success": pl.Boolean,
    "reply": pl.String,
}


@runtime_checkable
class Grader(Protocol):
    """Reads a reply, and nothing else."""

    def grade(self, reply: str) -> Claim:
        """Say what the reply claims."""
        ...


def grade_run(run: Run, grader: Grader) -> dict[str, Claim]:
    """Return every trial's claim by its key; the grader sees the reply alone."""
    return {trial.key: grader.grade(trial.reply) for trial in run.trials}


def outcomes(run: Run, claims: Mapping[str, Claim]) -> pl.DataFrame:
    """Return the tidy frame of a graded run, one row a trial."""
    concepts = run.manifest.concepts
    everything = tuple(form for forms in concepts.values() for form in forms)
    rows = [_row(trial, claims[trial.key], concepts, everything) for trial in run.trials]
    return pl.DataFrame(rows, schema=SCHEMA)


def _row(
    trial: Trial, claim: Claim, concepts: Mapping[str, tuple[str, ...]], everything: tuple[str, ...]
) -> dict[str, object]:
    spec = trial.spec
    concept = spec.vector.concept if spec.vector else None
    forms = concepts[concept] if concept else everything
    return {
        "key": trial.key,
        "arm": spec.arm,
        "unit": concept or trial.prompt,
        "concept": concept,
        "layer": spec.layer,
        "strength": spec.strength,
        "wording": spec.wording,
        "sample": spec.sample,
        "noticed": claim.noticed,
        "readable": claim.noticed != "unreadable",
        "named": identified(claim, forms),
        "named_text": "; ".join(dict.fromkeys(evidence.text for evidence in claim.named)),
        "coherent": claim.coherent,
        "refuses": claim.refuses,
        "success": claim.coherent and named_after_noticing(claim, trial.reply, forms),
        "reply": trial.reply,
    }
