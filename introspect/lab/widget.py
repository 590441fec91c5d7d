"""The live pane as a widget of Jupyter: the page's own pane, asked by messages of the kernel and not by a server."""

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from introspect.lab.choices import choices
from introspect.lab.laboratory import Gone, Laboratory, told
from introspect.lab.page import pane, pane_style, scripts
from introspect.lab.rooms import KEPT, Rooms
from introspect.lab.session import Session, Tell
from introspect.records import Trial
from introspect.subjects.local import LocalSubject

FILES = ("page.js", "transcript.js")
OWN = ("pane.js", "widget.js")


class Widget(anywidget.AnyWidget):
    """A live pane in a cell: pick subject, concept, layer, strength and span, and ask with the vector and without.

    A subject is loaded, and its vectors read, when the widget is shown or the subject is chosen. Work is done in
    threads of their own, so that other cells can run meanwhile.

    Args:
        subjects: What is on offer, as for ``introspect lab``, or subjects that are loaded already.
        run: Where trials are saved: the run folder of one subject; with several, each has a folder of its own inside.
        keep: How many subjects stay in memory.
        settings: Keys of the plan of every subject, such as ``concepts``, ``stimuli``, ``temperature``,
            ``max_new_tokens``.

    Raises:
        IntrospectError: There is no such organism, or a setting is wrong.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    markup = traitlets.Unicode().tag(sync=True)
    rules = traitlets.Unicode().tag(sync=True)
    """Of style; a trait of the name style would be a widget of its own to Jupyter."""
    subjects = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        *subjects: str | LocalSubject,
        run: str | Path = "runs/lab",
        keep: int = KEPT,
        **settings: Any,  # noqa: ANN401 - keys of a plan
    ) -> None:
        content = {"max_new_tokens": 100, **settings}
        rooms = Rooms(choices(subjects or ("smollm2",), Path(run), content), keep)
        self.laboratory = Laboratory(rooms)
        self.trials: Sequence[Trial] = ()
        self._gone: dict[str, threading.Event] = {}
        super().__init__(_esm=scripts(*FILES, own=OWN), markup=pane(), rules=pane_style(), subjects=list(rooms.names))
        self.on_msg(self._heard)

    def session(self, subject: str = "") -> Session:
        """Return the session of a subject that is open, to go on with in code: its vectors, plan and model."""
        return self.laboratory.rooms.session(subject)

    def _heard(self, _: Any, content: Any, buffers: Any) -> None:  # noqa: ANN401 - as ipywidgets calls it
        """Take a message: a request of a view, which is answered in a thread of its own, or the end of one."""
        name, verb = str(content.get("id", "")), content.get("verb")
        if verb == "stop":
            if name in self._gone:
                self._gone[name].set()
            return
        works = {"open": self.laboratory.open, "ask": self._ask, "save": self._save}
        if verb in works:
            gone = self._gone[name] = threading.Event()
            work = partial(works[verb], dict(content.get("content", {})))
            threading.Thread(target=self._answer, args=(name, gone, work), name="lab", daemon=True).start()

    def _answer(self, name: str, gone: threading.Event, work: Any) -> None:  # noqa: ANN401 - takes a Tell
        def tell(event: dict[str, Any] | None) -> None:
            if gone.is_set():
                raise Gone
            self.send({"id": name, "event": event})

        told(work, tell)
        self._gone.pop(name, None)

    def _ask(self, content: dict[str, Any], tell: Tell) -> None:
        session, pair = self.laboratory.pair(content)
        self.trials = self.laboratory.answer(session, pair, tell).trials

    def _save(self, content: dict[str, Any], tell: Tell) -> None:
        tell(self.laboratory.save(content))
