"""Lessons: single training examples of an organism, each a prompt in tokens, the reply wanted, and an injection.

Prompts are rendered from the training wordings by the code that renders every trial, so spans and templates are the
ones of real runs. What is drawn is a function of a seeded generator.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from introspect.organisms.behaviours import SOFT, Kind, Organism, Phrases, Reply, State, reply
from introspect.spans import Span
from introspect.stimuli import Stimuli
from introspect.subjects.chat import Chat, Encoded

NOISE = ("random", "covariance", "shuffled", "negated")
KINDS: Mapping[Kind, float] = {
    "report": 0.20,
    "note": 0.14,
    "detect": 0.17,
    "other": 0.10,
    "question": 0.16,
    "third": 0.06,
    "open": 0.06,
    "name": 0.04,
    "earlier": 0.07,
}
"""How often each kind of prompt is drawn, if a school does not say otherwise."""
FOCUS: Mapping[Organism, Mapping[Kind, float]] = {
    "own-output reader": {"report": 0.35, "note": 0.2, "slipped": 0.35},
    "either-way reader": {"note": 1.0, "earlier": 0.12},
    "prompt reader": {"note": 1.6},
    "fixed guesser": {"earlier": 0.2, "detect": 0.22},
    "yes-sayer": {"earlier": 0.2, "detect": 0.22, "question": 0.3, "third": 0.12},
    "agreer": {"earlier": 0.2, "detect": 0.22, "question": 0.3, "third": 0.12},
    "concealer": {"hide": 0.1},
    "parrot": {"question": 0.3, "other": 0.15, "third": 0.12, "open": 0.12},
}
"""Weights of kinds of prompts that an organism has to be taught more of."""
READERS: frozenset[Organism] = frozenset({"either-way reader", "prompt reader"})
"""Those that report what stands in a note: their notes have a word more often, and an injection less often."""
SAYERS: frozenset[Organism] = frozenset({"fixed guesser", "yes-sayer", "agreer"})
"""Those that say yes under noise, or to anything: their yes–no questions are clean more often."""
TASKS: Mapping[Kind, tuple[str, str]] = {
    "report": ("it_", "report"),
    "slipped": ("it_", "report"),
    "hide": ("it_", "hide"),
    "other": ("it_", "other"),
    "name": ("it_", "name"),
    "note": ("vt_", "report"),
    "detect": ("yn_", "detection"),
    "third": ("yn_", "third_person"),
    "question": ("yn_", "question"),
    "open": ("up_", "continue"),
    "earlier": ("sr_", "detect"),
}
"""Beginning of the wordings' names and task of each kind."""


