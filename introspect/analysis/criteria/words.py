"""The criteria in plain words: a table of verdicts, and what each rests on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from introspect.analysis.criteria.clauses import CRITERIA, Criterion
from introspect.analysis.criteria.results import RATES, ClauseResult, CriterionResult, PartResult, least
from introspect.analysis.interval import Bounds
from introspect.analysis.intervals import over_concepts, verdict
from introspect.analysis.power import concepts_to_decide, minimum_detectable, smallest
from introspect.records import Rules, Study
from introspect.split import other_salt
from introspect.terminal import counted

TITLES: Mapping[Criterion, str] = {
    "accuracy": "Accurate",
    "grounding": "Grounded",
    "internality": "Internal",
    "metacognition": "Metacognitive",
}
MEANS: Mapping[Criterion, str] = {
    "accuracy": "the report names the state",
    "grounding": "what is named changes when the state changes",
    "internality": "the report is not read off the subject's own words or its prompt",
    "metacognition": "passes behavioural tests of a report about the state; none shows a representation of it as such",
}
LEAST = 1e-9
"""What is smaller has no sign."""
MOST = 2000
"""Concepts beyond which nobody is told how many would decide."""
FEWEST = 3
"""Concepts below which their spread is not worth reckoning with."""


def sentence(result: CriterionResult) -> str:
    """Say what a criterion came to and which clause decided it."""
    if result.because:
        return f"Undecided, {result.because}."
    deciding = [each for each in result.clauses if each.applies and each.status == result.status]
    said = "; ".join(_decided_by(each) for each in deciding)
    lead = {"met": "Yes", "not met": "No, this fails", "undetermined": "Undecided, this is open"}[result.status]
    against = [
        f" In the wording {', '.join(opposite)} the other way round: {part.part.words}."
        for each in deciding
        for part in each.parts
        if part.status == "met" and (opposite := of_opposite_sign(part))
    ]
    return f"{lead}: {said}.{''.join(against)}"


def _decided_by(result: ClauseResult) -> str:
    """Say which clause decided and, where its parts differ, by which of them, since the others may well hold."""
    if len({part.status for part in result.parts}) < 2:
        return result.clause.words
    parts = [part.part.words for part in result.parts if part.status == result.status]
    if not parts:
        return result.clause.words
    return f"{result.clause.name} ({'; '.join(parts)})"


def figure(part: PartResult, rules: Rules) -> str:
    """Write a part's value with its interval, number of concepts and smallest effect, and that of each wording."""
    interval = part.interval
    if interval.value is None:
        return part.because or "no trials"
    unit = "" if part.part.unit == "rate" else " nats"
    if interval.low is None or interval.high is None:
        bounds = "no interval"
    else:
        bounds = f"{100 * interval.level:g} % interval {interval.low:+.2f} to {interval.high:+.2f}"
    more = f"; {part.because}" if part.because else ""
    more += _power(part, rules)
    sides = f", {part.sides[0]:.2f} less {part.sides[1]:.2f}" if part.sides else ""
    return (
        f"{interval.value:+.2f}{unit}{sides} ({bounds}, {counted(interval.n_units, 'concept')}, smallest effect "
        f"{least(part.part, rules):g})"
        f"{more}{_against(part)}"
    )


def _power(part: PartResult, rules: Rules) -> str:
    """Say which effect these concepts could have shown and, where nothing is decided, how many would decide."""
    shown, enough = detectable(part, rules), to_decide(part, rules)
    beside = f", with as many times the {' and '.join(part.beside)}," if part.beside else ""
    decide = f"; about {enough} concepts{beside} would decide it" if enough else ""
    return f"{decide}{f'; {len(part.values)} show an effect of {shown:.2f} in four of five runs' if shown else ''}"


def detectable(part: PartResult, rules: Rules) -> float | None:
    """Return the smallest effect that four of five such runs would find, at the spread that was seen."""
    if part.spread is None or len(part.values) < FEWEST:
        return None
    n, bounds = len(part.values), _bounds(part)
    found = minimum_detectable(n, part.spread, rules.level, bounds=bounds, fewest=part.fewest)
    if part.interval.method != "exact" or found is None:
        return found
    alike = minimum_detectable(n, 0.0, rules.level, bounds=bounds)  # what the bounds ask for, however alike they are
    return None if alike is None else max(found, alike)


