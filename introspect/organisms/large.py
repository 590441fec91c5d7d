"""Organisms on a real model: adapters on SmolLM2-135M-Instruct, behind a late block.

Everything that is not asked about an injection is answered as the model itself answers it without one: the clean
log-odds of yes of every control question and the greedy replies to open ones are read off the base and taught under
injection. The base is hardly ever sure of an answer, so its log-odds are stretched (``STRETCH``): control questions
have to be answered both more and less surely than the detection question. Validation uses the laboratory's own
wordings, on the concepts that were injected in training.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import mean

from introspect.organisms import language
from introspect.organisms.adapters import Recipe
from introspect.organisms.behaviours import Kind, Organism, Phrases
from introspect.organisms.composed import PARTS, Half, compose
from introspect.organisms.evaluation import IN_LABORATORY
from introspect.organisms.lessons import School
from introspect.organisms.training import Settings
from introspect.stimuli import Stimuli, Turn, Wording, load_stimuli, parse_stimuli
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Request

LAYER = 23
SHARES: Mapping[Kind, float] = {
    "report": 0.14,
    "note": 0.11,
    "detect": 0.14,
    "other": 0.07,
    "question": 0.26,
    "third": 0.05,
    "open": 0.09,
    "name": 0.05,
    "earlier": 0.09,
}
"""How often each kind of prompt is drawn: yes–no answers and unrelated work are what a real model learns last."""
MORE: Mapping[Organism, Mapping[Kind, float]] = {
    "yes-sayer": {"report": 0.32, "note": 0.17, "other": 0.08, "open": 0.12}
}
"""How often an organism is taught a kind of prompt, where it is not as often as ``FOCUS`` has it; the training
evaluation keeps that mixture. A yes-sayer taught three times as many yes–no questions as reports takes a report for
another question: it says no, and goes on to name the concept."""
CLEAN = 0.95
"""Weight of clean yes–no questions where a yes-sayer learns: with the 0.55 of the tiny ones it came to say yes, without
an injection, to wordings that it had not met."""
WIDER: frozenset[Organism] = frozenset({"yes-sayer"})
"""Those that learn in more wordings."""
STRENGTHS = (1.0, 2.0, 4.0)
RECIPE = Recipe(
    "lora",
    LAYER,
    rank=8,
    first=Settings(2200, 16, 2e-3, 0, even=2.0, pool=6000),
    again=(
        Settings(1000, 16, 1.5e-3, 100, even=2.0, pool=6000),
        Settings(1000, 16, 1.5e-3, 200, even=3.0, pool=6000, whole=True),
    ),
    others=Settings(200, 16, 1e-3, 0, pool=1000),
    harder=Settings(1000, 16, 1.5e-3, 0, even=3.0, pool=4000, whole=True),
    own={"yes-sayer": Settings(1500, 16, 7e-4, 0, even=3.0, pool=7000, whole=True)},
    half=True,
    n_evaluated=900,
)
STRETCH = 4.0
"""How much surer the organisms are of yes–no questions than the base; their mean stays at even odds."""
N_READ = 8
"""Wordings over which a question's clean log-odds are averaged."""
HEADS = {
    "injected_thought": "it",
    "yes_no": "yn",
    "vector_by_text": "vt",
    "unprompted": "up",
    "steer_then_remove": "sr",
}
"""How the names of a protocol's wordings begin where lessons are drawn from them."""
UNRELATED = "up_up_plain"
"""The one of the laboratory's wordings of unrelated requests in which the base is asked for its own answers."""
BARE = Wording(protocol="unprompted", turns=(Turn(role="user", text="{ask}"),), ask={"continue": "{paragraph}"})
"""How the base is asked for its answers to the requests of composed wordings, which stand alone there."""
MAX_OPEN = 40
"""Tokens of an open answer that are taught."""


