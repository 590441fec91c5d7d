"""What the items of an experiment are drawn from: lists on one side of the split, concepts, and answers to tell apart.

Every draw (a sentence, an order of options) is a function of the plan's seed and of what the item is for, so that arms
and cells of one concept share their items and can be compared pair by pair.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from introspect.concepts import Concept, ConceptSet
from introspect.errors import PlanError, StimulusError, UnknownNameError
from introspect.records import Also, Info, Plan
from introspect.split import on_side
from introspect.stimuli import Stimuli
from introspect.subjects.chat import Chat
from introspect.words import matches

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KINDS: Mapping[str, str] = {"lead_ins": "lead", "notes": "note", "paragraphs": "paragraph", "sentences": "sentence"}
"""What the split calls the texts of each list."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an item is for. ``concept`` is ``None`` in a clean arm whose prompts do not depend on one."""

    arm: str
    task: str
    concept: str | None
    sample: int
    wording: str
    info: Info = "none"

    @property
    def head(self) -> str:
        """The task without its manner."""
        return self.task.partition("/")[0]

    @property
    def manner(self) -> str:
        """The manner, or nothing."""
        return self.task.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Item:
    """One trial's own material: texts for slots, answers on offer, the right one, and where injections go."""

    fill: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    truth: str | None = None
    span: str | None = None
    also: tuple[Also, ...] = ()


