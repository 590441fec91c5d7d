"""Injection: the residual stream changed at one layer and chosen positions, by the only code that does so.

The edit is a pure function of absolute token positions: which rows, which layer, which positions of the row's own
text. Padding has no position. Backends tell the injector where the next forward pass stands (``at``) and carry the
hooks; nothing else adds to activations. A second hook behind the edit measures what really left the block, and a
trial whose measurement differs from its plan is an error, not a data point.

Source of the method: Lindsey (2025), experiment 1 and appendix: the raw vector times the strength, at the output of
the block that the vector was read from, from a stated token on, sampled tokens included. Two controls change the stream
as much, by what is there: ``amplify`` the model's own activation, and ``swap`` it for another prompt's (after the
in-distribution control of Mayner, Decomposing introspection in LLMs; here at the matched norm).
"""

import weakref
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from introspect.audit import audited
from introspect.errors import IntrospectError, LayerError, ShapeError, UnknownNameError
from introspect.measure import MEASURES, measured, planned_push
from introspect.operator import add as plain_add
from introspect.operator import push as plain_push
from introspect.records import Audit, Edit
from introspect.spans import Span, span_bounds, span_mask
from introspect.vectors.vector import ConceptVector

_active: "weakref.WeakKeyDictionary[nn.Module, int]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """A vector, with its layer and strength, the span it acts on, and what is done there.

    ``add`` adds strength times the raw vector. The other edits take only its size s, the norm of that product, in
    residual-stream units: ``amplify`` adds s·h/‖h‖ to the activation h, ``swap`` s·(t − h)/‖t − h‖ with the ``target``
    t, an activation of another prompt at the same layer; it goes past the target where that is nearer than s, and along
    a direction that is mostly rounding where it is very near: at the last prompt token, say, if the target was read at
    the last token of another prompt in the same template. Where h or t − h is zero nothing changes.

    Raises:
        UnknownNameError: No such edit.
        ShapeError: A swap without a target of the vector's shape.
        IntrospectError: Another edit with a target.
    """

    vector: ConceptVector
    span: Span
    edit: Edit = "add"
    target: Float[Tensor, " d_model"] | None = None

    def __post_init__(self) -> None:
        if self.edit not in get_args(Edit):
            raise UnknownNameError("edit", self.edit, get_args(Edit))
        wanted, given = tuple(self.vector.direction.shape), None if self.target is None else tuple(self.target.shape)
        if self.edit == "swap" and given != wanted:
            raise ShapeError("the activation that a swap moves towards", wanted, given)
        if self.edit != "swap" and given is not None:
            message = f"an injection with the edit {self.edit!r} has no target; only 'swap' moves towards one"
            raise IntrospectError(message)


def add(
    residual: Float[Tensor, "row position d_model"],
    delta: Float[Tensor, "row d_model"],
    mask: Bool[Tensor, "row position"],
) -> Float[Tensor, "row position d_model"]:
    """Return a copy of ``residual`` with each row's ``delta`` added where its mask is true.

    Rows are independent trials: each has its own vector, strength and span. Positions outside the mask keep their
    bits.
    """
    return plain_add(residual, delta, mask)


def push(
    residual: Float[Tensor, "row position d_model"],
    size: Float[Tensor, " row"],
    target: Float[Tensor, "row d_model"],
    swap: Bool[Tensor, " row"],
    mask: Bool[Tensor, "row position"],
) -> Float[Tensor, "row position d_model"]:
    """Return a copy of ``residual`` with activations changed by ``size``, each along a direction of its own.

    A row of ``swap`` moves towards its ``target``, another one is amplified. It is computed in float32 and rounded
    once. Positions outside the mask, without a direction, or of a row of size 0 keep their bits.
    """
    return plain_push(residual, size, target, swap, mask)


def is_active(blocks: Sequence[nn.Module]) -> bool:
    """Tell whether any injector is installed on these blocks."""
    return any(_active.get(block, 0) for block in blocks)


class _Entry:
    """One injection of one row, and the sums of what was measured of it, in the order of ``MEASURES``."""

    __slots__ = ("eps", "injection", "sums")

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        self.sums = [0.0] * len(MEASURES)
        self.eps = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Pushes:
    """Those injections of a site whose change depends on what is there; ``lines`` are theirs among the site's."""

    lines: Int[Tensor, " push"]
    size: Float[Tensor, " push"]
    target: Float[Tensor, "push d_model"]
    swap: Bool[Tensor, " push"]

    @classmethod
    def among(cls, injections: Sequence[Injection]) -> "_Pushes | None":
        lines = [line for line, injection in enumerate(injections) if injection.edit != "add"]
        if not lines:
            return None
        found = [injections[line] for line in lines]
        deltas = torch.stack([one.vector.delta for one in found]).float()
        targets = [torch.zeros_like(delta) if one.target is None else one.target.to(delta)
                   for one, delta in zip(found, deltas, strict=True)]  # fmt: skip
        swap = torch.tensor([one.edit == "swap" for one in found])
        return cls(torch.tensor(lines), deltas.norm(dim=-1), torch.stack(targets), swap)

    def to(self, device: torch.device) -> "_Pushes":
        return _Pushes(*(part.to(device) for part in (self.lines, self.size, self.target, self.swap)))

    def onto(self, edited: Tensor, before: Tensor, mask: Tensor) -> Tensor:
        """Put these injections' lines into what the others come to."""
        pushed = push(before[self.lines], self.size, self.target, self.swap, mask.to(before.device)[self.lines])
        return edited.index_copy(0, self.lines, pushed)


