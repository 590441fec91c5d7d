"""Bounds of a mean of values within a range, whatever their distribution.

Gaffke's bound (2005; Learned-Miller & Thomas 2019, arXiv 1905.06208) uses just that no concept that was not drawn can
lie outside: one more observation is laid at the bound, all are weighted by the gaps between sorted uniform numbers, and
a quantile of the weighted mean is the end of the interval. For values of 0 and 1 it is the bound of Clopper & Pearson
(1934); where all concepts agree it is theirs for the share of concepts that do not. In general its coverage is a
conjecture that nobody has refuted; ``introspect.analysis.coverage`` tries.
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import BSpline
from scipy.optimize import root_scalar

from introspect.analysis.interval import Bounds

LEAST = 1e-15
"""Quantiles are looked for between this and its complement, and found to about as much."""


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


def _upper(rows: Float[np.ndarray, "run concept"], top: float, tail: float) -> Float[np.ndarray, " run"]:
    """Return the upper bounds of means of values up to ``top``, on the scale on which their knots go from 0 to 1."""
    knots = np.sort(np.append(rows, np.full((len(rows), 1), top), axis=1), axis=1)
    bottom, span = knots[:, 0], top - knots[:, 0]
    found = np.full(len(rows), float(top))
    (apart,) = np.nonzero(span > 0)
    if apart.size:
        scaled = (knots[apart] - bottom[apart, None]) / span[apart, None]
        found[apart] = bottom[apart] + span[apart] * np.array([_quantile(row, 1 - tail) for row in scaled])
    return found


def _quantile(knots: Float[np.ndarray, " knot"], share: float) -> float:
    """Return a quantile of the mean of sorted knots, from 0 to 1, with uniform Dirichlet weights.

    The distribution function is a spline whose coefficients are 0 and then 1.
    """
    degree = len(knots) - 1
    ends = np.zeros(degree), np.ones(degree)
    below = BSpline(np.concatenate([ends[0], knots, ends[1]]), np.concatenate(ends), degree)
    return root_scalar(
        lambda at: float(below(at)) - share, bracket=(LEAST, 1 - LEAST), xtol=LEAST, method="brentq"
    ).root
