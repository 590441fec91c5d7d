"""Runs as logs of Inspect's: ``inspect view`` shows every trial, and ``read_eval_log`` reads them back.

A log holds what the run folder holds, and the rule grader's scores; two exports of one run are equal but for the
library that wrote them. Nothing here imports torch.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    EvalStats,
    write_eval_log,
)
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import SampleScore

from introspect.analysis.analyze import Analysis, analyze
from introspect.analysis.metrics import METRICS
from introspect.errors import IntrospectError
from introspect.evals.rates import arm_rates
from introspect.evals.samples import sample_of
from introspect.records import Manifest, digest
from introspect.stimuli import Wording, load_stimuli


def write_log(run: str | Path, path: Path) -> Path:
    """Write a run as a log; return its file.

    Args:
        run: The run folder.
        path: The log, a name that ends in ``.eval``.

    Raises:
        RunFolderError: Not a run folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_eval_log(log_of(analyze(run)), str(path))
    return path


def log_of(analysis: Analysis) -> EvalLog:
    """Return a graded run as a log with one sample a trial."""
    manifest = analysis.run.manifest
    samples = _samples(analysis)
    whole = len(samples) >= manifest.n_planned
    return EvalLog(
        status="success" if whole else "cancelled",
        eval=_spec(manifest, samples, analysis.verdict.sentence),
        results=_results(samples, manifest.n_planned),
        stats=EvalStats(started_at=manifest.created, completed_at=manifest.created if whole else ""),
        samples=samples,
    )


def _samples(analysis: Analysis) -> list[EvalSample]:
    run = analysis.run
    wordings = _wordings(run.manifest)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in analysis.outcomes.iter_rows(named=True):
        rows[row["key"]].append(row)
    return [
        sample_of(
            trial,
            rows[trial.key],
            analysis.claims.get(trial.key),
            wordings.get(trial.spec.wording),
            run.prompts[trial.prompt].text if trial.prompt in run.prompts else "",
            run.manifest.subject.name,
        )
        for trial in run.trials
    ]


def _wordings(manifest: Manifest) -> dict[str, Wording]:
    """Return the wordings that are still what they were when the run was made."""
    try:
        known = load_stimuli(manifest.plan.stimuli).wording
    except IntrospectError:  # the user's file has gone: the prompts are in the run
        return {}
    return {name: known[name] for name, hashed in manifest.wordings.items() if _same(known.get(name), hashed)}


def _same(wording: Wording | None, hashed: str) -> bool:
    return wording is not None and wording.digest == hashed


def _spec(manifest: Manifest, samples: Sequence[EvalSample], verdict: str) -> EvalSpec:
    plan, subject = manifest.plan, manifest.subject
    identity = digest([plan.identity(), subject.fingerprint])
    return EvalSpec(
        eval_id=identity[:22],
        run_id=identity[:22],
        task_id=digest(plan.identity())[:22],
        created=manifest.created,
        task=f"introspect/{plan.name}",
        task_display_name=plan.name,
        task_description=plan.question or None,
        task_args=plan.model_dump(mode="json", exclude_none=True),
        dataset=EvalDataset(name=plan.name, samples=len(samples), sample_ids=[str(each.id) for each in samples]),
        model=f"introspect/{subject.name}",
        model_args={"fingerprint": subject.fingerprint, "dtype": subject.dtype, "format": subject.format},
        model_generate_config=GenerateConfig(temperature=plan.temperature, max_tokens=plan.max_new_tokens),
        config=EvalConfig(epochs=1),
        packages=manifest.packages,
        metadata={"verdict": verdict, "protocol": plan.protocol, "vectors": manifest.vectors_hash},
    )


def _results(samples: Sequence[EvalSample], n_planned: int) -> EvalResults:
    """Return every measure's rates, arm by arm; those with a value a layer are in the samples only."""
    scores: list[EvalScore] = []
    for name in METRICS:
        found = [
            SampleScore(score=score, sample_id=each.id, sample_metadata=each.metadata)
            for each in samples
            if (score := (each.scores or {}).get(name)) is not None and isinstance(score.value, float)
        ]
        if found:
            values = arm_rates(found)
            metrics = {key: EvalMetric(name=key, group="by_arm", value=value) for key, value in values.items()}
            scores.append(EvalScore(name=name, scorer=name, scored_samples=len(found), metrics=metrics))
    return EvalResults(total_samples=n_planned, completed_samples=len(samples), scores=scores)
