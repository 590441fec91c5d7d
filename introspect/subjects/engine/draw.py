"""The token that a row of logits and numbers of its own come to; pure functions that need torch alone.

No function calls another, so that a backend may send one to another machine by its source.
"""

import torch
from torch import Tensor

BLOCK = 256
"""Tokens in a block."""


def blocks(logits: Tensor, temperature: Tensor) -> Tensor:
    """Return the probabilities ``[row, block, token]`` of logits ``[row, vocabulary]``; the last one is filled up."""
    scaled = logits / temperature[:, None].float() if bool((temperature != 1).any()) else logits
    probability = torch.softmax(scaled, dim=-1)
    missing = -probability.shape[1] % BLOCK
    filled = torch.nn.functional.pad(probability, (0, missing)) if missing else probability
    return filled.view(len(filled), -1, BLOCK)


def drawn(blocks: Tensor, numbers: Tensor) -> Tensor:
    """Return one token a row, drawn from ``blocks [row, block, token]``: a block, then a token in it.

    ``numbers [row, number]`` are Gumbel numbers, one for each block, then one for each token of a block.
    """
    block = blocks.sum(dim=-1).log().add(numbers[:, :-BLOCK]).argmax(dim=-1)
    inside = blocks[torch.arange(len(blocks), device=blocks.device), block]
    return block * BLOCK + inside.log().add(numbers[:, -BLOCK:]).argmax(dim=-1)
