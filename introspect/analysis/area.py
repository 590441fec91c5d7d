"""The area under the curve: how often a trial with a signal lies above one without, and how sure that is.

Source: Mann & Whitney (1947) for the area; DeLong, DeLong & Clarke-Pearson (1988) for its error.
"""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from introspect.analysis.means import t_quantile


def area(signal: Sequence[float], noise: Sequence[float]) -> float:
    """Return how often a signal is above a noise, ties half: the area under the curve, from Mann & Whitney's U."""
    return float(_placements(np.asarray(signal, dtype=float), np.asarray(noise, dtype=float)).mean())


def _placements(values: Float[np.ndarray, " n"], others: Float[np.ndarray, " m"]) -> Float[np.ndarray, " n"]:
    """Return for every value the share of the others that are below it, ties half."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (below + upto) / (2 * len(ordered))


def area_bounds(signal: pl.DataFrame, noise: pl.DataFrame) -> tuple[float | None, float | None]:
    """Return 95 % bounds of the area with concepts and clean items as sampling units, on the logit scale."""
    above, below = (arm["towards"].to_numpy() for arm in (signal, noise))
    placed = [(signal, _placements(above, below)), (noise, 1 - _placements(below, above))]
    value = float(placed[0][1].mean())
    parts = [_error_of(arm["unit"].to_list(), places, value) for arm, places in placed]
    n_units = min(arm["unit"].n_unique() for arm in (signal, noise))
    if n_units < 2 or not 0 < value < 1 or not sum(parts):
        return None, None
    reach = t_quantile(n_units - 1) * math.sqrt(sum(parts)) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-end)) for end in (centre - reach, centre + reach))
    return low, high


def _error_of(units: Sequence[str], places: Float[np.ndarray, " n"], value: float) -> float:
    """Return the squared error of a mean of placements whose units are the sample."""
    _, where = np.unique(np.array(units, dtype=str), return_inverse=True)
    k = int(where.max()) + 1
    sums = np.bincount(where, weights=places - value, minlength=k)
    return k / (k - 1) * float((sums**2).sum()) / len(places) ** 2 if k > 1 else 0.0
