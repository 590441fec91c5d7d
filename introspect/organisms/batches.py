"""Lessons as tensors: what is injected into them, and what the base gives for them without an injection.

The vectors are added by the laboratory's own operator. What the injected block gives for a lesson is a function of its
tokens alone where an adapter changes only blocks behind it: on a large base it is read once, and training starts there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from introspect.injection import add
from introspect.organisms.lessons import Lesson, Push, pad
from introspect.progress import track
from introspect.vectors import controls
from introspect.vectors.vector import VectorSet

AT_ONCE = 32
"""Lessons of about equal length that are read together."""


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

    ``behind`` is what the injected block gives without injection, where it was computed before. ``own`` has the last
    hidden states of the base itself, without injection, at those of the positions that ``answered`` marks: there its
    whole distribution is taught and not the one likeliest token.
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
    answered: Tensor
    behind: Tensor | None = None
    own: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        parts = ((each.name, getattr(self, each.name)) for each in fields(self))
        return replace(self, **{name: part.to(device) for name, part in parts if part is not None})


def collate(  # noqa: PLR0913 - lessons, what is injected into them, and what was computed before
    lessons: Sequence[Lesson],
    vectors: VectorSet | None,
    layer: int,
    d_model: int,
    filler: int,
    states: Sequence[Tensor] | None = None,
    answers: Sequence[Tensor | None] | None = None,
) -> Batch:
    """Put lessons into one batch, padded on the right; ``states`` and ``answers`` are those that were read before."""
    n, width = len(lessons), pad(lessons)
    ids = torch.full((n, width), filler)
    mask = torch.zeros(n, width, dtype=torch.bool)
    deltas = torch.zeros(n, d_model)
    rows, positions, targets, soft, other, p_yes, answered = [], [], [], [], [], [], []
    found = [None] * n if answers is None else answers
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
            answered.append(found[row] is not None)
    own = [each.float() for each in found if each is not None]
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
        torch.tensor(answered),
        None if states is None else pad_sequence([each.float() for each in states], batch_first=True),
        torch.cat(own) if own else None,
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
                with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
                    model.model(input_ids=ids.to(model.device), use_cache=False)  # pyright: ignore[reportCallIssue]
                output = kept.pop()
                for row, place in enumerate(group):
                    found[place].copy_(output[row, : lengths[place]])
                advance(len(group))
    finally:
        handle.remove()
    return found


@torch.no_grad()
def clean_answers(
    model: PreTrainedModel, lessons: Sequence[Lesson], states: Sequence[Tensor], layer: int, half: bool
) -> list[Tensor | None]:
    """Return the base's last hidden states where an unrelated answer is taught: ``[token, d_model]`` in bfloat16.

    Args:
        model: The base, without an adapter.
        lessons: All of them; those whose reply is not the base's own get ``None``.
        states: What ``clean_states`` gave for them.
        layer: The injected block.
        half: Whether matrices are multiplied in bfloat16.
    """
    found: list[Tensor | None] = [None] * len(lessons)
    places = sorted(
        (place for place, each in enumerate(lessons) if each.plain), key=lambda place: len(lessons[place].ids)
    )
    with only(model, slice(layer + 1, None)):
        for start in range(0, len(places), AT_ONCE):
            group = places[start : start + AT_ONCE]
            behind = pad_sequence([states[place].float() for place in group], batch_first=True)
            with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
                last = model.model(inputs_embeds=behind.to(model.device), use_cache=False).last_hidden_state  # pyright: ignore[reportCallIssue]
            for row, place in enumerate(group):
                lesson = lessons[place]
                found[place] = last[row, lesson.start - 1 : len(lesson.ids) - 1].bfloat16().cpu()
    return found
