"""Control vectors at matched effect: as much change of the next token on neutral text as the concept vectors make.

Equal norm is not equal effect: a direction of a concept vector's norm may change more or less than it does. For every
family, layer and strength one factor on the strength is found by bisection, such that the Kullback–Leibler divergence
of the next-token distribution from the clean one, averaged over neutral texts, their tokens and some concepts, equals
that of the concept vectors. Both scales are kept, and what was reached.

Source: the call for controls at matched effect in the critiques of concept injection; the procedure is ours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from introspect.progress import Advance, track
from introspect.protocols.materials import Materials, controlled, injection
from introspect.records import Effect, Effects, Family, VectorRef
from introspect.subjects.chat import Encoded
from introspect.subjects.subject import Query

N_NEUTRAL = 4
"""Neutral texts on which the effect is measured."""
N_CONCEPTS = 4
"""Concepts whose effects are averaged."""
N_STEPS = 7
WIDEST = 16.0
"""The factor is looked for between this and one over it."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Neutral texts, with their clean distributions."""

    materials: Materials
    prompts: tuple[Encoded, ...]
    references: tuple[Tensor, ...]
    concepts: tuple[str, ...]

    def effect(self, family: Family, layer: int, strength: float) -> float:
        """Return the mean divergence under a family's vectors at a layer and strength, in nats a token."""
        queries: list[Query] = []
        for name in self.concepts:
            other = next((each for each in self.concepts if each != name), name)
            ref = VectorRef(family=family, concept=name, other=other if family == "other" else None)
            vector = controlled(self.materials.vectors, ref, layer) * strength
            for prompt, reference in zip(self.prompts, self.references, strict=True):
                put = injection(self.materials.vectors, ref, vector, prompt.everywhere("prompt"))
                queries.append(Query(prompt, (put,), positions=_text(prompt), reference=reference))
        found = [readout.divergence for readout in self.materials.subject.score(queries)]
        return sum(float(each.mean()) for each in found if each is not None) / len(found)


def match_effects(
    materials: Materials, concepts: Sequence[str], wanted: Sequence[tuple[Family, int, float]], texts: Sequence[str]
) -> Effects:
    """Find the factor of every family, layer and strength.

    Args:
        materials: The subject and its vectors.
        concepts: The run's concepts, the first of which are used.
        wanted: Family, layer and strength of the control vectors.
        texts: Neutral texts.
    """
    prompts = tuple(materials.subject.chat.ask(text) for text in texts)
    clean = materials.subject.score([Query(each, positions=_text(each), whole=True) for each in prompts])
    references = tuple(readout.distribution for readout in clean if readout.distribution is not None)
    probe = Probe(materials, prompts, references, tuple(concepts[:N_CONCEPTS]))
    targets: dict[tuple[int, float], float] = {}
    found: list[Effect] = []
    with track("matching the effects of control vectors", len(wanted)) as advance:
        for family, layer, strength in wanted:
            if (layer, strength) not in targets:
                targets[layer, strength] = probe.effect("concept", layer, strength)
            found.append(matched(probe, family, layer, strength, targets[layer, strength], advance))
    return Effects(n_texts=len(texts), concepts=probe.concepts, effects=tuple(found))


def matched(probe: Probe, family: Family, layer: int, strength: float, wanted: float, advance: Advance) -> Effect:
    """Find one factor by bisection of its logarithm; the nearest one tried is taken."""
    low, high = -math.log(WIDEST), math.log(WIDEST)
    tried: list[tuple[float, float, float]] = []
    at = 0.0
    for _ in range(N_STEPS if strength else 1):
        reached = probe.effect(family, layer, strength * math.exp(at))
        tried.append((abs(math.log((reached + 1e-9) / (wanted + 1e-9))), at, reached))
        low, high = (at, high) if reached < wanted else (low, at)
        at = (low + high) / 2
    _, best, reached = min(tried)
    advance(1, f"{family} at layer {layer}")
    return Effect(
        family=family,
        layer=layer,
        strength=strength,
        scale=round(math.exp(best), 4),
        reached=round(reached, 6),
        wanted=round(wanted, 6),
    )


def _text(prompt: Encoded) -> tuple[int, ...]:
    """Return the positions of the text, which is most of the prompt: from its first token on."""
    span = prompt.everywhere("prompt").prompt[0]
    return tuple(range(*span))