class _Site:
    """The injections of some rows at one layer, at most one a row, as one forward pass sees them.

    ``rows``, ``bounds`` and ``n_prompt`` stay on the CPU, where positions are known; the vectors go to the layer's
    device with its first forward pass, since with several GPUs every layer has its own.
    """

    def __init__(self, rows: Sequence[int], entries: Sequence[_Entry]) -> None:
        self.entries = list(entries)
        self.rows = torch.tensor(rows)
        spans = [entry.injection.span for entry in entries]
        self.bounds = span_bounds(spans)
        self.n_prompt = torch.tensor([span.prompt_length for span in spans])
        self.generated = torch.tensor([span.generated for span in spans])
        self.deltas = torch.stack([entry.injection.vector.delta for entry in entries])
        self.pushes = _Pushes.among([entry.injection for entry in entries])
        self.device_rows = self.rows
        self.mask = self.in_prompt = torch.zeros(0)
        self.everywhere = False
        self.seen: tuple[Tensor, Tensor] | None = None
        self.sums: Tensor | None = None

    def at(self, positions: Tensor) -> None:
        """Work out which positions of the next pass lie in which row's span."""
        here = positions[self.rows]
        in_prompt = here < self.n_prompt[:, None]
        if here.shape[1] == 1 and not in_prompt.any():  # a step of decoding: the span's flag says it all
            self.mask, self.in_prompt = self.generated[:, None], in_prompt
        else:
            self.mask = span_mask(here, self.bounds)
            self.in_prompt = self.mask & in_prompt
        self.everywhere = bool(self.mask.all())

    def edit(self, residual: Tensor) -> Tensor:
        """Return the residual stream with this site's injections made, and remember what it was."""
        if self.deltas.device != residual.device or self.deltas.dtype != residual.dtype:
            self.deltas = self.deltas.to(residual)
            self.device_rows = self.rows.to(residual.device)
            self.pushes = self.pushes and self.pushes.to(residual.device)
        before = residual.index_select(0, self.device_rows)
        self.seen = (before, before)
        if self.everywhere:
            edited = before + self.deltas[:, None]
        else:
            edited = add(before, self.deltas, self.mask.to(residual.device))
        if self.pushes is not None:
            edited = self.pushes.onto(edited, before, self.mask)
        return residual.index_copy(0, self.device_rows, edited)

    def watch(self, after: Tensor) -> None:
        """Remember what left the block."""
        if self.seen is not None:
            self.seen = (self.seen[0], after.index_select(0, self.device_rows))

    def deal(self) -> None:
        """Hand what was measured over to the injections it belongs to."""
        if self.sums is not None:
            for entry, row in zip(self.entries, self.sums.tolist(), strict=True):
                entry.sums = [total + value for total, value in zip(entry.sums, row, strict=True)]
                entry.eps = torch.finfo(self.deltas.dtype).eps
            self.sums = None


