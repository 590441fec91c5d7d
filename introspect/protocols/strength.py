"""Strength: which of two injections was stronger, and how strong is one from 0 to 9?

``compare``: the same vector acts on two sentences, on one of them (drawn) at the cell's strength, on the other at half
of it. ``rate``: the vector acts as in injected thoughts, and the answer is one digit; its expected value under the
model's probabilities is the report, a dose–response curve without sampling noise.

Source: Hahami et al. (2026), section on strength; Martorell and Bianchi (2026), section on expected digits.
"""

from introspect.protocols.localisation import mark, marked_lines
from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene
from introspect.protocols.sentences import sentences_for
from introspect.records import Also

WEAKER = 0.5
"""The weaker injection's share of the stronger one's strength."""


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw two sentences and which of them carries more, or ask for a digit."""
    if asked.head == "rate":
        return [Item(scene.opening(asked), tuple("0123456789"))]
    stronger, weaker = scene.rng("stronger", asked.concept, asked.sample).sample(["A", "B"], 2)
    fill = {**scene.opening(asked), "lines": marked_lines("AB", sentences_for(scene, asked, 2))}
    also = () if asked.arm == "none" else (Also(span=mark(weaker), strength=WEAKER),)
    return [Item(fill, ("A", "B"), stronger, mark(stronger), also)]


PROTOCOL = Protocol(
    name="strength",
    question="Do the subject's reports follow the strength of an injection?",
    readings={"compare": "options", "rate": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="prompt",
    about=frozenset({"compare"}),
    unreached=frozenset({"compare"}),
)
