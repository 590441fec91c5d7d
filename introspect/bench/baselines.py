"""The same trials as public code runs them: a forward hook, a full prefill of every row, and one batch to its end.

Nothing of the engine is used here, so that its outputs can be compared with these.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from introspect.injection import Injection
from introspect.subjects.engine.sampling import choose, gumbels, lead
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Request


@contextmanager
def hooked(subject: LocalSubject, rows: Sequence[Sequence[Injection]]) -> Iterator[None]:
    """Add each row's vectors on its span in a first pass over the prompt, and to every token in the passes after it."""
    layers = sorted({injection.vector.layer for row in rows for injection in row})
    handles = [subject.blocks[layer].register_forward_hook(_adder(layer, rows)) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adder(layer: int, rows: Sequence[Sequence[Injection]]) -> Any:  # noqa: ANN401 - a hook
    here = [(i, injection) for i, row in enumerate(rows) for injection in row if injection.vector.layer == layer]
    ready: dict[int, Tensor] = {}

    def hook(module: object, args: object, output: Any) -> Any:  # noqa: ANN401 - blocks return what they like
        residual = output[0] if isinstance(output, tuple) else output
        length = residual.shape[1]
        if length not in ready:
            added = torch.zeros(len(rows), length, residual.shape[2])
            for row, injection in here:
                step = ((0, 1),) if injection.span.generated else ()
                for start, stop in injection.span.prompt if length > 1 else step:
                    added[row, start:stop] += injection.vector.delta
            ready[length] = added.to(residual)
        edited = residual + ready[length]
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    return hook


@torch.inference_mode()
def greedy(subject: LocalSubject, requests: Sequence[Request]) -> list[tuple[int, ...]]:
    """Generate with transformers' own loop, no row ending early."""
    ids = torch.tensor([request.prompt.ids for request in requests]).to(subject.model.device)
    n = requests[0].max_new_tokens
    with hooked(subject, [request.injections for request in requests]):
        out = subject.model.generate(  # pyright: ignore
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False,
            eos_token_id=None, pad_token_id=0, temperature=None, top_p=None, top_k=None,
        )  # fmt: skip
    return [tuple(row.tolist()) for row in out[:, ids.shape[1] :]]


@torch.inference_mode()
def sampled(subject: LocalSubject, request: Request) -> tuple[int, ...]:
    """Generate one row with a cache of transformers' own, drawing with the request's own numbers."""
    ids = torch.tensor([request.prompt.ids]).to(subject.model.device)
    temperature, reply = torch.tensor([float(request.temperature)]), []
    cache = DynamicCache(config=subject.model.config)
    with hooked(subject, [request.injections]):
        for step in range(request.max_new_tokens):
            logits = subject.model(input_ids=ids, past_key_values=cache, use_cache=True).logits[:, -1]
            token = choose(logits, temperature, gumbels(request.seed, logits.shape[-1], step))
            reply.append(int(token))
            ids = token[:, None].to(ids.device)
    return tuple(reply)


@torch.inference_mode()
def scores(subject: LocalSubject, queries: Sequence[Query]) -> list[Tensor]:
    """Score options after one full forward pass of a batch."""
    ids = torch.tensor([query.prompt.ids for query in queries]).to(subject.model.device)
    with hooked(subject, [query.injections for query in queries]):
        logits = subject.model(input_ids=ids, use_cache=False).logits[:, -1].float().cpu()
    logs = torch.log_softmax(logits, dim=-1)
    return [
        torch.stack([line[list(tokens)].logsumexp(dim=0) for tokens in query.options])
        for query, line in zip(queries, logs, strict=True)
    ]


@torch.inference_mode()
def gap(subject: LocalSubject, request: Request, reply: Sequence[int], step: int) -> float:
    """Return how close batch 1 is to another token at a step: the gap of the two best, numbers included."""
    ids = torch.tensor([[*request.prompt.ids, *reply[:step]]]).to(subject.model.device)
    n_prompt = len(request.prompt.ids)

    def spans(injection: Injection) -> list[tuple[int, int]]:
        return [*injection.span.prompt, *([(n_prompt, ids.shape[1])] if injection.span.generated else [])]

    def hook(injection: Injection) -> Any:  # noqa: ANN401 - a hook
        def add(module: object, args: object, output: Any) -> Any:  # noqa: ANN401 - blocks return what they like
            residual = (output[0] if isinstance(output, tuple) else output).clone()
            for start, stop in spans(injection):
                residual[0, start:stop] += injection.vector.delta.to(residual)
            return (residual, *output[1:]) if isinstance(output, tuple) else residual

        return add

    handles = [subject.blocks[i.vector.layer].register_forward_hook(hook(i)) for i in request.injections]
    try:
        logits = subject.model(input_ids=ids, use_cache=False).logits[0, -1].float().cpu()
    finally:
        for handle in handles:
            handle.remove()
    if not request.temperature:
        best = logits.topk(2).values
        return float(best[0] - best[1])
    return lead(logits, request.temperature, gumbels(request.seed, len(logits), step)[0])
