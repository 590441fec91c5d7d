"""TransformerLens: a subject run by a bridge over its weights, and the residual stream that the logit lens reads.

Attention is computed by the bridge's own code: logits agree with the plain model's within rounding, not to the bit.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from introspect.errors import InjectionActiveError
from introspect.injection import Injection
from introspect.injector import Injector
from introspect.progress import Advance, silent
from introspect.records import Audit, Backend
from introspect.subjects.bridge import BEFORE, Hook, Injected, activations, bridge, fwd_hooks, points, residual_name
from introspect.subjects.chat import Encoded
from introspect.subjects.engine.batch import Batch, by_length, left_pad
from introspect.subjects.engine.engine import Engine
from introspect.subjects.engine.full import FullPrefill
from introspect.subjects.engine.readouts import TOKENS_AT_ONCE, asked, readout
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Readout

LIBRARY, PACKAGE = "transformer_lens", "transformer-lens"


class LensPrefill(FullPrefill):
    """The loop over steps with the bridge's forward pass in it; injections are the bridge's hooks."""

    def __init__(self, subject: LocalSubject, bridge: TransformerBridge) -> None:
        super().__init__(subject.model, points(bridge), subject.engine.ending, subject.identity.name)
        self.bridge = bridge

    def carrying(self, injector: Injector) -> AbstractContextManager[object]:
        """Let the bridge carry the injections inside the block."""
        return self.bridge.hooks(fwd_hooks=fwd_hooks(injector))

    def forward(self, batch: Batch, cache: Any) -> tuple[Float[Tensor, "row vocabulary"], Any]:  # noqa: ANN401
        """Run one forward pass of the bridge; return the logits of the last position and the cache."""
        kept = DynamicCache(config=self.model.config) if cache is None else cache
        options: dict[str, Any] = self.options(batch) | {self.cache_name: kept, "use_cache": True}
        if self.takes_keep:
            options["logits_to_keep"] = 1
        return self.bridge(batch.ids.to(self.device), **options)[:, -1], kept

    def options(self, batch: Batch) -> dict[str, Any]:
        """Return the mask and, where the model takes them, the positions of a batch."""
        options: dict[str, Any] = {"attention_mask": batch.mask.to(self.device)}
        return options | ({"position_ids": batch.position_ids.to(self.device)} if self.takes_positions else {})

    def read(self, batch: Batch) -> Float[Tensor, "row n_layers d_model"]:
        """Read every block's output at the last position, off the bridge's cache."""
        names = [residual_name(layer) for layer in range(len(self.blocks))]
        _, cache = self.bridge.run_with_cache(batch.ids.to(self.device), names_filter=names, **self.options(batch))
        return activations(cache)


class LensEngine(Engine):
    """The engine's surface with the bridge behind it: rows of a batch side by side, every prompt run whole."""

    def __init__(self, subject: LocalSubject, bridge: TransformerBridge) -> None:
        ending, name = subject.engine.ending, subject.identity.name
        super().__init__(subject.model, subject.blocks, subject.chat, ending.stop, name, "full prefill")
        self.full = self.prefill = LensPrefill(subject, bridge)

    def describe(self) -> dict[str, str]:
        """Say what goes into the record of a run."""
        return {"way": str(self.way), "products": "the bridge's own", "backend": LIBRARY, "version": version(PACKAGE)}

    @torch.inference_mode()
    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Answer queries, in order; those whose prompts are equally long run together."""
        found: dict[int, Readout] = {}
        for indices in by_length([len(query.prompt.ids) for query in queries], TOKENS_AT_ONCE):
            found.update(zip(indices, self._scored([queries[i] for i in indices]), strict=True))
        return [found[i] for i in range(len(queries))]

    def _scored(self, queries: Sequence[Query]) -> list[Readout]:
        prefill, bridge = self.prefill, self.prefill.bridge
        injector = Injector(prefill.blocks, [query.injections for query in queries], prefill.name)
        ids = torch.tensor([query.prompt.ids for query in queries])
        injector.at(torch.arange(ids.shape[1]).expand(len(ids), -1))
        names = [residual_name(layer) for layer in sorted({layer for query in queries for layer in query.layers})]
        columns = sorted({at for query in queries for at in asked(query)})
        options: dict[str, Any] = {"logits_to_keep": torch.tensor(columns)} if prefill.takes_keep else {}
        with bridge.hooks(fwd_hooks=fwd_hooks(injector)):
            logits, cache = bridge.run_with_cache(ids.to(prefill.device), names_filter=names, **options)
        kept = logits if prefill.takes_keep else logits[:, columns]
        answers: list[Readout] = []
        for row, query in enumerate(queries):
            lines = {at: kept[row, columns.index(at)] for at in asked(query)}
            acts = [[cache[residual_name(layer)][row, at] for at in query.at] for layer in query.layers]
            answers.append(readout(query, lines, acts, injector.drop(row, 0)))
        return answers


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """The residual stream of one row at one position, float32 on the CPU.

    ``entering`` is what the first block gets; ``outputs`` are what the blocks put out, with what was ``injected``
    behind them (zeros where nothing was); ``logits`` are the model's own.
    """

    entering: Float[Tensor, " d_model"]
    outputs: Float[Tensor, "n_layers d_model"]
    injected: Float[Tensor, "n_layers d_model"]
    logits: Float[Tensor, " vocabulary"]


class LensSubject(LocalSubject):
    """A subject that is read, asked and injected into by running a TransformerLens bridge over its weights.

    Args:
        subject: The subject; it is left as it was and may be used beside this one.

    Raises:
        SubjectError: TransformerLens does not know the architecture.
    """

    backend: ClassVar[Backend] = "transformer_lens"

    def __init__(self, subject: LocalSubject) -> None:
        super().__init__(subject.model, subject.chat, subject.identity, "full prefill")
        self.bridge = bridge(subject)
        engine = LensEngine(subject, self.bridge)
        self.engine, self._prefill = engine, engine.prefill

    def read(self, prompts: Sequence[str], progress: Advance = silent) -> Float[Tensor, "n_prompts n_layers d_model"]:
        """Read every block's output at the last token of each prompt, put as a user's turn; float32 on the CPU.

        Raises:
            InjectionActiveError: Something is being added to the activations.
        """
        handles = (handle for point in self._prefill.blocks for handle in point.fwd_hooks)  # pyright: ignore
        if any(isinstance(handle.user_hook, Hook) for handle in handles):
            raise InjectionActiveError
        return super().read(prompts, progress)

    def _read_batch(self, rows: Sequence[Encoded]) -> Float[Tensor, "row n_layers d_model"]:
        return self._prefill.read(left_pad([row.ids for row in rows], self._prefill.filler))

    @torch.inference_mode()
    def residuals(
        self, prompt: Encoded, rows: Sequence[Sequence[Injection]], position: int = -1
    ) -> tuple[list[Residuals], list[tuple[Audit, ...]]]:
        """Run one prompt with each row's injections; return the stream at a position, and the audits, row by row.

        Raises:
            LayerError: An injection at a layer that the subject does not have.
            AuditError: What was measured differs from what was planned.
        """
        kept: dict[int, Tensor] = {}

        def keep(activation: Tensor, hook: Any) -> None:  # noqa: ANN401 - the library's hook point
            kept[int(hook.name.split(".")[1])] = activation[:, position].clone()

        injected, n_layers = Injected(self.bridge, rows), self.n_layers
        names = [BEFORE, *(residual_name(layer) for layer in range(n_layers))]
        hooks = [(name, keep) for name in dict.fromkeys(name for name, _ in injected.fwd_hooks[1:])]
        ids = torch.tensor([prompt.ids] * len(rows)).to(self._prefill.device)
        with self.bridge.hooks(fwd_hooks=[*hooks, *injected.fwd_hooks]):
            logits, cache = self.bridge.run_with_cache(ids, names_filter=names)
        outputs = activations(cache, position)
        entering, lines = (part[:, position].float().cpu() for part in (cache[BEFORE], logits))
        added = torch.zeros_like(outputs)
        for layer, before in kept.items():
            added[:, layer] = outputs[:, layer] - before.float().cpu()
        found = [Residuals(*parts) for parts in zip(entering, outputs, added, lines, strict=True)]
        return found, injected.audits([0] * len(rows))

    @torch.inference_mode()
    def normed(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """Put rows of a residual stream through the final norm; float32 on the CPU."""
        return self.bridge.ln_final(self._put(rows))[:, 0].float().cpu()

    @torch.inference_mode()
    def unembedded(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocabulary"]:
        """Put rows of a residual stream through the final norm, the unembedding and its cap: the logit lens."""
        logits = self.bridge.unembed(self.bridge.ln_final(self._put(rows)))[:, 0].float().cpu()
        cap = getattr(self.model.config.get_text_config(), "final_logit_softcapping", None)
        return torch.tanh(logits / cap) * cap if cap else logits

    def _put(self, rows: Tensor) -> Tensor:
        return rows.to(self._prefill.device, self.model.dtype)[:, None]
