"""What a study will be able to find, told from its trials before any of them is run.

The number of concepts is that of the half that is reported. How much concepts will differ is not known yet, so it is
assumed, once mildly and once so that it can hardly be worse; ``Assumption.words`` says what.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from introspect.analysis.control_line import QUESTIONS
from introspect.analysis.criteria.agreeing import agreement
from introspect.analysis.criteria.clauses import CLAUSES, REPORT, Clause, Part
from introspect.analysis.criteria.evidence import part_of
from introspect.analysis.criteria.results import RATES, least
from introspect.analysis.power import minimum_detectable, spread_of_rates
from introspect.records import Rules, TrialSpec

UNDER_VECTOR, ELSEWHERE = 0.5, 0.1
"""Assumed rates: under the vector, where concepts differ most, and in the arm that is subtracted."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """How much concepts are taken to differ.

    Attributes:
        name: Of the column.
        words: What is assumed, in words.
        alike: Intraclass correlation of the replies of a concept.
        nats: Standard deviation over concepts of a shift of log-odds; questions have half of it.
    """

    name: str
    words: str
    alike: float
    nats: float


ASSUMPTIONS = (
    Assumption("mild", "replies to one concept correlate by 0.3, shifts of log-odds spread by 1 nat", 0.3, 1.0),
    Assumption("hard", "replies to one concept are all alike, shifts of log-odds spread by 2 nats", 1.0, 2.0),
)
SAID = (
    f"Assumed: rates of {UNDER_VECTOR:g} under the vector and of {ELSEWHERE:g} in the arm that is subtracted, arms "
    "unrelated, shifts over control questions and lead-ins with half the spread of concepts; "
    + "; ".join(f"{each.name}: {each.words}" for each in ASSUMPTIONS)
    + ". Notes and unrelated requests are taken to add nothing. Unreadable replies make every effect harder to show."
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The smallest effect of one part that four of five runs would find, under each of ``ASSUMPTIONS``.

    ``detectable`` is ``None`` where no value that there can be is large enough; ``because`` says what is missing where
    the part will be left undetermined whatever comes out.
    """

    clause: Clause
    part: Part
    n_concepts: int
    least: float
    detectable: tuple[float | None, ...]
    because: str | None = None


@dataclass(slots=True)
class _Arm:
    """The trials of a part of the study and an arm."""

    n: int = 0
    concepts: set[str] = field(default_factory=set)
    questions: set[str] = field(default_factory=set)
    leads: set[str] = field(default_factory=set)


def forecasts(specs: Iterable[TrialSpec], rules: Rules) -> list[Forecast]:
    """Return what every part of every clause could show.

    Args:
        specs: All trials of the half that is reported, at one setting.
        rules: Of the study.
    """
    arms: dict[tuple[str, str], _Arm] = {}
    for spec in specs:
        part = part_of(spec.protocol, spec.task)
        if part is None:
            continue
        arm = arms.setdefault((part, spec.arm), _Arm())
        arm.n += 1
        arm.concepts |= {spec.concept} if spec.concept is not None else set()
        arm.questions |= {spec.fill["question"]} if "question" in spec.fill else set()
        arm.leads |= {spec.fill["lead"]} if spec.fill.get("lead") else set()
    return [_forecast(clause, part, arms, rules) for clause in CLAUSES for part in clause.parts]


def _forecast(clause: Clause, part: Part, arms: Mapping[tuple[str, str], _Arm], rules: Rules) -> Forecast:
    smallest = least(part, rules)
    lacking = [
        f"no trials of {task!r} in the arm {arm!r}"
        for task, arm in dict.fromkeys((*part.compares, REPORT))
        if (task, arm) not in arms and not (part.unit == "log-odds" and (task, arm) == REPORT)
    ]
    if lacking:
        return Forecast(clause, part, 0, smallest, (None,) * len(ASSUMPTIONS), "; ".join(lacking))
    own, clean = ([arms[each] for each in part.compares if (each[1] == "none") is none] for none in (False, True))
    n = len(set.intersection(*(arm.concepts for arm in own)))
    n_questions = len(arms["question", "concept"].questions) if part.measure is None else None
    because = None
    if n_questions is not None and n_questions < QUESTIONS:
        because = f"{n_questions} control questions are fewer than {QUESTIONS}"
    if part.measure is agreement and arms[REPORT].n < 2 * len(arms[REPORT].concepts):
        because = "one report a concept: agreement compares two, in two wordings or in two samples of one"
    bounds = RATES if part.unit == "rate" else None
    shared = [arm for arm in clean if len(arm.leads) > 1]
    spreads = [_spread(part, own, shared, n, n_questions, each) for each in ASSUMPTIONS]
    fewest = min((n, *(len(arm.leads) for arm in shared), *((n_questions,) if n_questions else ())))
    found = tuple(minimum_detectable(n, spread, rules.level, bounds=bounds, fewest=fewest) for spread in spreads)
    return Forecast(clause, part, n, smallest, found, because)


def _spread(
    part: Part,
    own: list[_Arm],
    shared: list[_Arm],
    n: int,
    n_questions: int | None,
    assumed: Assumption,
) -> float:
    """Return the standard deviation over concepts.

    What questions add, and clean prompts that concepts share, is put in as if it were the concepts' own.

    Args:
        part: Of a clause.
        own: Its arms under a vector.
        shared: Its clean arms that have lead-ins.
        n: Number of concepts.
        n_questions: Of control questions, on the control line.
        assumed: How much values differ.
    """
    if part.unit == "log-odds":
        items = (*(len(arm.leads) for arm in shared), *((n_questions,) if n_questions else ()))
        return assumed.nats * math.sqrt(1 + sum(n / n_items for n_items in items) / 4)
    rates = (UNDER_VECTOR, *(ELSEWHERE for _ in own[1:]))
    spreads = [
        spread_of_rates(rate, max(1, round(arm.n / len(arm.concepts))), assumed.alike)
        for rate, arm in zip(rates, own, strict=True)
    ]
    for arm in shared:
        of_lead = spread_of_rates(ELSEWHERE, max(1, round(arm.n / len(arm.leads))), assumed.alike)
        spreads.append(of_lead * math.sqrt(n / len(arm.leads)))
    return math.hypot(*spreads)
