"""Injected thoughts: does the subject report a thought that was put into its activations?

The subject is told that thoughts may be injected, and asked in one trial whether there is one and what it is about.
The vector acts from the boundary before the trial line to the end of the prompt and on every reply token that is fed
back. Tasks: ``report`` asks; ``choice`` also asks for any concept if there is none; ``open`` asks what is on the
subject's mind without a word about injection; ``other`` says that another model is untouched and asks about that one;
``forced`` begins the reply up to the word it would name, and reads the rank of the injected word there and after every
other token from the trial line on; ``name`` begins it likewise, and reads in the same pass how probable the names of
the plan's concepts are against each other, before the subject has said a word of its own. A reply that is begun is
given while the vector is on: it shows that a model can be steered.

Source: Lindsey (2025), experiment 1, with the controls of its appendix; the rank at the report against elsewhere:
Gurnee et al. (2026), section 3.1; the third person: Lederman and Mahowald (2026). The wordings are ours.
"""

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Return the item; where names are on offer, a concept that is not among them has none."""
    opening = scene.opening(asked)
    if asked.head != "name":
        return [Item(opening)]
    if asked.concept is not None and asked.concept not in scene.namable:
        return []
    return [Item(opening, scene.namable, asked.concept)]


PROTOCOL = Protocol(
    name="injected_thought",
    question="Does the subject report a thought that was injected into its activations?",
    readings={
        "report": "reply",
        "choice": "reply",
        "open": "reply",
        "other": "reply",
        "forced": "ranks",
        "name": "options",
    },
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="both",
    about=frozenset({"forced"}),
)
