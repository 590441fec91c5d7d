"""Vector by text: does the report follow what was injected, or what stands in the text?

A crossing of two vectors (this concept's or none) with two texts (a note with this word in it, or with the word
"something"). ``concept`` has the vector alone, ``text`` the word alone, ``both`` has both, ``none`` neither; vectors of
other families come without the word. ``report`` asks for a thought that was injected, whatever the note says, and
``detect`` asks only whether there is one; the vector acts on the note, the question and the reply. A subject that
reports from the text names the word in ``text`` as well; one that reports the injection names it in ``concept`` and
``both`` alike.

Source: Singh, Linzen and Ravfogel (2026), on input against activation edits; the crossing is ours.
"""

from introspect.protocols.choices import yes_no
from introspect.protocols.protocol import CLEAN_ARM, Arm, Protocol
from introspect.protocols.scene import Asked, Item, Scene
from introspect.words import SOMETHING

WRITTEN = frozenset({"text", "both"})
"""Arms in which the concept's word stands in the note."""
RIGHT = {"concept": True, "both": True, "text": False, "none": False}


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw a note and put the concept's word or the neutral one into it."""
    assert asked.concept is not None
    note = scene.rng("note", asked.concept, asked.sample).choice(scene.texts("notes"))
    noted = asked.concept if asked.arm in WRITTEN else SOMETHING
    fill = {**scene.opening(asked), "note": note.replace("{noted}", noted)}
    if asked.head == "detect":
        return [Item(fill, *yes_no("words", RIGHT.get(asked.arm)))]
    return [Item(fill)]


PROTOCOL = Protocol(
    name="vector_by_text",
    question="Does the subject's report follow the vector that was injected, or the word in its text?",
    readings={"report": "reply", "detect": "options"},
    items=items,
    arms={"text": CLEAN_ARM, "both": Arm("concept"), "none": CLEAN_ARM},
    default_arms=("concept", "text", "both", "none"),
    span="trial",
    where="both",
    about=frozenset({"report", "detect"}),
)
