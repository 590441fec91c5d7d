"""From a plan to a page that is served: the subject, its vectors, an address of this machine's own, until Ctrl-C."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from introspect.concepts import load_concepts
from introspect.errors import IntrospectError
from introspect.lab.app import create_app
from introspect.lab.folder import VECTORS
from introspect.lab.session import Session
from introspect.progress import track
from introspect.records import Plan
from introspect.stimuli import load_stimuli
from introspect.subjects.local import LocalSubject
from introspect.sweeps.loading import load_plan_subject
from introspect.vectors.extract import extract, n_prompts, recipe
from introspect.vectors.vector import VectorSet, load_vectors

HOST = "127.0.0.1"
SECONDS_TO_END = 1
"""What a reply that is under way is given when the server ends."""


def open_session(plan: Plan, path: Path, subject: LocalSubject | None = None) -> Session:
    """Load what a live plan names, and read the vectors of its concepts, unless the run folder has them.

    Raises:
        IntrospectError: Something that the plan names does not exist, or does not fit.
    """
    stimuli, concepts, baseline = load_stimuli(plan.stimuli), load_concepts(plan.concepts), load_concepts(plan.baseline)
    loaded = load_plan_subject(plan) if subject is None else subject
    wanted = recipe(loaded.identity, concepts.unique(), baseline, stimuli, plan.method).digest
    vectors = _kept(path / VECTORS, wanted)
    if vectors is None:
        with track("reading concept vectors", n_prompts(concepts, baseline, plan.method)) as advance:
            vectors = extract(loaded, concepts, baseline, stimuli, plan.method, advance).vectors
    return Session(plan, loaded, stimuli, vectors)


def _kept(file: Path, wanted: str) -> VectorSet | None:
    vectors = load_vectors(file) if file.is_file() else None
    return vectors if vectors is not None and vectors.provenance.digest == wanted else None


def listening(port: int) -> socket.socket:
    """Return a socket of this machine's own at a port; 0 takes any that is free.

    Raises:
        IntrospectError: The port is taken, or not allowed.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.bind((HOST, port))
    except OSError as error:
        opened.close()
        message = f"port {port} of {HOST} cannot be had ({error.strerror}); give another --port, or 0 for any free one"
        raise IntrospectError(message) from error
    return opened


class Served:
    """A session behind an address; ``run`` serves it until a signal comes, or ``stop`` is called.

    Args:
        session: What is served.
        path: Where trials are saved.
        port: Where; 0 takes any port that is free.
    """

    def __init__(self, session: Session, path: Path, port: int = 0) -> None:
        self.session, self._socket = session, listening(port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(32)
        config = uvicorn.Config(
            create_app(session, path, self.token, self.port),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=SECONDS_TO_END,
        )
        self._server = _Server(config)

    @property
    def address(self) -> str:
        """The page's address, token included."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve; call ``ready`` once the page can be opened."""
        self._server.ready = ready
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End the server, from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """A server that says when it can be asked."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()
