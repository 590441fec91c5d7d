"""Tests that hold for the best of many cells, and tests between two arms or two subjects.

The best cell of a grid was picked because it looked good, so it is held against the best cell that the same pick finds
where nothing depends on the injection (Westfall & Young 1993, single-step maxT). To make such a grid, labels are dealt
again, or signs flipped, in all cells alike: cells stay as correlated as they are. The data as they were are one of the
deals, so p = (1 + deals at least as good) / (1 + deals) (Davison & Hinkley 1997, section 4.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from introspect.analysis.means import generator

PERMUTATIONS = 2000
FLIPS = 9999
_AT_A_TIME = 4_000_000
"""Numbers held in memory at once."""
_TIE = 1e-9

Sign = Literal["greater", "two-sided"]


@dataclass(frozen=True, slots=True)
class GridTest:
    """What the best of many cells is worth.

    ``statistics`` is what was measured in each cell, ``alone`` its p as if it were the only cell and ``adjusted`` its p
    among all of them; ``best`` is the place of the cell with the largest statistic (the first of several), ``p`` that
    cell's adjusted one.
    """

    statistics: Float[np.ndarray, " cell"]
    alone: Float[np.ndarray, " cell"]
    adjusted: Float[np.ndarray, " cell"]
    best: int
    p: float
    n_permutations: int


@dataclass(frozen=True, slots=True)
class Paired:
    """A mean paired difference of ``n_units`` concepts, with p of Student's t and p of flipped signs, two-sided.

    ``exact`` says that every pattern of signs was gone through. ``t`` and ``p_t`` are ``None`` where all concepts have
    the same difference.
    """

    difference: float
    t: float | None
    p_t: float | None
    p_flip: float
    exact: bool
    n_units: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which of ``concepts`` each trial has, by place, in which wording; ``counts`` are their trials."""

    concepts: Int[np.ndarray, " concept"]
    concept: Int[np.ndarray, " trial"]
    wording: Int[np.ndarray, " trial"]
    counts: Int[np.ndarray, "wording concept"]
    whole: bool


