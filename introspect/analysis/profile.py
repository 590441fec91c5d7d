"""Where in depth an effect sits, and whether two experiments put it in different places.

An effect is measured in units of its spread over concepts, so that effects on different scales (a logit, a
projection, a rate) can be laid side by side. Its place is the centre of mass of the positive part of the profile.
That two experiments peak at different depths is what Lindsey (2025) reports of detecting a thought and of owning a
prefilled word; here it is a difference with an interval, from concepts that are resampled alike in both, and a test
of experiment × depth that permutes the experiment within concepts.

Two limits. Noise alone is positive somewhere, so the centre of a weak profile is drawn to the middle of the depths that
were tried, and a shift is understated rather than made up: on simulated profiles the interval holds zero in 95 to 99 of
100 cases where there is no shift, and the true shift in 86 to 95 where there is one, missing it towards zero. And the
interaction asks whether the profiles differ by more than a constant: a profile of the same shape and twice the height
differs, too. What says that the *place* differs is the interval of the shift.

Every frame here is tidy: ``experiment``, ``unit`` (concept), ``depth`` (0 to 1) and ``effect`` (concept arm minus
control, in any unit). Several rows of a unit at a depth are averaged; missing effects are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from introspect.analysis.means import (
    RESAMPLES,
    Mean,
    generator,
    percentile_bounds,
    resamples,
    standardised,
    standardised_effect,
    t_quantile,
)

SCHEMA = {
    "experiment": pl.String,
    "depth": pl.Float64,
    "effect": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n_units": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the profiles of two experiments differ, over the ``n_units`` concepts and ``n_depths`` depths of both.

    ``centres`` are the centres of mass, ``shift`` the first less the second, all in fractions of depth; ``None``
    where nothing is positive. ``interaction`` is the squared difference of the two profiles (mean over spread, each
    less its own mean over depths) summed over depths, and ``p`` its permutation p; ``None`` with fewer than three
    concepts or two depths at which they differ.
    """

    first: str
    second: str
    centres: tuple[float | None, float | None]
    shift: Mean
    interaction: float | None
    p: float | None
    n_units: int
    n_depths: int


def profiles(frame: pl.DataFrame, seed: int = 0, n_resamples: int = RESAMPLES) -> pl.DataFrame:
    """Return the effect over its spread, mean / sd over concepts, at every depth of every experiment.

    Source: ``standardised_effect``. The same concepts are drawn at every depth that has the same number of them.

    Args:
        frame: Tidy effects, as the module says.
        seed: Of the resamples.
        n_resamples: How often the concepts are drawn again.

    Returns:
        One row an experiment and depth, in order: ``effect``, ``low`` and ``high`` are pure numbers, null with fewer
        than two concepts or where they do not differ.

    Raises:
        ValueError: An effect is not finite.
    """
    rows: list[dict[str, object]] = []
    cells = _averaged(frame).group_by("experiment", "depth").agg("effect").sort("experiment", "depth")
    for experiment, depth, effects in cells.iter_rows():
        found = standardised_effect(effects, seed, n_resamples)
        place = {"experiment": experiment, "depth": depth}
        rows.append(place | {"effect": found.value, "low": found.low, "high": found.high, "n_units": found.n_units})
    return pl.DataFrame(rows, schema=SCHEMA)


def centre_of_mass(depths: Sequence[float], effects: Sequence[float]) -> float | None:
    """Return the mean depth, weighted by the positive part of the effect: Σ d · max(e, 0) / Σ max(e, 0).

    Args:
        depths: Fractions of depth.
        effects: As many effects, in any unit.

    Returns:
        A fraction of depth; ``None`` where no effect is positive.

    Raises:
        ValueError: The two differ in length.
    """
    weights = [max(effect, 0.0) for effect in effects]
    weighted = [depth * weight for depth, weight in zip(depths, weights, strict=True)]
    return sum(weighted) / sum(weights) if sum(weights) > 0 else None


def compare(frame: pl.DataFrame, first: str, second: str, seed: int = 0, n_resamples: int = RESAMPLES) -> Comparison:
    """Compare the profiles of two experiments.

    Only depths of both experiments count, and only concepts that have an effect at each of these depths in both. The
    interval of the shift comes from the same resampled concepts in both experiments: their percentiles, or Student's
    bounds with their standard error where these reach further, since resampling draws the centres to the middle again.

    The test splits each profile into what every concept contributes to it, takes off each concept's mean over depths,
    and exchanges the two experiments of a concept at random; p = (1 + #≥) / (1 + n). The contributions are jackknife
    pseudo-values, since dividing by the spread as if it were known finds interactions in large effects far too often.

    Source: Hesterberg (2015) for the interval; Tukey (1958) for pseudo-values; Davison & Hinkley (1997), section 4.3,
    for the permutation; the hypothesis is that of parallel profiles in Morrison (1976).

    Args:
        frame: Tidy effects, as the module says.
        first: The name of an experiment in it.
        second: The name of another.
        seed: Of resamples and permutations.
        n_resamples: How many of each.

    Raises:
        ValueError: The frame has no effects of one of the two, or an effect is not finite.
    """
    depths, one, two = _paired(_averaged(frame), first, second)
    shift, centres = _shift(depths, one, two, seed, n_resamples)
    interaction, p = _interaction(one, two, generator(seed), n_resamples)
    return Comparison(first, second, centres, shift, interaction, p, one.shape[0], len(depths))


