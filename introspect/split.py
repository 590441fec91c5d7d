"""Which side of the split an item is on: the one that chooses, or the one that is reported.

Whatever a choice can be fitted to is split: concepts, lead-ins, control questions, draws of noise. An item's side is a
hash of what it is and of a salt that is fixed in the project, so that it is the same in every run and for every
subject, and nobody can look for a split that suits. Another salt may be given, and is then named in every output.

Source: choice on one half, assessment on the other, Stone (1974); the hash is ours.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import count, islice

from introspect.records import SALT, Side

DRAWS = 1 << 20
"""How many numbers of control vectors a seed has before those of the next begin."""


def other_salt(salt: str) -> str | None:
    """Say that a split is not the project's; ``None`` where it is."""
    return None if salt == SALT else f"The split has another salt than the project's: {salt!r}."


def side_of(item: str, kind: str, salt: str = SALT) -> Side:
    """Return the side of one item.

    Args:
        item: Its text.
        kind: What it is (``lead``, ``question``, ``draw``), so that equal texts of two kinds are independent.
        salt: Of the split.
    """
    first = hashlib.blake2b(f"{salt}\0{kind}\0{item}".encode(), digest_size=1).digest()[0]
    return "report" if first % 2 else "development"


def on_side(items: Iterable[str], kind: str, side: Side | None, salt: str = SALT) -> list[str]:
    """Return the items of a side in their order, all of them where no side is asked for."""
    return [item for item in items if side is None or side_of(item, kind, salt) == side]


def draw_on_side(draw: int, side: Side | None, salt: str = SALT, seed: int = 0) -> int:
    """Return the number of the ``draw``-th control vector on a side, of those that a plan's seed begins with."""
    first = seed * DRAWS
    if side is None:
        return first + draw
    fitting = (number for number in count(first) if side_of(str(number), "draw", salt) == side)
    return next(islice(fitting, draw, None))


def split_groups(groups: Sequence[Sequence[str]], salt: str = SALT) -> dict[str, Side]:
    """Return the side of every concept; a group of near neighbours stays together, on the side of its first name.

    Args:
        groups: Near neighbours together, each concept in one group.
        salt: Of the split.
    """
    sides: dict[str, Side] = {}
    for group in groups:
        side = side_of(min(group), "concept", salt)
        sides |= dict.fromkeys(group, side)
    return sides
