"""Whose claims a run is read by, and what the grader's own errors do to its rates.

A grader is the rules (by default), any function of a reply, or the name of one that ``introspect grade`` let loose on
the run: its claims lie beside the trials, and a reply that it gave no verdict on, or has not read yet, stays in every
denominator as unreadable. A judge comes with a calibration, or with a warning in everything that is said; that of the
rules comes with the package. With a calibration every measure that it covers gets its rate without the grader's errors
beside the one as judged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from introspect.analysis.calibration import ALL, SUBJECTS, Calibration, read_calibration
from introspect.analysis.criteria.calibrated import known_calibration
from introspect.analysis.findings import Finding
from introspect.analysis.judging import Bounded, Corrected, Errors, corrected, corrected_difference
from introspect.analysis.metrics import METRICS
from introspect.analysis.outcomes import Grader, grade_run
from introspect.analysis.packing import ClaimsOnDemand, packed_outcomes
from introspect.analysis.rates import Rate
from introspect.analysis.runs import Run
from introspect.analysis.tables import rate_of
from introspect.analysis.verdict import Verdict
from introspect.errors import JudgeError
from introspect.graders.answers import unscored
from introspect.graders.labels import Question
from introspect.graders.rules import RuleGrader
from introspect.records import Claim
from introspect.sweeps.claims import read_claims
from introspect.sweeps.packed import PackedTrials

COVERED: Mapping[str, Question] = {
    "noticed": "noticed",
    "named": "named",
    "coherent": "coherent",
    "readable": "readable",
}
"""The measures whose errors a calibration knows, with the question that they are answers to."""
_JUDGE = "judge-"


@dataclass(frozen=True, slots=True)
class Gradings:
    """A run's claims by trial key, who made them, and how far that grader is known; its outcomes if they lie packed."""

    grader: str
    claims: Mapping[str, Claim]
    calibration: Calibration | None = None
    frame: pl.DataFrame | None = None

    @property
    def is_judge(self) -> bool:
        """Whether a model made the claims."""
        return self.grader.startswith(_JUDGE)

    @property
    def caution(self) -> str:
        """What has to stand before every verdict that rests on these claims; empty where nothing has."""
        if self.calibration is None:
            return f"Warning: {self.grader} was not calibrated, its errors are not known. " if self.is_judge else ""
        blind = [METRICS[name].words for name in ("noticed", "named") if not self.errors(name).informative]
        if not blind:
            return ""
        return f"Warning: {self.grader} is not informative for {' and '.join(f'“{each}”' for each in blind)}. "

    def errors(self, metric: str, arm: str | None = None) -> Errors:
        """Return the grader's errors in a measure, of an arm where they are known for it."""
        return self.calibration.errors(COVERED[metric], arm) if self.calibration else Errors(0, 0, 0, 0)


def gradings(run: Run, grader: Grader | str | None, calibration: Calibration | Path | None) -> Gradings:
    """Collect a run's claims.

    Raises:
        UnknownNameError: Nobody of that name has graded the run.
        JudgeError: The calibration is another grader's.
        LabelError: The calibration cannot be read.
    """
    if isinstance(grader, str) and grader != "rules":
        grading, found = read_claims(run.path, grader)
        frame = None
        name = grading.grader
        missing = unscored(name, "not judged yet")
        spoken = [trial.key for trial in run.trials if trial.finish != "scored"]
        claims: Mapping[str, Claim] = {key: found.get(key, missing) for key in spoken}
    else:
        reader = RuleGrader() if grader is None or isinstance(grader, str) else grader
        ruled = isinstance(reader, RuleGrader)
        trials, frame = run.trials, None
        if isinstance(trials, PackedTrials) and ruled and (frame := packed_outcomes(run.path)) is not None:
            claims = ClaimsOnDemand(trials, reader)
        else:
            claims = grade_run(run, reader)
        name = RuleGrader.name if ruled else next((claim.grader for claim in claims.values()), RuleGrader.name)
    known = read_calibration(calibration) if isinstance(calibration, Path) else calibration or known_calibration(name)
    if known is not None and known.grader != name:
        message = f"the calibration is of {known.grader!r}, and the claims are of {name!r}; calibrate that grader"
        raise JudgeError(message)
    return Gradings(name, claims, known, frame)


def cautioned(verdict: Verdict, graded: Gradings) -> Verdict:
    """Put the caution before a verdict."""
    return Verdict(graded.caution + verdict.sentence, verdict.points) if graded.caution else verdict


