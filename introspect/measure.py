"""What an edit did, measured from what entered it and what left: pure functions that know nothing of the edit's code.

This module imports torch alone, and no function calls another, so that a backend may send one to another machine by
its source. ``introspect.audit`` compares the sums with the plan.
"""

import torch
from torch import Tensor

MEASURES = ("prompt", "generated", "stray", "delta", "residual", "error")
"""Summed for every injection: positions changed in the prompt, in the reply and outside the span; and, over the span,
the norms of the change, of the residual stream before it, and of the change's deviation from the plan."""


def planned_push(before: Tensor, size: Tensor, target: Tensor, swap: Tensor) -> Tensor:
    """Return what ``amplify`` or ``swap`` should change, from what entered the edit, in float32.

    Written a second time here, and not shared with the edit, so that a mistake in either shows as a difference.

    Args:
        before: The residual stream that entered the edit, ``[row, position, d_model]``.
        size: The norm of each row's change, in residual-stream units.
        target: What a swap moves towards, ``[row, d_model]``; not looked at in other rows.
        swap: Which rows are swaps; the others amplify.
    """
    away = torch.where(swap[:, None, None], target[:, None] - before, before)
    return size[:, None, None] * torch.nn.functional.normalize(away, dim=-1, eps=torch.finfo(torch.float32).tiny)


def measured(
    before: Tensor, after: Tensor, planned: Tensor, lost: Tensor | float, mask: Tensor, in_prompt: Tensor
) -> Tensor:
    """Return the sums of one pass, ``[row, measure]`` in the order of ``MEASURES``, compared in float32.

    Args:
        before: What entered the edit, ``[row, position, d_model]``.
        after: What left the block.
        planned: The change that is planned, in a shape that broadcasts.
        lost: Up to which norm of the planned change rounding may leave no trace.
        mask: Which positions lie in the row's span.
        in_prompt: Which of those lie in its prompt.
    """
    before = before.float()
    change = after.float() - before
    size = change.norm(dim=-1)
    # A plan of zero changes nothing where it acts: there the mask alone says which positions it acted on.
    touched = (size > 0) | (mask & (planned.norm(dim=-1) <= lost))
    wrong = (change - planned).norm(dim=-1)
    columns = (touched & in_prompt, touched & mask & ~in_prompt, touched & ~mask)
    norms = (size * mask, before.norm(dim=-1) * mask, wrong * mask)
    return torch.stack([column.double().sum(dim=1) for column in (*columns, *norms)], dim=1)
