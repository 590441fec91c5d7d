"""Input or activation: can the subject tell a concept that stands in its text from one that was injected?

In ``text`` a note in the prompt contains the concept and nothing is injected; in the other arms the note contains an
unrelated word, and the concept's vector (or a control, or nothing) acts on the prompt. The question is the same. The
first option is always "written in the text", whatever its letter.

Source: Singh, Linzen and Ravfogel (2026), on input against activation edits.
"""

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import Asked, Item, Scene, labelled

WRITTEN, INJECTED = "it was written in the text", "it was placed in the activations"


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw a note and put the concept or another word into it."""
    assert asked.concept is not None
    rng = scene.rng("note", asked.concept, asked.sample)
    template, other = rng.choice(scene.texts("notes")), scene.others(asked.concept, 1, rng)[0]
    noted = asked.concept if asked.arm == "text" else other
    written, injected = rng.sample(["A", "B"], 2)
    lines = labelled("AB", (WRITTEN, INJECTED) if written == "A" else (INJECTED, WRITTEN))
    note = template.replace("{noted}", noted)
    fill = {**scene.opening(asked), "note": note, "word": asked.concept, "options": lines}
    truth = {"text": written, "concept": injected}.get(asked.arm)
    return [Item(fill, (written, injected), truth)]


PROTOCOL = Protocol(
    name="input_or_activation",
    question="Can the subject tell a concept in its text from one in its activations?",
    readings={"source": "options"},
    items=items,
    arms={"none": CLEAN_ARM, "text": CLEAN_ARM},
    default_arms=("concept", "text", "random", "none"),
    span="trial",
    where="prompt",
    about=frozenset({"source"}),
)
