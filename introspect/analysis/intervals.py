"""Intervals of a mean over concepts, and the verdict that is read off one.

What was sampled is the concept: these functions take one number a concept, the mean over its wordings and samples or
the difference between two arms, and say how far the mean of all concepts that could have been drawn may be from the
mean of those that were. Wordings are fixed: the claim is about the ones used.

Student's t (1908) is the first choice. It is too short where values are skew, as when a few concepts work and the rest
do not, and says nothing where all concepts agree. What takes its place then depends on whether the values have bounds.

*Within bounds*, as rates are, no concept that was not drawn can lie outside, however it behaves. Gaffke's bound (2005;
Learned-Miller & Thomas 2019, arXiv 1905.06208) uses just that: one more observation is laid at the bound, all are
weighted by the gaps between sorted uniform numbers, and a quantile of the weighted mean is the end of the interval. For
values of 0 and 1 it is the bound of Clopper & Pearson (1934); where all concepts agree it is theirs for the share of
concepts that do not. In general its coverage is a conjecture that nobody has refuted; ``introspect.analysis.coverage``
tries.

*Without bounds*, as for log-odds, nothing is certain. Either end is the farther of Student's and of the bootstrap's
that corrects for bias and skewness (BCa, Efron 1987).
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special, stats
from scipy.optimize import elementwise

from introspect.analysis.means import RESAMPLES, generator

Method = Literal["t", "exact", "bca", "none"]
Verdict = Literal["met", "not met", "undetermined"]
Bounds = tuple[float, float]
Sample = Float[np.ndarray, " concept"]

LEVEL = 0.975
"""Of the intervals that verdicts are read off."""
FEW = 5
"""With fewer concepts than this apart from the commonest value, their spread is an accident."""
COCHRAN = 25.0
"""A mean is near enough to normal where there are more values than this times their squared skewness."""
_SAME = 1e-9
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


def over_concepts(values: Sequence[float] | Sample, level: float = LEVEL, bounds: Bounds | None = None) -> Interval:
    """Return the mean over concepts with Student's interval, or with a safer one where Student's is in doubt.

    In doubt (``doubtful``) the interval is exact for values with bounds; for others each end is the farther of
    Student's and BCa's. Where all concepts agree and there are no bounds there is no interval, however many they are:
    nothing then says on what scale another concept could differ.

    Source: Student (1908); Gaffke (2005), which is Clopper & Pearson (1934) where all agree; Efron (1987).

    Args:
        values: One finite number a concept.
        level: Share of such intervals that should contain the mean of all concepts, two-sided.
        bounds: The least and the largest value that a concept can have, such as (-1, 1) for a difference of rates.

    Raises:
        ValueError: A value is not finite or outside the bounds, or the level is not between 0 and 1.
    """
    sample = _checked(values, level, bounds)
    if not sample.size:
        return Interval(None, None, None, level, 0, "none")
    mean = float(sample.mean())
    in_doubt = doubtful(sample, bounds)
    if bounds is not None and (in_doubt or sample.size < 2):
        low, high = exact_bounds(sample, level, bounds)
        return Interval(mean, float(low), float(high), level, sample.size, "exact")
    if sample.size < 2 or _agree(sample):
        return Interval(mean, None, None, level, sample.size, "none")
    student = _student(mean, float(sample.var(ddof=1)) / sample.size, sample.size, level, bounds)
    return _farther(student, bca(sample, level=level)) if in_doubt else student


def doubtful(sample: Sample, bounds: Bounds | None = None) -> bool:
    """Return whether Student's interval is in doubt: values that all but agree, or too skew for their number.

    Source: Cochran (1977), section 2.15, for the rule n > 25 · skewness².
    """
    if all_but_agree(sample, bounds):
        return True
    apart = sample - sample.mean()
    skewness = float((apart**3).mean() / (apart**2).mean() ** 1.5)
    return sample.size < COCHRAN * skewness**2


def all_but_agree(sample: Sample, bounds: Bounds | None = None) -> bool:
    """Return whether fewer than ``FEW`` values lie apart from the commonest one; 5 is customary for expected counts."""
    if _agree(sample, bounds):
        return True
    step = _SAME * float(np.ptp(sample))
    _, counts = np.unique(np.round((sample - sample.min()) / step), return_counts=True)
    return sample.size - int(counts.max()) < min(FEW, sample.size - 1)


def exact_bounds(
    samples: Float[np.ndarray, "*runs concept"], level: float, bounds: Bounds
) -> tuple[Float[np.ndarray, "*runs"], Float[np.ndarray, "*runs"]]:
    """Return the lower and the upper bound of the mean, whatever the distribution of values within ``bounds``.

    Source: Gaffke (2005); Learned-Miller & Thomas (2019). Not sampled but computed: the weighted mean of
    fixed numbers with Dirichlet weights has a B-spline on these numbers as its density (Curry & Schoenberg 1966).

    Args:
        samples: One sample, or many of one size.
        level: Two-sided; each bound fails in half of the rest.
        bounds: The least and the largest value there can be.
    """
    rows = samples.reshape(-1, samples.shape[-1])
    tail = (1 - level) / 2
    low, high = -_upper(-rows, -bounds[0], tail), _upper(rows, bounds[1], tail)
    return low.reshape(samples.shape[:-1]), high.reshape(samples.shape[:-1])


def bca(
    values: Sequence[float] | Sample,
    statistic: Callable[..., np.ndarray | np.floating] = np.mean,
    level: float = LEVEL,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a statistic of the concepts with the bootstrap interval that corrects for bias and skewness.

    Few concepts make any percentile interval too short; the tails are expanded to what Student's distribution asks for.

    Source: Efron (1987), as in scipy.stats.bootstrap; Hesterberg (2015) for the expanded tails.

    Args:
        values: One finite number a concept.
        statistic: From an array and ``axis`` to one number along that axis.
        level: Two-sided.
        n_resamples: How often the concepts are drawn again.
        seed: Of the resamples.

    Returns:
        Without bounds where there are fewer than two concepts, where they agree, or where resampling gives none.

    Raises:
        ValueError: A value is not finite, or the level is not between 0 and 1.
    """
    sample = _checked(values, level, None)
    n = sample.size
    if not n:
        return Interval(None, None, None, level, 0, "none")
    value = float(statistic(sample, axis=-1))
    if n < 2 or _agree(sample):
        return Interval(value, None, None, level, n, "none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate resamples; the NaN that they lead to is looked for
        found = stats.bootstrap(
            (sample,),
            statistic,
            n_resamples=n_resamples,
            confidence_level=1 - 2 * special.ndtr(-math.sqrt(n / (n - 1)) * _quantile(n - 1, level)),
            method="BCa",
            vectorized=True,
            rng=generator(seed),
        ).confidence_interval
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return Interval(value, None, None, level, n, "none")
    return Interval(value, float(found.low), float(found.high), level, n, "bca")


def with_items(
    cells: Float[np.ndarray, "concept item"], level: float = LEVEL, bounds: Bounds | None = None
) -> Interval:
    """Return the mean of all cells where concepts and items, such as clean lead-ins, are both samples.

    The variance over concepts and that over items add up, less the variance of single cells, which is in both; it is
    never taken to be below either. Bounds are Student's, at one degree of freedom less than there are concepts or
    items, whichever are fewer. Where the means of the concepts or those of the items all but agree and the values have
    bounds, the ends go out as far as the exact bounds of these means; skew means are left to Student's, which the
    simulation finds good enough here, where the exact bounds would be half as long again.

    Source: Cameron, Gelbach & Miller (2011), section 2; Owen (2007) for the cells counted twice.

    Args:
        cells: A finite number, or NaN where the item was not tried with the concept.
        level: Two-sided.
        bounds: The least and the largest value that a cell can have.

    Returns:
        ``n_units`` counts the concepts. No bounds with a single concept or item.

    Raises:
        ValueError: A cell is infinite or outside the bounds, or the level is not between 0 and 1.
    """
    given = ~np.isnan(cells)
    _checked(cells[given], level, bounds)
    cells = cells[given.any(axis=1)][:, given.any(axis=0)]
    n, n_items = cells.shape
    if not n:
        return Interval(None, None, None, level, 0, "none")
    mean = float(np.nanmean(cells))
    if min(n, n_items) < 2:
        return Interval(mean, None, None, level, n, "none")
    sides = [np.nanmean(cells, axis=1), np.nanmean(cells, axis=0)]
    variance = _two_way_variance(cells, mean)
    if bounds is None and variance <= (_SAME * max(abs(mean), 1e-300)) ** 2:
        return Interval(mean, None, None, level, n, "none")
    interval = _student(mean, variance, min(n, n_items), level, bounds, n_units=n)
    for side in sides:
        if bounds is not None and all_but_agree(side, bounds):
            low, high = exact_bounds(side, level, bounds)
            interval = _farther(interval, Interval(mean, float(low), float(high), level, n, "exact"))
    return interval


def with_left_out_items(
    values: Sequence[float] | Sample, without: Sequence[float] | Float[np.ndarray, " item"], level: float = LEVEL
) -> Interval:
    """Return the mean over concepts where every value rests on one and the same sample of items.

    Made for the control line, which is fitted to a sample of questions and moves for all concepts together. The
    jackknife variance over items is added to that over concepts. What is peculiar to a pair of concept and item counts
    twice, so the interval is rather too long.

    Source: Tukey (1958) and Efron & Stein (1981) for the jackknife; Cameron, Gelbach & Miller (2011) for the sum.

    Args:
        values: One finite number a concept, from all items.
        without: The mean over concepts with one item left out, for each item.
        level: Two-sided.

    Raises:
        ValueError: A value is not finite, or the level is not between 0 and 1.
    """
    sample, means = _checked(values, level, None), _checked(without, level, None)
    n, n_items = sample.size, means.size
    mean = float(sample.mean()) if n else None
    if mean is None or min(n, n_items) < 2:
        return Interval(mean, None, None, level, n, "none")
    variance = float(sample.var(ddof=1)) / n + (n_items - 1) * float(means.var())
    if variance <= (_SAME * max(abs(mean), 1e-300)) ** 2:
        return Interval(mean, None, None, level, n, "none")
    return _student(mean, variance, min(n, n_items), level, None, n_units=n)


def verdict(interval: Interval, delta: float) -> Verdict:
    """Return what an interval says of a clause whose smallest effect is ``delta``, in the interval's unit.

    An effect that is surely there and surely too small is not met.

    Raises:
        ValueError: The smallest effect is not above zero.
    """
    if not delta > 0:
        message = f"the smallest effect of a clause must be above zero, not {delta}"
        raise ValueError(message)
    if interval.low is None or interval.high is None:
        return "undetermined"
    if interval.high < delta:
        return "not met"
    return "met" if interval.low > 0 else "undetermined"


def _two_way_variance(cells: Float[np.ndarray, "concept item"], mean: float) -> float:
    """Return the variance of the mean of all cells; unbiased if none is missing and effects add up."""
    n, n_items = cells.shape
    size = int((~np.isnan(cells)).sum())
    by_concept, by_item = (np.nansum(cells - mean, axis=axis) for axis in (1, 0))
    concepts = n / (n - 1) * float((by_concept**2).sum()) / size**2
    items = n_items / (n_items - 1) * float((by_item**2).sum()) / size**2
    rest = cells - np.nanmean(cells, axis=1, keepdims=True) - np.nanmean(cells, axis=0, keepdims=True) + mean
    free = size - n - n_items + 1
    single = float(np.nansum(rest**2)) / free / size if free > 0 else 0.0
    return max(concepts + items - single, concepts, items)


def _student(
    mean: float, variance: float, n_fewest: int, level: float, bounds: Bounds | None, *, n_units: int | None = None
) -> Interval:
    reach = _quantile(n_fewest - 1, level) * math.sqrt(variance)
    low, high = bounds if bounds is not None else (-math.inf, math.inf)
    return Interval(mean, max(low, mean - reach), min(high, mean + reach), level, n_units or n_fewest, "t")


def _farther(first: Interval, second: Interval) -> Interval:
    """Return the first interval with either end as far out as the second's, by the second's method."""
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return first
    low, high = min(first.low, second.low), max(first.high, second.high)
    return Interval(first.value, low, high, first.level, first.n_units, second.method)


def _upper(rows: Float[np.ndarray, "run concept"], top: float, tail: float) -> Float[np.ndarray, " run"]:
    """Return the upper bounds of means of values up to ``top``, on the scale on which their knots go from 0 to 1."""
    knots = np.sort(np.append(rows, np.full((len(rows), 1), top), axis=1), axis=1)
    bottom, span = knots[:, 0], top - knots[:, 0]
    found = np.full(len(rows), float(top))
    (apart,) = np.nonzero(span > 0)
    if apart.size:
        scaled = (knots[apart] - bottom[apart, None]) / span[apart, None]
        ends = np.full(apart.size, 1e-15), np.full(apart.size, 1 - 1e-15)
        root = elementwise.find_root(
            lambda at, row: _share_below(scaled[row], at) - (1 - tail), ends, args=(np.arange(apart.size),)
        )
        found[apart] = bottom[apart] + span[apart] * root.x
    return found


def _share_below(knots: Float[np.ndarray, "run knot"], at: Float[np.ndarray, " run"]) -> Float[np.ndarray, " run"]:
    """Return the probability that the mean of sorted knots, with uniform Dirichlet weights, is at most ``at``.

    It is a spline whose coefficients are 0 and then 1; de Boor's (1972) recursion takes weighted means of these only.
    """
    n = knots.shape[1] - 1
    rows, at = np.arange(len(at))[:, None], at[:, None]
    here = (knots <= at).sum(axis=1, keepdims=True) - 1
    index = here - n + np.arange(n + 1)
    share = (index >= 0).astype(np.float64)
    left = knots[rows, np.maximum(index, 0)]
    right = knots[rows, np.minimum(here + 1 + np.arange(n), n)]
    for order in range(1, n + 1):
        start = left[:, order:]
        weight = (at - start) / (right[:, : n + 1 - order] - start)
        share = share[:, :-1] + weight * np.diff(share, axis=1)
    return share[:, 0]


def _quantile(df: int, level: float) -> float:
    """Return the t between minus and plus which Student's distribution has ``level`` of its mass."""
    return float(special.stdtrit(df, (1 + level) / 2))


def _agree(sample: Sample, bounds: Bounds | None = None) -> bool:
    """Return whether all values are one, but for rounding on the scale of their bounds or else of their size."""
    scale = bounds[1] - bounds[0] if bounds is not None else float(np.abs(sample).max())
    return float(np.ptp(sample)) <= _SAME * scale


def _checked(values: Sequence[float] | Float[np.ndarray, " number"], level: float, bounds: Bounds | None) -> Sample:
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
    slack = _SAME * (high - low)
    if not low < high or (sample < low - slack).any() or (sample > high + slack).any():
        message = f"values must lie between {low} and {high}, the least and the largest value that there can be"
        raise ValueError(message)
    return np.clip(sample, low, high)
