"""The injector: hooks that change the residual stream at one layer and chosen positions, and measure what they did.

The edit is a pure function of absolute token positions: which rows, which layer, which positions of the row's own
text. Padding has no position. Backends tell the injector where the next forward pass stands (``at``) and carry the
hooks; nothing else adds to activations. A second hook behind the edit measures what really left the block, and a
trial whose measurement differs from its plan is an error, not a data point.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from introspect.audit import audited
from introspect.errors import LayerError, ShapeError
from introspect.injection import Injection
from introspect.records import Audit
from introspect.sites import Entry, Site, add_up

_active: "weakref.WeakKeyDictionary[nn.Module, int]" = weakref.WeakKeyDictionary()


def is_active(blocks: Sequence[nn.Module]) -> bool:
    """Tell whether any injector is installed on these blocks."""
    return any(_active.get(block, 0) for block in blocks)


class Injector:
    """Hooks on the blocks of one model that carry the injections of one batch.

    ``rows[i]`` are the injections of batch row ``i``; rows may come, move and go between forward passes. Entering
    installs the hooks, leaving removes them, also when the forward pass raised; entering again while inside changes
    nothing. Different injectors may be nested: then both edits are made.

    Args:
        blocks: The decoder blocks in order; a layer is an index into them.
        rows: For every batch row its injections, none for a clean row.
        model: The model's name, for error sentences.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], rows: Sequence[Sequence[Injection]] = (), model: str = "model"
    ) -> None:
        self.blocks, self.model = blocks, model
        self._rows: dict[int, list[Entry]] = {}
        self._sites: dict[tuple[int, int], Site] = {}
        self._stale: set[tuple[int, int]] = set()
        self._pass: dict[tuple[int, int], Site] = {}
        self._shape: tuple[int, int] | None = None
        self._handles: dict[tuple[int, int], list[RemovableHandle]] = {}
        self._depth = 0
        for row, injections in enumerate(rows):
            self.put(row, injections)

    def put(self, row: int, injections: Sequence[Injection]) -> None:
        """Let a batch row carry injections.

        Raises:
            LayerError: The model has no such layer.
        """
        for injection in injections:
            if not 0 <= injection.vector.layer < len(self.blocks):
                raise LayerError(injection.vector.layer, len(self.blocks), self.model)
        self._rows[row] = [Entry(injection) for injection in injections]
        self._touch(row)

    def move(self, row: int, to: int) -> None:
        """Follow a row that takes another place in the batch."""
        self._touch(row)
        self._rows[to] = self._rows.pop(row)
        self._touch(to)

    def drop(self, row: int, reply_length: int) -> tuple[Audit, ...]:
        """Let a row go that is finished; return its audits, one for each injection.

        Args:
            row: Its place in the batch.
            reply_length: Tokens in its reply; all but the last were fed back.

        Raises:
            AuditError: What was measured differs from what was planned.
        """
        audits = self._audit(row, reply_length)
        self._touch(row)
        del self._rows[row]
        return audits

    def audits(self, reply_lengths: Sequence[int]) -> list[tuple[Audit, ...]]:
        """Return the audits of all rows, in order, as ``drop`` does for one."""
        return [self._audit(row, length) for row, length in enumerate(reply_lengths)]

    def _audit(self, row: int, reply_length: int) -> tuple[Audit, ...]:
        self._settle()
        for key, _ in _keyed(self._rows[row]):
            if key in self._sites:
                self._sites[key].deal()
        fed_back = max(0, reply_length - 1)
        return tuple(
            audited(entry.injection.vector, entry.injection.span, entry.sums, entry.eps, fed_back, entry.injection.edit)
            for entry in self._rows[row]
        )

    def _touch(self, row: int) -> None:
        """Note which sites a row belongs to: they have to be laid out again."""
        self._settle()
        for key, _ in _keyed(self._rows.get(row, ())):
            self._stale.add(key)
            if key in self._sites:
                self._sites.pop(key).deal()

    def _layout(self, rows: Sequence[int], only: Set[tuple[int, int]] | None = None) -> dict[tuple[int, int], Site]:
        """Lay out the sites of these rows of the batch, in the order in which a pass has them."""
        held: dict[tuple[int, int], list[tuple[int, Entry]]] = {}
        for line, row in enumerate(rows):
            for key, entry in _keyed(self._rows.get(row, ())):
                if only is None or key in only:
                    held.setdefault(key, []).append((line, entry))
        return {key: Site([line for line, _ in of], [entry for _, entry in of]) for key, of in held.items()}

    def __enter__(self) -> "Injector":
        self._depth += 1
        if self._depth == 1:
            for block in self.blocks:
                _active[block] = _active.get(block, 0) + 1
            for key in sorted({key for entries in self._rows.values() for key, _ in _keyed(entries)}):
                self._install(key)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            for handle in (handle for handles in self._handles.values() for handle in handles):
                handle.remove()
            self._handles.clear()
            for block in self.blocks:
                _active[block] -= 1

    def _install(self, key: tuple[int, int]) -> None:
        if key not in self._handles:
            block = self.blocks[key[0]]
            self._handles[key] = [
                block.register_forward_hook(_hook(partial(self._edited, key))),
                block.register_forward_hook(_hook(partial(self._watched, key))),
            ]

    def at(self, positions: Int[Tensor, "row position"], rows: Sequence[int] | None = None, idle: int = 0) -> None:
        """Say which absolute positions the next forward pass computes; ``PADDING`` where there is no token.

        Args:
            positions: One line for each row of the pass.
            rows: Which rows of the batch the lines are, where they are not all of them in order.
            idle: So many lines at the end are no rows of the batch; nothing is added there.
        """
        self._settle()
        n_rows = 1 + max(self._rows, default=-1) if rows is None else len(rows)
        if positions.shape[0] != n_rows + idle:
            raise ShapeError("positions of the next forward pass", (n_rows + idle, "n"), tuple(positions.shape))
        if rows is None and self._stale:
            self._sites |= self._layout(range(n_rows), self._stale)
            self._stale = set()
        positions = positions.cpu()
        self._shape = (int(positions.shape[0]), int(positions.shape[1]))
        self._pass = dict(self._sites) if rows is None else self._layout(rows)
        for key, site in sorted(self._pass.items(), key=lambda item: item[0]):
            site.at(positions)
            if self._depth:
                self._install(key)

    def _settle(self) -> None:
        """Add up what the last pass measured, for each device at once."""
        by_device: dict[torch.device, list[Site]] = {}
        for site in self._pass.values():
            if site.seen is not None:
                by_device.setdefault(site.deltas.device, []).append(site)
        for sites in by_device.values():
            add_up(sites)
        for key, site in self._pass.items():
            if self._sites.get(key) is not site:  # laid out for that pass alone
                site.deal()
        self._pass = {}

    def carried(self) -> list[tuple[int, Callable[[Any], Any]]]:
        """Return what a backend with hooks of its own calls with the output of each layer, in this order.

        The injector is not entered then; ``at`` and the audits are used as ever. Each function returns the output
        that goes on from there, which the next one of that layer is given.
        """
        keys = sorted({key for entries in self._rows.values() for key, _ in _keyed(entries)})
        return [(key[0], partial(step, key)) for key in keys for step in (self._edited, self._watched)]

    def _edited(self, key: tuple[int, int], output: Any) -> Any:  # noqa: ANN401 - blocks return what they like
        residual = output[0] if isinstance(output, tuple) else output
        if self._shape != tuple(residual.shape[:2]):
            raise ShapeError("positions announced for this forward pass", tuple(residual.shape[:2]), self._shape)
        site = self._pass.get(key)
        if site is None:
            return output
        if site.seen is not None:  # the block ran twice on one announcement; the audit will count both
            add_up([site])
        edited = site.edit(residual)
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    def _watched(self, key: tuple[int, int], output: Any) -> Any:  # noqa: ANN401 - blocks return what they like
        if key in self._pass:
            self._pass[key].watch(output[0] if isinstance(output, tuple) else output)
        return output


def _hook(step: Callable[[Any], Any]) -> Callable[[nn.Module, Any, Any], Any]:
    """Return a hook for torch that does this step."""

    def hook(module: nn.Module, args: object, output: Any) -> Any:  # noqa: ANN401 - blocks return what they like
        return step(output)

    return hook


def _keyed(entries: Sequence[Entry]) -> Iterator[tuple[tuple[int, int], Entry]]:
    """Name the site of each of a row's injections: its layer, and how many of the row's come before it there."""
    seen: dict[int, int] = {}
    for entry in entries:
        layer = entry.injection.vector.layer
        yield (layer, seen.get(layer, 0)), entry
        seen[layer] = seen.get(layer, 0) + 1
