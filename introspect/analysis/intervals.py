"""Intervals of a mean over concepts, and the verdict that is read off one.

What was sampled is the concept: these functions take one number a concept, the mean over its wordings and samples or
the difference between two arms, and say how far the mean of all concepts that could have been drawn may be from the
mean of those that were. Wordings are fixed: the claim is about the ones used.

Student's t (1908) is the first choice. It is too short where values are skew, as when a few concepts work and the rest
do not, and says nothing where all concepts agree. What takes its place then depends on whether the values have bounds.

*Within bounds*, as rates are, no concept that was not drawn can lie outside, however it behaves: the interval is exact
(``introspect.analysis.exact``).

*Without bounds*, as for log-odds, nothing is certain. Either end is the farther of Student's and of the bootstrap's
that corrects for bias and skewness (BCa, Efron 1987).
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from scipy import special, stats

from introspect.analysis.exact import exact_bounds
from introspect.analysis.interval import (
    LEVEL,
    SAME,
    Bounds,
    Interval,
    Sample,
    agree,
    checked,
    farther,
    quantile,
    student,
)
from introspect.analysis.means import RESAMPLES, generator

Verdict = Literal["met", "not met", "undetermined"]

FEW = 5
"""With fewer concepts than this apart from the commonest value, their spread is an accident."""
CLOSE = 0.01
"""Share of the range of values with bounds within which they are as good as one; for differences of rates 0.02."""
COCHRAN = 25.0
"""A mean is near enough to normal where there are more values than this times their squared skewness."""


def over_concepts(
    values: Sequence[float] | Sample,
    level: float = LEVEL,
    bounds: Bounds | None = None,
    more: float = 0.0,
    fewest: int | None = None,
) -> Interval:
    """Return the mean over concepts with Student's interval, or with a safer one where Student's is in doubt.

    In doubt (``doubtful``) the interval is exact for values with bounds; for others each end is the farther of
    Student's and BCa's. Where all concepts agree and there are no bounds there is no interval, however many they are:
    nothing then says on what scale another concept could differ.

    Source: Student (1908); Gaffke (2005), which is Clopper & Pearson (1934) where all agree; Efron (1987).

    Args:
        values: One finite number a concept.
        level: Share of such intervals that should contain the mean of all concepts, two-sided.
        bounds: The least and the largest value that a concept can have, such as (-1, 1) for a difference of rates.
        more: Variance of the mean from a second sample, such as clean prompts that concepts share.
        fewest: How large that sample is.

    Raises:
        ValueError: A value is not finite or outside the bounds, or the level is not between 0 and 1.
    """
    sample = checked(values, level, bounds)
    if not sample.size:
        return Interval(None, None, None, level, 0, "none")
    mean = float(sample.mean())
    in_doubt = doubtful(sample, bounds)
    variance = more + (float(sample.var(ddof=1)) / sample.size if sample.size > 1 else 0.0)
    n_fewest = max(2, min(sample.size, fewest or sample.size))  # of a single concept Student's is not used
    by_t = student(mean, variance, n_fewest, level, bounds, n_units=sample.size)
    if bounds is not None and (in_doubt or sample.size < 2):
        low, high = exact_bounds(sample, level, bounds)
        exact = Interval(mean, float(low), float(high), level, sample.size, "exact")
        return farther(exact, by_t) if more else exact
    if sample.size < 2 or agree(sample):
        return Interval(mean, None, None, level, sample.size, "none")
    return farther(by_t, bca(sample, level=level)) if in_doubt else by_t


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
    """Return whether fewer than ``FEW`` values lie apart from the commonest one; 5 is customary for expected counts.

    Values with bounds need not be the same to agree: where nothing ever happens, what is left are the small numbers
    that are subtracted, and how little these differ says nothing of a concept under which something would happen.
    """
    if agree(sample, bounds):
        return True
    step = SAME * float(np.ptp(sample))
    _, counts = np.unique(np.round((sample - sample.min()) / step), return_counts=True)
    most = int(counts.max())
    if bounds is not None:
        most = max(most, int((np.abs(sample - np.median(sample)) <= CLOSE * (bounds[1] - bounds[0])).sum()))
    return sample.size - most < min(FEW, sample.size - 1)


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
    sample = checked(values, level, None)
    n = sample.size
    if not n:
        return Interval(None, None, None, level, 0, "none")
    value = float(statistic(sample, axis=-1))
    if n < 2 or agree(sample):
        return Interval(value, None, None, level, n, "none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate resamples; the NaN that they lead to is looked for
        found = stats.bootstrap(
            (sample,),
            statistic,
            n_resamples=n_resamples,
            confidence_level=1 - 2 * special.ndtr(-math.sqrt(n / (n - 1)) * quantile(n - 1, level)),
            method="BCa",
            vectorized=True,
            rng=generator(seed),
        ).confidence_interval
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return Interval(value, None, None, level, n, "none")
    return Interval(value, float(found.low), float(found.high), level, n, "bca")


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
