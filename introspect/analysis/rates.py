"""Rates with intervals that know which trials share a concept.

Trials of one concept (or one prompt, in the arm without injection) are alike, so n of them say less than n unrelated
ones. The effective sample size is n divided by the design effect, the variance of the rate with whole concepts as the
sampling unit over that of independent trials (Kish 1965, section 8.2; the linearised ratio estimator is Cochran 1977,
section 11.4), and never more than n. Where concepts do not differ at all, as when nothing ever happened, the data say
nothing about how alike trials are, and the number of concepts is taken. A design effect estimated from few concepts is
itself uncertain: the size is multiplied by (t(n-1) / t(k-1))², Student's 97.5 % quantiles for n trials and k concepts
(Korn & Graubard 1998). The bounds are Wilson's (1927) at that size; differences are Newcombe's (1998,
method 10).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from introspect.analysis.means import t_quantile

Z95 = 1.959963984540054
"""The standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``n`` trials in ``n_units`` concepts or prompts, with 95 % bounds at ``n_effective`` trials."""

    count: int
    n: int
    n_units: int
    n_effective: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share of all trials; NaN where there are none."""
        return self.count / self.n if self.n else math.nan


def wilson(share: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's score interval for a share of ``n`` trials; ``n`` need not be whole; (0, 1) without trials."""
    if n <= 0:
        return 0.0, 1.0
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Bounded by the share itself: at 0 and at 1 rounding would put it outside its own interval.
    return max(0.0, min(share, (centre - spread) / scale)), min(1.0, max(share, (centre + spread) / scale))


def effective_size(counts: Sequence[int], sizes: Sequence[int]) -> float:
    """Return the effective number of trials, given each unit's count and number of trials.

    It is corrected for the number of units that its design effect is estimated from; with one trial a unit there is
    nothing to correct.

    Source: Kish (1965), section 8.2; Korn & Graubard (1998).
    """
    n, k = sum(sizes), sum(size > 0 for size in sizes)
    if n == 0:
        return 0.0
    share = sum(counts) / n
    squares = sum((count - share * size) ** 2 for count, size in zip(counts, sizes, strict=True))
    if k < 2 or squares <= 1e-12 * n:
        return float(k)
    of_units = k / (k - 1) * squares / n**2
    of_trials = share * (1 - share) / n
    return min(float(n), n * of_trials / of_units) * (t_quantile(n - 1) / t_quantile(k - 1)) ** 2


def clustered_rate(counts: Sequence[int], sizes: Sequence[int]) -> Rate:
    """Return the pooled rate of units with ``counts`` of ``sizes`` trials."""
    n, count = sum(sizes), sum(counts)
    size = effective_size(counts, sizes)
    low, high = wilson(count / n if n else 0.0, size)
    return Rate(count, n, sum(s > 0 for s in sizes), size, low, high)


def difference(first: Rate, second: Rate) -> tuple[float, float]:
    """Return a 95 % interval for the first rate minus the second, from their own bounds."""
    if not first.n or not second.n:
        return -1.0, 1.0
    gap = first.rate - second.rate
    low = math.hypot(first.rate - first.low, second.high - second.rate)
    high = math.hypot(first.high - first.rate, second.rate - second.low)
    return gap - low, gap + high
