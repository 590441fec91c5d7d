"""From the parts of the clauses to a verdict for each criterion.

A clause is met when all its parts are and not met when one is not, and so is a criterion by its clauses; what the parts
come to is worked out in ``introspect/analysis/criteria/measured.py``. A small run may say undetermined.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean

from introspect.analysis.criteria.clauses import CLAUSES, CRITERIA, Basis, Clause, Criterion
from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.criteria.measured import Measured
from introspect.analysis.criteria.results import ClauseResult, CriterionResult, PartResult, Status
from introspect.errors import IntrospectError
from introspect.records import Rules


def judge(
    evidence: Evidence, rules: Rules, clauses: Sequence[Clause] = CLAUSES, strict: bool = True
) -> dict[Criterion, CriterionResult]:
    """Judge the four criteria in their order: later ones rest on earlier ones.

    Args:
        evidence: Trials of one setting, on concepts that did not choose it.
        rules: Fixed before the run.
        clauses: Which clauses there are; all of them but in a test of the rules themselves.
        strict: Whether results that contradict each other are an error.

    Raises:
        IntrospectError: Naming is so often right that names must agree, and they do not: a measure is broken.
    """
    return conclude(Measured(evidence, rules), clauses, strict)


def conclude(
    measured: Measured, clauses: Sequence[Clause] = CLAUSES, strict: bool = True
) -> dict[Criterion, CriterionResult]:
    """Draw the verdicts from parts that were measured; arguments and errors are those of ``judge``."""
    found: dict[Criterion, CriterionResult] = {}
    for name in CRITERIA:
        own = [each for each in clauses if each.criterion == name]
        found[name] = _criterion(name, own, measured, "naming", found)
        grounded = _status(found, "grounding") if name == "internality" else "met"
        if grounded in {"met", None}:
            continue
        noticing = _criterion(name, own, measured, "noticing", found)
        if grounded == "not met":
            found[name] = noticing
        elif found[name].status != noticing.status:
            found[name] = _on_either(found[name], noticing)
    if strict and _impossible(found):
        message = "accuracy is met and grounding is not: naming rightly is naming by the state, so a measure is broken"
        raise IntrospectError(message)
    return found


def _on_either(naming: CriterionResult, noticing: CriterionResult) -> CriterionResult:
    """Leave open what would come out one way judged on naming and another on noticing, with the parts of both."""
    clauses = [
        ClauseResult(
            one.clause,
            one.status if one.status == other.status else "undetermined",
            (*one.parts, *(part for part in other.parts if part not in one.parts)),
            one.applies,
        )
        for one, other in zip(naming.clauses, noticing.clauses, strict=True)
    ]
    because = (
        "since grounding is: nobody knows whether naming or noticing is to be judged, and by naming it is "
        f"{naming.status}, by noticing {noticing.status}"
    )
    return CriterionResult(naming.name, "undetermined", tuple(clauses), because)


def _impossible(found: Mapping[Criterion, CriterionResult]) -> bool:
    """Whether names are right too often to agree as rarely as they do.

    Trials of two wordings are compared. Where they name rightly with probabilities g and h, both do in at least
    g + h - 1, and then they agree; in one wording, where two trials of a concept are alike, in at least h². A subject
    that is right now and then, or in one wording only, may well be accurate and not grounded.
    """
    if _status(found, "accuracy") != "met" or _status(found, "grounding") != "not met":
        return False
    (naming,) = _parts(found["accuracy"])
    high = max((part.interval.high or 0.0 for part in _parts(found["grounding"])), default=1.0)
    shares = list(naming.wordings.values())
    if len(shares) == 1:
        return (naming.interval.low or 0.0) ** 2 > high
    pairs = [max(0.0, one + other - 1) for one, other in combinations(shares, 2)]
    return bool(pairs) and fmean(pairs) > high


def _parts(result: CriterionResult) -> list[PartResult]:
    return [part for clause in result.clauses for part in clause.parts]


def together(statuses: Iterable[Status]) -> Status:
    """Return what a conjunction comes to: met when all are, not met when one is not."""
    every = tuple(statuses)
    if "not met" in every:
        return "not met"
    return "undetermined" if "undetermined" in every else "met"


def _status(found: Mapping[Criterion, CriterionResult], name: Criterion) -> Status | None:
    return found[name].status if name in found else None


def _criterion(
    name: Criterion,
    clauses: Sequence[Clause],
    measured: Measured,
    basis: Basis,
    earlier: Mapping[Criterion, CriterionResult],
) -> CriterionResult:
    results = tuple(_clause(each, measured, basis, earlier) for each in clauses)
    return CriterionResult(name, together(each.status for each in results if each.applies), results)


def _clause(
    clause: Clause, measured: Measured, basis: Basis, earlier: Mapping[Criterion, CriterionResult]
) -> ClauseResult:
    results = tuple(measured.part(part) for part in clause.parts if part.basis in {None, basis})
    status = together(each.status for each in results)
    needed = _status(earlier, clause.needs) if clause.needs else "met"
    if needed == "undetermined" and status == "not met":
        status = "undetermined"  # not met only if the clause applies, which nobody knows
    return ClauseResult(clause, status, results, applies=needed != "not met")