def _add_up(sites: Sequence[_Site]) -> None:
    """Compare, for all sites of a pass on one device, what left the block with what entered the edit, in float32."""
    before, after = (torch.cat([site.seen[i] for site in sites if site.seen is not None]) for i in (0, 1))
    deltas = torch.cat([site.deltas for site in sites]).float()
    mask = torch.cat([site.mask for site in sites]).to(before.device)
    in_prompt = torch.cat([site.in_prompt for site in sites]).to(before.device)
    before = before.float()
    planned, lost = _planned(sites, deltas, before)
    sums = measured(before, after, planned, lost, mask, in_prompt)
    for site, part in zip(sites, sums.split([len(site.entries) for site in sites]), strict=True):
        site.sums = part if site.sums is None else site.sums + part
        site.seen = None


def _planned(sites: Sequence[_Site], deltas: Tensor, before: Tensor) -> tuple[Tensor, float | Tensor]:
    """Return the change that is planned, and up to which norm of it rounding may leave no trace.

    A vector of its own direction leaves one in small components at least. The activation that is there, scaled by less
    than its precision, need not: amplifying an attention sink in bfloat16.
    """
    planned, start = deltas[:, None], 0
    if all(site.pushes is None for site in sites):
        return planned, 0.0
    planned, lost = planned.repeat(1, before.shape[1], 1), torch.zeros_like(before[..., 0])
    for site in sites:
        if site.pushes is not None:
            lines, eps = start + site.pushes.lines, torch.finfo(site.deltas.dtype).eps
            size = deltas[lines].norm(dim=-1)
            planned[lines] = planned_push(before[lines], size, site.pushes.target, site.pushes.swap)
            lost[lines] = eps * before[lines].norm(dim=-1)
        start += len(site.entries)
    return planned, lost


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
        self._rows: dict[int, list[_Entry]] = {}
        self._sites: dict[tuple[int, int], _Site] = {}
        self._stale: set[tuple[int, int]] = set()
        self._pass: dict[tuple[int, int], _Site] = {}
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
        self._rows[row] = [_Entry(injection) for injection in injections]
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

    def _layout(self, rows: Sequence[int], only: Set[tuple[int, int]] | None = None) -> dict[tuple[int, int], _Site]:
        """Lay out the sites of these rows of the batch, in the order in which a pass has them."""
        held: dict[tuple[int, int], list[tuple[int, _Entry]]] = {}
        for line, row in enumerate(rows):
            for key, entry in _keyed(self._rows.get(row, ())):
                if only is None or key in only:
                    held.setdefault(key, []).append((line, entry))
        return {key: _Site([line for line, _ in of], [entry for _, entry in of]) for key, of in held.items()}

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
        by_device: dict[torch.device, list[_Site]] = {}
        for site in self._pass.values():
            if site.seen is not None:
                by_device.setdefault(site.deltas.device, []).append(site)
        for sites in by_device.values():
            _add_up(sites)
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
            _add_up([site])
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


def _keyed(entries: Sequence[_Entry]) -> Iterator[tuple[tuple[int, int], _Entry]]:
    """Name the site of each of a row's injections: its layer, and how many of the row's come before it there."""
    seen: dict[int, int] = {}
    for entry in entries:
        layer = entry.injection.vector.layer
        yield (layer, seen.get(layer, 0)), entry
        seen[layer] = seen.get(layer, 0) + 1
