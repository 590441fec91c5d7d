"""Rows of different length in one rectangle, padded on the left; padding is known from the mask, never from the id.

(The padding token of many tokenizers is also their end token, SmolLM2's among them.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from introspect.spans import PADDING


@dataclass(slots=True, eq=False)
class Batch:
    """Token ids, the attention mask (1 for a token) and absolute positions (``PADDING`` where there is none).

    The mask spans the cache, too: ``total`` is all positions so far, ``position`` the ones computed next.
    """

    ids: Int[Tensor, "row position"]
    mask: Int[Tensor, "row total"]
    positions: Int[Tensor, "row position"]

    @property
    def position_ids(self) -> Int[Tensor, "row position"]:
        """Positions as a model wants them: padding has some valid position that nobody attends to."""
        return self.positions.clamp(min=0)


def left_pad(rows: Sequence[Sequence[int]], filler: int) -> Batch:
    """Lay rows out so that all end at the right edge."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[filler] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    positions = torch.where(mask == 1, mask.cumsum(dim=1) - 1, PADDING)
    return Batch(ids, mask, positions)


def by_length(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Group rows of equal length, which need no padding, into batches of at most so many tokens (one row at least)."""
    alike: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        alike.setdefault(length, []).append(index)
    batches: list[list[int]] = []
    for length, members in alike.items():
        n = max(1, most_tokens // length)
        batches += [members[start : start + n] for start in range(0, len(members), n)]
    return batches
