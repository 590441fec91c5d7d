"""Unprompted: at ordinary work under injection, does the subject remark on it, and does the concept leak into the work?

Paragraphs are to be summarised, translated, counted or continued; not a word is said about experiments. No paragraph is
drawn that mentions the concept or something near it.

Source: the open questions of Lindsey (2025), experiment 1, taken to natural tasks; the design is ours.
"""

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw the paragraph to work on, where the wording has a place for one."""
    opening = scene.opening(asked)
    if "paragraph" not in scene.stimuli.wording[asked.wording].slots_of(asked.task):
        return [Item(opening)]
    texts = scene.free_of(scene.texts("paragraphs"), asked.concept)
    paragraph = scene.rng("paragraph", asked.concept, asked.sample).choice(texts)
    return [Item({**opening, "paragraph": paragraph})]


PROTOCOL = Protocol(
    name="unprompted",
    question="At ordinary work under injection, does the subject remark on it, and does the concept leak?",
    readings={"summarise": "reply", "translate": "reply", "count": "reply", "continue": "reply"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="both",
    max_new_tokens={"summarise": 60, "translate": 60, "count": 20, "continue": 60},
    about=frozenset({"summarise", "translate", "count", "continue"}),
)
