"""Choosing the next token: greedy, or by inverting the cumulative distribution at the row's own uniform number.

Step ``t`` of a row uses the ``t``-th number of a counter-based generator keyed by the trial's seed, so a row's draw
does not depend on its neighbours, on the device or on the order of trials.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


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
    distribution of softmax(logits / temperature), summed in float64 in vocabulary order, exceeds its uniform number;
    a token of probability 0 is never taken.
    """
    device = torch.device("cpu") if logits.device.type == "mps" else logits.device  # mps has no float64
    logits, temperature, uniform = logits.to(device).float(), temperature.to(device), uniform.to(device)
    tokens = logits.argmax(dim=-1)
    drawn = (temperature > 0).nonzero().flatten()
    if len(drawn):
        scaled = logits[drawn] / temperature[drawn, None].float()
        cumulative = torch.softmax(scaled, dim=-1).cumsum(dim=-1, dtype=torch.float64)
        edge = uniform[drawn, None].double() * cumulative[:, -1:]
        index = torch.searchsorted(cumulative, edge, right=True)[:, 0]
        tokens[drawn] = index.clamp(max=logits.shape[-1] - 1)
    return tokens
