"""What differences of arms are made of: one number a concept, the trials it is the mean of, and what these share."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

Values = dict[str, float]
"""One number a concept."""
Said = Mapping[str, list[tuple[str | None, float]]]
"""Of every concept's trials in an arm what was put into the prompt, and 1 where the claim is made, 0 where not."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a trial says of its concept's value, which is the mean of these.

    ``item`` is what is put into the trial's prompt, and into those of other concepts: a lead-in, a note, a paragraph;
    ``None`` where nothing is.
    """

    concept: str
    item: str | None
    value: float


def means(differences: Iterable[Difference]) -> Values:
    """Return the mean of every concept's trials."""
    found: dict[str, list[float]] = defaultdict(list)
    for each in differences:
        found[each.concept].append(each.value)
    return {concept: fmean(each) for concept, each in found.items()}


def less(own: Said, other: Said) -> Values:
    """Return the share of claims of one arm less that of the other, for every concept that has both."""
    return {
        concept: fmean([claim for _, claim in said]) - fmean([claim for _, claim in other[concept]])
        for concept, said in own.items()
        if concept in other
    }


def trials_of(own: Said, other: Said) -> list[Difference]:
    """Return what ``less`` is the mean of: every trial's part in its arm's share, on such a scale that it is."""
    found: list[Difference] = []
    for concept, value in less(own, other).items():
        arms = own[concept], other[concept]
        size = sum(len(each) for each in arms)
        for sign, said in zip((1, -1), arms, strict=True):
            mean = fmean([claim for _, claim in said])
            scale = sign * size / len(said)
            found += [Difference(concept, item, value + scale * (claim - mean)) for item, claim in said]
    return found
