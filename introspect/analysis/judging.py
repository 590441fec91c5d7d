"""What a grader's errors do to a rate, and the rate with them taken out again.

A grader says yes to a share ``tpr`` of the replies that are so, and no to a share ``tnr`` of those that are not. If
``p`` is the true rate, it reads ``q = p · tpr + (1 − p) · (1 − tnr)``; solved for ``p`` this is the estimate of Rogan
and Gladen (1978), here cut off at 0 and 1. Its denominator is ``tpr + tnr − 1``, Youden's (1950) index: where that may
be as good as nothing, nothing can be taken out, and there is no corrected rate.

The interval carries both samples: the replies of the run, and the labelled ones that the error rates come from. Each
draw takes all three shares anew from what was seen and solves again, all three from one generator. This is a parametric
bootstrap with Jeffreys' half counts (Lang & Reiczigel 2014 for why something must be added): no error among twenty
labelled replies is not taken for a grader that never errs. A run's trials count as many as their effective number over
concepts (``introspect.analysis.rates``).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from introspect.analysis.detection import clopper_pearson
from introspect.analysis.means import generator
from introspect.analysis.rates import Rate

DRAWS = 10_000
ENOUGH = 0.1
"""The lower bound of Youden's index must be above this for a rate to be corrected."""
LEVEL = 0.95

Draws = Float[np.ndarray, " draw"]


@dataclass(frozen=True, slots=True)
class Bounded:
    """A share or an index with 95 % bounds; the value is NaN where nothing was counted."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Errors:
    """A grader against labels: how many replies that are so it found and missed, and likewise of the others.

    ``source`` says which labelled replies these are.
    """

    found: int
    missed: int
    passed: int
    false: int
    source: str = "all arms"

    @property
    def tpr(self) -> Bounded:
        """The true-positive rate, with Clopper and Pearson's interval (1934)."""
        return _share(self.found, self.missed)

    @property
    def tnr(self) -> Bounded:
        """The true-negative rate, likewise."""
        return _share(self.passed, self.false)

    @property
    def youden(self) -> Bounded:
        """``tpr + tnr − 1``; bounds from those of the two (Newcombe 1998, method 10 for a sum)."""
        tpr, tnr = self.tpr, self.tnr
        value = tpr.value + tnr.value - 1
        if math.isnan(value):
            return Bounded(math.nan, -1.0, 1.0)
        low = value - math.hypot(tpr.value - tpr.low, tnr.value - tnr.low)
        high = value + math.hypot(tpr.high - tpr.value, tnr.high - tnr.value)
        return Bounded(value, max(-1.0, low), min(1.0, high))

    @property
    def informative(self) -> bool:
        """Whether the grader surely tells the two kinds of reply apart; without labels of both it is not known to."""
        return self.youden.low > ENOUGH


@dataclass(frozen=True, slots=True)
class Corrected:
    """A rate, or a difference of two, with the grader's errors taken out, and its 95 % bounds."""

    value: float
    low: float
    high: float


def rogan_gladen(rate: float, tpr: float, tnr: float) -> float:
    """Return the true rate that a rate as read stands for, between 0 and 1.

    Source: Rogan & Gladen (1978).

    Raises:
        ValueError: The grader says yes no oftener where it is so than where it is not.
    """
    index = tpr + tnr - 1
    if not index > 0:
        message = f"nothing can be corrected with tpr {tpr} and tnr {tnr}: their sum must be above 1"
        raise ValueError(message)
    return min(1.0, max(0.0, (rate + tnr - 1) / index))


def corrected(rate: Rate, errors: Errors, seed: int = 0, n_draws: int = DRAWS) -> Corrected | None:
    """Return a rate without the grader's errors; ``None`` where the grader is not informative or there is no trial."""
    if not (errors.informative and rate.n):
        return None
    random = generator(seed)
    draws = _solved(_drawn_rate(rate, random, n_draws), _drawn_errors(errors, random, n_draws))
    return _summary(rogan_gladen(rate.rate, errors.tpr.value, errors.tnr.value), draws)


def corrected_difference(
    first: tuple[Rate, Errors], second: tuple[Rate, Errors], seed: int = 0, n_draws: int = DRAWS
) -> Corrected | None:
    """Return how much higher the first corrected rate is.

    Where both rates take their errors from the same labelled replies, every draw uses the same errors for both.
    """
    (one, errors_one), (two, errors_two) = first, second
    if not (errors_one.informative and errors_two.informative and one.n and two.n):
        return None
    random = generator(seed)
    drawn = _drawn_errors(errors_one, random, n_draws)
    other = drawn if errors_one == errors_two else _drawn_errors(errors_two, random, n_draws)
    gaps = _solved(_drawn_rate(one, random, n_draws), drawn) - _solved(_drawn_rate(two, random, n_draws), other)
    values = [
        rogan_gladen(rate.rate, errors.tpr.value, errors.tnr.value)
        for rate, errors in ((one, errors_one), (two, errors_two))
    ]
    return _summary(values[0] - values[1], gaps)


def _summary(value: float, draws: Draws) -> Corrected:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Corrected(value, min(value, float(low)), max(value, float(high)))


def _solved(rates: Draws, errors: tuple[Draws, Draws]) -> Draws:
    tpr, tnr = errors
    index = np.maximum(tpr + tnr - 1, 1e-9)  # a draw without information goes to one of the ends
    return np.clip((rates + tnr - 1) / index, 0.0, 1.0)


def _drawn_rate(rate: Rate, random: np.random.Generator, n: int) -> Draws:
    yes = rate.rate * rate.n_effective
    return random.beta(yes + 0.5, rate.n_effective - yes + 0.5, n)


def _drawn_errors(errors: Errors, random: np.random.Generator, n: int) -> tuple[Draws, Draws]:
    return (
        random.beta(errors.found + 0.5, errors.missed + 0.5, n),
        random.beta(errors.passed + 0.5, errors.false + 0.5, n),
    )


def _share(hits: int, misses: int) -> Bounded:
    n = hits + misses
    low, high = clopper_pearson(hits, n) if n else (0.0, 1.0)
    return Bounded(hits / n if n else math.nan, low, high)