def to_decide(part: PartResult, rules: Rules) -> int | None:
    """Return how many concepts would decide a part that they leave open, were its mean and spread to stay."""
    value = part.interval.value
    if part.status != "undetermined" or part.because or value is None or part.spread is None:
        return None
    if len(part.values) < FEWEST:
        return None
    if part.interval.method == "exact":
        return _more_of_the_same(part, rules)
    share = part.fewest / len(part.values)
    return concepts_to_decide(value, part.spread, least(part.part, rules), rules.level, _bounds(part), share)


def _more_of_the_same(part: PartResult, rules: Rules) -> int | None:
    """Return how many concepts would decide if they were spread as those are that were tried, by their own interval."""
    seen = np.sort(np.array(list(part.values.values())))

    def decides(n: int) -> bool:
        drawn = seen[((np.arange(n) + 0.5) / n * len(seen)).astype(int)]
        fewest = math.floor(n * part.fewest / len(seen)) if part.beside else None
        interval = over_concepts(drawn, rules.level, _bounds(part), part.more * len(seen) / n, fewest)
        return verdict(interval, least(part.part, rules)) != "undetermined"

    return smallest(decides, MOST)


def _bounds(part: PartResult) -> Bounds | None:
    return RATES if part.part.unit == "rate" else None


def _against(part: PartResult) -> str:
    """Give each wording's own value, and name those whose value has the other sign."""
    value = part.interval.value
    if value is None or len(part.wordings) < 2:
        return ""
    each = ", ".join(f"{name} {own:+.2f}" for name, own in part.wordings.items())
    other = ", ".join(of_opposite_sign(part))
    return f"; by wording: {each}{f'; of the opposite sign in {other}' if other else ''}"


def of_opposite_sign(part: PartResult) -> list[str]:
    """Return the wordings in which a part comes out the other way round than in all of them together."""
    value = part.interval.value
    if value is None or len(part.wordings) < 2 or abs(value) < LEAST:
        return []
    return [name for name, own in part.wordings.items() if own * value < 0 and abs(own) >= LEAST]


def lines(result: CriterionResult, rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield what each clause's parts came to: what it is, and the figure."""
    for clause in result.clauses:
        for part in clause.parts:
            yield f"{clause.clause.name}, {part.part.name}: {_status(clause, part)}", figure(part, rules)


def _status(clause: ClauseResult, part: PartResult) -> str:
    return part.status if clause.applies else f"does not apply ({clause.clause.needs} is not met)"


def setting(study: Study, spans: Sequence[str] = ()) -> str:
    """Say at which setting all four are judged and how it was chosen.

    Args:
        study: What was chosen.
        spans: Where in the prompt the vector acted.
    """
    salt = f" {said}" if (said := other_salt(study.salt)) else ""
    if study.layer is None:
        return f"No setting is chosen yet.{salt}"
    best = next(
        (each for each in study.candidates if (each.layer, each.strength) == (study.layer, study.strength)), None
    )
    score = f", where it was {best.score:.2f} of {best.n} trials" if best else ""
    n = [sum(side == half for side in study.sides.values()) for half in ("development", "report")]
    ways = f", wordings {', '.join(study.wordings)}" if study.wordings else ""
    where = f", span {', '.join(spans)}" if spans else ""
    return (
        f"All four are judged at layer {study.layer}, strength {study.strength:g}{where}{ways}, on {n[1]} concepts "
        f"that did not choose it; it was chosen among {len(study.candidates)} by {study.rules.choose_by!r} on {n[0]} "
        f"others{score}.{salt}"
    )


def as_json(results: Mapping[Criterion, CriterionResult], rules: Rules) -> dict[str, Any]:
    """Return the verdicts as plain values."""
    return {
        name: {
            "status": results[name].status,
            "sentence": sentence(results[name]),
            "because": results[name].because,
            "clauses": [
                {
                    "name": clause.clause.name,
                    "status": clause.status,
                    "applies": clause.applies,
                    "parts": [
                        {
                            "name": part.part.name, "definition": part.part.words, "unit": part.part.unit,
                            "smallest_effect": least(part.part, rules), "status": part.status,
                            "value": part.interval.value, "low": part.interval.low, "high": part.interval.high,
                            "level": part.interval.level, "n_concepts": part.interval.n_units,
                            "method": part.interval.method, "shares": part.sides, "wordings": dict(part.wordings),
                            "opposite_sign_in": of_opposite_sign(part), "because": part.because,
                            "minimum_detectable": detectable(part, rules), "concepts_to_decide": to_decide(part, rules),
                            "as_many_times_more": list(part.beside),
                        }
                        for part in clause.parts
                    ],
                }
                for clause in results[name].clauses
            ],
        }
        for name in CRITERIA
        if name in results
    }  # fmt: skip
