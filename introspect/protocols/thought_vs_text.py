"""Thought against text: can the subject name a thought that was injected while it reads a sentence, and repeat it?

The vector acts only on the tokens of a sentence in the prompt. The same pair of sentence and concept is used for every
task: ``repeat`` asks for the sentence, ``think`` for the word that comes to mind (read by the grader as one of ten),
``choose`` lets the subject itself choose among the ten, their order drawn for each pair. Success needs the right word
and the sentence, too. No sentence is drawn that contains the concept, an alias or a near neighbour.

Source: Lindsey (2025), experiment 2. The forced choice by the subject is ours.
"""

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import LETTERS, Asked, Item, Scene, labelled
from introspect.protocols.sentences import sentence_for


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw a sentence and, for the tasks with options, nine other concepts in an order of their own."""
    assert asked.concept is not None
    rng = scene.rng("thought_vs_text", asked.concept, asked.sample)
    fill = {**scene.opening(asked), "sentence": sentence_for(scene, asked)}
    names = [asked.concept, *scene.others(asked.concept, scene.plan.n_options - 1, rng)]
    rng.shuffle(names)
    if asked.head == "repeat":
        return [Item(fill)]
    if asked.head == "think":
        return [Item(fill, tuple(names), asked.concept)]
    labels = LETTERS[: len(names)]
    truth = labels[names.index(asked.concept)]
    return [Item({**fill, "options": labelled(labels, names)}, tuple(labels), truth)]


PROTOCOL = Protocol(
    name="thought_vs_text",
    question="Can the subject name a thought injected while it reads a sentence, and still repeat the sentence?",
    readings={"think": "reply", "repeat": "reply", "choose": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="sentence",
    where="prompt",
    max_new_tokens={"think": 5, "repeat": 25},
    about=frozenset({"think", "repeat", "choose"}),
    unreached=frozenset({"think", "repeat", "choose"}),
)
