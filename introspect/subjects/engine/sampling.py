"""Choosing the next token: greedy, or the largest of the log-probabilities, each with a Gumbel number of its own added.

The largest of log p + g, with g drawn from the standard Gumbel distribution, is distributed as p (Gumbel 1954;
Maddison, Tarlow and Minka 2014, section 2). It is done twice: for a block of tokens, then for a token in it, so that a
step needs some hundred numbers and not one for each token. Rounding changes a draw only where the two best of a level
nearly tie. (Looking a uniform number up in the cumulative distribution is cheaper, but a good part of the probability
of a large vocabulary lies within rounding of an edge: it changed 12 of 32 replies of 100 tokens, see the log.)

The numbers of step ``t`` are a function of the trial's seed and ``t``, from a counter-based generator, so a row's draw
does not depend on its neighbours, on the device or on the order of trials.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from introspect.subjects.engine.draw import BLOCK, blocks, drawn

ROWS_AT_ONCE = 16
"""Rows of logits handled together: what they need then stays in the processor's cache, and is not fetched anew from the
system in every step, which costs more than the sums do."""


def n_numbers(vocabulary: int) -> int:
    """Return how many numbers a step draws from: one for each block, one for each token of a block."""
    return -(-vocabulary // BLOCK) + BLOCK


def gumbels(seed: int, vocabulary: int, step: int = 0, n_steps: int = 1) -> Float[Tensor, "n_steps number"]:
    """Return the numbers of some steps, a function of the seed and of each step alone.

    Step ``t`` begins at counter ``t · ceil(number / 4)`` of Philox 4x64 keyed by the seed.
    """
    n = n_numbers(vocabulary)
    counters = -(-n // 4)
    generator = np.random.Generator(np.random.Philox(key=seed, counter=step * counters))
    uniform = generator.random((n_steps, 4 * counters))[:, :n]
    return torch.from_numpy(-np.log(-np.log(np.maximum(uniform, np.finfo(np.float64).tiny)))).float()


def choose(
    logits: Float[Tensor, "row vocabulary"],
    temperature: Float[Tensor, " row"],
    numbers: Float[Tensor, "row number"] | None = None,
) -> Int[Tensor, " row"]:
    """Choose one token a row.

    A row of temperature 0 takes its largest logit; another one draws from softmax(logits / temperature) with its own
    ``numbers`` (``gumbels``). A token of probability 0 is never taken.
    """
    temperature = temperature.to(logits.device)
    if numbers is None:
        return logits.argmax(dim=-1)
    parts = zip(*(t.split(ROWS_AT_ONCE) for t in (logits, temperature, numbers.to(logits.device))), strict=True)
    return torch.cat([_chosen(part.float(), *others) for part, *others in parts])


def _chosen(logits: Tensor, temperature: Tensor, numbers: Tensor) -> Tensor:
    drawn = (temperature > 0).nonzero().flatten()
    if len(drawn) == len(logits):
        return _drawn(logits, temperature, numbers)
    tokens = logits.argmax(dim=-1)
    if len(drawn):
        tokens[drawn] = _drawn(logits[drawn], temperature[drawn], numbers[drawn])
    return tokens


def _drawn(logits: Tensor, temperature: Tensor, numbers: Tensor) -> Tensor:
    return drawn(blocks(logits, temperature), numbers)


def lead(logits: Float[Tensor, " vocabulary"], temperature: float, numbers: Float[Tensor, " number"]) -> float:
    """Return how far the token that is drawn lies ahead of the next, in log-probability, at the closer level."""
    parts = blocks(logits[None].float(), torch.tensor([temperature], device=logits.device))[0]
    first = (parts.sum(dim=-1).log() + numbers[:-BLOCK]).topk(min(2, len(parts)))
    second = (parts[first.indices[0]].log() + numbers[-BLOCK:]).topk(2)
    return min(float(best.values[0] - best.values[-1]) for best in (first, second) if len(best.values) > 1)
