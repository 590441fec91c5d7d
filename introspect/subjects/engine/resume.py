"""Resuming at a layer: below the first injected block a trial is its clean twin, which is computed once for all.

Rows are sorted by the block at which they are first injected. Each block runs with the rows that are injected below it;
a row joins with the clean output of its own block, to which its vector is added there, by the same hooks as ever.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from introspect.subjects.engine.passes import Prefix, State


@dataclass(frozen=True, slots=True, eq=False)
class Clean:
    """A prompt without injections: what every block put out at its own tokens, and whether blocks return tuples."""

    prefix: Prefix
    own: tuple[int, ...]
    outputs: Float[Tensor, "layer position d_model"]
    tupled: tuple[bool, ...]


def head(value: Any, n: int, rows: int) -> Any:  # noqa: ANN401 - whatever a block is given
    """Return the first ``n`` of ``rows`` rows of what a block is given; what has no row for each stays whole."""
    if isinstance(value, Tensor):
        return value[:n] if value.dim() > 1 and value.shape[0] == rows else value
    if isinstance(value, tuple):
        return tuple(head(part, n, rows) for part in value)
    return value


class Staircase:
    """The rows of a pass, sorted by the block at which each joins.

    Args:
        cleans: Each row's clean twin.
        joins: The block at which each row is first injected, ascending.
    """

    def __init__(self, cleans: Sequence[Clean], joins: Sequence[int]) -> None:
        self.cleans, self.joins = cleans, list(joins)
        self.evaluated = 0

    def active(self, layer: int) -> int:
        """Return how many rows a block runs with: those that joined below it."""
        return sum(join < layer for join in self.joins)

    def states(self, recurrent: Sequence[int]) -> dict[int, State]:
        """Return what each recurrent block begins with: the states behind the prefixes of its active rows."""
        made: dict[int, State] = {}
        for layer in recurrent:
            parts = [clean.prefix.states[layer] for clean in self.cleans[: self.active(layer)] if clean.prefix.length]
            if parts:
                made[layer] = _stacked(parts)
        return made

    @contextmanager
    def installed(self, blocks: Sequence[nn.Module]) -> Iterator[None]:
        """Let every block run with its active rows only, inside the block."""
        try:
            for layer, block in enumerate(blocks):
                vars(block)["forward"] = self._forward(layer, block.forward)
            yield
        finally:
            for block in blocks:
                vars(block).pop("forward", None)

    def _forward(self, layer: int, original: Callable[..., Any]) -> Callable[..., Any]:
        n, joined = self.active(layer), [i for i, join in enumerate(self.joins) if join == layer]

        def forward(hidden: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - blocks differ
            residual = hidden[0] if isinstance(hidden, tuple) else hidden
            rows = residual.shape[0]
            parts: list[Tensor] = []
            rest: tuple[Any, ...] = ()
            if n:
                self.evaluated += n * residual.shape[1]
                out = original(head(hidden, n, rows), *head(args, n, rows), **_each_head(options, n, rows))
                parts, rest = ([out[0]], out[1:]) if isinstance(out, tuple) else ([out], ())
            if joined:
                parts.append(torch.stack([self.cleans[i].outputs[layer] for i in joined]).to(residual))
            parts.append(residual[n + len(joined) :].to(parts[0].device if parts else residual.device))
            whole = torch.cat(parts)
            return (whole, *rest) if self.cleans[0].tupled[layer] else whole

        return forward


def _each_head(options: dict[str, Any], n: int, rows: int) -> dict[str, Any]:
    return {name: head(value, n, rows) for name, value in options.items()}


def _stacked(states: Sequence[State]) -> State:
    conv, recurrent = (
        tuple(None if parts[0] is None else torch.cat(parts) for parts in zip(*kind, strict=True))
        for kind in zip(*states, strict=True)
    )
    return conv, recurrent
