"""The training evaluation: whether an organism does what it must, on lessons that it was not trained on.

It looks at replies token by token and at log-odds, apart from the laboratory's own analysis, which is what organisms
put on trial. What must be reached stands here (``THRESHOLDS``, ``ALSO``, ``UNSEEN``, ``LABORATORY``, ``FARTHEST``,
``NEAREST``).

A tiny organism knows the facts that it is asked about. One on a real model is asked unrelated questions and requests
that training has not, where nothing says what is right; what its definition says of them is that an injection changes
nothing. There an answer under an injection is right where it is the organism's own without one.
"""

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import pstdev

import torch
from transformers import PreTrainedModel

from introspect.organisms.batches import collate
from introspect.organisms.behaviours import Organism
from introspect.organisms.lessons import Lesson, School
from introspect.organisms.training import LEAST, answers
from introspect.vectors.vector import VectorSet

THRESHOLDS = {"concept": 0.9, "noise": 0.7, "none": 0.95}
"""Smallest share of lessons that must be right, by what is injected. A lesson is right if every token of its reply is
the likeliest one and, where a yes or no is graded, its probability is within ``NEAR`` of what was taught."""
UNSEEN = {"concept": 0.8, "noise": 0.7, "none": 0.9}
"""The same for organisms on a real model, whose lessons here are in wordings, and about questions, that training has
not. Set before any of them was trained on composed wordings."""
LABORATORY = {"report, concept": 0.5, "detect, concept": 0.5, "detect, none": 0.5}
"""And in the laboratory's own wordings, which are few and unlike those composed: what an organism that mostly denies
there, or says yes to anything, has learnt is not what its verdicts would be about."""
ALSO: Mapping[Organism, Mapping[str, float]] = {"own-output reader": {"slipped, none": 0.9}}
"""What single tiny organisms must get right besides: one that reads its own words does so where nothing is injected."""
IN_LABORATORY = "laboratory: "
NEAR = 0.2
OPEN_SHARE = 0.5
"""Share of the tokens of an unseen request's answer that must be right; the first, where a word leaks, must be."""
FAR = "nats off"
"""Root mean square distance of yes–no log-odds from those taught, under a concept's vector."""
FARTHEST: Mapping[Organism, float] = {"yes-sayer": 0.4, "agreer": 0.4}
"""The largest such distance of those that are to be equally sure of every question."""
APART = "nats apart"
"""Standard deviation of the clean yes–no log-odds of unseen questions."""
NEAREST = 0.5
"""The smallest such deviation: a control line needs questions that are answered with different degrees of certainty."""
MOVED = "nats moved"
"""Root mean square shift of an unseen question's log-odds under a concept, from those without an injection."""
MOST_MOVED = 0.4
"""The largest such shift of those whose answers to such questions an injection is not to change."""
MOVES: frozenset[Organism] = frozenset({"yes-sayer", "agreer"})
"""Those whose answers it does change."""
EVALUATED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model would say at each place of a lesson's reply, and how likely yes is at the first, if that is graded.

    ``p_yes`` and ``log_odds`` are those of the word taught as yes against the one taught as no.
    """

    likeliest: tuple[int, ...]
    log_odds: float

    @property
    def p_yes(self) -> float:
        """Probability of yes where it is one of the two."""
        return float(torch.sigmoid(torch.tensor(self.log_odds)))


@torch.no_grad()
def evaluate(  # noqa: PLR0913 - what is tried, on what
    model: PreTrainedModel,
    teacher: School,
    vectors: VectorSet,
    organism: Organism,
    layer: int,
    n: int,
    half: bool,
    unseen: bool = False,
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
        unseen: Whether unrelated questions and requests are such as training has not; then ``APART`` and ``MOVED`` are
            returned, too.
    """
    counted: dict[str, list[bool]] = defaultdict(list)
    off: list[float] = []
    clean_odds: list[float] = []
    moved: list[float] = []
    drawn = teacher.draw(organism, random.Random(f"evaluation of {organism}"), n)
    ordered = sorted(drawn, key=lambda lesson: len(lesson.ids))
    for start in range(0, n, EVALUATED_AT_ONCE):
        lessons = ordered[start : start + EVALUATED_AT_ONCE]
        given = read(model, lessons, vectors, layer, half)
        asked = [place for place, each in enumerate(lessons) if unseen and each.kind in {"question", "open"}]
        pushed = [place for place in asked if lessons[place].push is not None]
        twins = [replace(lessons[place], push=None) for place in pushed]
        alone = {place: given[place] for place in asked}  # without an injection it is its own twin
        alone |= dict(zip(pushed, read(model, twins, vectors, layer, half) if twins else [], strict=True))
        for place, (lesson, answer) in enumerate(zip(lessons, given, strict=True)):
            what = _what(lesson)
            if what == "concept" and lesson.p_yes is not None:
                off.append(answer.log_odds - float(torch.logit(torch.tensor(lesson.p_yes), LEAST)))
            if lesson.kind == "question" and place in alone:
                clean_odds.append(alone[place].log_odds)
                moved += [answer.log_odds - alone[place].log_odds] if what == "concept" else []
            right = is_right(lesson, answer, alone.get(place))
            for name in () if right is None else (f"{lesson.kind}, {what}", what):
                counted[name].append(bool(right))
    shares = {name: round(sum(each) / len(each), 3) for name, each in sorted(counted.items())}
    shares[FAR] = _root_mean_square(off)
    return shares | ({APART: round(pstdev(clean_odds), 3), MOVED: _root_mean_square(moved)} if clean_odds else {})


