"""The page's server: who may ask, what can be asked for, and replies that are told token by token.

Whoever knows the token may ask, and nobody else: other users of the machine and other pages in the same browser do
not. A page that reaches this machine under a name of its own (DNS rebinding) is refused by the name it asks for.
"""

import asyncio
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
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
from introspect.lab.laboratory import Gone, Laboratory, sentence, told
from introspect.lab.page import Page
from introspect.lab.rooms import Rooms
from introspect.lab.session import Tell

TOKEN = "X-Introspect-Token"
LOCAL = ("127.0.0.1", "localhost")
LARGEST = 100_000
"""Bytes of a request."""
SENTENCE = "this page needs the address with the token that introspect lab printed when it started"
OTHER_NAME = "this page is served to this machine alone, as 127.0.0.1 or localhost"


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


class Pages:
    """What can be asked for.

    Args:
        laboratory: Who answers.
        page: The page.
    """

    def __init__(self, laboratory: Laboratory, page: Page) -> None:
        self.laboratory, self.page = laboratory, page

    def routes(self) -> list[Route]:
        """Return what can be asked for."""
        return [
            Route("/", self.show, methods=["GET"]),
            Route("/open", self.open, methods=["POST"]),
            Route("/ask", self.ask, methods=["POST"]),
            Route("/save", self.save, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Send the page."""
        return HTMLResponse(self.page.html)

    async def open(self, request: Request) -> Response:
        """Send how far the opening of a subject has got, and at last what can be asked of it."""
        content = await _json(request)
        self.laboratory.rooms.choice(str(content.get("subject", "")))
        return _stream(lambda tell: self.laboratory.open(content, tell))

    async def ask(self, request: Request) -> Response:
        """Send the replies as they come."""
        session, pair = await run_in_threadpool(self.laboratory.pair, await _json(request))

        def work(tell: Tell) -> None:
            self.laboratory.answer(session, pair, tell)

        return _stream(work)

    async def save(self, request: Request) -> Response:
        """Save a pair that was answered."""
        return JSONResponse(await run_in_threadpool(self.laboratory.save, await _json(request)))


def _stream(work: Callable[[Tell], None]) -> StreamingResponse:
    """Send what some work tells as server-sent events."""
    return StreamingResponse(_events(work), media_type="text/event-stream")


async def _events(work: Callable[[Tell], None]) -> AsyncIterator[str]:
    """Yield what is told; the work ends with the next thing that it tells when nobody listens any more."""
    loop, gone = asyncio.get_running_loop(), threading.Event()
    heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def tell(event: dict[str, Any] | None) -> None:
        if gone.is_set():
            raise Gone
        loop.call_soon_threadsafe(heard.put_nowait, event)

    threading.Thread(target=told, args=(work, tell), name="lab").start()
    try:
        while (event := await heard.get()) is not None:
            yield f"data: {json.dumps(event)}\n\n"
    finally:
        gone.set()


def create_app(rooms: Rooms, token: str, port: int) -> ASGIApp:
    """Return the guarded application.

    Args:
        rooms: The subjects on offer.
        token: What every request must know.
        port: Where it will be served.
    """
    pages = Pages(Laboratory(rooms), Page(rooms.names))
    handlers: Mapping[Any, Any] = dict.fromkeys((IntrospectError, ValidationError, OSError), _refused)
    app = Starlette(routes=pages.routes(), exception_handlers=handlers)
    return Guard(app, token, port, pages.page.policy)


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
    return JSONResponse({"error": sentence(error)}, 400)
