"""Means of continuous measures with intervals that know which trials share a concept.

Concepts (in general: units) are what was sampled; trials of one concept are alike. The variance of a mean is that of
the linearised ratio estimator over units (Cochran 1977, section 11.4), which is the cluster-robust variance of Liang &
Zeger (1986, section 3) for a mean; with few units the normal quantile is too small, so bounds are Student's with one
degree of freedom less than there are units (Cameron & Miller 2015, section VI.D).

Where a statistic has no such formula, whole units are resampled. Percentile intervals of few units are too short;
their tails are expanded to what Student's distribution asks for (Hesterberg 2015, "expanded percentile interval").
Percentiles of a standardised effect are too short and too far out as well, since every resample overstates it again;
it gets the bootstrap's standard error and bias, on a scale on which the error does not grow with the effect.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int
from scipy import special

Unit = TypeVar("Unit", bound=Hashable)
RESAMPLES = 2000
MAX_LOST = 0.05
"""Share of resamples that may be without a value; beyond it there is no interval."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A number with 95 % bounds from ``n`` trials in ``n_units`` units, in the unit of what was measured.

    Whatever the data do not give is ``None``: the value without trials, the bounds with fewer than two units.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_units: int


def clustered_mean(values: Sequence[float], units: Sequence[Hashable]) -> Mean:
    """Return the mean over all trials, with an interval that takes units as the sampling unit.

    Where units do not differ at all the interval is a point: a continuous measure has no scale of its own to say how
    far another unit could have been.

    Source: Cochran (1977), section 11.4; Liang & Zeger (1986), section 3.

    Args:
        values: One finite number a trial.
        units: The concept (or prompt) of each trial.

    Raises:
        ValueError: The two differ in length, or a value is not finite.
    """
    _check(values)
    sums: dict[Hashable, float] = {}
    sizes: dict[Hashable, int] = {}
    for value, unit in zip(values, units, strict=True):
        sums[unit] = sums.get(unit, 0.0) + value
        sizes[unit] = sizes.get(unit, 0) + 1
    n = len(values)
    if not n:
        return Mean(None, None, None, 0, 0)
    mean = math.fsum(values) / n
    squares = math.fsum((total - mean * sizes[unit]) ** 2 for unit, total in sums.items())
    return _with_bounds(mean, squares / n**2, n, len(sums))


def paired_difference(first: Mapping[Unit, Sequence[float]], second: Mapping[Unit, Sequence[float]]) -> Mean:
    """Return how much larger the unit means of ``first`` are, over the units that both have.

    Every unit weighs the same, however many trials it has. ``n`` counts the trials of both in these units.

    Source: the paired t interval, Student (1908), with units as pairs.

    Args:
        first: The finite values of every unit, such as the concept arm by concept; empty lists do not count.
        second: Likewise, such as the control arm.

    Raises:
        ValueError: A value is not finite.
    """
    shared = [unit for unit, values in first.items() if len(values) and len(second.get(unit, ()))]
    for unit in shared:
        _check([*first[unit], *second[unit]])
    gaps = [math.fsum(first[unit]) / len(first[unit]) - math.fsum(second[unit]) / len(second[unit]) for unit in shared]
    n = sum(len(first[unit]) + len(second[unit]) for unit in shared)
    if not gaps:
        return Mean(None, None, None, 0, 0)
    mean = math.fsum(gaps) / len(gaps)
    squares = math.fsum((gap - mean) ** 2 for gap in gaps)
    return _with_bounds(mean, squares / len(gaps) ** 2, n, len(gaps))


def standardised_effect(differences: Sequence[float], seed: int = 0, n_resamples: int = RESAMPLES) -> Mean:
    """Return the mean difference in units of its spread over concepts, with a bootstrap interval over concepts.

    Source: Cohen (1988), section 2.3.5 (d_z). The bounds are Student's round the value less its bootstrap bias, with
    the bootstrap standard error (Efron & Tibshirani 1993, chapters 6 and 10), all on the scale √2 · asinh(d / √2) that
    steadies the variance of a non-central t (Laubscher 1960).

    Args:
        differences: One finite difference a concept, such as concept arm minus control.
        seed: Of the resamples; equal numbers of concepts under one seed get the same resamples.
        n_resamples: How often the concepts are drawn again.

    Returns:
        A pure number; ``None`` with fewer than two concepts or where they do not differ. ``n`` and ``n_units`` are the
        number of concepts.

    Raises:
        ValueError: A difference is not finite.
    """
    _check(differences)
    k = len(differences)
    if k < 2:
        return Mean(None, None, None, k, k)
    column = np.asarray(differences, dtype=np.float64)[:, None]
    value = float(standardised(column, np.ones((1, k), dtype=np.int64))[0, 0])
    if math.isnan(value):
        return Mean(None, None, None, k, k)
    draws = standardised(column, resamples(k, seed, n_resamples))[:, 0]
    return Mean(value, *_effect_bounds(value, draws, k), k, k)


