"""One model's forward passes under the engine's attention, products and cache."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from introspect.injector import Injector
from introspect.subjects.engine.attention import NAME
from introspect.subjects.engine.cache import RowCache
from introspect.subjects.engine.passes import Pass, State
from introspect.subjects.engine.products import Products


class Runner:
    """A model made ready for shared prefixes, and one pass of it.

    Args:
        model: Any Hugging Face causal language model whose attention goes through ``AttentionInterface``.
        blocks: Its decoder blocks.
        name: For error sentences.
    """

    def __init__(self, model: PreTrainedModel, blocks: Sequence[nn.Module], name: str) -> None:
        self.model, self.blocks, self.name = model, blocks, name
        self.products = Products(model)
        accepted = inspect.signature(model.forward).parameters
        self.takes_positions = "position_ids" in accepted
        self.takes_keep = "logits_to_keep" in accepted
        self.cache_name = "past_key_values" if "past_key_values" in accepted else "cache_params"

    @property
    def device(self) -> torch.device:
        """Where token ids go: the device of the embedding."""
        return next(self.model.get_input_embeddings().parameters()).device

    def cache(self, width: int = 0) -> RowCache:
        """Return an empty cache for this model."""
        return RowCache(self.model.config, width)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Let the model use the engine's attention and products inside the block; nothing is left behind it."""
        before = self.model.config._attn_implementation or "eager"
        if before == NAME:  # a block inside a block
            yield
            return
        self.model.set_attn_implementation(NAME)
        try:
            with self.products.installed():
                yield
        finally:
            self.model.set_attn_implementation(before)

    def run(  # noqa: PLR0913 - one call, by keyword
        self,
        ids: Int[Tensor, "row position"],
        pass_: Pass,
        cache: RowCache,
        injector: Injector,
        *,
        lines: Sequence[int] | None = None,
        idle: int = 0,
        states: dict[int, State] | None = None,
        keep: int | Tensor = 1,
    ) -> Float[Tensor, "row kept vocabulary"]:
        """Run one pass.

        Args:
            ids: Tokens computed.
            pass_: Which rows and positions they are.
            cache: Where keys and values go.
            injector: Adds to the rows what they carry.
            lines: Which of the injector's rows the pass has, where they are not all.
            idle: Lines at the end that are no rows.
            states: What recurrent layers begin with, where the pass keeps no rows.
            keep: Logits of so many last positions, or of these columns.

        Returns:
            Logits in the model's dtype. They are valid until the next pass, which may write into the same place.
        """
        injector.at(pass_.positions, lines, idle)
        options: dict[str, object] = {self.cache_name: cache, "use_cache": True}
        if self.takes_positions:
            options["position_ids"] = pass_.positions.to(self.device)
        if self.takes_keep:
            options["logits_to_keep"] = keep
        cache.begin(pass_, states)
        try:
            logits = self.model(input_ids=ids.to(self.device), **options).logits
        finally:
            cache.end()
        if self.takes_keep:
            return logits
        return logits[:, -keep:] if isinstance(keep, int) else logits[:, keep.to(logits.device)]
