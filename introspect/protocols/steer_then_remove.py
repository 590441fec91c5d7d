"""Steer, then remove: is a thought reported that acted only while an earlier message was read?

The vector acts on a message whose tokens are the same in every arm; the subject's acknowledgement is fixed, too. From
the question's first token on nothing is added. The answer can depend on the injection through cached keys and values
only: this excludes a direct push on the reply, not a leak through the cache. An injection behind the last block has no
effect by construction, so that layer is left out.

Source: Pearson-Vogel et al. (2026), section on the two-turn protocol; Lindsey (2025), criterion of internality.
"""

from introspect.protocols.choices import lettered, yes_no
from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Ask whether there was something, or which of some words it was about."""
    if asked.head == "detect":
        injected = scene_injects(asked)
        return [Item(scene.opening(asked), *yes_no(asked.manner, injected))]
    return [lettered(scene, asked, "steer_then_remove")]


def scene_injects(asked: Asked) -> bool | None:
    """Whether yes is the right answer: under a concept's vector, not without; noise has no right answer."""
    return {"concept": True, "none": False}.get(asked.arm)


PROTOCOL = Protocol(
    name="steer_then_remove",
    question="Is a thought reported that acted only while an earlier message was read?",
    readings={"detect": "options", "choose": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="earlier",
    where="prompt",
    about=frozenset({"choose"}),
    unreached=frozenset({"detect", "choose"}),
)
