"""Identification: which of some concepts was injected, by letter, by opaque code, or by its word?

Concepts are offered in groups of ``n_options``, all concepts of a group with the same options in the same order: the
prompt says nothing about which of them was injected. Order and labels are drawn anew for each group, wording and
sample, so that no concept has a label of its own. Letters and codes carry no meaning of their own, so a vector that
only pushes its word towards the output cannot answer with them; words can be answered so. The measure is the mutual
information between injected and chosen concept; its permutation null deals the choices out among the trials of one
prompt and cell.

Source: Pearson-Vogel et al. (2026), section on nine concepts; Nygaard (2026), on opaque labels that are drawn anew.
"""

from dataclasses import replace

from introspect.protocols.choices import coded, opaque_codes
from introspect.protocols.protocol import CLEAN_ARM, Protocol
from introspect.protocols.scene import LETTERS, Asked, Item, Scene


def items(scene: Scene, asked: Asked) -> list[Item]:
    """Offer the concept among its group."""
    assert asked.concept is not None
    number, names = group_of(scene, asked.concept)
    opening = scene.opening(replace(asked, concept=names[0]))
    rng = scene.rng("identification", number, asked.wording, asked.sample, asked.task)
    rng.shuffle(names)
    if asked.head == "letters":
        return [coded(opening, asked.concept, names, LETTERS[: len(names)])]
    if asked.head == "codes":
        return [coded(opening, asked.concept, names, opaque_codes(scene, len(names), rng))]
    return [Item({**opening, "options": "\n".join(names)}, tuple(names), asked.concept)]


def group_of(scene: Scene, concept: str) -> tuple[int, list[str]]:
    """Return the number of a concept's group and its members, the plan's own concepts first."""
    number = next(number for number, (own, _) in enumerate(scene.groups) if concept in own)
    own, fill = scene.groups[number]
    return number, [*own, *fill]


PROTOCOL = Protocol(
    name="identification",
    question="Can the subject tell which of some concepts was injected?",
    readings={"letters": "options", "codes": "options", "words": "options"},
    items=items,
    arms={"none": CLEAN_ARM},
    default_arms=("concept", "random", "none"),
    span="trial",
    where="prompt",
    about=frozenset({"letters", "codes", "words"}),
)
