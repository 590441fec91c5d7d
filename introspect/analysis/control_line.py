"""How far the detection question lies above what an injection does to questions it has nothing to do with.

An injection may add a yes to every answer, and it may press all answers together towards even odds or some other
value. Both are straight lines of a question's *shift* (its log-odds of yes under the vector less those of the same
prompt without) over its clean, signed log-odds: the intercept is the bias towards yes, the slope the compression (-1:
every answer ends at the same odds). The score of a concept is the shift of the detection question less what the line
through the control questions, under the same vector, predicts at the detection question's own clean log-odds.

Concepts and questions are both samples. The error of the mean score has a part from concepts, their spread, and one
from questions, by the jackknife (Efron & Tibshirani 1993, chapter 11); the noise of single trials is in both parts, so
their sum errs on the side of wide intervals. Wordings, manners and lead-ins are fixed and averaged first.

Source: Hahami et al. (2026, arXiv 2512.12411) for paired control questions; Sridharan (2026) for compression as the
rival account and for the inverted question.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from introspect.analysis.means import t_quantile

LEVEL = 0.975
QUESTIONS = 20
"""Control questions under a concept below which its line is not trusted."""
MASS = 0.05
"""Median probability of yes and no together below which their log-odds say nothing about the answer: nineteen of
twenty replies would then begin with something else, and what yes gains on no is decided among answers not given."""
MARGIN_SHARE = 0.10
MARGIN_NATS = 0.25
"""How far beyond the controls' clean log-odds the line may be drawn on: a share of their range or so many nats,
whichever is more; both are small beside the effects that count (0.5 nats)."""
_NEEDED = ("task", "arm", "unit", "yes_logodds")
_TWIN = ("task", "info", "wording", "item", "prompt")
_ASKED_ALIKE = ("manner", "info", "wording")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over concepts, with its bounds and standard errors from sampling concepts and from sampling questions."""

    value: float | None
    low: float | None = None
    high: float | None = None
    se_concepts: float | None = None
    se_questions: float | None = None


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
        mass: Median mass on the answers, smallest of clean and injected: ``detection`` and ``controls``.
        n_questions: Under the concept that has fewest.
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
    mass: dict[str, float | None]
    n_questions: int
    undetermined_because: str | None

    @property
    def by_concept(self) -> dict[str, float]:
        """The score of each concept."""
        return dict(zip(self.concepts, self.scores.tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Clean log-odds and shift of every concept's control questions (0 where ``here`` is false) and detection."""

    concepts: tuple[str, ...]
    questions: tuple[str, ...]
    here: Bool[np.ndarray, "concepts questions"]
    clean: Float[np.ndarray, "concepts questions"]
    shift: Float[np.ndarray, "concepts questions"]
    at: Float[np.ndarray, " concepts"]
    asked: Float[np.ndarray, " concepts"]


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Per concept, a statistic with all questions, and without each of them."""

    whole: Float[np.ndarray, " concepts"]
    without: Float[np.ndarray, "concepts questions"]

    def times(self, factor: float) -> "_Fit":
        return _Fit(factor * self.whole, factor * self.without)


def control_line(
    frame: pl.DataFrame, asked: str = "detection", arm: str = "concept", level: float = LEVEL
) -> ControlLine:
    """Score the detection question of every concept against the control questions under the same vector.

    Never raises for want of data: what the frame does not give is ``None`` or empty, and the reason is given.

    Args:
        frame: Outcomes of the yes–no questions at one layer and strength and with one span, clean trials with them.
        asked: The head of the task that is scored: ``detection``, ``inverted``, ``third_person``, ...
        arm: The arm whose vectors act.
        level: Of the bounds; Student's t, degrees of freedom one less than the fewer of concepts and questions.

    Returns:
        Everything in nats of log-odds of yes.
    """
    pairs = _pairs(frame, asked, arm)
    table = _table(pairs, asked)
    sign = -1.0 if asked == "inverted" else 1.0
    straight, curved = (_coefficients(table, degree) for degree in (1, 2))
    scores = _above(table, straight).times(sign)
    estimates = [_estimate(fit, level) for fit in (scores, straight[1], straight[0], _above(table, curved).times(sign))]
    detection = None
    if table.concepts:
        detection = Point(asked, float(table.at.mean()), float(table.asked.mean()))
    mass = {"detection": _mass(pairs, asked), "controls": _mass(pairs, "question")}
    n_questions = int(table.here.sum(axis=1).min()) if table.concepts else 0
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
        score=estimates[0],
        slope=estimates[1],
        intercept=estimates[2],
        curve=_means(curved) if n_questions > 3 else None,
        curved_score=estimates[3] if n_questions > 3 else Estimate(None),
        detection=detection,
        points=points,
        mass=mass,
        n_questions=n_questions,
        undetermined_because="; ".join(because) or None,
    )


def _pairs(frame: pl.DataFrame, asked: str, arm: str) -> pl.DataFrame:
    """Return the injected trials beside the clean twin of their prompt, asked in ways that both questions have."""
    if not set(_NEEDED) <= set(frame.columns) or "item" not in frame.columns:
        return _no_pairs()
    if "mass" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("mass"))
    split = pl.col("task").str.splitn("/", 2)
    found = frame.filter(pl.col("yes_logodds").is_finite()).with_columns(
        split.struct.field("field_0").alias("head"), split.struct.field("field_1").alias("manner")
    )
    found = found.filter(pl.col("head").is_in([asked, "question"]))
    key = [name for name in _TWIN if name in frame.columns]
    clean = (
        found.filter(pl.col("arm") == "none")
        .group_by(key)
        .agg(pl.col("yes_logodds").mean().alias("clean"), pl.col("mass").mean().alias("clean_mass"))
    )
    injected = found.filter((pl.col("arm") == arm) & pl.col("unit").is_not_null())
    pairs = injected.join(clean, on=key, how="inner", nulls_equal=True)
    alike = [name for name in _ASKED_ALIKE if name in pairs.columns]
    for head in (asked, "question"):
        ways = pairs.filter(pl.col("head") == head).select(alike).unique()
        pairs = pairs.join(ways, on=alike, how="semi", nulls_equal=True)
    return pairs.with_columns((pl.col("yes_logodds") - pl.col("clean")).alias("shift"))


def _no_pairs() -> pl.DataFrame:
    schema: dict[str, Any] = dict.fromkeys(("head", "unit", "item"), pl.String)
    return pl.DataFrame(schema=schema | dict.fromkeys(("clean", "shift", "mass", "clean_mass"), pl.Float64))


def _table(pairs: pl.DataFrame, asked: str) -> _Table:
    """Average over wordings, manners and lead-ins; keep the concepts that have both kinds of question."""
    means = [pl.col("clean").mean(), pl.col("shift").mean()]
    own = pairs.filter(pl.col("head") == asked).group_by("unit").agg(means)
    controls = pairs.filter((pl.col("head") == "question") & pl.col("item").is_not_null())
    controls = controls.group_by("unit", "item").agg(means)
    concepts = sorted(set(own["unit"]) & set(controls["unit"]))
    controls = controls.filter(pl.col("unit").is_in(concepts))
    questions = sorted(set(controls["item"]))
    row, column = ({name: i for i, name in enumerate(names)} for names in (concepts, questions))
    clean, shift = np.zeros((2, len(concepts), len(questions)))
    here = np.zeros((len(concepts), len(questions)), dtype=bool)
    for unit, item, x, y in controls.select("unit", "item", "clean", "shift").iter_rows():
        place = row[unit], column[item]
        clean[place], shift[place], here[place] = x, y, True
    kept = own.filter(pl.col("unit").is_in(concepts)).sort("unit")
    return _Table(
        tuple(concepts), tuple(questions), here, clean, shift, kept["clean"].to_numpy(), kept["shift"].to_numpy()
    )


def _coefficients(table: _Table, degree: int) -> list[_Fit]:
    """Return the coefficients of least squares, lowest power first, concept by concept.

    Where the questions do not fix them, as with one question or equal clean log-odds, the smallest are taken.
    """
    powers = np.arange(degree + 1)
    weights = table.here[..., None].astype(float)
    design = table.clean[..., None] ** powers * weights
    own_squares = design[..., :, None] * design[..., None, :]
    own_products = design * table.shift[..., None]
    squares, products = own_squares.sum(axis=1), own_products.sum(axis=1)
    whole = _solve(squares, products)
    without = _solve(squares[:, None] - own_squares, products[:, None] - own_products)
    return [_Fit(whole[..., power], without[..., power]) for power in powers]


def _solve(squares: Float[np.ndarray, "*batch p p"], products: Float[np.ndarray, "*batch p"]) -> np.ndarray:
    if not products.size:
        return np.zeros(products.shape)
    return (np.linalg.pinv(squares, rcond=1e-10, hermitian=True) @ products[..., None])[..., 0]


def _above(table: _Table, coefficients: list[_Fit]) -> _Fit:
    """Return how far the detection question is above the fitted curve."""
    powers = [table.at**power for power in range(len(coefficients))]
    whole = table.asked - sum(fit.whole * at for fit, at in zip(coefficients, powers, strict=True))
    predicted = sum(fit.without * at[:, None] for fit, at in zip(coefficients, powers, strict=True))
    return _Fit(whole, table.asked[:, None] - predicted)


def _estimate(fit: _Fit, level: float) -> Estimate:
    """Return the mean over concepts with bounds for a sample of concepts and of questions."""
    n_concepts, n_questions = fit.without.shape
    if not n_concepts:
        return Estimate(None)
    value = float(fit.whole.mean())
    if min(n_concepts, n_questions) < 2:
        return Estimate(value)
    of_concepts = float(fit.whole.std(ddof=1)) / math.sqrt(n_concepts)
    of_questions = float(fit.without.mean(axis=0).std()) * math.sqrt(n_questions - 1)
    reach = t_quantile(min(n_concepts, n_questions) - 1, level) * math.hypot(of_concepts, of_questions)
    return Estimate(value, value - reach, value + reach, of_concepts, of_questions)


def _means(coefficients: list[_Fit]) -> tuple[float, float, float]:
    constant, linear, square = (float(fit.whole.mean()) for fit in coefficients)
    return constant, linear, square


def _points(table: _Table) -> tuple[Point, ...]:
    n = table.here.sum(axis=0)
    clean, shift = table.clean.sum(axis=0) / n, table.shift.sum(axis=0) / n
    return tuple(Point(*each) for each in zip(table.questions, clean.tolist(), shift.tolist(), strict=True))


def _mass(pairs: pl.DataFrame, head: str) -> float | None:
    """Return the smaller of the median masses with and without injection, if they were recorded."""
    asked = pairs.filter(pl.col("head") == head)
    medians = [asked[name].cast(pl.Float64).median() for name in ("mass", "clean_mass")]
    known = [value for value in medians if isinstance(value, float)]
    return min(known) if len(known) == len(medians) else None


def _no_data(pairs: pl.DataFrame, table: _Table) -> list[str]:
    cells = [name for name in ("layer", "strength") if name in pairs.columns and pairs[name].n_unique() > 1]
    found = [f"the trials have more than one {name}" for name in cells]
    if not table.concepts:
        found.append("no concept has both the detection question and control questions, each with its clean twin")
    return found


def _too_few(table: _Table, n_questions: int) -> list[str]:
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
    margin = max(MARGIN_SHARE * (high - low), MARGIN_NATS)
    if low - margin <= detection.clean <= high + margin:
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
        elif value < MASS:
            found.append(f"the answers have hardly any mass ({name}: median {value:.2g})")
    return found
