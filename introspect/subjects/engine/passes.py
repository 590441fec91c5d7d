"""What one forward pass computes: which rows, which of their tokens, behind which shared prefixes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

BUCKET = 16
"""Own positions are attended to in multiples of it: what lies behind a row's last token is masked."""

State = tuple[tuple[Tensor | None, ...], tuple[Tensor | None, ...]]
"""Convolution and recurrent states of one layer, row first."""


def each(state: State, change: Callable[[Tensor], Tensor]) -> State:
    """Apply a function to every tensor of a state."""
    conv, recurrent = (tuple(None if part is None else change(part) for part in parts) for parts in state)
    return conv, recurrent


def rounded(n: int, to: int) -> int:
    """Round up to a multiple."""
    return -(-n // to) * to


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Prefix:
    """Tokens that several rows begin with: keys and values of every attention layer, states of every other one.

    ``keys[layer]`` is ``[1, kv_head, length, width]``, on the layer's device.
    """

    ids: tuple[int, ...]
    keys: dict[int, Tensor]
    values: dict[int, Tensor]
    states: dict[int, State]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return len(self.ids)


NO_PREFIX = Prefix((), {}, {}, {})


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The rows of a pass that share a prefix, in ascending order."""

    prefix: Prefix
    rows: slice | Tensor

    def within(self, n: int) -> "Group | None":
        """Return the group's part in the pass's first ``n`` rows, or ``None``."""
        if isinstance(self.rows, slice):
            rows = slice(self.rows.start, min(self.rows.stop, n))
            return Group(self.prefix, rows) if rows.start < rows.stop else None
        rows = self.rows[self.rows < n]
        return Group(self.prefix, rows) if len(rows) else None


def grouped(prefixes: Sequence[Prefix]) -> tuple[Group, ...]:
    """Group the rows of a pass by their prefix; rows without one belong to no group."""
    members: dict[int, list[int]] = {}
    for row, prefix in enumerate(prefixes):
        if prefix.length:
            members.setdefault(id(prefix), []).append(row)
    groups: list[Group] = []
    for rows in members.values():
        consecutive = rows[-1] - rows[0] + 1 == len(rows)
        groups.append(Group(prefixes[rows[0]], slice(rows[0], rows[-1] + 1) if consecutive else torch.tensor(rows)))
    return tuple(groups)


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One forward pass.

    Args:
        positions: Absolute positions of the tokens computed, on the CPU.
        begins: For each row the length of its prefix: the absolute position of its own token 0.
        groups: The rows by prefix.
        rows: Where the rows are kept; ``None`` keeps nothing, and the pass attends to its own tokens only.
        offset: Own index of the first token computed, the same for all rows; ``None`` in a step of decoding, where
            every row has its own.
        n_own: How many own positions are attended to, the new ones included.
    """

    positions: Int[Tensor, "row position"]
    begins: Int[Tensor, " row"]
    groups: tuple[Group, ...]
    rows: slice | Tensor | None
    offset: int | None
    n_own: int

    @property
    def own_positions(self) -> Int[Tensor, "row own"]:
        """The absolute positions of the own tokens that are attended to."""
        return self.begins[:, None] + torch.arange(self.n_own)
