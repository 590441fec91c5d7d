"""How small an effect a plan can find, and how many concepts it would take to decide.

Both are about clauses: a mean over concepts whose interval at ``LEVEL`` must lie above zero to be met, or below the
smallest effect to be not met. Before a run the spread over concepts is a guess (``spread_of_rates`` helps); after it,
it is what was seen.
"""

import math
from collections.abc import Callable

from scipy import special

from introspect.analysis.interval import LEVEL, Bounds

POWER = 0.8
"""So often an effect as large as the smallest detectable one is found: "undetermined" in at most a fifth of runs."""


def minimum_detectable(
    n_concepts: int,
    spread: float,
    level: float = LEVEL,
    power: float = POWER,
    bounds: Bounds | None = None,
    fewest: int | None = None,
) -> float | None:
    """Return the mean over concepts that has its lower bound above zero with probability ``power``.

    Source: the non-central t (Cohen 1988, chapter 2), as in statsmodels.

    Args:
        n_concepts: How many concepts are, or will be, on the half that is judged.
        spread: Standard deviation of the concepts' values, in their unit.
        level: Of the interval, two-sided.
        power: How often the effect should be found.
        bounds: The least and the largest value that a concept can have.
        fewest: How large the smallest of all samples is, where concepts are not the only one.

    Returns:
        The effect in the unit of ``spread``. Where concepts would not differ at all it is the least common value whose
        exact lower bound is above zero. ``None`` with fewer than two concepts, without spread and bounds, or where
        no value within the bounds is large enough.

    Raises:
        ValueError: The spread is below zero, or the level or the power is not between 0 and 1.
    """
    _check(spread, level)
    if not 0 < power < 1:
        message = f"power is between 0 and 1, not {power}"
        raise ValueError(message)
    if n_concepts < 2 or (spread == 0 and bounds is None):
        return None
    if spread == 0:
        apart = _apart(n_concepts, level)
        effect = -min(0.0, bounds[0]) * apart / (1 - apart) if bounds is not None else math.inf
    else:
        from statsmodels.stats.power import TTestPower  # seconds to import

        tail = (1 - level) / 2
        free = max(2, min(n_concepts, fewest or n_concepts))  # degrees of freedom are one less than there are of these
        solved = TTestPower().solve_power(nobs=free, alpha=tail, power=power, alternative="larger")
        effect = spread * float(solved) * math.sqrt(free / n_concepts)
    return effect if bounds is None or effect <= bounds[1] else None


def spread_of_rates(rate: float, n_replies: int, alike: float) -> float:
    """Return the standard deviation over concepts of the share of yes among each one's replies.

    The spread of a difference between two arms is at most the root of the sum of their squares, if they go up together.

    Source: Kish (1965), section 5.4.

    Args:
        rate: Of all replies together.
        n_replies: A concept's, over wordings and samples.
        alike: Intraclass correlation of the replies of a concept: 1 if they always agree, 0 if concepts do not differ.

    Raises:
        ValueError: A share is outside 0 to 1, or there are no replies.
    """
    if not 0 <= rate <= 1 or not 0 <= alike <= 1 or n_replies < 1:
        message = f"needs shares from 0 to 1 and a reply: rate {rate}, alike {alike}, {n_replies} replies"
        raise ValueError(message)
    return math.sqrt(rate * (1 - rate) * (1 + (n_replies - 1) * alike) / n_replies)


def concepts_to_decide(
    mean: float,
    spread: float,
    delta: float,
    level: float = LEVEL,
    bounds: Bounds | None = None,
    share: float = 1.0,
) -> int | None:
    """Return the smallest number of concepts that would decide, were mean and spread to stay as they are.

    They will not stay exactly so: at this number a run decides about every other time, and ``minimum_detectable``
    tells what more it takes. The interval is Student's; without any spread it is the exact one.

    Args:
        mean: Of the concepts' values, in the unit of ``delta``.
        spread: Their standard deviation.
        delta: The smallest effect of the clause.
        level: Of the interval, two-sided.
        bounds: The least and the largest value that a concept can have.
        share: How large the smallest of all samples is for every concept, where concepts are not the only one.

    Returns:
        At least 2; ``None`` where concepts do not differ and there are no bounds to say how much they could.

    Raises:
        ValueError: The smallest effect is not above zero, the spread is below zero, the mean is not finite, or the
            level is not between 0 and 1.
    """
    _check(spread, level)
    if not delta > 0 or not math.isfinite(mean):
        message = f"needs a smallest effect above zero and a finite mean, not {delta} and {mean}"
        raise ValueError(message)
    if spread == 0 and bounds is None:
        return None

    low, high = bounds if bounds is not None else (mean, mean)
    if not low <= mean <= high:
        message = f"the mean {mean} is outside the bounds {low} and {high}"
        raise ValueError(message)

    def decides(n: int) -> bool:
        if spread > 0:
            free = max(1, math.floor(n * min(share, 1.0)) - 1)
            below = above = float(special.stdtrit(free, (1 + level) / 2)) * spread / math.sqrt(n)
        else:
            below, above = (_apart(n, level) * side for side in (mean - low, high - mean))
        return mean + above < delta or mean - below > 0

    return smallest(decides)


def smallest(decides: Callable[[int], bool], most: int | None = None) -> int | None:
    """Return the smallest number from 2 that decides, where all larger ones do as well; none beyond ``most``."""
    enough = 2
    while not decides(enough):
        if most is not None and enough >= most:
            return None
        enough = 2 * enough if most is None else min(2 * enough, most)
    too_few = enough // 2 if enough > 2 else 1
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        enough, too_few = (middle, too_few) if decides(middle) else (enough, middle)
    return enough


def _apart(n_concepts: int, level: float) -> float:
    """Return the share of concepts that may differ where none of ``n_concepts`` does (Clopper & Pearson 1934)."""
    return 1 - ((1 - level) / 2) ** (1 / n_concepts)


def _check(spread: float, level: float) -> None:
    if not spread >= 0 or not 0 < level < 1:
        message = f"needs a spread of at least 0 and a level between 0 and 1, not {spread} and {level}"
        raise ValueError(message)
