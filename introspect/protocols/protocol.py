"""What an experiment is: which tasks and arms it has, which items a trial draws, and what is read off the subject.

A protocol says what one trial is; the grid that crosses trials with layers, strengths, wordings and samples is the
sweep's, and what items are drawn from is the scene's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from introspect.errors import UnknownNameError
from introspect.protocols.scene import Asked, Item, Scene
from introspect.records import Family, Plan, Where
from introspect.vectors.controls import FAMILIES

Reading = Literal["reply", "options", "ranks", "surprisal", "layers"]
"""What a task reads: a generated reply; the log-probabilities of options; the concept's rank along the prompt; the
surprisal of a text; the activations of every layer on a span."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What is injected in an arm: a family of vectors or nothing, and the span if it is not the plan's."""

    family: Family | None
    span: str | None = None


CLEAN_ARM = Arm(None)
VECTOR_ARMS: Mapping[str, Arm] = {family: Arm(family) for family in FAMILIES}

Items = Callable[[Scene, Asked], Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One experiment.

    Attributes:
        name: What plans and wordings call it.
        question: What it asks of a subject, in a sentence.
        readings: What each task reads, by the task's name without its manner; the first is the default task.
        items: The items of one concept and sample.
        arms: All arms beyond the families of vectors, ``none`` among them.
        default_arms: The arms of a plan that names none.
        span: The mark at which injection acts unless the plan says otherwise.
        where: Which tokens of prompt and reply are injected into, likewise.
        max_new_tokens: Length of replies where the plan does not say, by task.
        about: Tasks whose clean trials are about one concept each, since prompt or reading depends on it.
        unreached: Tasks whose span ends before anything is read: an injection behind the last block has no effect on
            them by construction, so that block is left out.
        injects: Whether vectors are added at all; if not, there is no grid of layers and strengths.
    """

    name: str
    question: str
    readings: Mapping[str, Reading]
    items: Items
    arms: Mapping[str, Arm]
    default_arms: tuple[str, ...]
    span: str
    where: Where
    max_new_tokens: Mapping[str, int] = field(default_factory=dict)
    about: frozenset[str] = frozenset()
    unreached: frozenset[str] = frozenset()
    injects: bool = True

    def arm(self, name: str) -> Arm:
        """Return what an arm is; ``UnknownNameError`` gives the near miss."""
        known = self.arms if not self.injects else {**VECTOR_ARMS, **self.arms}
        if name not in known:
            raise UnknownNameError(f"arm of {self.name}", name, known)
        return known[name]

    def reading(self, task: str) -> Reading:
        """Return what a task reads; ``UnknownNameError`` gives the near miss."""
        head = task.partition("/")[0]
        if head not in self.readings:
            raise UnknownNameError(f"task of {self.name}", head, self.readings)
        return self.readings[head]

    def speaks(self, task: str, arm: str) -> bool:
        """Whether the subject generates a reply in a task and arm."""
        return self.reading(task) == "reply" or arm == "sampled"

    def tasks_of(self, offered: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """Return the tasks that a wording offers and a plan wants, all of them where it names none.

        Raises:
            UnknownNameError: The wording offers tasks, and none of them is one of this experiment.
        """
        known = [task for task in offered if task.partition("/")[0] in self.readings]
        if offered and not known:
            raise UnknownNameError(f"task of {self.name}", offered[0], self.readings)
        tasks = known or [next(iter(self.readings))]
        return [task for task in tasks if not wanted or task in wanted or task.partition("/")[0] in wanted]

    def length(self, task: str, plan: Plan) -> int:
        """Return the most tokens of a reply."""
        head = task.partition("/")[0]
        return plan.max_new_tokens or self.max_new_tokens.get(head, 100)
