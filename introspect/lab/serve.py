"""From subjects to a page that is served at an address of this machine's own, until Ctrl-C."""

import secrets
import socket
from collections.abc import Callable

import uvicorn

from introspect.errors import IntrospectError
from introspect.lab.app import create_app
from introspect.lab.rooms import Rooms

HOST = "127.0.0.1"
SECONDS_TO_END = 1
"""What a reply that is under way is given when the server ends."""


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
    """Subjects behind an address; ``run`` serves them until a signal comes, or ``stop`` is called.

    Args:
        rooms: The subjects on offer.
        port: Where; 0 takes any port that is free.
    """

    def __init__(self, rooms: Rooms, port: int = 0) -> None:
        self.rooms, self._socket = rooms, listening(port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(32)
        config = uvicorn.Config(
            create_app(rooms, self.token, self.port),
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
