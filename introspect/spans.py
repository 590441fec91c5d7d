"""Which token positions an injection acts on: absolute positions of a row's own text, whatever the batch looks like."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from introspect.errors import SpanError
from introspect.records import Where

PADDING = -1
"""The position of a padding token: none."""

END = 2**31 - 1
"""Beyond every position."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which tokens of one row are edited.

    ``prompt`` are half-open ranges of absolute positions inside the prompt, ``generated`` adds every position from
    ``prompt_length`` on. The last sampled token is never fed back, so a reply of n tokens has n - 1 such positions.
    """

    prompt: tuple[tuple[int, int], ...]
    generated: bool
    prompt_length: int

    def __post_init__(self) -> None:
        for start, stop in self.prompt:
            if not 0 <= start < stop <= self.prompt_length:
                message = f"the span [{start}, {stop}) is empty or outside the prompt of {self.prompt_length} tokens"
                raise SpanError(message)

    @property
    def n_prompt(self) -> int:
        """Number of prompt positions planned."""
        return sum(stop - start for start, stop in self.prompt)

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """All half-open ranges of absolute positions, the generated ones included."""
        return (*self.prompt, (self.prompt_length, END)) if self.generated else self.prompt

    @classmethod
    def of(cls, where: Where, prompt: tuple[tuple[int, int], ...], prompt_length: int) -> "Span":
        """Build the span that a plan names: the marked prompt tokens, the generated ones, or both.

        ``cache`` are the marked prompt tokens but the prompt's last: then nothing is added at a position whose output
        is read for the reply, and the reply is reached through cached keys and values (or a recurrent state) alone.
        The idea is Pearson-Vogel et al.'s (2026), who inject into an earlier turn only.

        Raises:
            SpanError: A range is empty or outside the prompt, or ``cache`` leaves none.
        """
        if where != "cache":
            return cls(() if where == "generated" else prompt, where != "prompt", prompt_length)
        last = prompt_length - 1
        marked = cls(prompt, False, prompt_length)
        kept = tuple((start, min(stop, last)) for start, stop in marked.prompt if start < last)
        if not kept:
            message = (
                f"nothing is left of the span {', '.join(f'[{a}, {b})' for a, b in prompt) or 'without ranges'} for "
                f"'cache', which leaves out the prompt's last token ({last}); mark an earlier one, or take 'prompt'"
            )
            raise SpanError(message)
        return cls(kept, False, prompt_length)


def span_mask(
    positions: Int[Tensor, "row position"], bounds: Int[Tensor, "row range 2"]
) -> Bool[Tensor, "row position"]:
    """Mark the absolute positions that lie in any of their row's half-open ranges; padding never does."""
    inside = (positions[:, :, None] >= bounds[:, None, :, 0]) & (positions[:, :, None] < bounds[:, None, :, 1])
    return inside.any(dim=-1)


def span_bounds(spans: Sequence[Span]) -> Int[Tensor, "row range 2"]:
    """Lay the spans' ranges out as one tensor; rows with fewer ranges are filled up with empty ones."""
    width = max((len(span.ranges) for span in spans), default=0)
    filled = [(*span.ranges, *[(0, 0)] * (width - len(span.ranges))) for span in spans]
    return torch.tensor(filled, dtype=torch.long).reshape(len(spans), width, 2)
