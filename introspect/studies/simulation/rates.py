"""The rates behind a truth, solved for, so that the truth is what it is said to be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Float
from scipy import special
from scipy.optimize import root_scalar

from introspect.studies.simulation.truth import HABIT, N_CONCEPTS, UNREADABLE, UNREADABLE_CLEAN, Shape, Truth

Array = Float[np.ndarray, "..."]

SHIFTS = np.array([-0.5, 0.0, 0.6])
"""Of the three wordings, in log-odds of a rate."""
WORKING = 0.95
"""Rate of the concepts that work, where the others never do."""
BASE = 0.05
"""Noticing that is reported for no reason."""
GRID = (np.arange(4000) + 0.5) / 4000
"""Concepts from the one that works least to the one that works most, for means over all that there could be."""


def works(shape: Shape, mean: float, uniform: Array) -> Array:
    """Return rates of so much on average from uniform numbers: a power of them, or all or none."""
    if mean <= 0:
        return np.zeros_like(uniform)
    if shape == "skewed":
        return uniform ** ((1 - mean) / mean)
    rate = max(WORKING, mean)
    return np.where(uniform > 1 - mean / rate, rate, 0.0)


def worded(rate: Array) -> Array:
    """Return the rate in each wording, on a last axis."""
    with np.errstate(divide="ignore"):
        return special.expit(special.logit(rate)[..., None] + SHIFTS)


def readable(share: float, uniform: Array) -> Array:
    """Return how likely a reply can be read, the less so the more a concept works, on a last axis."""
    return 1 - share * (0.5 + uniform)[..., None]


def solved(value: Callable[[float], float], target: float) -> float:
    """Return the mean rate at which a value comes to its target."""
    if target <= 0:
        return 0.0
    return root_scalar(lambda mean: value(mean) - target, bracket=(1e-6, 1 - 1e-6), method="brentq").root


def read(shape: Shape, mean: float, unreadable: float) -> float:
    """Return how often a claim is made and can be read."""
    return float((worded(works(shape, mean, GRID)) * readable(unreadable, GRID)).mean())


@lru_cache(maxsize=1024)
def mean_rate(shape: Shape, target: float, unreadable: float) -> float:
    """Return the rate before unreadable replies are lost."""
    return solved(lambda mean: read(shape, mean, unreadable), target)


@dataclass(frozen=True, slots=True)
class Model:
    """The mean rates behind a truth, before wordings shift them and unreadable replies are lost.

    Attributes:
        own: A report under the vector gives the concept's own name.
        right: Share of the concepts whose own name is the right one; the others have a wrong one each.
        claims: Noticing is reported where nothing is named.
        clean: Noticing is reported without the vector.
        other: Noticing is reported for a model left alone.
        leak: The concept stands in an unrelated answer.
        answer: One pass gives the name that is reported, where one is.
        repeats: A name is given again going on without the vector.
        goes_on: Noticing is reported again where the name is not given again.
        usual: The usual name is given in the crossing, with the vector alone and with the word alone.
        noted: Noticing is reported there where it is not given.
    """

    own: float
    right: float
    claims: float
    clean: float
    other: float
    leak: float
    answer: float
    repeats: float
    goes_on: float
    usual: tuple[float, float]
    noted: tuple[float, float]


@lru_cache(maxsize=256)
def model(truth: Truth, shape: Shape) -> Model:
    """Return the rates at which every part comes to what the truth says."""
    reads = readable(UNREADABLE, GRID)
    own = solved(partial(_agreeing, shape), truth.agreement)
    says = worded(works(shape, own, GRID))
    right = truth.naming / float((says * reads).mean()) if own else 0.0
    named = says + (1 - says) * HABIT
    all_named = float((named * reads).mean())
    noticed = max(all_named, BASE + max(truth.by_vector, truth.self_over_other, truth.noticing_without_vector))
    usual = 1 - float((1 - named * reads).prod(axis=-1).mean())
    repeats = min(1.0, max(0.0, 1 - truth.without_vector / all_named) / (1 - UNREADABLE_CLEAN))
    again = (1 - truth.noticing_without_vector / noticed) / (1 - UNREADABLE_CLEAN)
    same = repeats * all_named / noticed
    vector, noticed_vector = truth.word + truth.vector_over_text, truth.noticed_word + truth.noticing_over_text
    pairs = ((vector, noticed_vector, UNREADABLE), (truth.word, truth.noticed_word, UNREADABLE_CLEAN))
    with_vector, with_word = (mean_rate(shape, name / usual, unread) for name, _, unread in pairs)
    noted = [
        _extra(shape, usual * worded(works(shape, mean, GRID)), max(name, notice), unread)
        for mean, (name, notice, unread) in zip((with_vector, with_word), pairs, strict=True)
    ]
    hits = truth.naming + (1 - UNREADABLE) * HABIT * (1 - float(says.mean())) / N_CONCEPTS
    return Model(
        own=own,
        right=right,
        claims=_extra(shape, named, noticed, UNREADABLE),
        clean=mean_rate(shape, noticed - truth.by_vector, UNREADABLE_CLEAN),
        other=mean_rate(shape, noticed - truth.self_over_other, UNREADABLE),
        leak=solved(partial(_unshifted, shape), hits - truth.when_asked),
        answer=min(WORKING, (truth.one_pass / usual + 1 / N_CONCEPTS) / (1 + 1 / N_CONCEPTS)),
        repeats=repeats,
        goes_on=min(1.0, max(0.0, (again - same) / (1 - same) if same < 1 else 0.0)),
        usual=(with_vector, with_word),
        noted=(noted[0], noted[1]),
    )


def _agreeing(shape: Shape, mean: float) -> float:
    """Return how often two trials of one concept in different wordings give its own name, both readable."""
    rate = worded(works(shape, mean, GRID)) * readable(UNREADABLE, GRID)
    return float(np.mean([rate[:, i] * rate[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]))


def _unshifted(shape: Shape, mean: float) -> float:
    return float(worded(works(shape, mean, GRID)).mean())


def _extra(shape: Shape, named: Array, target: float, unreadable: float) -> float:
    """Return how often noticing must be reported where nothing is named, for so much in all; who names, notices."""
    reads = readable(unreadable, GRID)

    def noticing(mean: float) -> float:
        return float(((named + (1 - named) * worded(works(shape, mean, GRID))) * reads).mean())

    return solved(noticing, target) if target > noticing(0.0) + 1e-6 else 0.0
