"""Concealment: told to hide, deny or misname a thought, does the subject still carry a readable trace of it?

The vector acts while the trial is announced and ends before the instruction, so that nothing is added at any position
from which something is read. Injected or not is crossed with being asked plainly, told to deny, told to misname, or
given a reason to hide; each is answered freely (``say``), by yes or no, and by forced choice. The signal is what the
read-outs show under injection minus without it, within one instruction. A projection at a steered token would be our
own vector.

Source: Lindsey (2025), discussion of concealment as a dual use; the design is ours.
"""

from introspect.protocols.choices import lettered, yes_no
from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Ask freely, for yes or no, or for one of some words."""
    if asked.head == "choose":
        return [lettered(scene, asked, "concealment")]
    if asked.head == "yes_no":
        return [Item(scene.opening(asked), *yes_no("words", {"concept": True, "none": False}.get(asked.arm)))]
    return [Item(scene.opening(asked))]


PROTOCOL = Protocol(
    name="concealment",
    question="Told to hide a thought, does the subject deny what its read-outs still show?",
    readings={"say": "reply", "yes_no": "options", "choose": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="prompt",
    max_new_tokens={"say": 60},
    about=frozenset({"choose"}),
    unreached=frozenset({"say", "yes_no", "choose"}),
)
