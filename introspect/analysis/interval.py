"""An interval of a mean over concepts, and what all kinds of it are built from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special

Method = Literal["t", "exact", "bca", "none"]
Bounds = tuple[float, float]
Sample = Float[np.ndarray, " concept"]

LEVEL = 0.975
"""Of the intervals that verdicts are read off."""
SAME = 1e-9
"""Values that differ by a smaller share of their range are one value, summed in two orders."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value from ``n_units`` concepts with two-sided bounds at ``level``, in the unit of what was measured.

    ``method`` says where the bounds come from: Student's ``t``, the ``exact`` bounds of values within a range, the
    bootstrap ``bca``, or ``none``. What the data do not give is ``None``.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n_units: int
    method: Method


def student(
    mean: float, variance: float, n_fewest: int, level: float, bounds: Bounds | None, *, n_units: int | None = None
) -> Interval:
    """Return Student's interval of a mean with a variance, within bounds; ``n_fewest`` gives the degrees of freedom."""
    reach = quantile(n_fewest - 1, level) * math.sqrt(variance)
    low, high = bounds if bounds is not None else (-math.inf, math.inf)
    return Interval(mean, max(low, mean - reach), min(high, mean + reach), level, n_units or n_fewest, "t")


def farther(first: Interval, second: Interval) -> Interval:
    """Return the first interval with either end as far out as the second's, by the second's method."""
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return first
    low, high = min(first.low, second.low), max(first.high, second.high)
    return Interval(first.value, low, high, first.level, first.n_units, second.method)


def quantile(df: int, level: float) -> float:
    """Return the t between minus and plus which Student's distribution has ``level`` of its mass."""
    return float(special.stdtrit(df, (1 + level) / 2))


def agree(sample: Sample, bounds: Bounds | None = None) -> bool:
    """Return whether all values are one, but for rounding on the scale of their bounds or else of their size."""
    scale = bounds[1] - bounds[0] if bounds is not None else float(np.abs(sample).max())
    return float(np.ptp(sample)) <= SAME * scale


def checked(values: Sequence[float] | Float[np.ndarray, " number"], level: float, bounds: Bounds | None) -> Sample:
    """Return the values as an array, those outside the bounds by no more than rounding put onto them."""
    sample = np.asarray(values, dtype=np.float64)
    if not 0 < level < 1:
        message = f"the level of an interval is between 0 and 1, not {level}"
        raise ValueError(message)
    if not np.isfinite(sample).all():
        message = f"an interval needs finite numbers, not {sample[~np.isfinite(sample)][0]}; leave missing values out"
        raise ValueError(message)
    if bounds is None:
        return sample
    low, high = bounds
    slack = SAME * (high - low)
    if not low < high or (sample < low - slack).any() or (sample > high + slack).any():
        message = f"values must lie between {low} and {high}, the least and the largest value that there can be"
        raise ValueError(message)
    return np.clip(sample, low, high)
