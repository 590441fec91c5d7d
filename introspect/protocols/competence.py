"""Competence: how damaged is the subject at a cell?

``perplexity`` reads the surprisal of fixed paragraphs while the vector acts on them; ``choice`` asks easy questions of
fact while it acts on the question. Each paragraph and each question is used once a cell, the concepts taking turns.

Source: the damage guards that the steering literature asks for; paragraphs and questions are ours.
"""

from collections.abc import Sequence
from typing import TypeVar

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import LETTERS, Asked, Item, Scene, labelled
from introspect.stimuli import MultipleChoice

T = TypeVar("T")


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Return the paragraphs or questions that are this concept's turn; all of them where nothing is injected."""
    if asked.head == "perplexity":
        return [Item({"paragraph": text}, span="text") for text in _turn(scene, asked, scene.shuffled("paragraphs"))]
    questions = list(scene.stimuli.multiple_choice)
    scene.rng("multiple choice").shuffle(questions)
    return [_choice(scene, asked, each) for each in _turn(scene, asked, questions)]


def _choice(scene: Scene, asked: Asked, each: MultipleChoice) -> Item:
    labels = tuple(LETTERS[: len(each.options)])
    fill = {**scene.opening(asked), "question": each.question, "options": labelled(labels, each.options)}
    return Item(fill, labels, LETTERS[each.answer])


def _turn(scene: Scene, asked: Asked, everything: Sequence[T]) -> list[T]:
    chosen = everything[: scene.plan.n_items]
    if asked.concept is None:
        return list(chosen)
    names = scene.names
    at = (names.index(asked.concept) + asked.sample) % len(names)
    return [each for index, each in enumerate(chosen) if index % len(names) == at]


PROTOCOL = Protocol(
    name="competence",
    question="How damaged is the subject at each cell?",
    readings={"perplexity": "surprisal", "choice": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="prompt",
)
