"""What is measured beside the trials: matched effects, and projections on the injected direction."""

from collections.abc import Mapping

from introspect.records.base import Family, Record

Scales = Mapping[tuple[str, int, float], float]
"""Factors on the strength by family, layer and strength."""

TOLERANCE = 0.15
"""Largest share by which an effect may miss its target and still count as matched."""


class Effect(Record):
    """One match: at ``scale`` times the strength a family's divergence is ``reached``, and ``wanted`` was asked for.

    Both are in nats a token.
    """

    family: Family
    layer: int
    strength: float
    scale: float
    reached: float
    wanted: float

    @property
    def matched(self) -> bool:
        """Whether the effect is the concept vectors', within the tolerance."""
        return abs(self.reached - self.wanted) <= TOLERANCE * self.wanted + 1e-6


class Effects(Record):
    """All matches of a run, and on how much they rest."""

    n_texts: int
    concepts: tuple[str, ...]
    effects: tuple[Effect, ...]

    @property
    def scales(self) -> Scales:
        """The factors, by family, layer and strength."""
        return {(effect.family, effect.layer, effect.strength): effect.scale for effect in self.effects}


class Projection(Record):
    """A trial's residual stream under every token, projected on the direction that was injected (or would have been).

    ``tokens`` are the texts of the prompt's tokens, then of the reply's; ``n_prompt`` says where the reply begins, and
    ``injected`` which positions were added to. ``values`` has a row a layer of ``layers``, in residual-stream units,
    read at the output of the block, injections included.
    """

    key: str
    direction: str
    tokens: tuple[str, ...]
    n_prompt: int
    injected: tuple[int, ...]
    layers: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]