def max_naming(
    named: Int[np.ndarray, "cell trial"],
    injected: Int[np.ndarray, " trial"],
    wording: Int[np.ndarray, " trial"],
    unit: Literal["trial", "concept"] = "trial",
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> GridTest:
    """Test whether the injected concepts are named more often than others are, in the best cell of a grid.

    The statistic is the share of trials that name their concept, less the share of trials of the same cell and wording
    with other concepts that name it. In a balanced plan it rises and falls with the hits, and a single cell has the p
    that hits have; but only the difference makes cells comparable that differ in what they like to name. It is not
    divided by its spread: the cell is chosen by how much it names, and where hardly anything is named one lucky hit
    would be worth more standard errors than a good cell has.

    Dealt again are the injected concepts, among the trials of one wording and alike in every cell. Trials of one
    concept are then taken to be unrelated, unless ``unit`` is the concept: then concepts change places, each with all
    its trials, which also holds for a subject that has its own fixed wrong name for each.

    Source: Westfall & Young (1993); Davison & Hinkley (1997), section 4.3.

    Args:
        named: The number of the concept that each trial names first, -1 where it names none or is unreadable. A column
            is the same concept, wording and sample in every cell.
        injected: The number of the concept injected in each trial.
        wording: The number of each trial's wording.
        unit: What is dealt; ``concept`` needs every concept equally often in each wording.
        n_permutations: How many deals.
        seed: Of the deals.

    Raises:
        ValueError: There are no trials, a wording has a single concept, or concepts are dealt whole in an unbalanced
            plan.
    """
    plan = _plan(injected, wording, unit)
    rng = generator(seed)
    observed = _excess(named, plan.concept[None], plan)[0]
    dealt = np.empty((n_permutations, len(named)))
    step = max(1, _AT_A_TIME // injected.size)
    for start, stop in pairwise([*range(0, n_permutations, step), n_permutations]):
        dealt[start:stop] = _excess(named, _deal(plan, rng, stop - start), plan)
    return _judged(observed, dealt)


def max_sign(
    scores: Float[np.ndarray, "concept cell"],
    alternative: Sign = "greater",
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> GridTest:
    """Test whether concepts score above zero in the best cell of a grid, as detection above the control line.

    Without an effect a concept is as likely above the line as below. Its sign is flipped in all cells together, and the
    statistic is Student's: the mean over its standard error, so that cells with a larger scale do not rule the maximum.
    All patterns of signs are gone through where they are no more than ``n_permutations``.

    Source: Westfall & Young (1993); Winkler et al. (2014) for flipping signs.

    Args:
        scores: The distance of each concept from the control line, in log-odds; NaN where the cell lacks the concept.
        alternative: Above zero, or away from it.
        n_permutations: How many patterns of signs.
        seed: Of the signs.

    Raises:
        ValueError: A score is infinite, or a cell has fewer than two concepts.
    """
    given = ~np.isnan(scores)
    if np.isinf(scores).any() or (given.sum(axis=0) < 2).any() or not scores.shape[1]:
        message = "flipping signs needs cells, and at least two concepts with finite scores in each"
        raise ValueError(message)
    filled, sizes = np.where(given, scores, 0.0), given.sum(axis=0)
    n = len(scores)
    signs = _all_signs(n) if 2**n <= n_permutations else generator(seed).choice((-1.0, 1.0), (n_permutations, n))
    flipped, observed = _students(signs, filled, sizes), _students(np.ones((1, n)), filled, sizes)[0]
    if alternative == "greater":
        return _judged(observed, flipped)
    judged = _judged(np.abs(observed), np.abs(flipped))
    return replace(judged, statistics=observed)


def paired(
    first: Sequence[float] | Float[np.ndarray, " concept"],
    second: Sequence[float] | Float[np.ndarray, " concept"],
    n_permutations: int = FLIPS,
    seed: int = 0,
) -> Paired:
    """Test two arms, or two subjects, on the same concepts.

    Source: Student (1908); Fisher (1935), section 21, for the signs.

    Args:
        first: One finite number a concept.
        second: The other arm's or subject's, in the same order.
        n_permutations: How many patterns of signs; all of them are taken where they are no more.
        seed: Of the signs.

    Raises:
        ValueError: The two differ in length, have fewer than two concepts, or a value is not finite.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape or one.size < 2 or not np.isfinite([one, other]).all():
        message = f"a paired test needs two finite values for each of two or more concepts: {one.size} and {other.size}"
        raise ValueError(message)
    gaps = one - other
    n = gaps.size
    exact = 2**n <= n_permutations
    flips = stats.permutation_test(
        (gaps,), np.mean, permutation_type="samples", vectorized=True, n_resamples=n_permutations, rng=generator(seed)
    )
    if np.ptp(gaps) <= _TIE * max(np.abs(one).max(), np.abs(other).max()):
        return Paired(float(gaps.mean()), None, None, float(flips.pvalue), exact, n)
    t = float(gaps.mean() / (gaps.std(ddof=1) / np.sqrt(n)))
    return Paired(float(gaps.mean()), t, float(2 * special.stdtr(n - 1, -abs(t))), float(flips.pvalue), exact, n)


def holm(p: Sequence[float] | Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return p adjusted so that any false rejection among all tests is as rare as promised (Holm 1979)."""
    return _adjusted(p, "holm")


def benjamini_hochberg(p: Sequence[float] | Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Return p adjusted so that false ones are a small share of the rejections (Benjamini & Hochberg 1995)."""
    return _adjusted(p, "fdr_bh")


def _adjusted(p: Sequence[float] | Float[np.ndarray, " test"], method: str) -> Float[np.ndarray, " test"]:
    from statsmodels.stats.multitest import multipletests  # seconds to import, and most runs need none of it

    values = np.asarray(p, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        message = "a p is a number from 0 to 1; leave out tests that have none"
        raise ValueError(message)
    return np.asarray(multipletests(values, method=method)[1], dtype=np.float64) if values.size else values


def _judged(observed: Float[np.ndarray, " cell"], dealt: Float[np.ndarray, "deal cell"]) -> GridTest:
    """Hold every cell against itself and against the best cells of the deals."""
    # Ties are real: shares of few trials take few values.
    slack = _TIE * np.maximum(1.0, np.abs(np.where(np.isinf(observed), 1.0, observed)))
    alone, adjusted = (
        (1 + (others >= observed - slack).sum(axis=0)) / (1 + len(dealt))
        for others in (dealt, dealt.max(axis=1, keepdims=True))
    )
    top = int(observed.argmax())
    return GridTest(observed, alone, adjusted, top, float(adjusted[top]), len(dealt))


def _plan(injected: Int[np.ndarray, " trial"], wording: Int[np.ndarray, " trial"], unit: str) -> _Plan:
    """Number concepts and wordings from zero and count them."""
    concepts, concept = np.unique(injected, return_inverse=True)
    wordings, within = np.unique(wording, return_inverse=True)
    counts = np.zeros((len(wordings), len(concepts)), dtype=np.int64)
    np.add.at(counts, (within, concept), 1)
    if not counts.size or (counts == counts.sum(axis=1, keepdims=True)).any():
        message = "dealing concepts again needs at least two in each wording"
        raise ValueError(message)
    if unit == "concept" and (counts != counts[:, :1]).any():
        message = "whole concepts can be dealt only where each wording has all of them equally often"
        raise ValueError(message)
    return _Plan(concepts, concept, within, counts, unit == "concept")


def _deal(plan: _Plan, rng: np.random.Generator, n_deals: int) -> Int[np.ndarray, "deal trial"]:
    """Return the concept that each trial would have had."""
    if plan.whole:
        places = rng.permuted(np.tile(np.arange(len(plan.concepts)), (n_deals, 1)), axis=1)
        return places[:, plan.concept]
    dealt = np.tile(plan.concept, (n_deals, 1))
    for wording in range(len(plan.counts)):
        here = np.flatnonzero(plan.wording == wording)
        dealt[:, here] = rng.permuted(dealt[:, here], axis=1)
    return dealt


def _excess(
    named: Int[np.ndarray, "cell trial"], dealt: Int[np.ndarray, "deal trial"], plan: _Plan
) -> Float[np.ndarray, "deal cell"]:
    """Return the share of trials that name their concept, less that of trials with others that name it.

    Of a word named M times in a wording, H of them rightly, others name it in (M - H) of the N - I trials that they
    have; summed over the I trials of its concept, the difference is H · N / (N - I) less M · I / (N - I), of which
    deals change only the first.
    """
    others = plan.counts.sum(axis=1, keepdims=True) - plan.counts
    place = np.searchsorted(plan.concepts, named).clip(0, len(plan.concepts) - 1)
    place = np.where(plan.concepts[place] == named, place, -1)
    expected = np.where(place >= 0, (plan.counts / others)[plan.wording, place], 0.0).mean(axis=1)
    weight = (1 + plan.counts / others)[plan.wording, dealt]
    found = np.stack([np.where(cell == dealt, weight, 0.0).mean(axis=1) for cell in place], axis=1)
    return found - expected


def _all_signs(n: int) -> Float[np.ndarray, "pattern concept"]:
    """Return every pattern but that of plus signs only, which is the data."""
    return 1.0 - 2.0 * ((np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1)


def _students(
    signs: Float[np.ndarray, "pattern concept"],
    scores: Float[np.ndarray, "concept cell"],
    sizes: Int[np.ndarray, " cell"],
) -> Float[np.ndarray, "pattern cell"]:
    """Return t in every cell; flips leave the squares as they are. Without spread t is infinite, of zeros it is 0."""
    sums, squares = signs @ scores, (scores**2).sum(axis=0)
    spread = squares - sums**2 / sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        t = sums / np.sqrt(sizes * np.where(spread > _TIE * squares, spread, 0.0) / (sizes - 1))
    return np.where(squares > 0, t, 0.0)
