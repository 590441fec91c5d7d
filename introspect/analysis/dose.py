"""How a share grows with the strength: threshold, slope and lapse of a psychometric function.

With guessing g and lapse l the share at strength s is g + (1 - g - l) · Φ((log2 s - a) / b): the threshold 2^a is where
it has made half of its way, the slope 1 / b is in standard deviations a doubling, and the lapse is what the strongest
vectors still miss. Guessing is not fitted but taken from the trials without injection. Three numbers need strengths
below, at and above the threshold, so that nothing is fitted to fewer than six of them.

Source: Wichmann & Hill (2001), for the function with lapses and maximum likelihood; intervals resample concepts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import special
from scipy.optimize import minimize

from introspect.analysis.means import percentile_bounds, resamples

STRENGTHS = 6
"""So many strengths a curve needs."""
RESAMPLES = 200
MOST_LAPSES = 0.9
STEP = 0.1
"""Share of the way from guessing to the top within which a strength counts as at either end."""
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Curve:
    """A fitted curve; each of the three with 95 % bounds over concepts, ``None`` where resamples do not give them.

    Attributes:
        threshold: Strength, in multiples of the raw vector.
        slope: Standard deviations of the normal curve a doubling of the strength.
        lapse: Share that the strongest vectors miss.
        guess: Share without injection.
        bounds: Of the three, by name.
        n_concepts: That were resampled.
    """

    threshold: float
    slope: float
    lapse: float
    guess: float
    bounds: dict[str, tuple[float | None, float | None]]
    n_concepts: int


@dataclass(frozen=True, slots=True, eq=False)
class Dose:
    """Shares by strength: ``table`` has ``strength``, ``n``, ``share``; without a ``curve`` ``because`` says why."""

    table: pl.DataFrame
    curve: Curve | None
    because: str | None


def dose(
    strengths: Sequence[float], units: Sequence[str], hits: Sequence[bool], guess: float = 0.0, seed: int = 0
) -> Dose:
    """Return the shares by strength and, from six strengths up, the curve through them.

    Args:
        strengths: Of each trial, above zero.
        units: The concept of each trial.
        hits: Whether the trial counts.
        guess: The share without injection.
        seed: Of the resamples.
    """
    frame = pl.DataFrame({"strength": list(strengths), "unit": list(units), "hit": list(hits)})
    table = frame.group_by("strength").agg(pl.len().alias("n"), pl.col("hit").mean().alias("share")).sort("strength")
    if len(table) < STRENGTHS:
        return Dose(table, None, f"{len(table)} strengths are fewer than the {STRENGTHS} that a curve needs")
    if (jump := _jump(table, guess)) is not None:
        return Dose(
            table, None, f"the share makes all its way between {jump[0]:g} and {jump[1]:g}, which leaves its slope open"
        )
    names = frame["unit"].unique().sort().to_list()
    row, column = ({name: i for i, name in enumerate(each)} for each in (names, table["strength"].to_list()))
    counts = np.zeros((2, len(names), len(table)))
    for strength, unit, hit in frame.iter_rows():
        counts[:, row[unit], column[strength]] += (hit, 1)
    x = np.log2(table["strength"].to_numpy())
    whole = _fit(x, counts.sum(axis=1), guess)
    if not x[0] <= whole[0] <= x[-1]:
        return Dose(table, None, "the share does not make half of its way within the strengths that were tried")
    drawn = resamples(len(names), seed, RESAMPLES)
    draws = np.array([_natural(_fit(x, np.einsum("c,kcs->ks", weights, counts), guess, whole)) for weights in drawn])
    bounds = [_bounds(draws[:, i], len(names)) for i in range(3)]
    three = ("threshold", "slope", "lapse")
    threshold, slope, lapse = _natural(whole)
    return Dose(
        table, Curve(threshold, slope, lapse, guess, dict(zip(three, bounds, strict=True)), len(names)), None
    )  # fmt: skip


def _jump(table: pl.DataFrame, guess: float) -> tuple[float, float] | None:
    """Return the strengths between which a share steps from guessing to its top, if it is never well between these."""
    strengths, shares = table["strength"].to_list(), table["share"].to_list()
    way = max(shares) - guess
    if way <= 0 or any(STEP < (share - guess) / way < 1 - STEP for share in shares):
        return None
    first = next(place for place, share in enumerate(shares) if (share - guess) / way >= 1 - STEP)
    return (strengths[first - 1], strengths[first]) if first else None


def _bounds(draws: Float[np.ndarray, " draw"], n_concepts: int) -> tuple[float | None, float | None]:
    """Return bounds, none where resamples all but agree: concepts are alike, or the fit is at one of its limits."""
    alike = float(np.ptp(draws)) <= 1e-6 * max(1.0, abs(float(draws.mean())))
    return (None, None) if alike else percentile_bounds(draws, n_concepts)


def _natural(fitted: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    """Return threshold, slope and lapse of the numbers that are fitted: its log2, log b, lapse."""
    return float(2.0 ** fitted[0]), math.exp(-float(fitted[1])), float(fitted[2])


def _fit(
    x: Float[np.ndarray, " strength"],
    counts: Float[np.ndarray, "2 strength"],
    guess: float,
    start: Float[np.ndarray, "3"] | None = None,
) -> Float[np.ndarray, "3"]:
    """Return the likeliest log2 of the threshold, logarithm of b, and lapse."""
    hits, trials = counts

    def surprise(at: Float[np.ndarray, "3"]) -> float:
        share = guess + (1 - guess - at[2]) * special.ndtr((x - at[0]) / math.exp(at[1]))
        share = share.clip(_EDGE, 1 - _EDGE)
        return -float((hits * np.log(share) + (trials - hits) * np.log1p(-share)).sum())

    top = float((hits / np.maximum(trials, 1)).max())
    width = x[-1] - x[0]
    lapse = min(max(0.0, 1 - top), MOST_LAPSES * (1 - guess))
    starts = [start] if start is not None else [np.array([at, 0.0, lapse]) for at in np.quantile(x, [0.25, 0.5, 0.75])]
    limits = [(x[0] - width, x[-1] + width), (math.log(0.05), math.log(4 * width)), (0.0, MOST_LAPSES * (1 - guess))]
    found = [minimize(surprise, each, method="L-BFGS-B", bounds=limits) for each in starts]
    return np.asarray(min(found, key=lambda each: each.fun).x)