class Scene:
    """What items are drawn from: the plan, its stimuli and concepts, and the subject's tokenizer.

    Args:
        plan: The plan.
        stimuli: Its stimuli.
        concepts: Its concepts; ``spare`` are others, for answers that are wrong.
        chat: The tokenizer, which knows whether two answers can be told apart by their first token.

    Attributes:
        names: The concepts that get trials, in the order of the list.

    Raises:
        UnknownNameError: The plan's ``only`` names what is none of its concepts.
    """

    def __init__(self, plan: Plan, stimuli: Stimuli, concepts: ConceptSet, spare: ConceptSet, chat: Chat) -> None:
        self.plan, self.stimuli, self.concepts, self.chat = plan, stimuli, concepts, chat
        own = {concept.name: concept for concept in concepts.members}
        self.known = {**{concept.name: concept for concept in spare.members}, **own}
        wanted = own if plan.only is None else {concepts.get(name).name for name in plan.only}
        self.names = tuple(name for name in concepts.names if name in wanted)
        self._leads: dict[str, list[str]] = {}

    def rng(self, *parts: object) -> random.Random:
        """Return a generator that is a function of the plan's seed and of the parts."""
        return random.Random("\0".join(str(part) for part in (self.plan.seed, *parts)))

    def texts(self, name: str) -> list[str]:
        """Return a list of the stimulus file, of the plan's side of the split alone where it names one.

        Raises:
            StimulusError: That side has none of them.
        """
        texts = on_side(self.stimuli.texts(name), KINDS.get(name, name), self.plan.side, self.plan.salt)
        if not texts:
            where = f" on the side {self.plan.side!r} of the split" if self.plan.side else ""
            message = f"the list {name!r} has no text{where}; add some to the stimulus file"
            raise StimulusError(message)
        return texts

    def shuffled(self, name: str, *purpose: str) -> list[str]:
        """Return a list of the stimulus file in the plan's order, in another one for each purpose."""
        texts = self.texts(name)
        self.rng("list", name, *purpose).shuffle(texts)
        return texts

    def leads(self, wording: str) -> list[str]:
        """Return the neutral sentences in a wording's own order: a concept has not the same one in all wordings."""
        if wording not in self._leads:
            given = bool(self.stimuli.lists.get("lead_ins"))
            self._leads[wording] = self.shuffled("lead_ins", wording) if given else []
        return self._leads[wording]

    def lead(self, asked: Asked) -> str:
        """Return the sentence before the trial line: another one for each wording, concept and sample."""
        leads = self.leads(asked.wording)
        if not leads:
            return ""
        at = 0 if asked.concept is None else self.names.index(asked.concept)
        return leads[(at * self.plan.samples + asked.sample) % len(leads)]

    def opening(self, asked: Asked) -> dict[str, str]:
        """Return what every conversation has: the information text and the lead-in."""
        text = "" if asked.info == "none" else self._info(asked.info)
        return {"info": text, "lead": self.lead(asked)}

    def _info(self, name: str) -> str:
        if name not in self.stimuli.info:
            raise UnknownNameError("information text in the stimulus file", name, self.stimuli.info)
        return self.stimuli.info[name].strip() + "\n\n"

    def others(self, name: str, n: int, rng: random.Random) -> list[str]:
        """Draw ``n`` other concepts, none related to this one, their first tokens all different.

        Raises:
            PlanError: There are not so many.
        """
        own = self.known[name]
        pool = [other for other in self.names if other != name and other in self.known]
        extra = [other for other in self.known if other != name and other not in pool]
        rng.shuffle(pool)
        rng.shuffle(extra)
        taken, chosen = set(self.chat.first_tokens(name)), list[str]()
        for other in pool + extra:
            tokens = self.chat.first_tokens(other)
            if not tokens & taken and not related(own, self.known[other]):
                chosen.append(other)
                taken |= tokens
            if len(chosen) == n:
                return chosen
        message = (
            f"n_options = {n + 1}, but only {len(chosen)} other concepts can be told from {name!r} by their first token"
        )
        raise PlanError(message)

    @cached_property
    def groups(self) -> list[tuple[list[str], list[str]]]:
        """The concepts with trials in groups of ``n_options``, filled up with others; first tokens differ in a group.

        Raises:
            PlanError: There are not so many that can be told apart.
        """
        n = self.plan.n_options
        own: list[list[str]] = []
        for name in self.names:
            fitting = (group for group in own if len(group) < n and self._apart(name, group))
            group = next(fitting, None)
            if group is None:
                own.append([name])
            else:
                group.append(name)
        return [(group, self._filled(number, group, n)) for number, group in enumerate(own)]

    def _filled(self, number: int, group: list[str], n: int) -> list[str]:
        spare = [name for name in self.known if name not in self.names]
        self.rng("fill", number).shuffle(spare)
        more: list[str] = []
        for name in spare:
            if len(group) + len(more) < n and self._apart(name, group + more):
                more.append(name)
        if len(group) + len(more) < n:
            message = (
                f"n_options = {n}, but only {len(group) + len(more)} concepts can be told apart by their first token"
            )
            raise PlanError(message)
        return more

    @cached_property
    def namable(self) -> tuple[str, ...]:
        """As many of the plan's concepts as the first token tells apart, taken in the order of the list.

        Those without trials are among them: what is on offer is a function of the list and the tokenizer alone. Tokens
        are compared in lower case; what two names share in capitals alone is counted for neither of them.
        """
        taken, chosen = set[int](), list[str]()
        for name in self.concepts.names:
            tokens = self.chat.first_tokens(name, exact=True)
            if tokens and not tokens & taken:
                chosen.append(name)
                taken |= tokens
        return tuple(chosen)

    def _apart(self, name: str, others: Sequence[str]) -> bool:
        """Whether an answer's first tokens are all different from the others'."""
        return not any(self.chat.first_tokens(name) & self.chat.first_tokens(other) for other in others)

    def free_of(self, texts: Sequence[str], name: str | None) -> list[str]:
        """Return the texts in which neither the concept nor a near neighbour of it stands.

        Raises:
            StimulusError: None is left.
        """
        if name is None:
            return list(texts)
        concept = self.known[name]
        left = [text for text in texts if not matches(text, (*concept.forms, *concept.near))]
        if not left:
            message = f"every text of the list mentions {name!r} or something near it; add others to the stimulus file"
            raise StimulusError(message)
        return left


def related(first: Concept, second: Concept) -> bool:
    """Whether one concept's word is a form or a near neighbour of the other's."""
    return any(matches(" ; ".join(a.forms), (*b.forms, *b.near)) for a, b in ((first, second), (second, first)))


def labelled(labels: Sequence[str], texts: Sequence[str]) -> str:
    """Write answers below each other, each with its label."""
    return "\n".join(f"{label}: {text}" for label, text in zip(labels, texts, strict=True))