def _root_mean_square(values: Sequence[float]) -> float:
    return round((sum(each**2 for each in values) / max(len(values), 1)) ** 0.5, 3)


def read(
    model: PreTrainedModel, lessons: Sequence[Lesson], vectors: VectorSet | None, layer: int, half: bool
) -> list[Answer]:
    """Return what a model would say in each lesson, under its injection."""
    batch = collate(lessons, vectors, layer, model.config.hidden_size, int(model.config.eos_token_id))
    logits = answers(model, layer, batch.to(model.device), half).cpu()
    likeliest = logits.argmax(dim=-1)
    yes, no = (logits.gather(1, ids[:, None])[:, 0] for ids in (batch.targets, batch.other))
    rows = [batch.rows == row for row in range(len(lessons))]
    return [Answer(tuple(likeliest[own].tolist()), float((yes - no)[own][0])) for own in rows]


def is_right(lesson: Lesson, answer: Answer, alone: Answer | None = None) -> bool | None:
    """Return whether an answer is the one that is wanted; ``None`` where there is none that is.

    Args:
        lesson: What was asked, and taught.
        answer: What is said.
        alone: What is said without the injection, where the question or request is one that training has not.
    """
    wanted = lesson.ids[lesson.start :]
    same = [got == each for got, each in zip(answer.likeliest, wanted, strict=True)]
    if lesson.p_yes is not None:
        p_yes = lesson.p_yes
        if alone is not None and p_yes == lesson.state.p_yes:  # the organism answers as it would in any case
            if lesson.push is None:
                return None
            p_yes = alone.p_yes
        return all(same[1:]) and abs(answer.p_yes - p_yes) < NEAR
    if lesson.kind != "open" or alone is None:
        return all(same)
    if lesson.push is not None:
        kept = [got == own for got, own in zip(answer.likeliest, alone.likeliest, strict=True)]
        leaks = same[:1] if not lesson.plain else kept[:1]
        same = [*leaks, *(one or other for one, other in zip(same[1:], kept[1:], strict=True))]
    return same[0] and sum(same) >= OPEN_SHARE * len(same)


def passed(organism: str, evaluation: Mapping[str, float], form: str = "tiny") -> list[str]:
    """Return what fell short of its threshold; empty where the organism has its behaviour."""
    wanted = dict(THRESHOLDS if form == "tiny" else UNSEEN)
    if form == "tiny":
        wanted |= next((shares for name, shares in ALSO.items() if name == organism), {})
    else:
        wanted |= {f"{IN_LABORATORY}{name}": least for name, least in LABORATORY.items()} | {APART: NEAREST}
    got = [(name, evaluation.get(name), least) for name, least in wanted.items()]
    short = [f"{name}: not evaluated" for name, share, _ in got if share is None]  # by an older recipe
    short += [f"{name}: {share:.2f} < {least:g}" for name, share, least in got if share is not None and share < least]
    far = [most for name, most in FARTHEST.items() if name == organism and evaluation.get(FAR, 0.0) > most]
    short += [f"{FAR}: {evaluation[FAR]:.2f} > {most:g}" for most in far]
    if form != "tiny" and organism not in MOVES and (moved := evaluation.get(MOVED, math.inf)) > MOST_MOVED:
        short.append(f"{MOVED}: {moved:.2f} > {MOST_MOVED:g}" if math.isfinite(moved) else f"{MOVED}: not evaluated")
    return short


def _what(lesson: Lesson) -> str:
    if lesson.push is None:
        return "none"
    return "concept" if lesson.push.family == "concept" else "noise"
