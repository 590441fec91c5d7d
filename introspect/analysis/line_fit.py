"""The control line's questions as a table, and the curves that are fitted to them, concept by concept."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from introspect.analysis.crossed import shared_items_variance, with_left_out_items

_NEEDED = ("task", "arm", "unit", "yes_logodds")
_TWIN = ("task", "info", "wording", "item", "prompt")
_ASKED_ALIKE = ("manner", "info", "wording")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over concepts, with its bounds and standard errors from sampling concepts, questions, and lead-ins."""

    value: float | None
    low: float | None = None
    high: float | None = None
    se_concepts: float | None = None
    se_questions: float | None = None
    se_items: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Every trial of the scored question: its concept and its lead-in by number, clean log-odds, and shift."""

    concept: Int[np.ndarray, " trial"]
    item: Int[np.ndarray, " trial"]
    clean: Float[np.ndarray, " trial"]
    shift: Float[np.ndarray, " trial"]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Clean log-odds and shift of every concept's control questions (0 where ``here`` is false) and detection."""

    concepts: tuple[str, ...]
    questions: tuple[str, ...]
    here: Bool[np.ndarray, "concepts questions"]
    clean: Float[np.ndarray, "concepts questions"]
    shift: Float[np.ndarray, "concepts questions"]
    at: Float[np.ndarray, " concepts"]
    asked: Float[np.ndarray, " concepts"]
    trials: Asked


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Per concept, a statistic with all questions, and without each of them."""

    whole: Float[np.ndarray, " concepts"]
    without: Float[np.ndarray, "concepts questions"]

    def times(self, factor: float) -> "Fit":
        """Return the statistic multiplied by a number."""
        return Fit(factor * self.whole, factor * self.without)


def pairs_of(frame: pl.DataFrame, asked: str, arm: str) -> pl.DataFrame:
    """Return the injected trials beside the clean twin of their prompt, asked in ways that both questions have."""
    if not set(_NEEDED) <= set(frame.columns) or "item" not in frame.columns:
        return _no_pairs()
    if "mass" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("mass"))
    split = pl.col("task").str.splitn("/", 2)
    found = (
        frame.lazy()
        .filter(pl.col("yes_logodds").is_finite())
        .with_columns(split.struct.field("field_0").alias("head"), split.struct.field("field_1").alias("manner"))
    )
    found = found.filter(pl.col("head").is_in([asked, "question"]))
    key = [name for name in _TWIN if name in frame.columns]
    clean = (
        found.filter(pl.col("arm") == "none")
        .group_by(key)
        .agg(pl.col("yes_logodds").mean().alias("clean"), pl.col("mass").mean().alias("clean_mass"))
    )
    injected = found.filter((pl.col("arm") == arm) & pl.col("unit").is_not_null())
    pairs = injected.join(clean, on=key, how="inner", nulls_equal=True, maintain_order="left")
    alike = ["manner", *(name for name in _ASKED_ALIKE[1:] if name in frame.columns)]
    for head in (asked, "question"):
        ways = pairs.filter(pl.col("head") == head).select(alike).unique()
        pairs = pairs.join(ways, on=alike, how="semi", nulls_equal=True, maintain_order="left")
    return pairs.with_columns((pl.col("yes_logodds") - pl.col("clean")).alias("shift")).collect()


def _no_pairs() -> pl.DataFrame:
    schema: dict[str, Any] = dict.fromkeys(("head", "unit", "item"), pl.String)
    return pl.DataFrame(schema=schema | dict.fromkeys(("clean", "shift", "mass", "clean_mass"), pl.Float64))


def table_of(pairs: pl.DataFrame, asked: str) -> Table:
    """Average over wordings, manners and lead-ins; keep the concepts that have both kinds of question."""
    means = [pl.col("clean").mean(), pl.col("shift").mean()]
    own = pairs.lazy().filter(pl.col("head") == asked).group_by("unit").agg(means)
    controls = pairs.lazy().filter((pl.col("head") == "question") & pl.col("item").is_not_null())
    own, controls = pl.collect_all([own, controls.group_by("unit", "item").agg(means)])
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
    return Table(
        tuple(concepts),
        tuple(questions),
        here,
        clean,
        shift,
        kept["clean"].to_numpy(),
        kept["shift"].to_numpy(),
        _asked(pairs.filter((pl.col("head") == asked) & pl.col("unit").is_in(concepts)), row),
    )


def _asked(trials: pl.DataFrame, number: dict[str, int]) -> Asked:
    concepts = np.array([number[unit] for unit in trials["unit"]], dtype=int)
    _, items = np.unique(trials["item"].fill_null("").to_numpy().astype(str), return_inverse=True)
    return Asked(concepts, items, trials["clean"].to_numpy(), trials["shift"].to_numpy())


def coefficients(table: Table, degree: int) -> list[Fit]:
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
    return [Fit(whole[..., power], without[..., power]) for power in powers]


def _solve(squares: Float[np.ndarray, "*batch p p"], products: Float[np.ndarray, "*batch p"]) -> np.ndarray:
    if not products.size:
        return np.zeros(products.shape)
    return (np.linalg.pinv(squares, rcond=1e-10, hermitian=True) @ products[..., None])[..., 0]


def above_line(table: Table, coefficients: list[Fit]) -> Fit:
    """Return how far the detection question is above the fitted curve."""
    powers = [table.at**power for power in range(len(coefficients))]
    whole = table.asked - sum(fit.whole * at for fit, at in zip(coefficients, powers, strict=True))
    predicted = sum(fit.without * at[:, None] for fit, at in zip(coefficients, powers, strict=True))
    return Fit(whole, table.asked[:, None] - predicted)


def of_questions(table: Table, coefficients: list[Fit]) -> Float[np.ndarray, " questions"]:
    """Return how far each control question is above the curve through the others, the mean over its concepts.

    What a question does of its own accord, whatever it is about: the detection question is one question, too.
    """
    predicted = sum(fit.without * table.clean**power for power, fit in enumerate(coefficients))
    return ((table.shift - predicted) * table.here).sum(axis=0) / np.maximum(table.here.sum(axis=0), 1)


def of_lead_ins(table: Table, coefficients: list[Fit]) -> float:
    """Return the variance of the mean score from lead-ins that concepts share, trial by trial above the curve."""
    trials = table.trials
    own = [fit.whole[trials.concept] * trials.clean**power for power, fit in enumerate(coefficients)]
    weights = 1 / np.bincount(trials.concept)[trials.concept] / max(len(table.concepts), 1)
    return shared_items_variance(trials.shift - sum(own), weights, trials.concept, trials.item)


def estimate(fit: Fit, level: float, lead_ins: float = 0.0, n_lead_ins: int | None = None) -> Estimate:
    """Return the mean over concepts with bounds for a sample of concepts, of questions and of lead-ins.

    Where nothing varies there are no bounds.

    Args:
        fit: Of every concept, with all questions and without each.
        level: Of the bounds.
        lead_ins: The variance of the mean from lead-ins that concepts share.
        n_lead_ins: How many there are, if that is not nothing.
    """
    n_concepts, n_questions = fit.without.shape
    if not n_concepts:
        return Estimate(None)
    means = fit.without.mean(axis=0)
    found = with_left_out_items(fit.whole, means, level, lead_ins, n_lead_ins if lead_ins else None)
    if min(n_concepts, n_questions) < 2:
        return Estimate(found.value)
    of_concepts = float(fit.whole.std(ddof=1)) / math.sqrt(n_concepts)
    of_questions = float(means.std()) * math.sqrt(n_questions - 1)
    return Estimate(found.value, found.low, found.high, of_concepts, of_questions, math.sqrt(lead_ins))
