"""The injections of some rows at one layer, as one forward pass sees them, and what is measured of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from introspect.injection import Injection, add, push
from introspect.measure import MEASURES, measured, planned_push
from introspect.spans import span_bounds, span_mask


class Entry:
    """One injection of one row, and the sums of what was measured of it, in the order of ``MEASURES``."""

    __slots__ = ("eps", "injection", "sums")

    def __init__(self, injection: Injection) -> None:
        self.injection = injection
        self.sums = [0.0] * len(MEASURES)
        self.eps = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Pushes:
    """Those injections of a site whose change depends on what is there; ``lines`` are theirs among the site's."""

    lines: Int[Tensor, " push"]
    size: Float[Tensor, " push"]
    target: Float[Tensor, "push d_model"]
    swap: Bool[Tensor, " push"]

    @classmethod
    def among(cls, injections: Sequence[Injection]) -> "Pushes | None":
        """Return those among a site's injections, ``None`` where there are none."""
        lines = [line for line, injection in enumerate(injections) if injection.edit != "add"]
        if not lines:
            return None
        found = [injections[line] for line in lines]
        deltas = torch.stack([one.vector.delta for one in found]).float()
        targets = [torch.zeros_like(delta) if one.target is None else one.target.to(delta)
                   for one, delta in zip(found, deltas, strict=True)]  # fmt: skip
        swap = torch.tensor([one.edit == "swap" for one in found])
        return cls(torch.tensor(lines), deltas.norm(dim=-1), torch.stack(targets), swap)

    def to(self, device: torch.device) -> "Pushes":
        """Return them on a device."""
        return Pushes(*(part.to(device) for part in (self.lines, self.size, self.target, self.swap)))

    def onto(self, edited: Tensor, before: Tensor, mask: Tensor) -> Tensor:
        """Put these injections' lines into what the others come to."""
        pushed = push(before[self.lines], self.size, self.target, self.swap, mask.to(before.device)[self.lines])
        return edited.index_copy(0, self.lines, pushed)


class Site:
    """The injections of some rows at one layer, at most one a row, as one forward pass sees them.

    ``rows``, ``bounds`` and ``n_prompt`` stay on the CPU, where positions are known; the vectors go to the layer's
    device with its first forward pass, since with several GPUs every layer has its own.
    """

    def __init__(self, rows: Sequence[int], entries: Sequence[Entry]) -> None:
        self.entries = list(entries)
        self.rows = torch.tensor(rows)
        spans = [entry.injection.span for entry in entries]
        self.bounds = span_bounds(spans)
        self.n_prompt = torch.tensor([span.prompt_length for span in spans])
        self.generated = torch.tensor([span.generated for span in spans])
        self.deltas = torch.stack([entry.injection.vector.delta for entry in entries])
        self.pushes = Pushes.among([entry.injection for entry in entries])
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


def add_up(sites: Sequence[Site]) -> None:
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


def _planned(sites: Sequence[Site], deltas: Tensor, before: Tensor) -> tuple[Tensor, float | Tensor]:
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