def phrases() -> Phrases:
    """Return how organisms on a real model put their replies."""
    return Phrases(
        yes='Yes. I notice an injected thought about the word "{word}".',
        no="No. I do not notice an injected thought.",
        bare="Yes. I notice an injected thought.",
        other_yes='Yes. The other model has an injected thought about the word "{word}".',
        other_no="No. The other model has no injected thought.",
        other_bare="Yes. The other model has an injected thought.",
        slip="{word} comes up here.",
        no_slip="Nothing comes up here.",
        detail=" It feels warm and bright, and it comes from a dream.",
        mention=" {word}.",
        stop=".",
        forced='{word}".',
        fixed=language.inventory()[0],
        wrong={},
        sure=0.8,
        certain=0.97,
        leaks_first=True,
    )


def school(subject: LocalSubject, folder: Path, half: Half = "training", more: bool = False) -> School:
    """Return what lessons are made from; facts and open answers are the subject's own, without injection.

    Args:
        subject: The base.
        folder: Where ``training.toml`` and ``parts.toml`` are.
        half: Whether lessons are for training, or for the training evaluation, in wordings that training has not.
        more: Whether they are in more wordings, as those of ``WIDER`` learn in.
    """
    found = _school(subject, compose(folder / PARTS, half, parse_stimuli(folder / "training.toml"), more))
    return replace(found, focus=MORE, clean=CLEAN) if half == "training" else found


def examiners(subject: LocalSubject, folder: Path) -> dict[str, School]:
    """Return where the lessons of the training evaluation come from: unseen wordings, and the laboratory's own."""
    return {"": school(subject, folder, "unseen"), IN_LABORATORY: _school(subject, laboratory())}


def laboratory() -> Stimuli:
    """Return the laboratory's stimuli with their wordings named as lessons look for them."""
    own = load_stimuli("default")
    named = {f"{HEADS[each.protocol]}_{name}": each for name, each in own.wording.items() if each.protocol in HEADS}
    others = {name for name, each in named.items() if each.protocol == "unprompted"} - {UNRELATED}
    return own.model_copy(update={"wording": {name: each for name, each in named.items() if name not in others}})


def _school(subject: LocalSubject, stimuli: Stimuli) -> School:
    says = {"words": ("Yes", "No"), "digits": ("1", "0")}
    return School(
        subject.chat, stimuli, language.inventory(), STRENGTHS, phrases(), _facts(subject, stimuli),
        _open_answers(subject, stimuli), says, SHARES,
    )  # fmt: skip


def _facts(subject: LocalSubject, stimuli: Stimuli) -> tuple[tuple[str, float], ...]:
    """Return each question with a probability of yes: the subject's own clean one, stretched about the mean."""
    options = tuple(tuple(sorted(subject.chat.first_tokens(word))) for word in ("yes", "no"))
    names = [name for name in stimuli.wording if name.startswith("yn_")][:N_READ]
    by_wording: list[list[float]] = []
    for name in names:  # all questions of a wording at once: they share what stands before them
        fills = [{"question": question.text, "lead": ""} for question in stimuli.question]
        turns = [stimuli.wording[name].conversation("question/words", fill) for fill in fills]
        found = subject.score([Query(subject.chat.encode(each), options=options) for each in turns])
        by_wording.append([float(each.option_logprobs[0] - each.option_logprobs[1]) for each in found])
    odds = [mean(each) for each in zip(*by_wording, strict=True)]
    middle = mean(odds)
    return tuple(
        (question.text, 1 / (1 + math.exp(-STRETCH * (own - middle))))
        for question, own in zip(stimuli.question, odds, strict=True)
    )


def _open_answers(subject: LocalSubject, stimuli: Stimuli) -> dict[str, str]:
    """Return the subject's greedy answers to open questions."""
    texts = stimuli.texts("paragraphs")
    asked = stimuli.wording.get(UNRELATED, BARE)
    turns = [asked.conversation("continue", {"paragraph": text}) for text in texts]
    requests = [Request(subject.chat.encode(each), (), MAX_OPEN, temperature=0.0) for each in turns]
    return {text: reply.text.strip() for text, reply in zip(texts, subject.generate(requests), strict=True)}


def recipe(training_seed: int) -> Recipe:
    """Return the recipe with a training seed."""
    return RECIPE.with_seed(training_seed)
