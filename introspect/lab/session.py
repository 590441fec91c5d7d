"""What is asked in the live laboratory: one question as two trials, with a vector and without it.

A question becomes two specifications of the injected-thought experiment, made by the same grid as those of a plan, so
that each is run, recorded and run again like any other trial. One at a time has the model.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from introspect.concepts import ConceptSet, load_concepts
from introspect.errors import IntrospectError, LayerError, StrengthError, UnknownNameError
from introspect.plots.text import visible
from introspect.protocols.materials import Materials
from introspect.protocols.registry import protocol
from introspect.protocols.scene import Scene
from introspect.protocols.trials import answered, request
from introspect.records import Plan, Projection, Record, Trial, TrialSpec, Where, digest
from introspect.report.segments import Shaded, shade
from introspect.stimuli import Stimuli, Turn, Wording
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Request
from introspect.sweeps.cells import Grid
from introspect.vectors.vector import VectorSet

PROTOCOL = "injected_thought"
OWN = "own_"
"""How the names of wordings begin that are questions of the asker's own."""
SPAN = "{{trial}}"
SIDES = ("with", "without")
N_KEPT = 64
"""Pairs that can still be saved."""
MOMENT = 0.2
"""Seconds between looks at whether it is one's turn."""

Tell = Callable[[dict[str, Any]], None]


class Ask(Record):
    """What a person asks for: a wording and task of the stimuli, or a ``question`` of one's own in their place.

    ``sample`` makes another trial of the same question, with another seed.
    """

    concept: str = Field(max_length=200)
    layer: int
    strength: float
    where: Where = "both"
    wording: str = Field(default="", max_length=200)
    task: str = Field(default="", max_length=200)
    question: str = Field(default="", max_length=20_000)
    sample: int = Field(default=0, ge=0, le=2**31)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One question as two trials, with the vector and without, and what was read under the tokens of the first."""

    specs: tuple[TrialSpec, TrialSpec]
    wording: Wording
    trials: tuple[Trial, ...] = ()
    projection: Projection | None = None

    @property
    def key(self) -> str:
        """The pair's name: the key of the trial with the vector."""
        return self.specs[0].key


class Floor:
    """The machine, which one question has at a time; the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def taken(self) -> bool:
        """Whether somebody has it."""
        return self._lock.locked()

    @contextmanager
    def wait(self, tell: Tell) -> Iterator[None]:
        """Wait for one's turn, and say so; what ``tell`` raises ends the waiting."""
        while not self._lock.acquire(timeout=MOMENT):
            tell({"waiting": True})
        try:
            yield
        finally:
            self._lock.release()


