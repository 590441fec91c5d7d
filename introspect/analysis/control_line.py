"""How far the detection question lies above what an injection does to questions it has nothing to do with.

An injection may add a yes to every answer, and it may press all answers together towards even odds or some other
value. Both are straight lines of a question's *shift* (its log-odds of yes under the vector less those of the same
prompt without) over its clean, signed log-odds: the intercept is the bias towards yes, the slope the compression (-1:
every answer ends at the same odds). The score of a concept is the shift of the detection question less what the line
through the control questions, under the same vector, predicts at the detection question's own clean log-odds.

Concepts and questions are both samples, and so are the lead-ins of the detection question. The error of the mean score
has a part from concepts, their spread, one from questions, by the jackknife (Efron & Tibshirani 1993, chapter 11), and,
where concepts share lead-ins, one from these (``shared_items_variance``); the noise of single trials is in the first
two, so their sum errs on the side of wide intervals. Wordings and manners are fixed and averaged first.

That interval is the line's: it says nothing of how far single questions lie off the line, and the detection question is
a single one. So it is also ranked among the control questions, each held against the line through the others. If
detection were one of the lot every rank would be as likely as any other, however far questions scatter (``among``).

Source: Hahami et al. (2026, arXiv 2512.12411) for paired control questions; Sridharan (2026) for compression as the
rival account and for the inverted question.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from introspect.analysis.line_fit import (
    Estimate,
    Fit,
    Table,
    above_line,
    coefficients,
    estimate,
    of_lead_ins,
    of_questions,
    pairs_of,
    table_of,
)

LEVEL = 0.975
QUESTIONS = 20
"""Control questions under a concept below which its line is not trusted."""
MASS = 0.05
"""Median probability of yes and no together below which their log-odds say nothing about the answer: nineteen of
twenty replies would then begin with something else, and what yes gains on no is decided among answers not given."""
AMONG = 0.05
"""The detection question is not one of the lot where so small a share of all questions, itself among them, lies as far
above the line; twenty questions are the fewest with which one can be."""
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Point:
    """A question on the plot: clean log-odds of yes and mean shift over concepts, in nats."""

    question: str
    clean: float
    shift: float


@dataclass(frozen=True, slots=True, eq=False)
class ControlLine:
    """The detection question against the control questions, in nats.

    Attributes:
        asked: The question that is scored; where ``inverted``, a score above 0 is a shift towards no.
        arm: Whose vectors act.
        level: Of all bounds.
        concepts: Those scored, in alphabetic order.
        questions: The control questions, in alphabetic order.
        scores: Of every concept: how far its detection question is above its line.
        influence: What each question does to the score of each concept: (number of questions - 1) · (score less the
            score without that question).
        score: Their mean.
        slope: Compression.
        intercept: Yes-bias, at clean log-odds of 0.
        curve: Constant, linear and square term of the parabola, means over concepts.
        curved_score: The mean score above the parabola.
        detection: The scored question itself; ``None`` without data.
        points: The control questions.
        placebos: Of every control question: how far it is above the line through the others, in nats.
        mass: Median mass on the answers, smallest of clean and injected: ``detection`` and ``controls``.
        n_questions: Under the concept that has fewest.
        n_leads: Lead-ins, or other prompts, of the scored question.
        undetermined_because: Why the score says nothing, if so.
    """

    asked: str
    arm: str
    level: float
    concepts: tuple[str, ...]
    questions: tuple[str, ...]
    scores: Float[np.ndarray, " concepts"]
    influence: Float[np.ndarray, "concepts questions"]
    score: Estimate
    slope: Estimate
    intercept: Estimate
    curve: tuple[float, float, float] | None
    curved_score: Estimate
    detection: Point | None
    points: tuple[Point, ...]
    placebos: Float[np.ndarray, " questions"]
    mass: dict[str, float | None]
    n_questions: int
    n_leads: int
    undetermined_because: str | None

    @property
    def by_concept(self) -> dict[str, float]:
        """The score of each concept."""
        return dict(zip(self.concepts, self.scores.tolist(), strict=True))

    @property
    def n_above(self) -> int:
        """Control questions that are as far above the line through the others as the scored question is above it."""
        return int((self.placebos >= (self.score.value or 0.0) - _TIE).sum())

    @property
    def among(self) -> float:
        """P of the scored question's rank among the control questions, where it is one of the lot."""
        return (1 + self.n_above) / (1 + len(self.placebos))


