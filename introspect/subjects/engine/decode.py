"""Batched decoding under injection: one batch mixes layers, strengths, vectors, spans, lengths and seeds.

Rows are padded on the left and prefilled together; at each step every row takes its own next token. Rows that are
finished leave the batch once they are half of it. All rows' edits and their audit are the injector's.
"""

import inspect
from collections.abc import Sequence, Set
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from introspect.injection import Injector
from introspect.spans import PADDING
from introspect.subjects.chat import Chat
from introspect.subjects.engine.batch import Batch, left_pad
from introspect.subjects.engine.sampling import choose, uniforms
from introspect.subjects.subject import Reply, Request


class Decoder:
    """One model's forward pass with a cache, and the loop over steps.

    Args:
        model: Any Hugging Face causal language model.
        blocks: Its decoder blocks.
        chat: Its tokenizer.
        stop: Token ids that end a reply.
        name: For error sentences.
    """

    def __init__(
        self, model: PreTrainedModel, blocks: Sequence[nn.Module], chat: Chat, stop: Set[int], name: str
    ) -> None:
        self.model, self.blocks, self.chat, self.stop, self.name = model, blocks, chat, stop, name
        accepted = inspect.signature(model.forward).parameters
        self.takes_positions = "position_ids" in accepted
        self.takes_keep = "logits_to_keep" in accepted
        self.filler = next(iter(sorted(stop)), 0)

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

    def _groups(self, requests: Sequence[Request]) -> list[list[int]]:
        if self.takes_positions:
            return [list(range(len(requests)))] if requests else []
        by_length: dict[int, list[int]] = {}
        for index, request in enumerate(requests):
            by_length.setdefault(len(request.prompt.ids), []).append(index)
        return list(by_length.values())

    def _decode(self, requests: Sequence[Request]) -> list[Reply]:
        rows = _Rows(requests, self)
        with Injector(self.blocks, [request.injections for request in requests], self.name) as injector:
            batch = left_pad([request.prompt.ids for request in requests], self.filler)
            cache: Any = None
            while True:
                injector.at(batch.positions)
                logits, cache = self.forward(batch, cache)
                tokens = rows.take(logits)
                if rows.done():
                    break
                keep = rows.compact(cache)
                injector.select(keep)
                batch = _next(batch, tokens, keep, rows.positions())
            audits = injector.audits([len(tokens) for tokens in rows.fed])
        return [rows.reply(i, audits[i]) for i in range(len(requests))]

    def forward(self, batch: Batch, cache: Any) -> tuple[Float[Tensor, "row vocabulary"], Any]:  # noqa: ANN401
        """Run one forward pass; return the logits of the last position, float32, and the cache."""
        device = self.device
        extra: dict[str, Any] = {}
        if self.takes_positions:
            extra["position_ids"] = batch.position_ids.to(device)
        if self.takes_keep:
            extra["logits_to_keep"] = 1
        out = self.model(
            input_ids=batch.ids.to(device),
            attention_mask=batch.mask.to(device),
            past_key_values=cache,
            use_cache=True,
            **extra,
        )
        return out.logits[:, -1].float(), out.past_key_values


class _Rows:
    """The replies as they grow, and which rows are still in the batch."""

    def __init__(self, requests: Sequence[Request], decoder: Decoder) -> None:
        self.requests, self.decoder = requests, decoder
        self.fed: list[list[int]] = [[] for _ in requests]
        self.finish: list[str] = ["" for _ in requests]
        self.live = list(range(len(requests)))
        self.step = 0
        self.temperature = torch.tensor([float(request.temperature) for request in requests])
        longest = max(request.max_new_tokens for request in requests)
        self.uniform = torch.stack([uniforms(request.seed, longest) for request in requests])

    def take(self, logits: Float[Tensor, "row vocabulary"]) -> Int[Tensor, " row"]:
        """Choose and note the next token of every row in the batch."""
        live = torch.tensor(self.live)
        tokens = choose(logits, self.temperature[live], self.uniform[live, self.step]).cpu()
        self.step += 1
        for row, token in zip(self.live, tokens.tolist(), strict=True):
            if not self.finish[row]:
                self.fed[row].append(token)
                self.finish[row] = self._ending(row, token)
        return tokens

    def _ending(self, row: int, token: int) -> str:
        if token in self.decoder.stop or self.decoder.chat.stopped(self.fed[row]):
            return "stop"
        return "length" if len(self.fed[row]) >= self.requests[row].max_new_tokens else ""

    def done(self) -> bool:
        return all(self.finish)

    def compact(self, cache: Any) -> Int[Tensor, " kept"]:  # noqa: ANN401 - each family has its own cache
        """Drop finished rows from the cache once they are half of the batch, where the cache can do so.

        Returns:
            Indices of the rows that stay.
        """
        keep = [i for i, row in enumerate(self.live) if not self.finish[row]]
        layers = getattr(cache, "layers", None)
        able = bool(layers) and all(hasattr(layer, "batch_select_indices") for layer in layers)
        if not able or 2 * len(keep) > len(self.live):
            return torch.arange(len(self.live))
        chosen = torch.tensor(keep)
        cache.batch_select_indices(chosen)
        self.live = [self.live[i] for i in keep]
        return chosen

    def positions(self) -> Int[Tensor, "row 1"]:
        """Where each row's newest token stands; a finished row is ballast, and has no position to inject at."""
        return torch.tensor(
            [
                [PADDING if self.finish[row] else len(self.requests[row].prompt.ids) + len(self.fed[row]) - 1]
                for row in self.live
            ]
        )

    def reply(self, row: int, audits: tuple[Any, ...]) -> Reply:
        tokens = self.fed[row]
        if tokens and tokens[-1] in self.decoder.stop:
            tokens = tokens[:-1]
        finish = "stop" if self.finish[row] == "stop" else "length"
        return Reply(self.requests[row], tuple(tokens), self.decoder.chat.decode(tokens), finish, audits)


def _next(batch: Batch, tokens: Tensor, keep: Tensor, positions: Tensor) -> Batch:
    """Return the batch of one new token for each row that stays."""
    mask = torch.cat([batch.mask[keep], torch.ones(len(keep), 1, dtype=batch.mask.dtype)], dim=1)
    return Batch(tokens[keep, None], mask, positions)
