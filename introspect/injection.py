"""Injection: a vector added to the residual stream at one layer and chosen positions, by the only code that does so.

The edit is a pure function of absolute token positions: which rows, which layer, which positions of the row's own
text. Padding has no position. Backends tell the injector where the next forward pass stands (``at``) and carry the
hooks; nothing else adds to activations. A second hook behind the edit measures what really left the block, and a
trial whose measurement differs from its plan is an error, not a data point.

Source of the method: Lindsey (2025), experiment 1 and appendix: the raw vector times the strength, at the output of
the block that the vector was read from, from a stated token on, sampled tokens included.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from introspect.errors import AuditError, LayerError, ShapeError
from introspect.records import Audit
from introspect.spans import Span, span_bounds, span_mask
from introspect.vectors.vector import ConceptVector

MEASURES = ("prompt", "generated", "stray", "delta", "residual", "error")
"""Summed for every injection: positions changed in the prompt, in the reply and outside the span; and, over the span,
the norms of the change, of the residual stream before it, and of the change's deviation from the plan."""

_active: "weakref.WeakKeyDictionary[nn.Module, int]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """A vector, with its layer and strength, and the span it acts on."""

    vector: ConceptVector
    span: Span


def add(
    residual: Float[Tensor, "row position d_model"],
    delta: Float[Tensor, "row d_model"],
    mask: Bool[Tensor, "row position"],
) -> Float[Tensor, "row position d_model"]:
    """Return a copy of ``residual`` with each row's ``delta`` added where its mask is true.

    Rows are independent trials: each has its own vector, strength and span. Positions outside the mask keep their
    bits.
    """
    return torch.where(mask[..., None], residual + delta[:, None, :].to(residual), residual)


def is_active(blocks: Sequence[nn.Module]) -> bool:
    """Tell whether any injector is installed on these blocks."""
    return any(_active.get(block, 0) for block in blocks)


class _Site:
    """The injections of some rows at one layer, at most one a row, and what was measured of them.

    ``rows``, ``alive``, ``bounds`` and ``n_prompt`` stay on the CPU, where positions are known; the vectors go to the
    layer's device with its first forward pass, since with several GPUs every layer has its own.
    """

    def __init__(self, layer: int, rows: Sequence[int], injections: Sequence[Injection]) -> None:
        self.layer = layer
        self.injections = list(injections)
        self.rows = torch.tensor(rows)
        self.alive = torch.arange(len(rows))
        self.bounds = span_bounds([injection.span for injection in injections])
        self.n_prompt = torch.tensor([injection.span.prompt_length for injection in injections])
        self.deltas = torch.stack([injection.vector.delta for injection in injections])
        self.sums = torch.zeros(len(rows), len(MEASURES))
        self.eps = 0.0
        self.pending: tuple[Tensor, Tensor, Tensor] | None = None

    def select(self, keep: Int[Tensor, " kept"]) -> None:
        """Follow a batch that drops finished rows: ``keep`` are the old row indices in their new order."""
        new_row = {int(old): new for new, old in enumerate(keep)}
        here = torch.tensor([i for i, row in enumerate(self.rows.tolist()) if row in new_row], dtype=torch.long)
        self.rows = torch.tensor([new_row[row] for row in self.rows[here].tolist()], dtype=torch.long)
        self.alive, self.bounds, self.n_prompt = self.alive[here], self.bounds[here], self.n_prompt[here]
        self.deltas = self.deltas[here.to(self.deltas.device)]

    def edit(self, residual: Tensor, positions: Tensor) -> Tensor:
        """Return the residual stream with this site's vectors added, and remember what it was."""
        if not len(self.rows):
            return residual
        self.deltas, self.sums = self.deltas.to(residual.device), self.sums.to(residual.device)
        self.eps = torch.finfo(residual.dtype).eps
        here = positions[self.rows]
        mask = span_mask(here, self.bounds)
        in_prompt = (mask & (here < self.n_prompt[:, None])).to(residual.device)
        rows, mask = self.rows.to(residual.device), mask.to(residual.device)
        self.pending = (residual[rows], mask, in_prompt)
        return residual.index_copy(0, rows, add(self.pending[0], self.deltas, mask))

    def measure(self, after: Tensor) -> None:
        """Compare what left the block with what entered the edit, position by position, in float32."""
        if self.pending is None:
            return
        before, mask, in_prompt = self.pending
        self.pending = None
        change = after[self.rows.to(after.device)].float() - before.float()
        size = change.norm(dim=-1)
        # A delta of zero changes nothing where it acts: there the mask alone says which positions it acted on.
        still = self.deltas.norm(dim=-1)[:, None] == 0
        touched = torch.where(still, mask, size > 0)
        wrong = (change - self.deltas.to(after.dtype).float()[:, None]).norm(dim=-1)
        columns = (touched & in_prompt, touched & mask & ~in_prompt, touched & ~mask)
        norms = (size * mask, before.float().norm(dim=-1) * mask, wrong * mask)
        sums = torch.stack([column.float().sum(dim=1) for column in (*columns, *norms)], dim=1)
        self.sums[self.alive.to(sums.device)] += sums


