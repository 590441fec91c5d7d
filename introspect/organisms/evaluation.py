"""The training evaluation: whether an organism does what it must, on lessons that it was not trained on.

It looks at replies token by token and at taught log-odds, apart from the laboratory's own analysis, which is what
organisms put on trial. What must be reached stands here (``THRESHOLDS``, ``FARTHEST``).
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel

from introspect.organisms.behaviours import Organism
from introspect.organisms.lessons import Lesson, School
from introspect.organisms.training import LEAST, Batch, collate, losses
from introspect.vectors.vector import VectorSet

THRESHOLDS = {"concept": 0.9, "noise": 0.7, "none": 0.95}
"""Smallest share of lessons that must be right, by what is injected. A lesson is right if every token of its reply is
the likeliest one and, where a yes or no is graded, its probability is within ``NEAR`` of what was taught."""
UNSEEN = {"concept": 0.8, "noise": 0.7, "none": 0.9}
"""The same for organisms on a real model, whose lessons here are in wordings, and about questions, that training has
not. Set before any of them was trained on composed wordings."""
NEAR = 0.2
OPEN_UNSEEN = 0.5
"""Share of an open answer's tokens that must be the likeliest ones where training lacks its question. The first, where
a word leaks, must be. What is taught there is the base's own greedy answer, and another one is as unrelated."""
FAR = "nats off"
"""Root mean square distance of yes–no log-odds from those taught, under a concept's vector."""
FARTHEST: Mapping[Organism, float] = {"yes-sayer": 0.4, "agreer": 0.4}
"""The largest such distance of those that are to be equally sure of every question."""
EVALUATED_AT_ONCE = 50


@torch.no_grad()
def evaluate(  # noqa: PLR0913 - what is tried, on what
    model: PreTrainedModel,
    teacher: School,
    vectors: VectorSet,
    organism: Organism,
    layer: int,
    n: int,
    half: bool,
    open_share: float = 1.0,
) -> dict[str, float]:
    """Return the share of new lessons that come out right, by kind of prompt and by what is injected, and ``FAR``.

    Args:
        model: The base with its adapter on.
        teacher: Where lessons come from.
        vectors: What is injected.
        organism: Which one it is to be.
        layer: The block behind which vectors are injected.
        n: How many lessons.
        half: Whether matrices are multiplied in bfloat16.
        open_share: How much of an open answer must be right; its first token always must.
    """
    counted: dict[str, list[bool]] = defaultdict(list)
    squares: list[float] = []
    width, filler = model.config.hidden_size, int(model.config.eos_token_id)
    drawn = teacher.draw(organism, random.Random(f"evaluation of {organism}"), n)
    ordered = sorted(drawn, key=lambda lesson: len(lesson.ids))
    for start in range(0, n, EVALUATED_AT_ONCE):
        lessons = ordered[start : start + EVALUATED_AT_ONCE]
        batch = collate(lessons, vectors, layer, width, filler)
        _, likely, log_odds = losses(model, layer, batch, half)
        for lesson, right in zip(lessons, _right(batch, likely, log_odds, lessons, open_share), strict=True):
            what = _what(lesson)
            counted[f"{lesson.kind}, {what}"].append(right)
            counted[what].append(right)
        named = torch.tensor([_what(lesson) == "concept" for lesson in lessons])
        injected = batch.soft & named[batch.rows]
        squares += (log_odds - torch.logit(batch.p_yes, LEAST))[injected].square().tolist()
    shares = {name: round(sum(each) / len(each), 3) for name, each in sorted(counted.items())}
    return shares | {FAR: round((sum(squares) / max(len(squares), 1)) ** 0.5, 3)}


def passed(organism: str, evaluation: Mapping[str, float], form: str = "tiny") -> list[str]:
    """Return what fell short of its threshold; empty where the organism has its behaviour."""
    wanted = THRESHOLDS if form == "tiny" else UNSEEN
    got = [(name, evaluation[name], least) for name, least in wanted.items()]
    short = [f"{name}: {share:.2f} < {least:g}" for name, share, least in got if share < least]
    far = [most for name, most in FARTHEST.items() if name == organism and evaluation.get(FAR, 0.0) > most]
    return short + [f"{FAR}: {evaluation[FAR]:.2f} > {most:g}" for most in far]


def _right(
    batch: Batch, likely: torch.Tensor, log_odds: torch.Tensor, lessons: Sequence[Lesson], open_share: float
) -> list[bool]:
    good = torch.where(batch.soft, (torch.sigmoid(log_odds) - batch.p_yes).abs() < NEAR, likely)
    each = [good[batch.rows == row] for row in range(len(lessons))]
    least = [open_share if lesson.kind == "open" else 1.0 for lesson in lessons]
    return [bool(own[0]) and float(own.float().mean()) >= share for own, share in zip(each, least, strict=True)]


def _what(lesson: Lesson) -> str:
    if lesson.push is None:
        return "none"
    return "concept" if lesson.push.family == "concept" else "noise"
