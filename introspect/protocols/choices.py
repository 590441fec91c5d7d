"""Answers on offer: yes and no in words or digits, letters for concepts, codes."""

import random
from collections.abc import Mapping, Sequence

from introspect.errors import PlanError
from introspect.protocols.scene import LETTERS, Asked, Item, Scene, labelled

YES_NO = {"words": ("yes", "no"), "digits": ("1", "0"), "": ("yes", "no")}
CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"


def yes_no(manner: str, right: bool | None) -> tuple[tuple[str, str], str | None]:
    """Return the two answers in the manner asked for, yes first, and the right one."""
    yes, no = YES_NO.get(manner, YES_NO["words"])
    return (yes, no), None if right is None else (yes if right else no)


def names_for(scene: Scene, asked: Asked, purpose: str) -> list[str]:
    """Return the trial's concept among others, in an order drawn for it."""
    assert asked.concept is not None
    rng = scene.rng(purpose, asked.concept, asked.sample, asked.head)
    names = [asked.concept, *scene.others(asked.concept, scene.plan.n_options - 1, rng)]
    rng.shuffle(names)
    return names


def lettered(scene: Scene, asked: Asked, purpose: str) -> Item:
    """Return an item whose options are concepts behind letters."""
    names = names_for(scene, asked, purpose)
    return coded(scene.opening(asked), str(asked.concept), names, LETTERS[: len(names)])


def coded(fill: Mapping[str, str], concept: str, names: Sequence[str], codes: Sequence[str]) -> Item:
    """Return an item whose options are concepts behind codes."""
    return Item({**fill, "options": labelled(codes, names)}, tuple(codes), codes[list(names).index(concept)])


def opaque_codes(scene: Scene, n: int, rng: random.Random) -> list[str]:
    """Draw codes of two consonants that mean nothing and whose first tokens all differ.

    Raises:
        PlanError: The tokenizer does not tell so many apart.
    """
    chosen, taken = list[str](), set[int]()
    for _ in range(200 * n):
        code = "".join(rng.sample(CONSONANTS, 2))
        tokens = scene.chat.first_tokens(code, exact=True)
        if not tokens & taken:
            chosen.append(code)
            taken |= tokens
        if len(chosen) == n:
            return chosen
    message = f"n_options = {n}: the tokenizer of {scene.chat.name} tells only {len(chosen)} codes apart; ask for fewer"
    raise PlanError(message)
