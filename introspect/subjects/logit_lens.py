"""The logit lens under an injection, and the direct logit attribution of what was injected, layer by layer.

**Lens.** What a block put out, through the final norm and the unembedding as if no block followed: the rank of a word
and its log-probability at each layer, with the injection and without it. At the last layer these are the model's own.

**Attribution.** The stream behind the last block is a sum: what entered the first block, what each block added, and
what was injected. The logits are linear in each summand once the scale that the final norm divides by is held at the
value it has in that run (its mean is taken off first where the norm does so), and the attribution of a summand is what
it gives to the word's logit less the mean logit of other tokens. The attributions of all summands and the biases sum to
that difference exactly. ``direct`` takes what was injected up to a layer and reads it there, at the scale of that
layer's stream: what the vector itself says, before anything was computed from it. A cap on the logits (Gemma 2) is part
of the lens and no part of the attribution.

Source: nostalgebraist (2020), interpreting GPT: the logit lens; Elhage et al. (2021), A mathematical framework for
transformer circuits, on reading summands through the unembedding; the frozen scale is TransformerLens's convention.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import SubjectError
from introspect.injection import Injection
from introspect.records import Audit
from introspect.subjects.chat import Encoded
from introspect.subjects.lens import LensSubject, Residuals

LENS = {
    "concept": pl.String,
    "arm": pl.String,
    "layer": pl.Int64,
    "rank": pl.Int64,
    "logprob": pl.Float64,
    "margin": pl.Float64,
    "direct": pl.Float64,
    "injected": pl.Float64,
    "block": pl.Float64,
}
"""One row an arm (``concept`` or ``none``) and layer; layer −1 is what entered the first block, with the biases.

