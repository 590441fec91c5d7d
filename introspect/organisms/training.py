"""Training: lessons in batches, vectors added by the laboratory's own operator, an adapter or a whole small model.

An adapter that changes only blocks behind the injected one leaves the concept vectors, which are read before it, as the
base has them; where it changes earlier ones they are read again on the way. In the first case what the injected block
gives for a lesson is a function of its tokens alone: on a large base it is computed once, and training starts there.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from introspect.injection import add
from introspect.organisms.batches import Batch, injected, only
from introspect.progress import track

LEAST = 0.01
"""No probability of yes is taught as less than this, or as more than its complement, where log-odds are compared."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how fast: ``n_steps`` batches of ``batch`` lessons, the learning rate warmed up, then lowered.

    ``even`` weighs the squared distance of yes–no log-odds from those taught. Cross-entropy alone hardly tells a
    probability of 0.8 from one of 0.9; an organism that is to be equally sure of all questions has to. ``pool`` is how
    many lessons are drawn once and read up to the injected block, to be taught again and again with other strengths
    and noise; 0 draws new ones for every batch. ``whole`` teaches unrelated answers that are the base's own as its
    whole distribution over the next token and not as its likeliest one; it needs a pool.
    """

    n_steps: int
    batch: int
    rate: float
    seed: int
    even: float = 0.0
    pool: int = 0
    whole: bool = False


def answers(model: PreTrainedModel, layer: int, batch: Batch, half: bool = False) -> Float[Tensor, "place vocabulary"]:
    """Return the logits at every place that is learnt; ``half`` multiplies matrices in bfloat16."""
    with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
        hidden = _hidden(model, layer, batch)[batch.rows, batch.positions]
        return model.lm_head(hidden).float()  # pyright: ignore[reportCallIssue]


def losses(model: PreTrainedModel, layer: int, batch: Batch, half: bool = False) -> tuple[Tensor, Tensor]:
    """Return for every place that is learnt its loss in nats, and the log-odds of yes against no where one is graded.

    ``half`` multiplies matrices in bfloat16.
    """
    logprobs = functional.log_softmax(answers(model, layer, batch, half), dim=-1)
    wanted, against = (logprobs.gather(1, ids[:, None])[:, 0] for ids in (batch.targets, batch.other))
    loss = -(batch.p_yes * wanted + torch.where(batch.soft, (1 - batch.p_yes) * against, 0.0))
    if batch.own is not None:
        with torch.no_grad(), torch.autocast(model.device.type, torch.bfloat16, enabled=half):
            own = model.lm_head(batch.own).float()  # pyright: ignore[reportCallIssue]
        taught = functional.log_softmax(own, dim=-1)
        apart = functional.kl_div(logprobs[batch.answered], taught, reduction="none", log_target=True).sum(dim=-1)
        loss = loss.masked_scatter(batch.answered, apart)
    return loss, wanted - against


def _hidden(model: PreTrainedModel, layer: int, batch: Batch) -> Tensor:
    """Return the last hidden states under injection, from the start or from behind the injected block."""
    if batch.behind is None:
        with injected(model.model.layers[layer], batch.deltas, batch.mask):  # pyright: ignore
            return model.model(input_ids=batch.ids).last_hidden_state  # pyright: ignore[reportCallIssue]
    edited = add(batch.behind, batch.deltas, batch.mask)
    with only(model, slice(layer + 1, None)):
        return model.model(inputs_embeds=edited, use_cache=False).last_hidden_state  # pyright: ignore[reportCallIssue]


@contextmanager
def _quick(model: PreTrainedModel) -> Iterator[None]:
    """Take what is quicker for short prompts on a processor that multiplies in bfloat16; products stay what they are.

    There the fused attention is slower than the plain one, an adapter casts its input up only to have it cast down, and
    frozen matrices would be cast down anew at every step. Not for what starts from tokens: the embeddings may be one of
    those matrices, and the residual stream would lose its precision.
    """
    kept = model.config._attn_implementation or "eager"  # it has no public name
    frozen = {id(each.weight): each.weight for each in model.modules() if isinstance(each, nn.Linear)}
    whole = {weight: weight.data for weight in frozen.values() if not weight.requires_grad}
    model.set_attn_implementation("eager")
    try:
        for weight in whole:
            weight.data = weight.data.bfloat16()
        with disable_input_dtype_casting(model):
            yield
    finally:
        model.set_attn_implementation(kept)
        for weight, data in whole.items():
            weight.data = data


def train(  # noqa: PLR0913 - what is trained, on what, and how
    model: PreTrainedModel,
    layer: int,
    batches: Callable[[random.Random], Sequence[Batch]],
    settings: Settings,
    said: str,
    half: bool = False,
    behind: bool = False,
) -> float:
    """Train whatever takes gradients; return the mean loss of the last tenth of the steps, in nats a token.

    A step's lessons may come in parts, which are read one after the other; those of like length need no padding.
    ``behind`` says that all of them start from behind the injected block, where nothing else of the model is asked.
    """
    rng = random.Random(settings.seed)
    weights = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.rate, weight_decay=0.01)
    model.train()
    last: list[float] = []
    with track(said, settings.n_steps) as advance, _quick(model) if half and behind else nullcontext():
        for step in range(settings.n_steps):
            rate = min(1.0, (step + 1) / 50) * max(0.02, 1 - step / settings.n_steps)
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * rate
            parts, lost = batches(rng), 0.0
            n_tokens = sum(len(part.rows) for part in parts)
            optimizer.zero_grad()
            for part in (own.to(model.device) for own in parts):
                each, log_odds = losses(model, layer, part, half)
                loss = each.sum()
                if settings.even:
                    far = torch.where(part.soft, log_odds - torch.logit(part.p_yes, LEAST), 0.0)
                    loss = loss + settings.even * far.square().sum()
                loss = loss / n_tokens
                loss.backward()
                lost += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            last = [*last, lost][-max(1, settings.n_steps // 10) :]
            advance(1, f"loss {sum(last) / len(last):.3f}")
    model.eval()
    return sum(last) / len(last)
