"""Intervals where concepts and items, such as clean lead-ins or control questions, are both samples."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from introspect.analysis.exact import exact_bounds
from introspect.analysis.interval import LEVEL, SAME, Bounds, Interval, Sample, checked, farther, student
from introspect.analysis.intervals import all_but_agree


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
    checked(cells[given], level, bounds)
    cells = cells[given.any(axis=1)][:, given.any(axis=0)]
    n, n_items = cells.shape
    if not n:
        return Interval(None, None, None, level, 0, "none")
    mean = float(np.nanmean(cells))
    if min(n, n_items) < 2:
        return Interval(mean, None, None, level, n, "none")
    sides = [np.nanmean(cells, axis=1), np.nanmean(cells, axis=0)]
    variance = _two_way_variance(cells, mean)
    if bounds is None and variance <= (SAME * max(abs(mean), 1e-300)) ** 2:
        return Interval(mean, None, None, level, n, "none")
    interval = student(mean, variance, min(n, n_items), level, bounds, n_units=n)
    for side in sides:
        if bounds is not None and all_but_agree(side, bounds):
            low, high = exact_bounds(side, level, bounds)
            interval = farther(interval, Interval(mean, float(low), float(high), level, n, "exact"))
    return interval


def with_left_out_items(
    values: Sequence[float] | Sample,
    without: Sequence[float] | Float[np.ndarray, " item"],
    level: float = LEVEL,
    more: float = 0.0,
    fewest: int | None = None,
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
        more: Variance of the mean from a third sample, such as lead-ins that concepts share.
        fewest: How large that sample is.

    Raises:
        ValueError: A value is not finite, or the level is not between 0 and 1.
    """
    sample, means = checked(values, level, None), checked(without, level, None)
    n, n_items = sample.size, means.size
    mean = float(sample.mean()) if n else None
    if mean is None or min(n, n_items) < 2:
        return Interval(mean, None, None, level, n, "none")
    variance = float(sample.var(ddof=1)) / n + (n_items - 1) * float(means.var()) + more
    if variance <= (SAME * max(abs(mean), 1e-300)) ** 2:
        return Interval(mean, None, None, level, n, "none")
    return student(mean, variance, min(n, n_items, fewest or n), level, None, n_units=n)


def shared_items_variance(
    values: Float[np.ndarray, " row"],
    weights: Float[np.ndarray, " row"],
    concepts: Int[np.ndarray, " row"],
    items: Int[np.ndarray, " row"],
) -> float:
    """Return the variance that items add to a weighted mean, beyond that over concepts, where concepts share items.

    Nothing where every item goes with one concept: its noise is then part of that concept's own.

    Source: Cameron, Gelbach & Miller (2011), section 2: clusters of one kind, less the cells, which are in both.

    Args:
        values: Of every trial.
        weights: Of every trial; they add up to 1.
        concepts: Which one, by number.
        items: Which one, by number.
    """
    n_items = len(np.unique(items))
    if n_items < 2:
        return 0.0
    off = weights * (values - float((weights * values).sum()))
    _, cells = np.unique(np.stack([concepts, items]), axis=1, return_inverse=True)
    of_items, of_cells = (float((np.bincount(kind.ravel(), off) ** 2).sum()) for kind in (items, cells))
    return max(of_items - of_cells, 0.0) * n_items / (n_items - 1)


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
