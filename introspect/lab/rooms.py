"""The subjects on offer, each opened when it is chosen: loaded, its vectors read, its run folder looked at.

A few stay in memory, so that one can go back and forth between them; the one that was chosen longest ago makes room.
Its vectors stay, and are not read again.
"""

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from introspect.concepts import load_concepts
from introspect.errors import IntrospectError, UnknownNameError
from introspect.lab import folder
from introspect.lab.choices import Choice
from introspect.lab.session import Floor, Session, Tell
from introspect.progress import Advance, track
from introspect.report.page import subject_name
from introspect.stimuli import load_stimuli
from introspect.sweeps.loading import load_plan_subject
from introspect.vectors.extract import extract, n_prompts, recipe
from introspect.vectors.vector import VectorSet, load_vectors

KEPT = 2
"""How many subjects stay in memory."""
LOADING = "loading the subject"
READING = "reading concept vectors"

Watch = Callable[[str, int], AbstractContextManager[Advance]]


def unheard(event: dict[str, Any]) -> None:
    """Take an event that nobody wants to hear."""


def telling(tell: Tell) -> Watch:
    """Return what tells how far a task has got, in the place of a bar on the terminal."""

    @contextmanager
    def watch(label: str, total: int) -> Iterator[Advance]:
        so_far = 0

        def advance(done: int = 1, note: str = "") -> None:
            nonlocal so_far
            so_far += done
            tell({"loading": label, "done": so_far, "total": total})

        tell({"loading": label, "done": 0, "total": total})
        yield advance

    return watch


class Rooms:
    """Subjects on offer and their sessions.

    Args:
        choices: What is on offer; the first one is opened first.
        keep: How many are in memory at a time.
    """

    def __init__(self, choices: Sequence[Choice], keep: int = KEPT) -> None:
        self.choices = {each.name: each for each in choices}
        self.keep, self.floor = keep, Floor()
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._vectors: dict[str, VectorSet] = {}
        self._book = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """What is on offer, in order."""
        return tuple(self.choices)

    def choice(self, name: str) -> Choice:
        """Return a subject on offer; none named is the first one.

        Raises:
            UnknownNameError: It is not on offer.
        """
        if name and name not in self.choices:
            raise UnknownNameError("subject on offer", name, self.choices)
        return self.choices[name or self.names[0]]

    def session(self, name: str) -> Session:
        """Return the session of a subject that is open.

        Raises:
            IntrospectError: It is not on offer, or not open.
        """
        chosen = self.choice(name).name
        session = self._opened(chosen)
        if session is None:
            message = f"{chosen} is not in memory, where there is room for {self.keep}; choose it again"
            raise IntrospectError(message)
        return session

    def open(self, name: str = "", watch: Watch = track, tell: Tell = unheard) -> Session:
        """Return the session of a subject, which is loaded now unless it is in memory.

        Args:
            name: Which one; none named is the first one.
            watch: What shows how far it has got.
            tell: Is told of waiting and loading; what it raises ends that.

        Raises:
            IntrospectError: It cannot be loaded, or its run folder holds something else.
        """
        choice = self.choice(name)
        session = self._opened(choice.name)
        if session is not None:
            return session
        with self.floor.wait(tell):
            session = self._opened(choice.name)  # somebody else may have opened it meanwhile
            if session is None:
                self._make_room()
                tell({"loading": LOADING})
                session = self._load(choice, watch)
                with self._book:
                    self._open[choice.name] = session
        return session

    def describe(self, name: str = "") -> dict[str, Any]:
        """Return what can be asked of a subject that is open: its lists, layers and wordings, and where it saves."""
        session, choice = self.session(name), self.choice(name)
        plan = session.plan
        return {
            "subject": choice.name,
            "title": subject_name(session.subject.identity),
            "concepts": session.concepts.names,
            "last_layer": session.subject.n_layers - 1,
            "layer": session.layer,
            "strength": plan.strengths[0],
            "questions": [{"wording": name, "task": task, "text": text} for name, task, text in session.questions],
            "folder": str(choice.path),
            "sampling": f"temperature {plan.temperature:g}, at most {plan.max_new_tokens} new tokens",
        }

    def _opened(self, name: str) -> Session | None:
        with self._book:
            if name in self._open:
                self._open.move_to_end(name)
            return self._open.get(name)

    def _make_room(self) -> None:
        with self._book:
            while len(self._open) >= self.keep:
                self._open.popitem(last=False)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _load(self, choice: Choice, watch: Watch) -> Session:
        plan = choice.plan
        stimuli, baseline = load_stimuli(plan.stimuli), load_concepts(plan.baseline)
        concepts = load_concepts(plan.concepts)
        subject = load_plan_subject(plan) if choice.subject is None else choice.subject
        wanted = recipe(subject.identity, concepts.unique(), baseline, stimuli, plan.method).digest
        folder.check_folder(choice.path, plan, subject.identity, wanted)
        vectors = self._vectors.get(choice.name) or _kept(choice.path / folder.VECTORS, wanted)
        if vectors is None:
            with watch(READING, n_prompts(concepts, baseline, plan.method)) as advance:
                vectors = extract(subject, concepts, baseline, stimuli, plan.method, advance).vectors
        self._vectors[choice.name] = vectors
        return Session(plan, subject, stimuli, vectors, self.floor)


def _kept(file: Path, wanted: str) -> VectorSet | None:
    vectors = load_vectors(file) if file.is_file() else None
    return vectors if vectors is not None and vectors.provenance.digest == wanted else None
