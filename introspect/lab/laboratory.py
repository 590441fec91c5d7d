"""What a live pane asks for, wherever it stands: open a subject, answer a question, save the trials.

The page and the notebook's widget differ in how a request comes in and how events go out; everything else is here.
"""

import logging
import shlex
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from introspect.errors import IntrospectError
from introspect.lab import folder, readouts
from introspect.lab.rooms import Rooms, telling
from introspect.lab.session import SIDES, Ask, Pair, Session, Tell
from introspect.plots.text import visible
from introspect.report.transcripts import audit_lines, projection

log = logging.getLogger(__name__)


class Gone(Exception):  # noqa: N818 - no error
    """Whoever asked has gone away; raised out of what tells them."""


class Laboratory:
    """Subjects on offer, asked and saved.

    Args:
        rooms: The subjects.
    """

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._saving = threading.Lock()

    def open(self, content: dict[str, Any], tell: Tell) -> None:
        """Open the ``subject`` of a request, and tell what can be asked of it as ``room``."""
        name = self.rooms.choice(str(content.get("subject", ""))).name
        self.rooms.open(name, telling(tell), tell)
        tell({"room": self.rooms.describe(name)})

    def pair(self, content: dict[str, Any]) -> tuple[Session, Pair]:
        """Return who is asked by a request, and what it means.

        Raises:
            IntrospectError: The subject is not open, or the question does not fit it.
            ValidationError: The request is no question.
        """
        session = self.rooms.session(str(content.get("subject", "")))
        asked = Ask.model_validate({key: value for key, value in content.items() if key != "subject"})
        return session, session.pair(asked)

    def answer(self, session: Session, pair: Pair, tell: Tell) -> Pair:
        """Tell the prompt, the replies token by token, and then what was read off them; return the pair answered."""
        tell({"prompt": session.prompt(pair)})
        pair = session.answer(pair, tell)
        for side, trial in zip(SIDES, pair.trials, strict=True):
            done = {"reply": visible(trial.reply), "finish": trial.finish, "audits": audit_lines(trial)}
            tell({"side": side, "key": trial.key, **done})
        tell({"key": pair.key})
        with session.turn(tell):
            found = readouts.first_token(session, pair)
            tell({"first": readouts.told(found, visible(pair.specs[0].concept or "")), "values": found})
            read = readouts.projected(session, pair)
        if read is not None:
            pair = session.keep(replace(pair, projection=read))
            tell({"projection": projection(read, pair.trials[0])})
        return pair

    def save(self, content: dict[str, Any]) -> dict[str, Any]:
        """Save the answer whose ``key`` a request names, and say where.

        Raises:
            IntrospectError: There is no such answer any more.
            RunFolderError: The folder cannot be written, or holds another run.
        """
        name = str(content.get("subject", ""))
        session, path = self.rooms.session(name), self.rooms.choice(name).path
        pair = session.answered(str(content.get("key", "")))
        with self._saving:
            n = folder.save(path, session, pair)
        return {"saved": n, "folder": str(path), "next": f"introspect report {shlex.quote(str(path))}"}


def told(work: Callable[[Tell], None], tell: Callable[[dict[str, Any] | None], None]) -> None:
    """Do some work that tells; what goes wrong is told as ``error``, the end as None; who has gone is told nothing."""
    try:
        try:
            work(tell)
        except (IntrospectError, ValidationError, OSError) as error:
            tell({"error": sentence(error)})
        except Exception as error:
            if isinstance(error, Gone):
                raise
            log.exception("the question failed")
            tell({"error": f"the question failed ({type(error).__name__}); the terminal shows more"})
        tell(None)
    except Gone:
        log.info("whoever asked has gone away")


def sentence(error: Exception) -> str:
    """Return what is said of a request that cannot be answered."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'request'}: {first['msg']}"
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'} cannot be written: {error.strerror or error}"
    return str(error)
