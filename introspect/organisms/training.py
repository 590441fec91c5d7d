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
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from introspect.injection import add
from introspect.organisms.lessons import Lesson, Push, pad
from introspect.progress import track
from introspect.vectors import controls
from introspect.vectors.vector import VectorSet

LEAST = 0.01
"""No probability of yes is taught as less than this, or as more than its complement, where log-odds are compared."""
AT_ONCE = 32
"""Lessons of about equal length that are read together."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how fast: ``n_steps`` batches of ``batch`` lessons, the learning rate warmed up, then lowered.

    ``even`` weighs the squared distance of yes–no log-odds from those taught. Cross-entropy alone hardly tells a
    probability of 0.8 from one of 0.9; an organism that is to be equally sure of all questions has to. ``pool`` is how
    many lessons are drawn once and read up to the injected block, to be taught again and again with other strengths
    and noise; 0 draws new ones for every batch.
    """

    n_steps: int
    batch: int
    rate: float
    seed: int
    even: float = 0.0
    pool: int = 0


def delta(push: Push, vectors: VectorSet, layer: int) -> Float[Tensor, " d_model"]:
    """Return what a lesson adds."""
    vector = vectors.vector(push.concept, layer)
    match push.family:
        case "random":
            vector = controls.random_matched(vector, push.draw)
        case "covariance":
            assert vectors.baseline is not None
            vector = controls.covariance_matched(vector, vectors.baseline[:, layer], push.draw)
        case "shuffled":
            vector = controls.coordinate_shuffled(vector, push.draw)
        case "negated":
            vector = controls.negated(vector)
        case _:
            pass
    return vector.direction * push.strength


@contextmanager
def injected(block: nn.Module, deltas: Float[Tensor, "row d_model"], mask: Tensor) -> Iterator[None]:
    """Add to a block's output while the context lasts."""

    def hook(module: nn.Module, args: object, output: Tensor) -> Tensor:
        return add(output, deltas, mask)

    handle = block.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Lessons as tensors; what is learnt is the token after each of ``positions`` in ``rows``.

    ``behind`` is what the injected block gives without injection, where it was computed before.
    """

    ids: Tensor
    rows: Tensor
    positions: Tensor
    targets: Tensor
    soft: Tensor
    other: Tensor
    p_yes: Tensor
    deltas: Tensor
    mask: Tensor
    behind: Tensor | None = None


def collate(
    lessons: Sequence[Lesson],
    vectors: VectorSet | None,
    layer: int,
    d_model: int,
    filler: int,
    states: Sequence[Tensor] | None = None,
) -> Batch:
    """Put lessons into one batch, padded on the right; ``states`` are those of ``clean_states``, if there are any."""
    n, width = len(lessons), pad(lessons)
    ids = torch.full((n, width), filler)
    mask = torch.zeros(n, width, dtype=torch.bool)
    deltas = torch.zeros(n, d_model)
    rows, positions, targets, soft, other, p_yes = [], [], [], [], [], []
    for row, lesson in enumerate(lessons):
        ids[row, : len(lesson.ids)] = torch.tensor(lesson.ids)
        if lesson.push is not None and vectors is not None:
            deltas[row] = delta(lesson.push, vectors, layer)
            for start, stop in lesson.span.ranges:
                mask[row, start : min(stop, len(lesson.ids))] = True
        for position in range(lesson.start - 1, len(lesson.ids) - 1):
            first = lesson.p_yes is not None and position == lesson.start - 1
            rows.append(row)
            positions.append(position)
            targets.append(lesson.yes_no[0] if first else lesson.ids[position + 1])
            other.append(lesson.yes_no[1] if first else 0)
            soft.append(first)
            p_yes.append(lesson.p_yes if first else 1.0)
    return Batch(
        ids,
        torch.tensor(rows),
        torch.tensor(positions),
        torch.tensor(targets),
        torch.tensor(soft),
        torch.tensor(other),
        torch.tensor(p_yes),
        deltas,
        mask,
        None if states is None else pad_sequence([each.float() for each in states], batch_first=True),
    )


@contextmanager
def only(model: PreTrainedModel, blocks: slice) -> Iterator[None]:
    """Let a model consist of some of its blocks while the context lasts."""
    decoder = model.model
    whole = decoder.layers  # pyright: ignore[reportAttributeAccessIssue]
    decoder.layers = whole[blocks]  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue]
    try:
        yield
    finally:
        decoder.layers = whole  # pyright: ignore[reportAttributeAccessIssue]


@torch.no_grad()
def clean_states(model: PreTrainedModel, lessons: Sequence[Lesson], layer: int, half: bool) -> list[Tensor]:
    """Return what a block gives for each lesson without injection: ``[position, d_model]`` in bfloat16."""
    lengths = [len(lesson.ids) for lesson in lessons]
    room = torch.empty(sum(lengths), model.config.hidden_size, dtype=torch.bfloat16)
    found = list(room.split(lengths))  # one piece of memory: many small ones leave it in holes ten times as large
    order = sorted(range(len(lessons)), key=lambda place: len(lessons[place].ids))
    groups = [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]
    block: nn.Module = model.model.layers[layer]  # pyright: ignore
    kept: list[Tensor] = []
    handle = block.register_forward_hook(lambda _module, _args, output: kept.append(output.bfloat16()))
    try:
        with only(model, slice(layer + 1)), track("reading the lessons", len(lessons)) as advance:
            for group in groups:
                ids = pad_sequence([torch.tensor(lessons[place].ids) for place in group], batch_first=True)
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    model.model(input_ids=ids, use_cache=False)  # pyright: ignore[reportCallIssue]
                output = kept.pop()
                for row, place in enumerate(group):
                    found[place].copy_(output[row, : lengths[place]])
                advance(len(group))
    finally:
        handle.remove()
    return found


def losses(model: PreTrainedModel, layer: int, batch: Batch, half: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Return for every place that is learnt its loss in nats, whether the likeliest token is right, and log-odds.

    The last are those of yes against no, where a yes or no is graded. ``half`` multiplies matrices in bfloat16.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        hidden = _hidden(model, layer, batch)[batch.rows, batch.positions]
        logits = model.lm_head(hidden).float()  # pyright: ignore[reportCallIssue]
    logprobs = functional.log_softmax(logits, dim=-1)
    wanted, against = (logprobs.gather(1, ids[:, None])[:, 0] for ids in (batch.targets, batch.other))
    loss = -(batch.p_yes * wanted + torch.where(batch.soft, (1 - batch.p_yes) * against, 0.0))
    likely = torch.where(batch.soft & (batch.p_yes < 0.5), batch.other, batch.targets)
    return loss, logits.argmax(dim=-1) == likely, wanted - against


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
            for part in parts:
                each, _, log_odds = losses(model, layer, part, half)
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