def judging_findings(graded: Gradings, frame: pl.DataFrame, metrics: Sequence[str]) -> list[Finding]:
    """Say who graded and how well, and give the corrected rates of every measure that a calibration covers.

    Args:
        graded: The claims and the calibration; nothing is said of the rules without one, or where it covers nothing.
        frame: Outcomes, one row a trial.
        metrics: The experiment's measures.
    """
    if not graded.is_judge and graded.calibration is None:
        return []
    who = Finding("grader", _who(graded))
    if graded.calibration is None:
        return [who]
    spoken = frame.filter(pl.col("noticed").is_not_null())
    found = [
        _corrected(graded, part, str(task), metric)
        for (task,), part in spoken.group_by(["task"], maintain_order=True)
        for metric in metrics
        if metric in COVERED and part[metric].count()
    ]
    return [who, *found] if found or graded.is_judge else []


def _who(graded: Gradings) -> str:
    # the rules always give a reading, and their claims of a packed run are many and not at hand
    without = sum(claim.unscored is not None for claim in graded.claims.values()) if graded.is_judge else 0
    gave = f" {without} of {len(graded.claims)} replies have no verdict and count as unreadable." if without else ""
    known = graded.calibration
    if known is None:
        return (
            f"Warning: the replies were read by {graded.grader}, which was not calibrated: how often it errs is not "
            f"known, and no rate is corrected.{gave}"
        )
    return (
        f"The replies were read by {graded.grader}, calibrated on {known.n} replies of {known.labels} "
        f"(split {known.split}, labelled by {'; '.join(known.labelled_by)}).{gave}"
    )


def _corrected(graded: Gradings, part: pl.DataFrame, task: str, metric: str) -> Finding:
    words = METRICS[metric].words
    name = f"corrected, {task}: {words}"
    arms = {
        arm: (rate_of(part, arm, metric), graded.errors(metric, arm)) for arm in part["arm"].unique(maintain_order=True)
    }
    blind = [errors for _, errors in arms.values() if not errors.informative]
    if blind:
        return Finding(name, f"{task}, “{words}”: {_not_informative(graded.grader, blind[0])}")
    rows = [_row(task, metric, arm, rate, errors) for arm, (rate, errors) in arms.items()]
    said = "; ".join(f"{row['arm']} {_percent(row)}" for row in rows)
    gaps = _gaps(arms)
    own = sorted({errors.source for _, errors in arms.values()} - {ALL, SUBJECTS})
    of = f"of their own arm in {', '.join(own)}, of all arms elsewhere" if own else "of all labelled replies together"
    return Finding(
        name,
        f"{task}, “{words}” without the grader's errors (error rates {of}; {_errors(arms)}): {said}.{gaps} Intervals "
        "carry the run and the calibration.",
        pl.DataFrame(rows),
    )


def _row(task: str, metric: str, arm: str, rate: Rate, errors: Errors) -> dict[str, Any]:
    found = corrected(rate, errors) or Corrected(rate.rate, 0.0, 1.0)
    return {
        "task": task, "metric": metric, "arm": arm, "n": rate.n, "as_judged": rate.rate, "corrected": found.value,
        "low": found.low, "high": found.high, "tpr": errors.tpr.value, "tnr": errors.tnr.value,
        "errors_from": errors.source,
    }  # fmt: skip


def _gaps(arms: Mapping[str, tuple[Rate, Errors]]) -> str:
    """Put the concept vectors' corrected rate less that of every other arm into a sentence."""
    if "concept" not in arms:
        return ""
    gaps = {arm: corrected_difference(arms["concept"], other) for arm, other in arms.items() if arm != "concept"}
    said = [
        f"{100 * gap.value:+.0f} points [{100 * gap.low:+.0f}, {100 * gap.high:+.0f}] against {arm}"
        for arm, gap in gaps.items()
        if gap is not None
    ]
    return f" Concept vectors: {', '.join(said)}." if said else ""


def _errors(arms: Mapping[str, tuple[Rate, Errors]]) -> str:
    """Say the error rates that were used, each once."""
    distinct = {errors.source: errors for _, errors in arms.values()}
    several = len(distinct) > 1
    return "; ".join(
        f"{source + ': ' if several else ''}TPR {_share(errors.tpr)}, TNR {_share(errors.tnr)}"
        for source, errors in distinct.items()
    )


def _not_informative(grader: str, errors: Errors) -> str:
    """Say why nothing can be corrected, with the figures."""
    index = errors.youden
    return (
        f"{grader} is not informative here, and no corrected rate is given: TPR {_share(errors.tpr)} "
        f"({errors.found + errors.missed} replies), TNR {_share(errors.tnr)} ({errors.passed + errors.false} replies) "
        f"of {errors.source}; TPR + TNR − 1 may be as low as {index.low:.2f}, and must be above 0.1."
    )


def _share(share: Bounded) -> str:
    if math.isnan(share.value):
        return "not known"
    return f"{share.value:.2f} [{share.low:.2f}–{share.high:.2f}]"


def _percent(row: Mapping[str, Any]) -> str:
    judged, value, low, high = (100 * row[name] for name in ("as_judged", "corrected", "low", "high"))
    return f"{value:.0f} % [{low:.0f}–{high:.0f}] (as judged {judged:.0f} %, n = {row['n']})"