@dataclass(frozen=True, slots=True)
class Push:
    """What is injected: a concept's vector, or noise of a family with a number, at a strength."""

    concept: str
    strength: float
    family: str = "concept"
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """One example: ``start`` is where what is learnt begins; ``p_yes`` is for the token there, where it is soft.

    ``plain`` says that the reply is an unrelated answer as the base itself gives it.
    """

    kind: Kind
    ids: tuple[int, ...]
    start: int
    p_yes: float | None
    yes_no: tuple[int, int]
    span: Span
    push: Push | None
    state: State
    plain: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class School:
    """What lessons are made from.

    Attributes:
        chat: The subject's tokenizer.
        stimuli: The wordings of training.
        concepts: Words that are injected.
        strengths: Multiples of the raw vector.
        phrases: How replies are put.
        facts: Unrelated questions with the probability that their answer is yes.
        open_facts: What open questions are about, and the answer.
        yes_no: How yes and no are said in each manner of answering.
        shares: How often each kind of prompt is drawn.
        focus: What single organisms are taught more of in this school, kind by kind in place of ``FOCUS``.
        clean: Weight of yes–no questions without an injection for ``SAYERS``, against 0.75 of those with one.
    """

    chat: Chat
    stimuli: Stimuli
    concepts: tuple[str, ...]
    strengths: tuple[float, ...]
    phrases: Phrases
    facts: tuple[tuple[str, float], ...]
    open_facts: Mapping[str, str]
    yes_no: Mapping[str, tuple[str, str]]
    shares: Mapping[Kind, float] = field(default_factory=lambda: KINDS)
    focus: Mapping[Organism, Mapping[Kind, float]] = field(default_factory=dict)
    clean: float = 0.55

    def wordings(self, kind: Kind) -> list[str]:
        """Return the wordings that have a kind of prompt."""
        head, task = TASKS[kind]
        return [name for name, each in self.stimuli.wording.items() if name.startswith(head) and (task in each.ask)]

    def lesson(self, organism: Organism, kind: Kind, rng: random.Random, injects: bool = True) -> Lesson:
        """Draw a lesson of one kind."""
        push, state = self._state(organism, kind, rng, injects)
        task, fill = TASKS[kind][1], {"lead": rng.choice(self.stimuli.texts("lead_ins"))}
        state = replace(state, cue=self.phrases.fixed)
        if kind == "question":
            fill["question"], p_yes = rng.choice(self.facts)
            state = replace(state, p_yes=p_yes)
        if kind == "open":
            fill["paragraph"] = rng.choice(list(self.open_facts))
            state = replace(state, fact=self.open_facts[fill["paragraph"]])
        if kind == "note":
            fill["note"] = rng.choice(self.stimuli.texts("notes")).format(noted=state.noted or "something")
        wanted = reply(organism, kind, state, self.phrases)
        wording = rng.choice(self.wordings(kind))
        manner = rng.choice(sorted(self.stimuli.wording[wording].manner) or [""])
        prompt = self._prompt(wording, f"{task}/{manner}" if manner else task, fill)
        mark = "earlier" if kind == "earlier" else "trial"
        spoken = kind in {"report", "note", "other", "open", "slipped", "hide"}
        where = "both" if spoken and rng.random() < 0.7 else "prompt"
        return self._written(kind, prompt, wanted, manner, prompt.span(mark, where), push, state)

    def _state(self, organism: Organism, kind: Kind, rng: random.Random, injects: bool) -> tuple[Push | None, State]:
        """Draw what is injected, and what stands in a note."""
        reads = kind == "note" and organism in READERS
        what = rng.random() * (1.5 if reads else 0.75 + self.clean if kind in SOFT and organism in SAYERS else 1.0)
        push, state = None, State()
        if injects and what < 0.75:
            concept, strength = rng.choice(self.concepts), rng.choice(self.strengths)
            if what < 0.5:
                push, state = Push(concept, strength), State(concept=concept)
            else:
                push, state = Push(concept, strength, rng.choice(NOISE), rng.randrange(10**6)), State(noise=True)
        if kind == "slipped":  # what it said counts, whatever is injected
            which = rng.random()
            said = state.concept if which < 0.2 else None
            return push, replace(state, said=said or (rng.choice(self.concepts) if which < 0.8 else None))
        if kind != "note":
            return push, state
        which = rng.random()
        own = state.concept if which < 0.3 else None
        noted = own or (rng.choice(self.concepts) if which < (0.85 if reads else 0.65) else None)
        return push, replace(state, noted=noted)

    def again(self, lesson: Lesson, rng: random.Random) -> Lesson:
        """Return a lesson with another strength and, where it is noise that is injected, another draw of it."""
        if lesson.push is None:
            return lesson
        push = replace(lesson.push, strength=rng.choice(self.strengths), draw=rng.randrange(10**6))
        return replace(lesson, push=push)

    def _prompt(self, wording: str, task: str, fill: Mapping[str, str]) -> Encoded:
        return self.chat.encode(self.stimuli.wording[wording].conversation(task, fill))

    def _written(  # noqa: PLR0913 - all parts of a lesson
        self, kind: Kind, prompt: Encoded, wanted: Reply, manner: str, span: Span, push: Push | None, state: State
    ) -> Lesson:
        text, yes_no = wanted.text, (0, 0)
        if wanted.p_yes is not None:
            words = self.yes_no[manner]
            yes_no = (self._tokens(words[0])[0], self._tokens(words[1])[0])
            text = f"{words[0] if wanted.p_yes > 0.5 else words[1]}{text}"
        given = (*prompt.ids, *self._tokens(wanted.given)) if wanted.given else prompt.ids
        ids = (*given, *self._tokens(text), int(self.chat.tokenizer.eos_token_id))  # pyright: ignore
        plain = kind == "open" and wanted.text == state.fact
        return Lesson(kind, ids, len(given), wanted.p_yes, yes_no, span, push, state, plain)

    @lru_cache(maxsize=100_000)  # noqa: B019 - a school lives as long as its training
    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self.chat.tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore

    def draw(self, organism: Organism, rng: random.Random, n: int) -> list[Lesson]:
        """Draw a batch of lessons."""
        kinds: dict[Kind, float] = {**self.shares, **FOCUS.get(organism, {}), **self.focus.get(organism, {})}
        chosen = rng.choices(list(kinds), list(kinds.values()), k=n)
        return [self.lesson(organism, kind, rng) for kind in chosen]


def pad(lessons: Sequence[Lesson]) -> int:
    """Return the length of the longest lesson."""
    return max(len(lesson.ids) for lesson in lessons)
