"""Choosing the next token: greedy, or by inverting the cumulative distribution at the row's own uniform number.

Step ``t`` of a row uses the ``t``-th number of a counter-based generator keyed by the trial's seed, so a row's draw
does not depend on its neighbours, on the device or on the order of trials.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

ROWS_AT_ONCE = 16
"""Rows of logits handled together: what they need then stays in the processor's cache, and is not fetched anew from the
system in every step, which costs more than the sums do."""
BLOCK = 256
"""Tokens whose probabilities are summed first, so that two short cumulative sums do for one over the vocabulary."""


def uniforms(seed: int, n: int) -> Float[Tensor, " n"]:
    """Return ``n`` numbers in [0, 1), float64, a function of the seed alone."""
    return torch.from_numpy(np.random.Generator(np.random.Philox(key=seed)).random(n))


def choose(
    logits: Float[Tensor, "row vocabulary"],
    temperature: Float[Tensor, " row"],
    uniform: Float[Tensor, " row"],
) -> Int[Tensor, " row"]:
    """Choose one token a row.

    A row of temperature 0 takes its largest logit. Another takes the first token at which the cumulative
    distribution of softmax(logits / temperature) in vocabulary order exceeds its uniform number; a token of
    probability 0 is never taken. Sums are float64 across blocks of ``BLOCK`` tokens and inside the block looked up;
    the blocks' own sums are float32.
    """
    device = torch.device("cpu") if logits.device.type == "mps" else logits.device  # mps has no float64
    logits, temperature, uniform = logits.to(device), temperature.to(device), uniform.to(device)
    parts = zip(*(tensor.split(ROWS_AT_ONCE) for tensor in (logits, temperature, uniform)), strict=True)
    return torch.cat([_chosen(part.float(), *others) for part, *others in parts])


def _chosen(logits: Tensor, temperature: Tensor, uniform: Tensor) -> Tensor:
    drawn = (temperature > 0).nonzero().flatten()
    if not len(drawn):
        return logits.argmax(dim=-1)
    if len(drawn) == len(logits):
        return _drawn(logits, temperature, uniform)
    tokens = logits.argmax(dim=-1)
    tokens[drawn] = _drawn(logits[drawn], temperature[drawn], uniform[drawn])
    return tokens


def _drawn(logits: Tensor, temperature: Tensor, uniform: Tensor) -> Tensor:
    scaled = logits / temperature[:, None].float() if bool((temperature != 1).any()) else logits
    probability = torch.softmax(scaled, dim=-1)
    missing = -probability.shape[1] % BLOCK
    filled = torch.nn.functional.pad(probability, (0, missing)) if missing else probability
    blocks = filled.view(len(filled), -1, BLOCK)
    behind = blocks.sum(dim=-1).cumsum(dim=-1, dtype=torch.float64)
    total = behind[:, -1:]
    edge = torch.minimum(uniform[:, None].double() * total, torch.nextafter(total, torch.zeros_like(total)))
    block = torch.searchsorted(behind, edge, right=True)
    before = torch.where(block > 0, behind.gather(1, (block - 1).clamp(min=0)), 0.0)
    inside = blocks.gather(1, block[..., None].expand(-1, -1, BLOCK))[:, 0]
    cumulative = before + inside.cumsum(dim=-1, dtype=torch.float64)
    within = torch.searchsorted(cumulative, edge, right=True)
    # The two sums round differently: where the edge lies a hair beyond the block, its last possible token is meant.
    last = (inside > 0).int().mul(torch.arange(BLOCK, device=inside.device)).argmax(dim=-1, keepdim=True)
    return (block * BLOCK + torch.minimum(within, last))[:, 0]