def control_line(
    frame: pl.DataFrame, asked: str = "detection", arm: str = "concept", level: float = LEVEL, curved: bool = True
) -> ControlLine:
    """Score the detection question of every concept against the control questions under the same vector.

    Never raises for want of data: what the frame does not give is ``None`` or empty, and the reason is given.

    Args:
        frame: Outcomes of the yes–no questions at one layer and strength and with one span, clean trials with them.
        asked: The head of the task that is scored: ``detection``, ``inverted``, ``third_person``, ...
        arm: The arm whose vectors act.
        level: Of the bounds; Student's t, degrees of freedom one less than the fewest of concepts, questions and shared
            lead-ins.
        curved: Whether a curve is fitted as well.

    Returns:
        Everything in nats of log-odds of yes.
    """
    pairs = pairs_of(frame, asked, arm)
    table = table_of(pairs, asked)
    sign = -1.0 if asked == "inverted" else 1.0
    n_questions = int(table.here.sum(axis=1).min()) if table.concepts else 0
    straight = coefficients(table, 1)
    scores = above_line(table, straight).times(sign)
    n_leads = len(np.unique(table.trials.item))
    curve = coefficients(table, 2) if curved and n_questions > 3 else None

    def above(fitted: list[Fit]) -> Estimate:
        return estimate(above_line(table, fitted).times(sign), level, of_lead_ins(table, fitted), n_leads)

    detection = None
    if table.concepts:
        detection = Point(asked, float(table.at.mean()), float(table.asked.mean()))
    mass = {"detection": _mass(pairs, asked), "controls": _mass(pairs, "question")}
    points = _points(table)
    because = [*_no_data(pairs, table), *_too_few(table, n_questions), *_elsewhere(detection, points), *_unlikely(mass)]
    return ControlLine(
        asked=asked,
        arm=arm,
        level=level,
        concepts=table.concepts,
        questions=table.questions,
        scores=scores.whole,
        influence=(max(len(table.questions), 1) - 1) * (scores.whole[:, None] - scores.without),
        score=above(straight),
        slope=estimate(straight[1], level),
        intercept=estimate(straight[0], level),
        curve=_means(curve) if curve else None,
        curved_score=above(curve) if curve else Estimate(None),
        detection=detection,
        points=points,
        placebos=sign * of_questions(table, straight),
        mass=mass,
        n_questions=n_questions,
        n_leads=n_leads,
        undetermined_because="; ".join(because) or None,
    )


def _means(coefficients: list[Fit]) -> tuple[float, float, float]:
    constant, linear, square = (float(fit.whole.mean()) for fit in coefficients)
    return constant, linear, square


def _points(table: Table) -> tuple[Point, ...]:
    n = table.here.sum(axis=0)
    clean, shift = table.clean.sum(axis=0) / n, table.shift.sum(axis=0) / n
    return tuple(Point(*each) for each in zip(table.questions, clean.tolist(), shift.tolist(), strict=True))


def _mass(pairs: pl.DataFrame, head: str) -> float | None:
    """Return the smallest median mass of any way of asking, with or without injection, if they were all recorded."""
    ways = [name for name in ("manner", "wording") if name in pairs.columns]
    asked = pairs.filter(pl.col("head") == head)
    parts = [part for _, part in asked.group_by(ways)] if ways else [asked]
    medians = [part[name].cast(pl.Float64).median() for part in parts for name in ("mass", "clean_mass")]
    known = [value for value in medians if isinstance(value, float)]
    return min(known) if known and len(known) == len(medians) else None


def _no_data(pairs: pl.DataFrame, table: Table) -> list[str]:
    cells = [name for name in ("layer", "strength") if name in pairs.columns and pairs[name].n_unique() > 1]
    found = [f"the trials have more than one {name}" for name in cells]
    if not table.concepts:
        found.append("no concept has both the detection question and control questions, each with its clean twin")
    return found


def _too_few(table: Table, n_questions: int) -> list[str]:
    if not table.concepts:
        return []
    found = ["there is only one concept"] if len(table.concepts) == 1 else []
    if n_questions < QUESTIONS:
        found.append(f"{n_questions} control questions are fewer than {QUESTIONS}")
    return found


def _elsewhere(detection: Point | None, points: tuple[Point, ...]) -> list[str]:
    if detection is None:
        return []
    low, high = (end(point.clean for point in points) for end in (min, max))
    if high - low < 1e-9:
        return ["the control questions do not differ in their clean log-odds, which leaves the line's slope open"]
    if low <= detection.clean <= high:
        return []
    return [
        f"the detection question's clean log-odds of {detection.clean:.2f} lie outside those of the control "
        f"questions, {low:.2f} to {high:.2f}"
    ]


def _unlikely(mass: dict[str, float | None]) -> list[str]:
    found: list[str] = []
    for name, value in mass.items():
        if value is None:
            found.append(f"the mass on the answers was not recorded ({name})")
        elif not value >= MASS:
            found.append(f"the answers have hardly any mass ({name}: median {value:.2g})")
    return found