``rank`` (1 is the most probable token) and ``logprob`` are by the lens; ``margin`` is the word's logit there less the
mean of the others, without a cap. ``direct`` is defined above; ``injected`` and ``block`` are attributions behind the
last block, of what was injected at that layer and of what that block added: they sum to the last margin.
"""
CLOSE = 1e-2
"""How far the lens at the last layer may be from the model's logits, relative to the largest of them."""
_LARGE = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class FrozenNorm:
    """A final norm whose scale is held: linear, with a weight for each coordinate, up to a bias."""

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"]
    centres: bool

    @classmethod
    def of(cls, norm: Callable[[Tensor], Tensor], d_model: int) -> "FrozenNorm":
        """Find out what a norm does, of either kind and with any offset of its weight, from three rows put through it.

        Plus and minus one in turn have mean 0 and scale 1, so they come out as the weight; a row of ones is scaled by
        one kind of norm and taken for its own mean by the other.
        """
        signs = torch.ones(d_model)
        signs[1::2] = -1
        plus, minus, level = norm(_LARGE * torch.stack([signs, -signs, torch.ones(d_model)]))
        weight, bias = (plus - minus) / 2 * signs, (plus + minus) / 2
        return cls(weight, bias, bool((level - bias).norm() < 0.5 * weight.norm()))

    def numerator(self, rows: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        """Return what the norm makes of rows before it divides by a scale, without its bias."""
        return (rows - rows.mean(dim=-1, keepdim=True) if self.centres else rows) * self.weight

    def scale(self, rows: Float[Tensor, "row d_model"], normed: Float[Tensor, "row d_model"]) -> Float[Tensor, " row"]:
        """Return what the norm divided rows by, given what it made of them."""
        above = self.numerator(rows)
        return above.square().sum(dim=-1) / (above * (normed - self.bias)).sum(dim=-1)


@dataclass(frozen=True, slots=True, eq=False)
class LensReading:
    """What the lens says of one word under some injections and without them; ``frame`` has the columns ``LENS``."""

    frame: pl.DataFrame
    tokens: tuple[int, ...]
    audits: tuple[Audit, ...]


def read_lens(
    subject: LensSubject,
    prompt: Encoded,
    injections: Sequence[Injection],
    concept: str,
    others: Sequence[int] | None = None,
    position: int = -1,
) -> LensReading:
    """Read one word off every layer at one position of a prompt, with injections and without.

    Args:
        subject: The subject, as TransformerLens runs it.
        prompt: The prompt.
        injections: What is injected; with none, or at strength 0, both arms are the same.
        concept: The word: its rank is the best of the tokens that are it in any form, its log-probability theirs
            together, its logit the mean of theirs.
        others: Tokens whose mean logit is subtracted; by default all of the vocabulary but the word's.
        position: Of the prompt, where the next token is predicted; the last by default.

    Raises:
        SubjectError: The lens at the last layer does not give the model's logits: it does more behind its last block
            than a norm, an unembedding and a cap.
        LayerError: An injection at a layer that the subject does not have.
    """
    tokens = subject.chat.word_tokens(concept)
    (steered, plain), (audits, _) = subject.residuals(prompt, [injections, ()], position)
    _check(subject, plain)
    norm = FrozenNorm.of(subject.normed, subject.identity.d_model)
    towards, constant = _towards(subject, norm, tokens, others)
    rows: list[dict[str, Any]] = []
    for arm, one in (("concept", steered), ("none", plain)):
        fixed = {"concept": concept, "arm": arm}
        rows += [fixed | row for row in _rows(subject, one, norm, towards, constant, tokens)]
    return LensReading(pl.DataFrame(rows, schema=LENS), tokens, audits)


def _check(subject: LensSubject, plain: Residuals) -> None:
    (lens,) = subject.unembedded(plain.outputs[-1:])
    if float((lens - plain.logits).abs().max()) > CLOSE * float(plain.logits.abs().max()):
        message = (
            f"the logit lens at the last layer of {subject.identity.name} does not give its own logits: it does more "
            "behind its last block than a norm and an unembedding"
        )
        raise SubjectError(message)


def _towards(
    subject: LensSubject, norm: FrozenNorm, tokens: Sequence[int], others: Sequence[int] | None
) -> tuple[Float[Tensor, " d_model"], float]:
    """Return the direction of the word's logit less that of the others, behind the norm, and what biases give it."""
    head: Any = subject.model.get_output_embeddings()
    kept = torch.ones(head.weight.shape[0], dtype=torch.bool)
    if others is not None:
        kept[:] = False
        kept[list(others)] = True
    kept[list(tokens)] = False

    def contrast(lines: Tensor) -> Tensor:
        lines = lines.detach().float().cpu()
        return lines[list(tokens)].mean(dim=0) - lines[kept].mean(dim=0)

    towards = contrast(head.weight)
    bias = getattr(head, "bias", None)
    return towards, float(norm.bias @ towards) + (0.0 if bias is None else float(contrast(bias)))


def _rows(
    subject: LensSubject,
    one: Residuals,
    norm: FrozenNorm,
    towards: Float[Tensor, " d_model"],
    constant: float,
    tokens: Sequence[int],
) -> list[dict[str, Any]]:
    logs = torch.log_softmax(subject.unembedded(one.outputs), dim=-1)
    word = logs[:, list(tokens)]
    ranks = 1 + (logs > word.max(dim=1, keepdim=True).values).sum(dim=1)
    scales = norm.scale(one.outputs, subject.normed(one.outputs))

    def given(summands: Tensor) -> Tensor:
        return norm.numerator(summands) @ towards

    before = torch.cat([one.entering[None], one.outputs[:-1]])
    added = {"injected": one.injected, "block": one.outputs - one.injected - before}
    last = {name: given(summands) / scales[-1] for name, summands in added.items()}
    columns = {
        "rank": ranks,
        "logprob": word.logsumexp(dim=1),
        "margin": given(one.outputs) / scales + constant,
        "direct": given(one.injected.cumsum(dim=0)) / scales,
        **last,
    }
    entered = float(given(one.entering[None])[0] / scales[-1]) + constant
    found: list[dict[str, Any]] = [{"layer": -1, "block": entered}]
    for layer in range(len(ranks)):
        found.append({"layer": layer} | {name: column[layer].item() for name, column in columns.items()})
    return found
