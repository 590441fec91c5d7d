"""What a trace does at a block, as pure functions that need torch alone; they may be sent away by their source.

No function calls another by name: what they need of ``introspect.operator`` and ``introspect.measure`` is handed to
them. A site is the injections of some rows at one layer, as a mapping of tensors: ``rows``, ``delta``, ``size``,
``target``, ``swap`` and ``pushed`` for each of its rows; ``mask`` and ``in_prompt`` for the prompt's positions, and
``generated`` for those of the reply.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def made(
    output: Any,  # noqa: ANN401 - blocks return what they like
    site: Mapping[str, Tensor],
    first: bool,
    add: Callable[..., Tensor],
    push: Callable[..., Tensor],
) -> tuple[Any, Tensor]:
    """Return a block's output with a site's injections made, and what its rows were before.

    Args:
        output: What the block returned: the residual stream, alone or first of a tuple.
        site: The injections.
        first: Whether this is the prompt's pass, and no step of decoding.
        add: The operator.
        push: The operator for what depends on what is there.
    """
    residual = output[0] if isinstance(output, tuple) else output
    at = {name: tensor.to(residual.device) for name, tensor in site.items()}
    before = residual.index_select(0, at["rows"])
    mask = at["mask"] if first else at["generated"]
    edited = add(before, at["delta"], mask)
    if bool(at["pushed"].any()):
        pushed = push(before, at["size"], at["target"], at["swap"], mask)
        edited = torch.where(at["pushed"][:, None, None], pushed, edited)
    whole = residual.index_copy(0, at["rows"], edited)
    return ((whole, *output[1:]) if isinstance(output, tuple) else whole), before


def looked(
    before: Tensor,
    after: Any,  # noqa: ANN401 - blocks return what they like
    site: Mapping[str, Tensor],
    first: bool,
    planned_push: Callable[..., Tensor],
    measured: Callable[..., Tensor],
) -> Tensor:
    """Return what was measured of a site in one pass, ``[row, measure]``, on the CPU.

    Args:
        before: What entered the edit, the site's rows.
        after: What the next module got, or the block gave: all rows.
        site: The injections.
        first: Whether this is the prompt's pass.
        planned_push: What a push should change.
        measured: The sums.
    """
    residual = after[0] if isinstance(after, tuple) else after
    at = {name: tensor.to(residual.device) for name, tensor in site.items()}
    mask = at["mask"] if first else at["generated"]
    in_prompt = at["in_prompt"] if first else torch.zeros_like(mask)
    delta, exact = at["delta"].to(before.dtype).float(), before.float()
    planned = delta[:, None].expand(exact.shape)
    lost = torch.zeros_like(exact[..., 0])
    if bool(at["pushed"].any()):
        pushed = at["pushed"][:, None]
        push = planned_push(exact, delta.norm(dim=-1), at["target"], at["swap"])
        planned = torch.where(pushed[..., None], push, planned)
        lost = torch.where(pushed, torch.finfo(before.dtype).eps * exact.norm(dim=-1), lost)
    return measured(before, residual.index_select(0, at["rows"]), planned, lost, mask, in_prompt).cpu()
