"""The page's server: who may ask, what can be asked for, and replies that are told token by token.

Whoever knows the token may ask, and nobody else: other users of the machine and other pages in the same browser do
not. A page that reaches this machine under a name of its own (DNS rebinding) is refused by the name it asks for.
"""

import asyncio
import hmac
import json
import logging
import shlex
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from introspect.errors import IntrospectError
from introspect.lab import folder, readouts
from introspect.lab.page import Page
from introspect.lab.session import SIDES, Ask, Pair, Session
from introspect.plots.text import visible
from introspect.report.transcripts import audit_lines, projection

TOKEN = "X-Introspect-Token"
LOCAL = ("127.0.0.1", "localhost")
LARGEST = 100_000
"""Bytes of a request."""
SENTENCE = "this page needs the address with the token that introspect lab printed when it started"
OTHER_NAME = "this page is served to this machine alone, as 127.0.0.1 or localhost"

log = logging.getLogger(__name__)


class Gone(Exception):  # noqa: N818 - no error
    """Whoever asked has gone away."""


class Guard:
    """Lets requests through that ask for this machine by name and know the token.

    Args:
        app: What is guarded.
        token: The token.
        port: Where the page is served.
        policy: The content security policy of all that is sent.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, policy: str) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = frozenset(f"{name}:{port}" for name in LOCAL)
        self.headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with one sentence."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in self.headers.items()]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        headers, reason = Headers(scope=scope), None
        given = headers.get(TOKEN) or QueryParams(scope["query_string"]).get("token", "")
        if headers.get("host", "").lower() not in self.hosts:
            reason = OTHER_NAME
        elif not hmac.compare_digest(given.encode("utf-8", "replace"), self.token):
            reason = SENTENCE
        if reason is None:
            await self.app(scope, receive, sealed)
        else:
            await PlainTextResponse(reason + "\n", 403)(scope, receive, sealed)


class Laboratory:
    """What the page asks for.

    Args:
        session: The subject and its questions.
        path: Where trials are saved.
    """

    def __init__(self, session: Session, path: Path) -> None:
        self.session, self.path = session, path
        self.page = Page(session, path)
        self._saving = threading.Lock()

    def routes(self) -> list[Route]:
        """Return what can be asked for."""
        return [
            Route("/", self.show, methods=["GET"]),
            Route("/ask", self.ask, methods=["POST"]),
            Route("/save", self.save, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Send the page."""
        return HTMLResponse(self.page.html)

    async def ask(self, request: Request) -> Response:
        """Send the replies as they come, as server-sent events."""
        asked = Ask.model_validate(await _json(request))
        pair = await run_in_threadpool(self.session.pair, asked)
        return StreamingResponse(self._events(pair), media_type="text/event-stream")

    async def save(self, request: Request) -> Response:
        """Save a pair that was answered."""
        key = str((await _json(request)).get("key", ""))
        n = await run_in_threadpool(self._save, key)
        command = f"introspect report {shlex.quote(str(self.path))}"
        return JSONResponse({"saved": n, "folder": str(self.path), "next": command})

    def _save(self, key: str) -> int:
        pair = self.session.answered(key)
        with self._saving:
            return folder.save(self.path, self.session, pair)

    async def _events(self, pair: Pair) -> AsyncIterator[str]:
        """Yield what is told; the model stops at its next token when nobody listens any more."""
        loop, gone = asyncio.get_running_loop(), threading.Event()
        told: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def tell(event: dict[str, Any] | None) -> None:
            if gone.is_set():
                raise Gone
            loop.call_soon_threadsafe(told.put_nowait, event)

        threading.Thread(target=self._converse, args=(pair, tell), name="lab").start()
        try:
            while (event := await told.get()) is not None:
                yield f"data: {json.dumps(event)}\n\n"
        finally:
            gone.set()

    def _converse(self, pair: Pair, tell: Any) -> None:  # noqa: ANN401 - takes an event, or None at the end
        try:
            try:
                self._tell_all(pair, tell)
            except IntrospectError as error:
                tell({"error": str(error)})
            except Exception as error:
                if isinstance(error, Gone):
                    raise
                log.exception("the question failed")
                tell({"error": f"the question failed ({type(error).__name__}); the terminal shows more"})
            tell(None)
        except Gone:
            log.info("whoever asked has gone away")

    def _tell_all(self, pair: Pair, tell: Any) -> None:  # noqa: ANN401 - as above
        tell({"prompt": self.session.prompt(pair)})
        pair = self.session.answer(pair, tell)
        for side, trial in zip(SIDES, pair.trials, strict=True):
            done = {"reply": visible(trial.reply), "finish": trial.finish, "audits": audit_lines(trial)}
            tell({"side": side, "key": trial.key, **done})
        tell({"key": pair.key})
        with self.session.turn(tell):
            found = readouts.first_token(self.session, pair)
            tell({"first": readouts.told(found, visible(pair.specs[0].concept or "")), "values": found})
            read = readouts.projected(self.session, pair)
        if read is not None:
            self.session.keep(replace(pair, projection=read))
            tell({"projection": projection(read, pair.trials[0])})


def create_app(session: Session, path: Path, token: str, port: int) -> ASGIApp:
    """Return the guarded application.

    Args:
        session: The subject and its questions.
        path: The run folder that trials are saved into.
        token: What every request must know.
        port: Where it will be served.

    Raises:
        RunFolderError: The folder holds another run.
    """
    folder.check_folder(path, session)
    laboratory = Laboratory(session, path)
    handlers: Mapping[Any, Any] = {IntrospectError: _refused, ValidationError: _invalid, OSError: _unwritable}
    app = Starlette(routes=laboratory.routes(), exception_handlers=handlers)
    return Guard(app, token, port, laboratory.page.policy)


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            message = f"a request has at most {LARGEST} bytes"
            raise IntrospectError(message)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        message = "the request is not JSON"
        raise IntrospectError(message) from error
    if not isinstance(content, dict):
        message = "the request is not a JSON object"
        raise IntrospectError(message)
    return content


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _invalid(request: Request, error: ValidationError) -> Response:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "request"
    return JSONResponse({"error": f"{name}: {first['msg']}"}, 400)


async def _unwritable(request: Request, error: OSError) -> Response:
    return JSONResponse({"error": f"{error.filename or 'a file'} cannot be written: {error.strerror or error}"}, 400)