class Session:
    """A subject, its vectors and the wordings, ready for questions.

    Args:
        plan: Subject, lists, temperature and length; what varies is asked for.
        subject: The plan's subject.
        stimuli: Its stimuli.
        vectors: Vectors of all its concepts.
        floor: Sessions that share one are asked one after the other.
    """

    def __init__(
        self, plan: Plan, subject: LocalSubject, stimuli: Stimuli, vectors: VectorSet, floor: Floor | None = None
    ) -> None:
        self.plan, self.subject, self.stimuli, self.vectors = plan, subject, stimuli, vectors
        self.concepts: ConceptSet = load_concepts(plan.concepts).unique()
        self._spare = load_concepts("lindsey_concepts")
        self._kept: OrderedDict[str, Pair] = OrderedDict()
        self._floor = floor or Floor()

    @property
    def questions(self) -> list[tuple[str, str, str]]:
        """Wording, task and text of everything in the stimuli that can be asked and is answered by a reply."""
        kind = protocol(PROTOCOL)
        found: list[tuple[str, str, str]] = []
        for name, wording in self.stimuli.choose((), PROTOCOL).items():
            tasks = kind.tasks_of(wording.tasks, ())
            found += [
                (name, task, wording.ask.get(task.partition("/")[0], ""))
                for task in tasks
                if kind.reading(task) == "reply"
            ]
        return found

    @property
    def layer(self) -> int:
        """The layer that is chosen at first: the plan's first one, or two thirds of the depth."""
        return self.plan.layers[0] if self.plan.layers else round(2 / 3 * (self.subject.n_layers - 1))

    def pair(self, ask: Ask) -> Pair:
        """Return what a question means, or say what is wrong with it.

        Raises:
            IntrospectError: No such concept, layer, strength, wording or task, or it does not fit the subject.
        """
        if not 0 <= ask.layer < self.subject.n_layers:
            raise LayerError(ask.layer, self.subject.n_layers, self.subject.identity.name)
        if not 0 <= ask.strength < float("inf"):
            raise StrengthError(ask.strength)
        name, task, wording = self._asked(ask)
        plan = self.plan.model_copy(
            update={
                "only": (ask.concept,), "layers": (ask.layer,), "strengths": (ask.strength,), "where": ask.where,
                "wordings": (name,), "tasks": (task,), "arms": ("concept", "none"),
            }
        )  # fmt: skip
        scene = Scene(plan, self.stimuli, self.concepts, self._spare, self.subject.chat)
        kind = protocol(PROTOCOL)
        known = self.vectors.provenance.digest
        specs = Grid(plan, kind, self.subject.identity, scene, {name: wording}, known).specs()
        injected, clean = (spec.model_copy(update={"sample": ask.sample}) for spec in specs)
        pair = Pair((injected, clean), wording)
        for each in self._requests(pair):
            self.subject.check_room(len(each.prompt.ids), each.max_new_tokens)
        return pair

    def _asked(self, ask: Ask) -> tuple[str, str, Wording]:
        if ask.question.strip():
            name = own_name(ask.question)
            return name, "open", own_wording(ask.question)
        names = dict.fromkeys(name for name, _, _ in self.questions)
        if ask.wording not in names:
            raise UnknownNameError("wording", ask.wording, names)
        tasks = [task for name, task, _ in self.questions if name == ask.wording]
        if ask.task and ask.task not in tasks:
            raise UnknownNameError(f"task of {ask.wording}", ask.task, tasks)
        return ask.wording, ask.task or tasks[0], self.stimuli.wording[ask.wording]

    def materials(self, pair: Pair) -> Materials:
        """Return what a pair's trials draw on."""
        return Materials(self.subject, {pair.specs[0].wording: pair.wording}, self.vectors)

    def _requests(self, pair: Pair) -> list[Request]:
        materials = self.materials(pair)
        return [request(spec, materials) for spec in pair.specs]

    def prompt(self, pair: Pair) -> Shaded:
        """Return the prompt of the trial with the vector, cut where it is injected into."""
        asked = self._requests(pair)[0]
        spans = tuple(span for each in asked.injections for span in each.span.prompt)
        return [(visible(text), inside) for text, inside in shade(asked.prompt.record(), spans)]

    def answer(self, pair: Pair, tell: Tell) -> Pair:
        """Let the subject answer with the vector and without, both at once, and tell every token as it is drawn.

        Args:
            pair: What is asked.
            tell: Is called for each token with its ``side``, its ``token`` and the ``text`` that it adds; what it
                raises ends the answer.

        Returns:
            The pair with its trials, which can be saved from now on.
        """
        with self.turn(tell):
            asked = self._requests(pair)
            said = ["", ""]

            def listen(one: Request, fed: Sequence[int]) -> None:
                place = 0 if one is asked[0] else 1
                whole = self.subject.chat.decode(fed).rstrip("\ufffd")
                added, said[place] = whole.removeprefix(said[place]), whole
                tell({"side": SIDES[place], "token": fed[-1], "text": visible(added)})

            with self.subject.engine.ending.heard(listen):
                replies = self.subject.generate(asked)
        materials = self.materials(pair)
        trials = tuple(answered(spec, reply, materials) for spec, reply in zip(pair.specs, replies, strict=True))
        return self.keep(replace(pair, trials=trials))

    def turn(self, tell: Tell) -> AbstractContextManager[None]:
        """Wait for one's turn with the model, and say so."""
        return self._floor.wait(tell)

    def keep(self, pair: Pair) -> Pair:
        """Hold a pair, so that it can be saved; the oldest makes room."""
        self._kept[pair.key] = pair
        while len(self._kept) > N_KEPT:
            self._kept.popitem(last=False)
        return pair

    def answered(self, key: str) -> Pair:
        """Return a pair that was answered.

        Raises:
            IntrospectError: It was not, or long ago.
        """
        if key not in self._kept:
            message = f"there is no answer {key[:12]!r} to save; the last {N_KEPT} can be saved, so ask again"
            raise IntrospectError(message)
        return self._kept[key]


def own_name(question: str) -> str:
    """Return what a question of one's own is called."""
    return OWN + digest(question)[:10]


def own_wording(question: str) -> Wording:
    """Return a question of one's own as a wording; the vector is added from its first word, or from ``{{trial}}``."""
    turn = "{ask}" if SPAN in question else SPAN + "{ask}"
    return Wording(protocol=PROTOCOL, turns=(Turn(role="user", text=turn),), ask={"open": question})