def _averaged(frame: pl.DataFrame) -> pl.DataFrame:
    by = ["experiment", "unit", "depth"]
    given = frame.drop_nulls("effect").group_by(by).agg(pl.col("effect").cast(pl.Float64).mean())
    if not given["effect"].is_finite().all():
        message = "an effect is not finite; leave missing effects out, or make them null"
        raise ValueError(message)
    return given.sort(by)


def _paired(
    averaged: pl.DataFrame, first: str, second: str
) -> tuple[list[float], Float[np.ndarray, "units depths"], Float[np.ndarray, "units depths"]]:
    """Return the shared depths, and two tables of the concepts that are complete at all of them."""
    frames = [averaged.filter(pl.col("experiment") == name) for name in (first, second)]
    for name, frame in zip((first, second), frames, strict=True):
        if frame.is_empty():
            known = ", ".join(averaged["experiment"].unique().sort().to_list()) or "none"
            message = f"there are no effects of experiment {name!r}; known: {known}"
            raise ValueError(message)
    depths = sorted(set(frames[0]["depth"]) & set(frames[1]["depth"]))
    found = [_complete(frame, depths) for frame in frames]
    units = sorted(found[0].keys() & found[1].keys()) if depths else []
    one, two = (np.array([table[unit] for unit in units]).reshape(len(units), len(depths)) for table in found)
    return depths, one, two


def _complete(frame: pl.DataFrame, depths: Sequence[float]) -> dict[str, list[float]]:
    shared = frame.filter(pl.col("depth").is_in(depths)).group_by("unit").agg(pl.col("effect").sort_by("depth"))
    return {unit: effects for unit, effects in shared.iter_rows() if len(effects) == len(depths)}


def _shift(
    depths: Sequence[float],
    one: Float[np.ndarray, "units depths"],
    two: Float[np.ndarray, "units depths"],
    seed: int,
    n_resamples: int,
) -> tuple[Mean, tuple[float | None, float | None]]:
    """Return the difference of the centres of mass with its bounds, and the centres."""
    k = one.shape[0]
    if k < 2 or not depths:
        return Mean(None, None, None, k, k), (None, None)
    at, whole = np.array(depths), np.ones((1, k), dtype=np.int64)
    first, second = (_number(_centres(at, standardised(table, whole))[0]) for table in (one, two))
    if first is None or second is None:
        return Mean(None, None, None, k, k), (first, second)
    weights = resamples(k, seed, n_resamples)
    draws = _centres(at, standardised(one, weights)) - _centres(at, standardised(two, weights))
    return Mean(first - second, *_shift_bounds(first - second, draws, k), k, k), (first, second)


def _shift_bounds(shift: float, draws: Float[np.ndarray, " resamples"], k: int) -> tuple[float | None, float | None]:
    low, high = percentile_bounds(draws, k)
    if low is None or high is None:
        return None, None
    reach = t_quantile(k - 1) * math.sqrt(k / (k - 1)) * float(np.nanstd(draws))
    return min(low, shift - reach), max(high, shift + reach)


def _centres(
    depths: Float[np.ndarray, " depths"], effects: Float[np.ndarray, "resamples depths"]
) -> Float[np.ndarray, " resamples"]:
    """Return every row's centre of mass, NaN where nothing is positive; a depth without spread has no weight."""
    positive = np.maximum(np.nan_to_num(effects, nan=0.0), 0.0)
    total = positive.sum(axis=1)
    return np.divide(positive @ depths, total, out=np.full(len(total), np.nan), where=total > 0)


def _interaction(
    one: Float[np.ndarray, "units depths"],
    two: Float[np.ndarray, "units depths"],
    rng: np.random.Generator,
    n_permutations: int,
) -> tuple[float | None, float | None]:
    k = one.shape[0]
    if k < 3:
        return None, None
    apart = _contributions(one) - _contributions(two)
    apart = apart[:, np.isfinite(apart).all(axis=0)]
    if apart.shape[1] < 2:
        return None, None
    apart = apart - apart.mean(axis=1, keepdims=True)
    signs = rng.integers(0, 2, size=(n_permutations, k)) * 2.0 - 1.0
    statistic = float((apart.mean(axis=0) ** 2).sum())
    null = ((signs @ apart / k) ** 2).sum(axis=1)
    as_large = int((null >= statistic * (1 - 1e-9)).sum())
    return statistic, (1 + as_large) / (1 + n_permutations)


def _contributions(effects: Float[np.ndarray, "units depths"]) -> Float[np.ndarray, "units depths"]:
    """Return the pseudo-values of mean over spread: k times it, less k - 1 times what it is without the unit."""
    k = effects.shape[0]
    everything = np.ones((1, k), dtype=np.int64)
    return k * standardised(effects, everything) - (k - 1) * standardised(effects, 1 - np.eye(k, dtype=np.int64))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
