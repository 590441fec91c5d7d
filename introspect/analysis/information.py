"""What a choice of words says about the word that was injected, in bits, and beyond what guessing brings about.

A subject that always says the same word is right now and then; mutual information between the injected and the chosen
word is not moved by such a habit, whichever words it prefers (Pearson-Vogel et al. 2026, arXiv 2602.20031). Estimated
from counts it is too large, by about (cells - rows - columns + 1) / 2n nats (Miller 1955); the surer yardstick is what
the same choices give when they are dealt out anew, within blocks of trials that were asked alike.

Information says that choices depend on the injection, not that they are right. Accuracy can be set against the words
that are named when nothing was injected: in one study three of four wrong guesses were "apple" (Lederman & Mahowald
2026, arXiv 2603.05414).

Naming nothing is a choice like any other, written ``None``; for the information given that something is named, leave
those trials out.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from introspect.analysis.means import RESAMPLES, Mean, generator, percentile_bounds, resamples
from introspect.analysis.rates import Rate, clustered_rate

PERMUTATIONS = 1000
_AT_A_TIME = 2_000_000
"""Shuffled choices held in memory at once."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """``counts[i, j]`` trials in which ``injected[i]`` was injected and ``chosen[j]`` (or nothing) was named."""

    injected: tuple[str, ...]
    chosen: tuple[str | None, ...]
    counts: Int[np.ndarray, "injected chosen"]


@dataclass(frozen=True, slots=True)
class Information:
    """Mutual information in bits of ``n`` trials.

    ``bits`` is the plug-in estimate, ``corrected`` Miller and Madow's, which may be below zero; ``null`` is the mean
    plug-in estimate of dealt-out choices, ``excess`` what is above it, and ``p`` how often they say as much.
    """

    bits: float
    corrected: float
    null: float
    excess: float
    p: float
    n: int


@dataclass(frozen=True, slots=True)
class GuessPrior:
    """What is named where nothing was injected: shares of the ``n_named`` of ``n`` control trials that name something.

    ``entropy`` is in bits; ``top`` is the most frequent word and ``top_share`` its share, the "apple index", ``None``
    where nothing was named. Of equally frequent words the first in the alphabet is ``top``.
    """

    shares: Mapping[str, float]
    entropy: float
    top: str | None
    top_share: float | None
    n: int
    n_named: int


@dataclass(frozen=True, slots=True)
class CorrectedAccuracy:
    """Accuracy over all trials, the accuracy that guessing would have, and the first less the second."""

    accuracy: Rate
    expected: float
    excess: Mean


def tabulate(injected: Sequence[str], chosen: Sequence[str | None]) -> Confusion:
    """Count which word was named under which injected word; labels in alphabetic order, ``None`` last.

    Raises:
        ValueError: The two differ in length.
    """
    counted = Counter(zip(injected, chosen, strict=True))
    rows = tuple(sorted(set(injected)))
    columns = tuple(sorted(set(chosen), key=lambda name: (name is None, name or "")))
    counts = np.array([[counted[row, column] for column in columns] for row in rows], dtype=np.int64)
    return Confusion(rows, columns, counts.reshape(len(rows), len(columns)))


def mutual_information(confusion: Confusion) -> float:
    """Return the plug-in mutual information in bits between the injected and the chosen word; 0 without trials.

    Source: Cover & Thomas (2006), section 2.3.
    """
    counts = confusion.counts
    return max(0.0, _entropy(counts.sum(axis=1)) + _entropy(counts.sum(axis=0)) - _entropy(counts.ravel()))


def miller_madow(confusion: Confusion) -> float:
    """Return mutual information in bits, less its bias to first order; it may fall below zero.

    Source: Miller (1955), with the number of cells, rows and columns that occur.
    """
    counts = confusion.counts
    n = int(counts.sum())
    if not n:
        return 0.0
    rows, columns, cells = (int((part > 0).sum()) for part in (counts.sum(axis=1), counts.sum(axis=0), counts))
    return mutual_information(confusion) - (cells - rows - columns + 1) / (2 * n * math.log(2))


def information(
    injected: Sequence[str],
    chosen: Sequence[str | None],
    blocks: Sequence[Hashable] | None = None,
    seed: int = 0,
    n_permutations: int = PERMUTATIONS,
) -> Information:
    """Return how much the choices say about the injection, and how much of that chance would give.

    The null deals the choices of a block out among its trials, so a preference for some words, also one that differs
    between blocks, is in the null as well. It takes the trials of a block to be independent answers.

    Source: Miller (1955) for the correction; Davison & Hinkley (1997), section 4.3, for p = (1 + #≥) / (1 + n).

    Args:
        injected: The injected word of each trial.
        chosen: What was named, one a trial.
        blocks: What each trial shares with those it may swap answers with, such as its wording; one block by default.
        seed: Of the shuffles.
        n_permutations: How many.

    Raises:
        ValueError: The sequences differ in length.
    """
    table = tabulate(injected, chosen)
    bits = mutual_information(table)
    within = list(blocks) if blocks is not None else [0] * len(chosen)
    if len(within) != len(chosen):
        message = f"{len(within)} blocks for {len(chosen)} trials; every trial needs one"
        raise ValueError(message)
    null = _null(table, injected, chosen, within, generator(seed), n_permutations)
    as_large = int((null >= bits - 1e-9).sum())
    mean = float(null.mean()) if null.size else 0.0
    p = (1 + as_large) / (1 + n_permutations)
    return Information(bits, miller_madow(table), mean, bits - mean, p, len(chosen))


def guess_prior(chosen: Sequence[str | None]) -> GuessPrior:
    """Return the empirical distribution of what is named in control trials.

    Source: the collapse of wrong guesses on one word, Lederman & Mahowald (2026, arXiv 2603.05414).

    Args:
        chosen: The option each control trial names, ``None`` where it names none.
    """
    named = Counter(name for name in chosen if name is not None)
    n = sum(named.values())
    ranked = sorted(named.items(), key=lambda item: (-item[1], item[0]))
    shares = {name: count / n for name, count in ranked}
    entropy = _entropy(np.array(list(named.values()), dtype=np.int64))
    top, top_share = next(iter(shares.items()), (None, None))
    return GuessPrior(shares, entropy, top, top_share, len(chosen), n)


def prior_corrected_accuracy(
    confusion: Confusion, prior: GuessPrior, seed: int = 0, n_resamples: int = RESAMPLES
) -> CorrectedAccuracy:
    """Return accuracy less that of guesses drawn from the guess prior without regard to the injection.

    A trial that names nothing is wrong, and guessing is taken to be as silent, so that silence is neither punished nor
    rewarded. Injected words are the units of the interval; the prior is taken as it is. Where naming is right never,
    always, or equally often for every word, resampling words says nothing about chance, and the bounds are Wilson's of
    ``accuracy`` less the expected accuracy.

    Source: chance agreement as in Cohen (1960), with the marginal from control trials; Hesterberg (2015) for the
    interval.

    Args:
        confusion: Of the trials with an injection.
        prior: Of the trials without.
        seed: Of the resamples.
        n_resamples: How often the words are drawn again.

    Returns:
        Shares of all trials; without trials ``excess`` has no value and ``expected`` is 0.
    """
    sizes = confusion.counts.sum(axis=1)
    kept = [i for i, size in enumerate(sizes) if size]
    hits, named = (np.array([part[i] for i in kept], dtype=np.int64) for part in (_hits(confusion), _named(confusion)))
    sizes = sizes[kept]
    chance = named * np.array([prior.shares.get(confusion.injected[i], 0.0) for i in kept])
    accuracy = clustered_rate(hits.tolist(), sizes.tolist())
    if not kept:
        return CorrectedAccuracy(accuracy, 0.0, Mean(None, None, None, 0, 0))
    n, k = int(sizes.sum()), len(kept)
    expected = float(chance.sum()) / n
    excess = accuracy.rate - expected
    low, high = accuracy.low - expected, accuracy.high - expected
    if k > 1 and np.ptp(hits / sizes) > 0:
        weights = resamples(k, seed, n_resamples)
        low, high = percentile_bounds((weights @ (hits - chance)) / (weights @ sizes), k)
    return CorrectedAccuracy(accuracy, expected, Mean(excess, low, high, n, k))


def _hits(confusion: Confusion) -> list[int]:
    column = {name: j for j, name in enumerate(confusion.chosen)}
    return [
        int(confusion.counts[i, column[name]]) if name in column else 0 for i, name in enumerate(confusion.injected)
    ]


def _named(confusion: Confusion) -> list[int]:
    names = [j for j, name in enumerate(confusion.chosen) if name is not None]
    return [int(count) for count in confusion.counts[:, names].sum(axis=1)]


def _entropy(counts: Int[np.ndarray, " cells"]) -> float:
    total = int(counts.sum())
    shares = counts[counts > 0] / total if total else np.zeros(0)
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _null(
    table: Confusion,
    injected: Sequence[str],
    chosen: Sequence[str | None],
    blocks: Sequence[Hashable],
    rng: np.random.Generator,
    n_permutations: int,
) -> Float[np.ndarray, " permutations"]:
    """Return the plug-in information of every shuffle; the margins stay, so only the joint entropy moves."""
    row = {name: i for i, name in enumerate(table.injected)}
    column = {name: j for j, name in enumerate(table.chosen)}
    truth = np.array([row[name] for name in injected], dtype=np.int64) * len(column)
    choice = np.array([column[name] for name in chosen], dtype=np.int64)
    places: dict[Hashable, list[int]] = {}
    for place, block in enumerate(blocks):
        places.setdefault(block, []).append(place)
    margins = _entropy(table.counts.sum(axis=1)) + _entropy(table.counts.sum(axis=0))
    step = max(1, _AT_A_TIME // max(1, len(choice)))
    found: list[Float[np.ndarray, " some"]] = []
    for start in range(0, n_permutations, step):
        dealt = np.tile(choice, (min(step, n_permutations - start), 1))
        for block in places.values():
            dealt[:, block] = rng.permuted(dealt[:, block], axis=1)
        found.append(margins - _joint_entropies(truth + dealt, table.counts.size))
    return np.maximum(np.concatenate(found), 0.0) if found else np.zeros(0)


def _joint_entropies(cells: Int[np.ndarray, "permutations trials"], n_cells: int) -> Float[np.ndarray, " permutations"]:
    rows, n = cells.shape
    if not n:
        return np.zeros(rows)
    flat = (cells + n_cells * np.arange(rows)[:, None]).ravel()
    counts = np.bincount(flat, minlength=rows * n_cells).reshape(rows, n_cells)
    logs = np.log2(np.maximum(counts, 1))
    return math.log2(n) - (counts * logs).sum(axis=1) / n
