"""From evidence to a verdict for each criterion.

A part is *not met* where the upper bound of its interval is below the smallest effect, *met* where the lower bound is
above zero and the upper not below the smallest effect, else *undetermined*; it is decided only if it is the same when
every unreadable reply counts for it and when every one counts against it. A clause is met when all its parts are and
not met when one is not, and so is a criterion by its clauses. A small run may say undetermined.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from statistics import fmean, stdev
from typing import get_args

import numpy as np

from introspect.analysis.control_line import AMONG, ControlLine, control_line
from introspect.analysis.criteria.agreeing import agreement
from introspect.analysis.criteria.clauses import CLAUSES, CRITERIA, Basis, Clause, Criterion, Part
from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.criteria.measures import Difference, Values, means
from introspect.analysis.criteria.results import LEADS, RATES, ClauseResult, CriterionResult, PartResult, Status, least
from introspect.analysis.crossed import shared_items_variance
from introspect.analysis.interval import Interval
from introspect.analysis.intervals import over_concepts, verdict
from introspect.analysis.naming import Counting
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


class Measured:
    """The parts of all clauses on one body of evidence, each worked out when it is first asked for.

    Args:
        evidence: Trials of one setting.
        rules: Fixed before the run.
        beside: Whether what no verdict needs is worked out, too: each wording by itself, the curve beside the line.
    """

    def __init__(self, evidence: Evidence, rules: Rules, beside: bool = True) -> None:
        self.evidence, self.rules, self._beside = evidence, rules, beside
        self._found: dict[Part, PartResult] = {}

    @cached_property
    def line(self) -> ControlLine:
        """The detection question against the control questions."""
        return control_line(self.evidence.questions, level=self.rules.level, curved=self._beside)

    def part(self, part: Part) -> PartResult:
        """Return what a part came to."""
        if part not in self._found:
            on_line = part.measure is None
            found = _on_the_line(part, self.rules, self.line) if on_line else _part(part, self.evidence, self.rules)
            if self._beside:
                found = replace(found, wordings=_by_wording(part, self.evidence))
            self._found[part] = found
        return self._found[part]


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
            found[name] = replace(found[name], status="undetermined")  # nobody knows on which it is to be judged
    if strict and _impossible(found):
        message = "accuracy is met and grounding is not: naming rightly is naming by the state, so a measure is broken"
        raise IntrospectError(message)
    return found


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


def _part(part: Part, evidence: Evidence, rules: Rules) -> PartResult:
    assert part.measure is not None
    ways: tuple[Counting, ...] = get_args(Counting) if part.spoken else ("as read",)
    trials = {counting: part.trials(evidence, counting) if part.trials else [] for counting in ways}
    every = {
        counting: means(trials[counting]) if part.trials else part.measure(evidence, counting) for counting in ways
    }
    as_read, (more, n_leads) = _interval(part, every["as read"], trials["as read"], rules)
    intervals = {
        counting: as_read if values == every["as read"] else _interval(part, values, trials[counting], rules)[0]
        for counting, values in every.items()
    }
    statuses: set[Status] = {verdict(interval, least(part, rules)) for interval in intervals.values()}
    agreed = next(iter(statuses)) if len(statuses) == 1 else "undetermined"
    because = None
    if not every["as read"]:
        because = _lacking(part, evidence)
    elif len(statuses) > 1:
        because = "it depends on how unreadable replies are counted"
    values = list(every["as read"].values())
    spread = math.hypot(stdev(values), math.sqrt(more * len(values))) if len(values) > 1 else None
    return PartResult(part, as_read, agreed, every["as read"], {}, because, spread, {LEADS: n_leads} if n_leads else {})


def _lacking(part: Part, evidence: Evidence) -> str:
    """Say why a part has no value."""
    if not all(evidence.of(*each) for each in part.compares):
        return "there are no such trials"
    if part.measure is agreement:
        return "no concept has two reports that could agree, or there is but one concept"
    return "nothing in its trials can be compared"


def _interval(
    part: Part, values: Values, trials: Sequence[Difference], rules: Rules
) -> tuple[Interval, tuple[float, int | None]]:
    """Return the interval, the variance in it of clean prompts that concepts share, and how many these are."""
    more, n_items = _of_shared_prompts(trials)
    bounds = RATES if part.unit == "rate" else None
    return over_concepts(list(values.values()), rules.level, bounds, more, n_items), (more, n_items)


def _of_shared_prompts(trials: Sequence[Difference]) -> tuple[float, int | None]:
    """Return the variance that clean prompts add which concepts share, and how many prompts there are."""
    paired = [each for each in trials if each.item is not None]
    if len(paired) < len(trials) or not paired:
        return 0.0, None
    concepts, items = ([getattr(each, name) for each in paired] for name in ("concept", "item"))
    sizes = Counter(concepts)
    weights = np.array([1 / (len(sizes) * sizes[concept]) for concept in concepts])
    numbers = [np.unique(kind, return_inverse=True)[1] for kind in (concepts, items)]
    more = shared_items_variance(np.array([each.value for each in paired]), weights, *numbers)
    return more, len(set(items)) if more else None


def _by_wording(part: Part, evidence: Evidence) -> dict[str, float]:
    """Return the mean of each wording by itself, where the measure has a value in it.

    A wording in which nothing is reported is seen against the reports of all wordings; agreement in one is that of its
    reports with those in others. On the control line a wording has its own controls.
    """
    if part.measure is None and evidence.questions.is_empty():
        return {}
    if part.measure is None:
        lines = evidence.questions.group_by("wording", maintain_order=True)
        scores = {str(wording): control_line(own).score.value for (wording,), own in lines}
        return {wording: score for wording, score in sorted(scores.items()) if score is not None}
    spoken = tuple(row for row in evidence.rows if row.part == "report")
    reporting = {row.wording for row in spoken}
    alone = bool(part.measure(replace(evidence, rows=spoken), "as read"))
    found: dict[str, float] = {}
    for wording in sorted({row.wording for row in evidence.rows}):
        rows = tuple(row for row in evidence.rows if row.wording == wording)
        if wording not in reporting:
            if alone:  # it is the reports that have the value, and not this wording
                continue
            rows += spoken
        if part.measure is agreement and len(reporting) > 1:
            values = agreement(evidence, "as read", wording)
        else:
            values = part.measure(replace(evidence, rows=rows), "as read")
        if values:
            found[wording] = fmean(values.values())
    return found


def _on_the_line(part: Part, rules: Rules, line: ControlLine) -> PartResult:
    score = line.score
    interval = Interval(score.value, score.low, score.high, rules.level, len(line.concepts), "t")
    because = line.undetermined_because
    status: Status = "undetermined" if because else verdict(interval, rules.logodds)
    if status == "met" and line.among > AMONG:
        status = "undetermined"
        because = f"{line.n_above} of {len(line.placebos)} unrelated questions lie as far above the line themselves"
    spread = None
    if score.se_concepts is not None and score.se_questions is not None:
        parts = (score.se_concepts, score.se_questions, score.se_items or 0.0)
        spread = math.hypot(*parts) * math.sqrt(len(line.concepts))
    beside = {"questions": len(line.questions)} | ({LEADS: line.n_leads} if score.se_items else {})
    return PartResult(part, interval, status, line.by_concept, {}, because, spread, beside)
