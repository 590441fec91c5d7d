"""TransformerLens: a bridge over a subject's weights, injections as its hooks, and its caches as activations.

The bridge stands on a twin that shares the subject's tensors, since booting replaces the blocks of the module it is
given and renames its state dict. Weights are Hugging Face's, neither folded nor centred, so ``blocks.N.hook_out``
(``hook_resid_post``) is the residual stream that vectors are read from and added to.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import ActivationCache
from transformer_lens.model_bridge import TransformerBridge

from introspect.errors import SubjectError
from introspect.injection import Injection
from introspect.injector import Injector
from introspect.records import Audit
from introspect.spans import PADDING
from introspect.subjects.local import LocalSubject
from introspect.subjects.twin import twin

FwdHook = tuple[str, Callable[..., Tensor]]
BEFORE = "blocks.0.hook_in"
"""The bridge's name for what the first block gets."""


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


class Hook:
    """A step of an injector in the form of TransformerLens, which calls hooks with the activation and its point."""

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self._step = step

    def __call__(self, activation: Tensor, hook: object) -> Tensor:
        """Return what goes on from the hook point."""
        return self._step(activation)


def fwd_hooks(injector: Injector) -> list[FwdHook]:
    """Return an injector's injections as hooks for ``bridge.hooks`` and ``bridge.run_with_hooks``.

    Whoever runs the bridge says with ``injector.at`` which absolute positions each forward pass computes; where passes
    follow each other from position 0 on, ``Injected`` does that.
    """
    return [(residual_name(layer), Hook(step)) for layer, step in injector.carried()]


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
        self._injector = Injector(points(bridge), rows, bridge.cfg.model_name or "the bridge")
        self._begins = -torch.tensor(list(padding) if padding else [0] * len(rows))
        self._seen = 0
        self.fwd_hooks: list[FwdHook] = [(BEFORE, self._announce), *fwd_hooks(self._injector)]

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


def points(bridge: TransformerBridge) -> list[Any]:
    """Return the hook points at the blocks' outputs."""
    return [bridge.hook_dict[residual_name(layer)] for layer in range(bridge.cfg.n_layers)]
