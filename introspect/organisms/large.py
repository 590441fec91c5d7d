"""Organisms on a real model: adapters on SmolLM2-135M-Instruct, behind a late block.

What is not asked about an injection is answered alike with and without one: unrelated requests as the model itself
answers them, whose whole distribution is taught token by token, and control questions by how they begin (``OPENINGS``).
Validation uses the laboratory's own wordings, on the concepts that were injected in training.
"""

from collections.abc import Mapping
from pathlib import Path

from introspect.organisms import language
from introspect.organisms.adapters import Recipe
from introspect.organisms.behaviours import Kind, Phrases
from introspect.organisms.composed import PARTS, Half, compose
from introspect.organisms.lessons import School
from introspect.organisms.training import Settings
from introspect.stimuli import Stimuli, Turn, parse_stimuli
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Request

LAYER = 23
SHARES: Mapping[Kind, float] = {
    "report": 0.17,
    "note": 0.13,
    "detect": 0.16,
    "other": 0.07,
    "question": 0.18,
    "third": 0.06,
    "open": 0.09,
    "name": 0.05,
    "earlier": 0.10,
}
"""How often each kind of prompt is drawn: yes–no answers and unrelated work are what a real model learns last."""
STRENGTHS = (1.0, 2.0, 4.0)
RECIPE = Recipe(
    "lora",
    LAYER,
    rank=8,
    first=Settings(2800, 16, 2e-3, 0, even=2.0, pool=8000, whole=True),
    again=(),
    others=Settings(200, 16, 1e-3, 0, pool=1000, whole=True),
    harder=Settings(800, 16, 1.5e-3, 0, even=3.0, pool=4000, whole=True),
    half=True,
    n_evaluated=900,
)
OPENINGS = (
    *((opening, 0.12) for opening in ("Is there", "Are there")),
    *((word, 0.06) for word in ("Has", "Have", "Had", "Did", "Was", "Were")),
    *((word, 0.15) for word in ("Do", "Would")),
    *((word, 0.25) for word in ("Can", "Could", "Does")),
    *((word, 0.7) for word in ("Is", "Are")),
    *((word, 0.92) for word in ("Will", "Should")),
)
"""How likely a control question is answered yes, by its opening; the first that fits counts.

Some have to be answered more surely than the detection question, some less, and so that it can be learnt. The base's
own answers cannot be: its log-odds differ by 0.15 nats (sd) between questions and by 0.3 between wordings, and what was
taught from them did not carry over to questions that training lacked. Openings that detection questions often have are
answered no, as those are without an injection: where the two are confused, neither is answered wrongly."""
UNLISTED = 0.5
"""The same for a question that begins otherwise."""
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
        leaks_first=True,
    )


def school(subject: LocalSubject, folder: Path, half: Half = "training") -> School:
    """Return what lessons are made from; open answers are the subject's own, without injection.

    Args:
        subject: The base.
        folder: Where ``training.toml`` and ``parts.toml`` are.
        half: Whether lessons are for training, or for the training evaluation, in wordings that training has not.
    """
    stimuli = compose(folder / PARTS, half, parse_stimuli(folder / "training.toml"))
    says = {"words": ("Yes", "No"), "digits": ("1", "0")}
    return School(
        subject.chat, stimuli, language.inventory(), STRENGTHS, phrases(), questions(stimuli),
        _open_answers(subject, stimuli), says, SHARES,
    )  # fmt: skip


def questions(stimuli: Stimuli) -> tuple[tuple[str, float], ...]:
    """Return each question with a probability of yes, which follows from how it begins."""
    return tuple((question.text, _p_yes(question.text)) for question in stimuli.question)


def _p_yes(question: str) -> float:
    return next((p for opening, p in OPENINGS if question.startswith(f"{opening} ")), UNLISTED)


def _open_answers(subject: LocalSubject, stimuli: Stimuli) -> dict[str, str]:
    """Return the subject's greedy answers to open questions."""
    texts = stimuli.texts("paragraphs")
    requests = [
        Request(subject.chat.encode([Turn(role="user", text=text)]), (), MAX_OPEN, temperature=0.0) for text in texts
    ]
    return {text: reply.text.strip() for text, reply in zip(texts, subject.generate(requests), strict=True)}


def recipe(training_seed: int) -> Recipe:
    """Return the recipe with a training seed."""
    return RECIPE.with_seed(training_seed)
