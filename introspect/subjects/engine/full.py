"""Decoding with a full prefill of every row: the slower path, for models that cannot share a prefix.

Rows are padded on the left and prefilled together; at each step every row takes its own next token, and rows that are
finished are carried along until the last one is. It needs nothing of a model but a cache.
"""

import inspect
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from introspect.injector import Injector
from introspect.spans import PADDING
from introspect.subjects.engine.batch import Batch, left_pad
from introspect.subjects.engine.rows import Ending, Row
from introspect.subjects.engine.tune import STEPS, Timing
from introspect.subjects.subject import Reply, Request


class FullPrefill:
    """One model's forward pass with the cache that transformers gives it, and the loop over steps.

    Args:
        model: Any Hugging Face causal language model.
        blocks: Its decoder blocks.
        ending: When replies end.
        name: For error sentences.
    """

    def __init__(self, model: PreTrainedModel, blocks: Sequence[nn.Module], ending: Ending, name: str) -> None:
        self.model, self.blocks, self.ending, self.name = model, blocks, ending, name
        accepted = inspect.signature(model.forward).parameters
        self.takes_positions = "position_ids" in accepted
        self.takes_keep = "logits_to_keep" in accepted
        self.cache_name = "past_key_values" if "past_key_values" in accepted else "cache_params"
        self.filler = next(iter(sorted(ending.stop)), 0)

    @property
    def device(self) -> torch.device:
        """Where token ids go: the device of the embedding."""
        return next(self.model.get_input_embeddings().parameters()).device

    @torch.inference_mode()
    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer a batch; a model without position ids gets rows of equal length only, which need no padding."""
        replies: dict[int, Reply] = {}
        for group in self._groups(requests):
            for index, reply in zip(group, self._decode([requests[i] for i in group]), strict=True):
                replies[index] = reply
        return [replies[i] for i in range(len(requests))]

    def timed(self, requests: Sequence[Request]) -> Timing:
        """Measure what some requests cost, from a few tokens of each."""
        seconds: list[float] = []
        for n_tokens in (1, STEPS + 1):
            begun = perf_counter()
            self.generate([replace(request, max_new_tokens=n_tokens) for request in requests])
            seconds.append(perf_counter() - begun)
        return Timing(len(requests), seconds[0] / len(requests), max(0.0, seconds[1] - seconds[0]) / STEPS)

    def _groups(self, requests: Sequence[Request]) -> list[list[int]]:
        if self.takes_positions:
            return [list(range(len(requests)))] if requests else []
        by_length: dict[int, list[int]] = {}
        for index, request in enumerate(requests):
            by_length.setdefault(len(request.prompt.ids), []).append(index)
        return list(by_length.values())

    def _decode(self, requests: Sequence[Request]) -> list[Reply]:
        rows = [Row(index, request) for index, request in enumerate(requests)]
        injector = Injector(self.blocks, [request.injections for request in requests], self.name)
        with self.carrying(injector):
            batch = left_pad([row.own for row in rows], self.filler)
            cache: Any = None
            while True:
                injector.at(batch.positions)
                logits, cache = self.forward(batch, cache)
                going = [index for index, row in enumerate(rows) if row.finish is None]
                self.ending.take([rows[index] for index in going], logits[going])
                if all(row.finish for row in rows):
                    break
                batch = _next(batch, rows)
            return [self.ending.reply(row, injector.drop(row.index, len(row.fed))) for row in rows]

    def carrying(self, injector: Injector) -> AbstractContextManager[object]:
        """Let the model carry the injections inside the block; here by torch's hooks on its blocks."""
        return injector

    def forward(self, batch: Batch, cache: Any) -> tuple[Float[Tensor, "row vocabulary"], Any]:  # noqa: ANN401
        """Run one forward pass; return the logits of the last position and the cache."""
        device = self.device
        options: dict[str, Any] = {self.cache_name: cache, "use_cache": True}
        if self.takes_positions:
            options["position_ids"] = batch.position_ids.to(device)
        if self.takes_keep:
            options["logits_to_keep"] = 1
        out = self.model(input_ids=batch.ids.to(device), attention_mask=batch.mask.to(device), **options)
        return out.logits[:, -1], getattr(out, self.cache_name)


def _next(batch: Batch, rows: Sequence[Row]) -> Batch:
    """Return the batch of each row's newest token; a finished row is ballast, and has no position to inject at."""
    mask = torch.cat([batch.mask, torch.ones(len(rows), 1, dtype=batch.mask.dtype)], dim=1)
    positions = [PADDING if row.finish else row.at for row in rows]
    return Batch(torch.tensor([row.fed[-1:] for row in rows]), mask, torch.tensor(positions)[:, None])
