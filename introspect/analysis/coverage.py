"""How often the intervals of ``introspect.analysis.intervals`` contain the truth, by simulation.

Subjects are made up whose truth is known, and asked as the lab asks. Nothing in them is what Student's interval
assumes: effects of concepts are skew or all-or-none, three fixed wordings shift every answer, each concept has its
likes among the wordings (shared by both arms, so cells are correlated), replies are yes or no, and the more a concept
works the more of its replies are unreadable, which count as no. The grid was written down before the first full run,
but for the differences of 0.3, which were added to see verdicts at about twice the smallest effect.

``rate``: one arm; ``difference``: that arm less another which says yes for reasons of its own; ``log-odds``: a
continuous score; ``crossed`` and ``sparse``: injected less clean replies on clean items that all concepts share, tried
with every item or with five each.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import special, stats

from introspect.analysis.crossed import with_items
from introspect.analysis.exact import exact_bounds
from introspect.analysis.interval import Bounds, Interval
from introspect.analysis.intervals import bca, doubtful, over_concepts, verdict
from introspect.analysis.means import generator
from introspect.progress import track

Measure = Literal["rate", "difference", "log-odds", "crossed", "sparse"]
Shape = Literal["skewed", "mixture", "few"]
Shares = Float[np.ndarray, "*shape"]
Found = tuple[str, list[Interval]]

SIZES = (20, 50, 100)
SHIFTS = np.array([-0.6, 0.0, 0.9])
"""Of the three wordings, in log-odds; they do not add up to zero."""
SAMPLES = 2
"""Replies to one concept in one wording."""
SLIPS, RARE_SLIPS = 0.1, 0.02
"""Rate of the other arm; where few concepts work in a crossing, few clean items slip, but these nearly always."""
UNREADABLE = 0.05
"""Share of unreadable replies of a concept that does not work; one that always works has four times as many."""
WORKING = 0.9
"""Rate of the concepts that work, where the others never do."""
EACH = 5
"""Items tried with one concept in the sparse crossing."""
BOUNDS: dict[Measure, Bounds | None] = {
    "rate": (0.0, 1.0),
    "difference": (-1.0, 1.0),
    "log-odds": None,
    "crossed": (-1.0, 1.0),
    "sparse": (-1.0, 1.0),
}
DELTA, DELTA_LOG_ODDS = 0.1, 0.5
"""The smallest effects that clauses have unless a plan says otherwise."""
ROUNDING = 1e-9
TRUTH_SEED = 20_240_917
TRUTH_CONCEPTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """A made-up subject: ``effect`` is its rate or its log-odds before wordings and unreadable replies."""

    measure: Measure
    shape: Shape
    effect: float
    n_concepts: int
    n_items: int = 0

    def __str__(self) -> str:
        items = f" x {self.n_items}" if self.n_items else ""
        return f"{self.measure} {self.shape} {self.effect:g} {self.n_concepts}{items}"


def grid() -> list[Setting]:
    """Return all settings; none was left out for what came out of it."""
    rates, effects = (0.0, 0.02, 0.1, 0.2, 0.5, 0.9, 1.0), (0.0, 0.1, 0.2, 0.3, 0.5)
    return [
        *(Setting("rate", shape, x, n) for shape in ("skewed", "few") for x in rates for n in SIZES),
        *(Setting("difference", s, x, n) for s in ("skewed", "few") for x in effects for n in SIZES),
        *(
            Setting("log-odds", shape, x, n)
            for shape in ("skewed", "mixture", "few")
            for x in (0.0, 0.5, 1.0, 2.0)
            for n in SIZES
        ),
        *(
            Setting(measure, shape, x, n, n_items)
            for measure in ("crossed", "sparse")
            for shape in ("skewed", "few")
            for x in (0.0, 0.1, 0.2, 0.5)
            for n in SIZES
            for n_items in (20, 50)
        ),
    ]


def draw(setting: Setting, n_runs: int, rng: np.random.Generator) -> Float[np.ndarray, "run concept *item"]:
    """Return one number a run and concept, or a run, concept and item (NaN where these were not tried together)."""
    shape = (n_runs, setting.n_concepts)
    if setting.n_items:
        injected, clean = _crossed(setting, n_runs, rng)
        cells = (rng.random(injected.shape) < injected).astype(np.float64) - (rng.random(clean.shape) < clean)
        if setting.measure == "sparse":
            tried = rng.permuted(np.broadcast_to(np.arange(setting.n_items) < EACH, cells.shape), axis=-1)
            cells[~tried] = np.nan
        return cells
    if setting.measure == "log-odds":
        return _log_odds(setting, shape, rng)
    arms = [rng.binomial(SAMPLES, share).mean(axis=-1) / SAMPLES for share in _arms(setting, shape, rng)]
    return arms[0] - sum(arms[1:])


def true_mean(setting: Setting) -> float:
    """Return the mean over all concepts (and items) that there could be, over the three wordings.

    Of rates it is the mean of so many concepts that its standard error is below 0.001.
    """
    rng = generator(TRUTH_SEED)
    if setting.measure == "log-odds":
        return setting.effect + float(SHIFTS.mean())
    if setting.n_items:
        many = Setting(setting.measure, setting.shape, setting.effect, 1, 1)
        injected, clean = _crossed(many, TRUTH_CONCEPTS, rng)
        return float(injected.mean() - clean.mean())
    arms = [float(share.mean()) for share in _arms(setting, (TRUTH_CONCEPTS // 4, 1), rng)]
    return arms[0] - sum(arms[1:])


def full(n_runs: int = 2000, seed: int = 0, settings: list[Setting] | None = None) -> pl.DataFrame:
    """Return how every method did in every setting, at 95 % and at the 97.5 % of verdicts.

    Args:
        n_runs: Simulated experiments a setting.
        seed: Of all draws.
        settings: Those of ``grid()`` unless given.

    Returns:
        One row a setting, method and nominal level, with ``covered`` (share of the runs that have an interval),
        ``low_miss`` (the truth lies below it), ``high_miss`` (above it), ``missing`` (share of runs without one),
        ``width`` (mean), and ``met``, ``not_met``, ``undetermined`` (shares of verdicts, default smallest effect).
    """
    rows = []
    every = grid() if settings is None else settings
    with track(f"{n_runs} experiments a setting", len(every)) as advance:
        for setting in every:
            key = zlib.crc32(f"{seed} {setting}".encode())
            runs, truth = draw(setting, n_runs, generator(key)), true_mean(setting)
            rows += [
                {
                    **_described(setting, truth), "method": method, "nominal": level,
                    **_scored(found, truth, setting.measure),
                }
                for level in (0.95, 0.975)
                for method, found in _found(setting, runs, level)
            ]  # fmt: skip
            advance(1, str(setting))
    return pl.DataFrame(rows)


def summary(frame: pl.DataFrame) -> pl.DataFrame:
    """Return mean and worst coverage by nominal level, method and measure, of settings in which a run has an interval.

    ``where`` is the setting with the worst coverage; ``width``, ``missing`` and the misses are means over settings.
    """
    covered = pl.col("covered").fill_nan(None)
    means = pl.col("low_miss", "high_miss", "width", "missing").fill_nan(None).mean()
    return (
        frame.group_by("nominal", "method", "measure")
        .agg(
            pl.len().alias("settings"),
            covered.mean().alias("mean"),
            covered.min().alias("worst"),
            pl.col("setting").sort_by(covered, nulls_last=True).first().alias("where"),
            means,
        )
        .sort("nominal", "method", "measure")
    )


def _found(setting: Setting, runs: Float[np.ndarray, "run concept *item"], level: float) -> Iterator[Found]:
    """Yield what every method says of every run; ``over_concepts`` takes exact bounds from where they are made anyway.

    ``t`` and ``exact`` are what it chooses between, each on its own.
    """
    bounds = BOUNDS[setting.measure]
    if setting.n_items:
        yield "with_items", [with_items(run, level, bounds) for run in runs]
        return
    yield "t", _students(runs, level)
    yield "bca", [bca(run, level=level) for run in runs]
    if bounds is None:
        yield "over_concepts", [over_concepts(run, level) for run in runs]
        return
    ends = zip(runs.mean(axis=1), *exact_bounds(runs, level, bounds), strict=True)
    exact = [Interval(float(m), float(a), float(b), level, setting.n_concepts, "exact") for m, a, b in ends]
    yield "exact", exact
    yield (
        "over_concepts",
        [
            safe if doubtful(run, bounds) else over_concepts(run, level, bounds)
            for run, safe in zip(runs, exact, strict=True)
        ],
    )


def _students(runs: Float[np.ndarray, "run concept"], level: float) -> list[Interval]:
    n = runs.shape[1]
    reach = stats.t.ppf((1 + level) / 2, n - 1) * runs.std(axis=1, ddof=1) / np.sqrt(n)
    return [
        Interval(float(mean), float(mean - half), float(mean + half), level, n, "t")
        for mean, half in zip(runs.mean(axis=1), reach, strict=True)
    ]


def _described(setting: Setting, truth: float) -> dict[str, str | float | int]:
    return {
        "setting": str(setting),
        "measure": setting.measure,
        "shape": setting.shape,
        "effect": setting.effect,
        "truth": truth,
        "n_concepts": setting.n_concepts,
        "n_items": setting.n_items,
    }


def _scored(found: list[Interval], truth: float, measure: Measure) -> dict[str, float]:
    ends = np.array([(i.low, i.high) for i in found if i.low is not None and i.high is not None]).reshape(-1, 2)
    low_miss, high_miss = ends[:, 0] > truth + ROUNDING, ends[:, 1] < truth - ROUNDING
    said = [verdict(interval, DELTA if BOUNDS[measure] is not None else DELTA_LOG_ODDS) for interval in found]
    return {
        "covered": float(1 - (low_miss | high_miss).mean()) if len(ends) else math.nan,
        "low_miss": float(low_miss.mean()) if len(ends) else math.nan,
        "high_miss": float(high_miss.mean()) if len(ends) else math.nan,
        "missing": 1 - len(ends) / len(found),
        "width": float(np.diff(ends, axis=1).mean()) if len(ends) else math.nan,
        **{name.replace(" ", "_"): said.count(name) / len(said) for name in ("met", "not met", "undetermined")},
    }


def _works(shape: Shape, effect: float, uniform: Shares) -> Shares:
    """Return rates of mean ``effect`` from uniform numbers: skewed, as a power of them, or all-or-none."""
    if shape == "skewed":
        return uniform ** ((1 - effect) / effect) if effect > 0 else np.zeros_like(uniform)
    rate = max(WORKING, effect)
    return np.where(uniform > 1 - effect / rate, rate, 0.0)


def _worded(rate: Shares, liking: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """Return the rate in each wording; what never or always happens does so in all of them."""
    with np.errstate(divide="ignore"):
        return special.expit(special.logit(rate)[..., None] + SHIFTS + liking)


def _arms(
    setting: Setting, shape: tuple[int, int], rng: np.random.Generator
) -> list[Float[np.ndarray, "run concept 3"]]:
    """Return the probability of a readable yes in each wording, in one arm or two; the effect comes on top of slips."""
    working = _works(setting.shape, setting.effect, rng.random(shape))
    liking = 0.7 * rng.normal(size=(*shape, len(SHIFTS)))
    readable = 1 - UNREADABLE * (1 + 3 * working[..., None])
    if setting.measure == "rate":
        # A rate of exactly 0 or 1 is one without unreadable replies.
        return [_worded(working, liking) * (readable if setting.effect < 1 else 1.0)]
    slips = _works("skewed", SLIPS, rng.random(shape))
    either = slips + (1 - slips) * working
    return [_worded(either, liking) * readable, _worded(slips, liking) * (1 - UNREADABLE)]


def _log_odds(setting: Setting, shape: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "run concept"]:
    """Return scores with unit spread of the concepts' effects; the larger an effect, the more wordings differ in it."""
    uniform = rng.random(shape)
    share = 0.3 if setting.shape == "mixture" else 0.1
    if setting.shape == "skewed":
        effects = (special.gammaincinv(2.0, uniform) - 2) / math.sqrt(2)
    else:
        effects = ((uniform > 1 - share) - share) / math.sqrt(share * (1 - share))
    liking = rng.normal(size=(*shape, len(SHIFTS))) * 0.3 * (1 + np.abs(effects[..., None]))
    return setting.effect + effects + (SHIFTS + liking).mean(axis=-1)


def _crossed(
    setting: Setting, n_runs: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "run concept item"], Float[np.ndarray, "run 1 item"]]:
    """Return the probability of a readable yes by concept and item, and that of a clean yes by item."""
    working = _works(setting.shape, setting.effect, rng.random((n_runs, setting.n_concepts, 1)))
    rate = SLIPS if setting.shape == "skewed" else RARE_SLIPS
    slips = _works(setting.shape, rate, rng.random((n_runs, 1, setting.n_items)))
    readable = 1 - UNREADABLE * (1 + 3 * working)
    return (slips + (1 - slips) * working) * readable, slips * (1 - UNREADABLE)
