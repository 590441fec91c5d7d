"""Localisation: which of some sentences carried the vector?

The prompt lists labelled sentences; the vector acts on the tokens of one of them, drawn for each trial. One forward
pass; chance is one in the number of sentences, and the clean arm shows which labels the subject prefers anyway.

Source: Godet (2025), introspection via localisation; Hahami et al. (2026), section on localisation. A linear probe
does this as well, so it shows that the information is carried to the answer, not that anything is known about it.
"""

from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import LETTERS, Asked, Item, Scene
from introspect.protocols.sentences import sentences_for


def marked_lines(labels: str, texts: list[str]) -> str:
    """Write sentences below each other, each with its label and marked as a span."""
    return "\n".join(
        f"{label}: {{{{{mark(label)}}}}}{text}{{{{/{mark(label)}}}}}" for label, text in zip(labels, texts, strict=True)
    )


def mark(label: str) -> str:
    """Name the span of a labelled sentence."""
    return f"line_{label.lower()}"


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Draw sentences and the one that carries the vector."""
    labels = LETTERS[: scene.plan.n_options]
    texts = sentences_for(scene, asked, len(labels))
    target = scene.rng("target", asked.concept, asked.sample).choice(labels)
    fill = {**scene.opening(asked), "lines": marked_lines(labels, texts)}
    return [Item(fill, tuple(labels), target, span=mark(target))]


PROTOCOL = Protocol(
    name="localisation",
    question="Can the subject tell which of some sentences carried a vector?",
    readings={"locate": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="",
    where="prompt",
    about=frozenset({"locate"}),
    unreached=frozenset({"locate"}),
)
