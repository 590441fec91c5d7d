"""What each part of a clause comes to on one body of evidence: value, interval and status.

A part is *not met* where the upper bound of its interval is below the smallest effect, *met* where the lower bound is
above zero and the upper not below the smallest effect, else *undetermined*; it is decided only if it is the same when
every unreadable reply counts for it and when every one counts against it.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from statistics import fmean, median, stdev
from typing import get_args

import numpy as np

from introspect.analysis.control_line import AMONG, MASS, ControlLine, control_line
from introspect.analysis.criteria.agreeing import agreement
from introspect.analysis.criteria.clauses import Part
from introspect.analysis.criteria.differences import Difference, Said, Values, trials_of
from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.criteria.measures import first_token
from introspect.analysis.criteria.results import LEADS, RATES, PartResult, Status, least
from introspect.analysis.crossed import shared_items_variance
from introspect.analysis.interval import Interval
from introspect.analysis.intervals import over_concepts, verdict
from introspect.analysis.naming import Counting
from introspect.records import Rules

FEWEST_SHARED = 10
"""Notes or unrelated requests from which on they are a sample; fewer are fixed, as wordings are."""


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


def _part(part: Part, evidence: Evidence, rules: Rules) -> PartResult:
    assert part.measure is not None
    ways: tuple[Counting, ...] = get_args(Counting) if part.spoken else ("as read",)
    every = {counting: part.measure(evidence, counting) for counting in ways}
    as_read, more, n_shared = _interval(part, evidence, "as read", every["as read"], rules)
    intervals = [
        as_read if every[way] == every["as read"] else _interval(part, evidence, way, every[way], rules)[0]
        for way in ways
    ]
    statuses: set[Status] = {verdict(interval, least(part, rules)) for interval in intervals}
    agreed = next(iter(statuses)) if len(statuses) == 1 else "undetermined"
    because = None
    if not every["as read"]:
        because = _lacking(part, evidence)
    elif len(statuses) > 1:
        because = "it depends on how unreadable replies are counted"
    if part.measure is first_token and (unlikely := _unlikely(evidence)):
        agreed, because = "undetermined", unlikely
    values = list(every["as read"].values())
    spread = math.hypot(stdev(values), math.sqrt(more * len(values))) if len(values) > 1 else None
    beside = {part.shared: n_shared} if n_shared else {}
    sides = _sides(*part.arms(evidence, "as read")) if part.arms else None
    return PartResult(part, as_read, agreed, every["as read"], {}, because, spread, beside, sides)


def _trials(part: Part, evidence: Evidence, counting: Counting) -> list[Difference]:
    if part.trials is not None:
        return part.trials(evidence, counting)
    return trials_of(*part.arms(evidence, counting)) if part.arms is not None else []


def _sides(own: Said, other: Said) -> tuple[float, float] | None:
    """Return the shares of the two arms, means over the concepts that have both."""
    both = [concept for concept in own if concept in other]
    if not both:
        return None
    share = [fmean([fmean([claim for _, claim in arm[concept]]) for concept in both]) for arm in (own, other)]
    return share[0], share[1]


def _unlikely(evidence: Evidence) -> str | None:
    """Say where the answers whose log-odds are compared have hardly any mass, in any way of asking."""
    ways: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in (*evidence.of("detection"), *evidence.of("detection", "none")):
        if row.mass is not None:
            ways[row.task, row.wording, row.arm].append(row.mass)
    least_, (task, wording, _) = min(((median(each), way) for way, each in ways.items()), default=(1.0, ("", "", "")))
    if least_ >= MASS:
        return None
    return f"the answers have hardly any mass ({task} in the wording {wording}: median {least_:.2g})"


def _lacking(part: Part, evidence: Evidence) -> str:
    """Say why a part has no value."""
    if not all(evidence.of(*each) for each in part.compares):
        return "there are no such trials"
    if part.measure is agreement:
        return "no concept has two reports that could agree, or there is but one concept"
    return "nothing in its trials can be compared"


def _interval(
    part: Part, evidence: Evidence, counting: Counting, values: Values, rules: Rules
) -> tuple[Interval, float, int | None]:
    """Return the interval, the variance in it of what concepts share, and how many of these there are."""
    trials = [each for each in _trials(part, evidence, counting) if each.concept in values]
    more, n_items = of_shared(trials, 2 if part.trials else FEWEST_SHARED)
    bounds = RATES if part.unit == "rate" else None
    return over_concepts(list(values.values()), rules.level, bounds, more, n_items), more, n_items


def of_shared(trials: Sequence[Difference], fewest: int = 2) -> tuple[float, int | None]:
    """Return the variance that lead-ins, notes or requests add which concepts share, and how many there are.

    Fewer than ``fewest`` are fixed: the claim is about those used. A trial that has none shares nothing.
    """
    n_items = len({each.item for each in trials if each.item is not None})
    if n_items < fewest:
        return 0.0, None
    concepts: list[str] = [each.concept for each in trials]
    items = [f"{each.item}" if each.item is not None else f"\0{each.concept}" for each in trials]
    sizes = Counter(concepts)
    weights = np.array([1 / (len(sizes) * sizes[concept]) for concept in concepts])
    numbers = [np.unique(kind, return_inverse=True)[1] for kind in (concepts, items)]
    more = shared_items_variance(np.array([each.value for each in trials]), weights, *numbers)
    return more, n_items if more else None


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
