"""The best cell, chosen on some concepts and judged on others.

The best of many cells looks good by luck: Lindsey (2025) scores experiment 3 by the maximum over layers and
strengths, which is above zero even where nothing happens. Here one half of the units chooses the cell and the other
half judges it, and the other way round (Stone 1974); the maximum stands beside, so that its optimism can be seen.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from introspect.analysis.means import generator

Cell = tuple[int, float]
"""A layer and a strength."""
Scorer = Callable[[pl.DataFrame], float | None]
"""From the trials of one cell to its score, higher is better; ``None`` where they do not give one."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What held-out selection found, in the unit of the scorer.

    ``cells`` are the cells chosen by the first and by the second half of the units, ``scores`` their scores on the
    respective other half, ``score`` the mean of these (``None`` unless there are both), and ``naive`` the maximum
    over cells on all units, which is too high.
    """

    cells: tuple[Cell | None, Cell | None]
    scores: tuple[float | None, float | None]
    score: float | None
    naive: float | None


def halves(units: Iterable[str], seed: int = 0) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split units in two at random; which half a unit is in depends on the set of units and the seed alone.

    Args:
        units: Names, in any order and as often as you like.
        seed: Of the shuffle.

    Returns:
        The two halves, each sorted; of an odd number the second half has one more.
    """
    names = sorted(set(units))
    shuffled = [names[place] for place in generator(seed).permutation(len(names))]
    middle = len(names) // 2
    return tuple(sorted(shuffled[:middle])), tuple(sorted(shuffled[middle:]))


def held_out(frame: pl.DataFrame, scorer: Scorer, seed: int = 0) -> HeldOut:
    """Choose the best cell on one half of the units and score it on the other, both ways round.

    Trials without a layer (the arm without injection) belong to every cell. Units that occur only there, such as
    prompts, are split apart from the others, so that each half has its share of them. Of cells with equal scores the
    one with the lowest layer is chosen, then with the lowest strength.

    Source: two-fold cross-validatory choice and assessment, Stone (1974), sections 1 and 3.

    Args:
        frame: One row a trial, with ``unit``, ``layer``, ``strength`` and whatever the scorer reads.
        scorer: From the rows of one cell to a number or ``None``; it sees one half of the units at a time.
        seed: Of the split.

    Returns:
        Cells and scores; ``None`` wherever no cell had a score.
    """
    celled = frame.filter(pl.col("layer").is_not_null())
    injected = set(celled["unit"])
    splits = halves(injected, seed), halves(set(frame["unit"]) - injected, seed)
    first, second = (frame.filter(pl.col("unit").is_in([*splits[0][i], *splits[1][i]])) for i in (0, 1))
    cells = (_best(first, scorer)[0], _best(second, scorer)[0])
    scores = (_judge(second, cells[0], scorer), _judge(first, cells[1], scorer))
    both = None if scores[0] is None or scores[1] is None else (scores[0] + scores[1]) / 2
    return HeldOut(cells, scores, both, _best(frame, scorer)[1])


def _best(frame: pl.DataFrame, scorer: Scorer) -> tuple[Cell | None, float | None]:
    best: tuple[Cell | None, float | None] = None, None
    for cell in frame.select("layer", "strength").drop_nulls().unique().sort("layer", "strength").rows():
        score = _judge(frame, cell, scorer)
        if score is not None and (best[1] is None or score > best[1]):
            best = cell, score
    return best


def _judge(frame: pl.DataFrame, cell: Cell | None, scorer: Scorer) -> float | None:
    if cell is None:
        return None
    here = (pl.col("layer") == cell[0]) & (pl.col("strength") == cell[1])
    if frame.filter(here).is_empty():
        return None
    score = scorer(frame.filter(here | pl.col("layer").is_null()))
    return None if score is None or score != score else float(score)  # a score that is not itself is NaN
