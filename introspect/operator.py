"""The edit of a residual stream as pure functions of tensors: the one operator that every backend carries.

This module imports torch alone, and no function calls another, so that a backend may send one to another machine by
its source. ``introspect.injection`` gives them shapes that are checked.
"""

import torch
from torch import Tensor


def add(residual: Tensor, delta: Tensor, mask: Tensor) -> Tensor:
    """Return a copy of ``residual [row, position, d_model]``, ``delta [row, d_model]`` added where the mask is true.

    Positions outside the mask keep their bits.
    """
    return torch.where(mask[..., None], residual + delta[:, None, :].to(residual), residual)


def push(residual: Tensor, size: Tensor, target: Tensor, swap: Tensor, mask: Tensor) -> Tensor:
    """Return a copy of ``residual`` with activations changed by ``size``, each along a direction of its own.

    A row of ``swap`` moves towards its ``target``, another one is amplified. It is computed in float32 and rounded
    once. Positions outside the mask, without a direction, or of a row of size 0 keep their bits.
    """
    exact, size = residual.float(), size[:, None, None]
    direction = torch.where(swap[:, None, None], target[:, None] - exact, exact)
    norm = direction.norm(dim=-1, keepdim=True)
    moves = mask[..., None] & (size > 0) & (norm > 0)
    return torch.where(moves, (exact + size * (direction / norm)).to(residual), residual)
