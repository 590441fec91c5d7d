"""TransformerLens: a bridge over a subject's weights, injections as its hooks, and the subject run by it.

The bridge stands on a twin that shares the subject's tensors, since booting replaces the blocks of the module it is
given and renames its state dict. Weights are Hugging Face's, neither folded nor centred, so ``blocks.N.hook_out``
(``hook_resid_post``) is the residual stream that vectors are read from and added to. Attention is computed by the
bridge's own code: logits agree with the plain model's within rounding, not to the bit.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import ActivationCache
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from introspect.errors import InjectionActiveError, SubjectError
from introspect.injection import Injection, Injector
from introspect.progress import Advance, silent
from introspect.records import Audit, Backend
from introspect.spans import PADDING
from introspect.subjects.chat import Encoded
from introspect.subjects.engine.batch import Batch, by_length, left_pad
from introspect.subjects.engine.engine import Engine
from introspect.subjects.engine.full import FullPrefill
from introspect.subjects.engine.readouts import TOKENS_AT_ONCE, asked, readout
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Readout
from introspect.subjects.twin import twin

LIBRARY, PACKAGE = "transformer_lens", "transformer-lens"
FwdHook = tuple[str, Callable[..., Tensor]]


def residual_name(layer: int) -> str:
    """Return the bridge's name for the output of a block."""
    return f"blocks.{layer}.hook_out"


def bridge(subject: LocalSubject) -> TransformerBridge:
    """Return a bridge over the subject's own weights; the subject's module is left as it is.

    Raises:
        SubjectError: TransformerLens does not know the architecture.
    """
    model = subject.model
    try:
        with _quiet():
            return TransformerBridge.boot_transformers(
                subject.identity.name,
                hf_model=twin(model),
                tokenizer=subject.chat.tokenizer,
                device=None if hasattr(model, "hf_device_map") else str(model.device),  # pyright: ignore
                dtype=model.dtype,
            )
    except (ValueError, KeyError, NotImplementedError, AttributeError) as error:
        architecture, first = type(model).__name__, str(error).partition(". ")[0]
        message = f"TransformerLens cannot bridge {subject.identity.name} ({architecture}): {first[:160]}"
        raise SubjectError(message) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the library says while it boots: that keys are renamed, which is why it gets a twin."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class _Hook:
    """A step of an injector in the form of TransformerLens, which calls hooks with the activation and its point."""

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self._step = step

    def __call__(self, activation: Tensor, hook: object) -> Tensor:
        return self._step(activation)


def fwd_hooks(injector: Injector) -> list[FwdHook]:
    """Return an injector's injections as hooks for ``bridge.hooks`` and ``bridge.run_with_hooks``.

    Whoever runs the bridge says with ``injector.at`` which absolute positions each forward pass computes; where passes
    follow each other from position 0 on, ``Injected`` does that.
    """
    return [(residual_name(layer), _Hook(step)) for layer, step in injector.carried()]


class Injected:
    """Injections as hooks for one run of a bridge: a forward pass, or one ``generate`` with its cache.

    >>> injected = Injected(bridge, [[Injection(bread * 4.0, prompt.span("trial", "both"))]])  # doctest: +SKIP
    >>> logits = bridge.run_with_hooks(ids, fwd_hooks=injected.fwd_hooks)  # doctest: +SKIP
    >>> injected.audits([0])  # doctest: +SKIP

    Positions count from 0 and go on from pass to pass.

    Args:
        bridge: The bridge.
        rows: For every row of the batch its injections.
        padding: How many padding tokens each row begins with; none by default.
    """

    def __init__(
        self, bridge: TransformerBridge, rows: Sequence[Sequence[Injection]], padding: Sequence[int] | None = None
    ) -> None:
        self._injector = Injector(_points(bridge), rows, bridge.cfg.model_name or "the bridge")
        self._begins = -torch.tensor(list(padding) if padding else [0] * len(rows))
        self._seen = 0
        self.fwd_hooks: list[FwdHook] = [("blocks.0.hook_in", self._announce), *fwd_hooks(self._injector)]

    def _announce(self, activation: Tensor, hook: object) -> Tensor:
        n = activation.shape[1]
        positions = self._begins[:, None] + self._seen + torch.arange(n)
        self._injector.at(torch.where(positions < 0, PADDING, positions))
        self._seen += n
        return activation

    def audits(self, reply_lengths: Sequence[int]) -> list[tuple[Audit, ...]]:
        """Return the audits of all rows.

        Args:
            reply_lengths: Tokens that were generated for each row, 0 after a forward pass; the last is not fed back.

        Raises:
            AuditError: What was measured differs from what was planned.
        """
        return self._injector.audits(reply_lengths)


def activations(cache: ActivationCache, position: int = -1) -> Float[Tensor, "row n_layers d_model"]:
    """Return the output of every block at one position from what ``run_with_cache`` kept; float32 on the CPU.

    These are the matrices that ``mean_difference`` and ``principal_difference`` make vectors of.

    Raises:
        SubjectError: A block's output was not kept.
    """
    n_layers = cache.model.cfg.n_layers
    missing = [residual_name(layer) for layer in range(n_layers) if residual_name(layer) not in cache]
    if missing:
        message = f"the cache has no {', '.join(missing[:3])}; run_with_cache must keep the output of every block"
        raise SubjectError(message)
    return torch.stack([cache[residual_name(layer)][:, position].float().cpu() for layer in range(n_layers)], dim=1)


def _points(bridge: TransformerBridge) -> list[Any]:
    """Return the hook points at the blocks' outputs."""
    return [bridge.hook_dict[residual_name(layer)] for layer in range(bridge.cfg.n_layers)]


class LensPrefill(FullPrefill):
    """The loop over steps with the bridge's forward pass in it; injections are the bridge's hooks."""

    def __init__(self, subject: LocalSubject, bridge: TransformerBridge) -> None:
        super().__init__(subject.model, _points(bridge), subject.engine.ending, subject.identity.name)
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
        if any(isinstance(handle.user_hook, _Hook) for handle in handles):
            raise InjectionActiveError
        return super().read(prompts, progress)

    def _read_batch(self, rows: Sequence[Encoded]) -> Float[Tensor, "row n_layers d_model"]:
        return self._prefill.read(left_pad([row.ids for row in rows], self._prefill.filler))
