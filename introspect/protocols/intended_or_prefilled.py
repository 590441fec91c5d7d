"""Intended or prefilled: does the subject take a word put into its mouth for its own if it was injected before?

The subject reads a sentence and is to say a word; an unrelated word is put into its reply; then it is asked whether it
meant to say it. The vector acts on the sentence, before the word: that of the word (``concept``), of another concept
at the same norm (``other``), or none. In ``later`` the word's own vector acts on the question after it instead.
``explain`` is graded, ``choose`` is a forced choice whose first option is always "meant it", whatever its letter.

Source: Lindsey (2025), experiment 3. The forced choice is ours.
"""

from introspect.protocols.protocol import CLEAN_ARM, Arm, Protocol
from introspect.protocols.scene import Asked, Item, Scene, labelled
from introspect.protocols.sentences import sentence_for

MEANT, SLIP = "I meant to say it", "it was a slip"


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw a sentence for the prefilled word, and an order of the two answers."""
    assert asked.concept is not None
    fill = {**scene.opening(asked), "sentence": sentence_for(scene, asked), "word": asked.concept}
    if asked.head == "explain":
        return [Item(fill)]
    meant, slip = scene.rng("meant", asked.concept, asked.sample, asked.wording).sample(["A", "B"], 2)
    lines = labelled("AB", (MEANT, SLIP) if meant == "A" else (SLIP, MEANT))
    return [Item({**fill, "options": lines}, (meant, slip))]


PROTOCOL = Protocol(
    name="intended_or_prefilled",
    question="Does the subject take a prefilled word for its own when the word's thought was injected before it?",
    readings={"explain": "reply", "choose": "options"},
    items=items,
    arms={"none": CLEAN_ARM, "later": Arm("concept", "later")},
    default_arms=("concept", "other", "later", "none"),
    span="sentence",
    where="prompt",
    max_new_tokens={"explain": 20},
    about=frozenset({"explain", "choose"}),
    unreached=frozenset({"explain", "choose"}),
)
