"""Attention over a shared prefix and each row's own tokens, with one softmax over both.

The prefix's keys and values exist once, whatever the number of rows that share it: their queries are laid side by side
and multiplied with it as one matrix. Both the function and its mask are registered with transformers under one name, so
that every family whose attention goes through ``AttentionInterface`` is carried; without the mask's registration a
model hands over no mask, and causality and the window silently vanish. Soft-capping (Gemma 2), sinks (gpt-oss), windows
and values narrower than queries (Kimi) are honoured.

The own part stands first and the prefix behind it, so that a row's sums do not depend on how long its neighbours are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

from introspect.subjects.engine.cache import current
from introspect.subjects.engine.passes import Group, Pass

NAME = "introspect_shared_prefix"
LINES = 12
"""Lines from which torch's product of matrices on the CPU sums in one order, whatever their number."""


@dataclass(frozen=True, slots=True, eq=False)
class Biases:
    """What is added to the scores of one kind of layer in one pass: 0 where a key is seen, a very low number else.

    ``own`` is ``[row, 1, 1, query, key]``; ``prefix`` has one for each group, or ``None`` where all of it is seen.
    """

    own: Tensor
    prefix: tuple[Tensor | None, ...]


def mask(  # noqa: PLR0913 - transformers' signature
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Tensor] | None = None,
    attention_mask: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    use_vmap: bool = False,
    device: torch.device | str = "cpu",
    **options: Any,  # noqa: ANN401 - what other implementations need
) -> Biases:
    """Evaluate a kind of layer's own rule, causal, windowed or chunked, at the rows' absolute positions."""
    pass_ = current().pass_
    if mask_function is None or use_vmap or attention_mask is not None or pass_ is None:
        message = "this model's attention mask is no plain function of positions"
        raise NotImplementedError(message)

    def seen(queries: Tensor, keys: Tensor) -> Tensor:
        row = torch.arange(len(queries))[:, None, None, None]
        return mask_function(row, torch.tensor(0), queries[:, None, :, None], keys[:, None, None, :])

    def bias(visible: Tensor) -> Tensor:
        low = torch.tensor(torch.finfo(dtype).min, dtype=dtype)
        return torch.where(visible, torch.zeros((), dtype=dtype), low)[:, :, None].to(device)

    prefix = [seen(pass_.positions[group.rows], torch.arange(group.prefix.length)[None]) for group in pass_.groups]
    return Biases(
        bias(seen(pass_.positions, pass_.own_positions)),
        tuple(None if bool(part.all()) else bias(part) for part in prefix),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Heads:
    """How the queries of a pass are laid out: rows, key-value heads, and query heads times positions on each."""

    n: int
    n_kv: int
    per: int
    n_queries: int

    def fold(self, tensor: Tensor) -> Tensor:
        """Lay the positions of all query heads that share a key-value head side by side."""
        return tensor.reshape(self.n, self.n_kv, self.per * self.n_queries, tensor.shape[-1])

    def biased(self, scores: Tensor, bias: Tensor | None, softcap: float | None) -> Tensor:
        """Cap the scores, and add the mask."""
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        if bias is None:
            return scores
        shaped = scores.reshape(len(scores), self.n_kv, self.per, self.n_queries, scores.shape[-1])
        return (shaped + bias.to(scores.device)).view(scores.shape)


def attend(  # noqa: PLR0913 - transformers' signature
    module: nn.Module,
    query: Float[Tensor, "row head position width"],
    key: Float[Tensor, "row kv_head position width"],
    value: Float[Tensor, "row kv_head position value_width"],
    attention_mask: Any,  # noqa: ANN401 - the Biases that ``mask`` returned
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **options: Any,  # noqa: ANN401 - windows and the like are in the mask
) -> tuple[Tensor, None]:
    """Attend to the prefix and to the own tokens, the new ones included; ``[row, position, head, value_width]``."""
    cache = current()
    layer = cache.turn
    keys, values = cache.store(layer, key, value)
    heads = _Heads(query.shape[0], key.shape[1], query.shape[1] // key.shape[1], query.shape[2])
    queries = heads.fold(query * (query.shape[-1] ** -0.5 if scaling is None else scaling))
    own = heads.biased(queries @ keys, attention_mask.own[: heads.n], softcap)
    groups = _groups(cache.pass_, heads.n)
    parts = [own]
    if groups:
        parts.append(_prefix_scores(heads, queries, groups, attention_mask, layer, softcap))
    if s_aux is not None:
        parts.append(heads.fold(s_aux.to(own).view(1, -1, 1, 1).expand(heads.n, -1, heads.n_queries, 1)))
    # In two steps: torch's softmax that converts by itself takes several times as long on the CPU.
    weights = torch.softmax(torch.cat(parts, dim=-1).float(), dim=-1).to(value.dtype)
    n_own = own.shape[-1]
    out = weights[..., :n_own] @ values
    for group in groups:
        _add_prefix(out, weights[..., n_own : n_own + group.prefix.length], group, group.prefix.values[layer])
    return out.view(heads.n, -1, heads.n_queries, value.shape[-1]).transpose(1, 2).contiguous(), None


def _groups(pass_: Pass | None, n: int) -> list[Group]:
    """Return the groups among the first ``n`` rows (a pass that resumes at a layer runs with some rows only)."""
    found = [group.within(n) for group in (pass_.groups if pass_ else ())]
    return [group for group in found if group is not None]


def _times(part: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the rows of each key-value head, side by side, with one matrix for all of them.

    Few lines are filled up to ``LINES``: below that a product may sum in another order, and a row's bits would depend
    on how many rows share its prefix.

    Args:
        part: ``[row, kv_head, line, width]``.
        matrix: ``[kv_head, width, out]``.
    """
    n, n_kv, length, width = part.shape
    lines = part.transpose(0, 1).reshape(n_kv, n * length, width)
    missing = max(0, LINES - n * length)
    filled = torch.nn.functional.pad(lines, (0, 0, 0, missing)) if missing else lines
    return (filled @ matrix)[:, : n * length].view(n_kv, n, length, -1).transpose(0, 1)


def _prefix_scores(
    heads: _Heads, queries: Tensor, groups: list[Group], biases: Biases, layer: int, softcap: float | None
) -> Tensor:
    alone = len(groups) == 1 and _covers(groups[0], heads.n)
    longest = max(group.prefix.length for group in groups)
    low = torch.finfo(queries.dtype).min
    scores = queries if alone else queries.new_full((*queries.shape[:3], longest), low)
    for group, bias in zip(groups, biases.prefix, strict=False):
        asked = queries if alone else queries[group.rows]
        product = _times(asked, group.prefix.keys[layer][0].transpose(1, 2))
        here = heads.biased(product, None if bias is None else bias[: len(asked)], softcap)
        if alone:
            return here
        scores[group.rows, :, :, : group.prefix.length] = here
    return scores


def _covers(group: Group, n: int) -> bool:
    return isinstance(group.rows, slice) and group.rows.start == 0 and group.rows.stop == n


def _add_prefix(out: Tensor, weights: Tensor, group: Group, values: Tensor) -> None:
    """Add what a group's rows take from their prefix."""
    whole = _covers(group, len(out))
    share = weights if whole else weights[group.rows]
    taken = _times(share, values[0])
    if whole:
        out += taken
    else:
        out[group.rows] += taken


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, mask)