class Injector:
    """Hooks on the blocks of one model that carry the injections of one batch.

    ``rows[i]`` are the injections of batch row ``i``. Entering installs the hooks, leaving removes them, also when
    the forward pass raised; entering again while inside changes nothing. Different injectors may be nested: then
    both edits are made.

    Args:
        blocks: The decoder blocks in order; a layer is an index into them.
        rows: For every batch row its injections, none for a clean row.
        model: The model's name, for error sentences.
    """

    def __init__(self, blocks: Sequence[nn.Module], rows: Sequence[Sequence[Injection]], model: str = "model") -> None:
        self.blocks = blocks
        self.n_rows = self.width = len(rows)
        self.sites: list[_Site] = []
        self._where: list[list[tuple[_Site, int]]] = [[] for _ in rows]
        self._positions: Tensor | None = None
        self._handles: list[RemovableHandle] = []
        self._depth = 0
        for layer, slot in self._slots(rows, model):
            site = _Site(layer, [row for row, _ in slot], [injection for _, injection in slot])
            self.sites.append(site)
            for index, (row, _) in enumerate(slot):
                self._where[row].append((site, index))

    def _slots(self, rows: Sequence[Sequence[Injection]], model: str) -> list[tuple[int, list[tuple[int, Injection]]]]:
        """Group injections by layer, so that each group holds at most one a row."""
        slots: dict[tuple[int, int], list[tuple[int, Injection]]] = {}
        for row, injections in enumerate(rows):
            seen: dict[int, int] = {}
            for injection in injections:
                layer = injection.vector.layer
                if not 0 <= layer < len(self.blocks):
                    raise LayerError(layer, len(self.blocks), model)
                slots.setdefault((layer, seen.get(layer, 0)), []).append((row, injection))
                seen[layer] = seen.get(layer, 0) + 1
        return [(layer, slot) for (layer, _), slot in sorted(slots.items(), key=lambda item: item[0])]

    def __enter__(self) -> "Injector":
        self._depth += 1
        if self._depth == 1:
            for block in self.blocks:
                _active[block] = _active.get(block, 0) + 1
            for site in self.sites:
                block = self.blocks[site.layer]
                self._handles.append(block.register_forward_hook(self._editor(site)))
                self._handles.append(block.register_forward_hook(_watcher(site)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            for handle in self._handles:
                handle.remove()
            self._handles.clear()
            for block in self.blocks:
                _active[block] -= 1

    def at(self, positions: Int[Tensor, "row position"]) -> None:
        """Say which absolute positions the next forward pass computes; ``PADDING`` where there is no token."""
        if positions.shape[0] != self.width:
            raise ShapeError("positions of the next forward pass", (self.width, "n"), tuple(positions.shape))
        self._positions = positions.cpu()

    def select(self, keep: Int[Tensor, " kept"]) -> None:
        """Follow a batch that goes on with some of its rows only."""
        if len(keep) == self.width:
            return
        self.width = len(keep)
        for site in self.sites:
            site.select(keep)

    def _editor(self, site: _Site) -> Callable[[nn.Module, Any, Any], Any]:
        def edit(module: nn.Module, args: object, output: Any) -> Any:  # noqa: ANN401 - blocks return what they like
            residual = output[0] if isinstance(output, tuple) else output
            positions = self._positions
            if positions is None or tuple(positions.shape) != tuple(residual.shape[:2]):
                given = None if positions is None else tuple(positions.shape)
                raise ShapeError("positions announced for this forward pass", tuple(residual.shape[:2]), given)
            edited = site.edit(residual, positions)
            return (edited, *output[1:]) if isinstance(output, tuple) else edited

        return edit

    def audits(self, reply_lengths: Sequence[int]) -> list[tuple[Audit, ...]]:
        """Return every row's audits, one for each of its injections.

        Args:
            reply_lengths: Tokens in each row's reply; all but the last were fed back.

        Raises:
            AuditError: What was measured differs from what was planned.
        """
        measured = {id(site): site.sums.cpu().tolist() for site in self.sites}
        return [
            tuple(
                _audit(site, index, measured[id(site)][index], fed_back=max(0, reply_lengths[row] - 1))
                for site, index in self._where[row]
            )
            for row in range(self.n_rows)
        ]


def _watcher(site: _Site) -> Callable[[nn.Module, Any, Any], None]:
    def watch(module: nn.Module, args: object, output: Any) -> None:  # noqa: ANN401 - blocks return what they like
        site.measure(output[0] if isinstance(output, tuple) else output)

    return watch


def _audit(site: _Site, index: int, sums: Sequence[float], fed_back: int) -> Audit:
    measured = dict(zip(MEASURES, sums, strict=True))
    injection = site.injections[index]
    span, vector = injection.span, injection.vector
    edited = measured["prompt"] + measured["generated"]
    n = max(edited, 1.0)
    audit = Audit(
        layer=vector.layer,
        prompt_spans=span.prompt,
        planned_prompt=span.n_prompt,
        planned_generated=fed_back if span.generated else 0,
        edited_prompt=round(measured["prompt"]),
        edited_generated=round(measured["generated"]),
        vector_norm=vector.norm,
        delta_norm=measured["delta"] / n,
        residual_norm=measured["residual"] / n,
        relative_strength=measured["delta"] / measured["residual"] if measured["residual"] else 0.0,
    )
    # The sum is rounded to the residual's own precision, half a unit in the last place of every component.
    tolerance = 2 * site.eps * (audit.residual_norm + float(vector.delta.norm()))
    _verify(audit, measured["stray"], measured["error"] / n, tolerance)
    return audit


def _verify(audit: Audit, stray: float, error: float, tolerance: float) -> None:
    """Refuse a trial whose injection is not the planned one."""
    problems = [
        f"{name}: planned {planned} positions, edited {edited}"
        for name, planned, edited in (
            ("prompt", audit.planned_prompt, audit.edited_prompt),
            ("reply", audit.planned_generated, audit.edited_generated),
        )
        if planned != edited
    ]
    if stray:
        problems.append(f"{stray:.0f} positions outside the span changed")
    if not (math.isfinite(error) and error <= tolerance):
        problems.append(
            f"the change is off by {error:.3g} (tolerance {tolerance:.3g}, its norm {audit.delta_norm:.3g})"
        )
    if problems:
        message = f"the injection at layer {audit.layer} is not the planned one ({'; '.join(problems)})"
        raise AuditError(message)


CLEAN = Audit(
    layer=None,
    prompt_spans=(),
    planned_prompt=0,
    planned_generated=0,
    edited_prompt=0,
    edited_generated=0,
    vector_norm=0.0,
    delta_norm=0.0,
    residual_norm=0.0,
    relative_strength=0.0,
)
"""The audit of a trial without injection."""