def standardised(
    effects: Float[np.ndarray, "units columns"], weights: Int[np.ndarray, "resamples units"]
) -> Float[np.ndarray, "resamples columns"]:
    """Return mean over standard deviation of every column, under every set of weights.

    Args:
        effects: What was measured.
        weights: How often each unit was drawn; zero leaves it out.

    Returns:
        Pure numbers; NaN where a resample has no spread, or no more than rounding leaves.
    """
    n = weights.sum(axis=1, keepdims=True)
    centre = effects.mean(axis=0)
    apart = effects - centre
    shifts = weights @ apart / n
    variances = (weights @ apart**2 - n * shifts**2) / np.maximum(1, n - 1)
    floor = 1e-12 * np.maximum(apart.var(axis=0), (1e-4 * centre) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variances > floor, (centre + shifts) / np.sqrt(np.maximum(variances, 0.0)), np.nan)


@lru_cache(maxsize=16)
def resamples(n_units: int, seed: int = 0, n_resamples: int = RESAMPLES) -> Int[np.ndarray, "resamples units"]:
    """Draw ``n_units`` units with replacement, many times; return how often each was drawn, read-only.

    Source: Efron & Tibshirani (1993), section 6.2.
    """
    drawn = generator(seed).multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples)
    drawn.flags.writeable = False
    return drawn


def percentile_bounds(draws: Float[np.ndarray, " resamples"], n_units: int) -> tuple[float | None, float | None]:
    """Return the 95 % bounds of a statistic from its values in resamples of ``n_units`` units.

    Source: Hesterberg (2015), the expanded percentile interval.

    Args:
        draws: One value a resample, in the statistic's unit; not a finite number where the resample gives none.
        n_units: How many units were resampled.

    Returns:
        ``None`` twice with fewer than two units, or where more than 5 % of the resamples give no value.
    """
    finite = _given(draws)
    if n_units < 2 or finite is None:
        return None, None
    spread = math.sqrt(n_units / (n_units - 1)) * t_quantile(n_units - 1)
    tail = 0.5 * math.erfc(spread / math.sqrt(2))
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def generator(seed: int) -> np.random.Generator:
    """Return the counter-based generator that all resampling and permuting draws from."""
    return np.random.Generator(np.random.Philox(seed))


@lru_cache(maxsize=4096)
def t_quantile(df: int, share: float = 0.95) -> float:
    """Return the t between minus and plus which Student's distribution has ``share`` of its mass.

    Raises:
        ValueError: Not at least one degree of freedom, or a share outside 0 to 1.
    """
    if df < 1 or not 0 < share < 1:
        message = f"Student's t needs at least 1 degree of freedom and a share within 0 and 1, not {df} and {share}"
        raise ValueError(message)
    return float(special.stdtrit(df, (1 + share) / 2))


def _with_bounds(mean: float, squares: float, n: int, k: int) -> Mean:
    """Put Student's bounds round a mean; ``squares`` are those of the units' deviations, over n²."""
    if k < 2:
        return Mean(mean, None, None, n, k)
    reach = t_quantile(k - 1) * math.sqrt(k / (k - 1) * squares)
    return Mean(mean, mean - reach, mean + reach, n, k)


def _given(draws: Float[np.ndarray, " resamples"]) -> Float[np.ndarray, " given"] | None:
    """Return the draws that are numbers, if they are enough to say anything."""
    finite = draws[np.isfinite(draws)]
    return finite if finite.size > 1 and finite.size >= (1 - MAX_LOST) * draws.size else None


def _effect_bounds(value: float, draws: Float[np.ndarray, " resamples"], k: int) -> tuple[float | None, float | None]:
    finite = _given(draws)
    if finite is None:
        return None, None
    steady = math.sqrt(2) * np.arcsinh(finite / math.sqrt(2))
    centre = 2 * math.sqrt(2) * math.asinh(value / math.sqrt(2)) - float(steady.mean())
    reach = t_quantile(k - 1) * math.sqrt(k / (k - 1)) * float(steady.std(ddof=1))
    low, high = (math.sqrt(2) * math.sinh(end / math.sqrt(2)) for end in (centre - reach, centre + reach))
    return low, high


def _check(values: Sequence[float]) -> None:
    for place, value in enumerate(values):
        if not math.isfinite(value):
            message = f"value {place} is {value}; a mean needs finite numbers, so leave missing trials out"
            raise ValueError(message)
