"""A judge of known error behind a real server, and a real proxy in front of it that breaks things.

``JudgeServer`` speaks OpenAI's chat protocol over HTTP. It finds the reply between the fences, lets the rules read it,
and turns its verdict on noticing round at a rate that is fixed and recorded: which replies are turned is a hash of the
reply, so that the same question gets the same answer. ``FaultProxy`` forwards bytes and, by a list, does what servers
do on bad days.

By hand: ``python tests/support/judge_server.py --port 8765 --flip 0.2``.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request

MODEL = "rules"
FENCED = re.compile(r"^(TEXT-[0-9a-f]+) BEGIN\n(.*)\n\1 END$", re.MULTILINE | re.DOTALL)


def by_rules(reply, flip=0.0, seed=0):
    """The answer of the rules to the six questions, and whether the verdict on noticing was turned round."""
    from introspect.graders.details import read_details
    from introspect.graders.rules import RuleGrader

    claim, found = RuleGrader().grade(reply), read_details(reply)
    noticed = {"yes": "yes", "no": "no", "unreadable": "unclear"}[claim.noticed]
    drawn = int.from_bytes(hashlib.blake2b(f"{seed}:{reply}".encode(), digest_size=8).digest(), "big") / 2**64
    flipped = drawn < flip
    if flipped:
        noticed = {"yes": "no"}.get(noticed, "yes")
    detail = {(0, 0): "none", (1, 0): "checkable", (0, 1): "uncheckable", (1, 1): "both"}
    lines = {
        "NOTICED": noticed,
        "NAMED": " | ".join(each.text for each in claim.named) or "none",
        "ORDER": claim.order or "neither",
        "COHERENT": "yes" if claim.coherent else "no",
        "REFUSES": "yes" if claim.refuses else "no",
        "DETAIL": detail[bool(found.checkable), bool(found.uncheckable)],
    }
    return "\n".join(f"{label}: {value}" for label, value in lines.items()), flipped


def among(reply, prompt):
    """Which of the words on offer the rules find named."""
    from introspect.graders.rules import RuleGrader
    from introspect.words import matches

    words = re.search(r"^List: (.*)$", prompt, re.MULTILINE)[1].split(", ")
    named = [each.text for each in RuleGrader().grade(reply).named]
    return "WORD: " + next((word for word in words if any(matches(text, (word,)) for text in named)), "none")


@dataclass
class JudgeServer:
    """The judge; ``say`` replaces what it answers, given the prompt and the answer by rules."""

    flip: float = 0.0
    seed: int = 0
    say: Callable[[str, str], str] = lambda prompt, answer: answer
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)
    n_flipped: int = 0

    def answer(self, prompt):
        reply = FENCED.search(prompt)[2]
        if "WORD:" in prompt:
            return self.say(prompt, among(reply, prompt))
        text, flipped = by_rules(reply, self.flip, self.seed)
        self.n_flipped += flipped
        return self.say(prompt, text)

    def app(self):
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def complete(request: Request):
            body = await request.json()
            prompt = body["messages"][-1]["content"]
            self.asked.append(prompt)
            self.bodies.append(body)
            await asyncio.sleep(self.pause)
            text = self.answer(prompt)
            return {
                "id": f"answer-{len(self.asked)}",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                "usage": {
                    "prompt_tokens": len(prompt) // 4,
                    "completion_tokens": len(text) // 4,
                    "total_tokens": (len(prompt) + len(text)) // 4,
                },
            }

        return app

    def __enter__(self):
        self.server = uvicorn.Server(
            uvicorn.Config(self.app(), host="127.0.0.1", port=0, log_level="error", ws="none", lifespan="off")
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 30
        while not self.server.started:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(timeout=10)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"


def _response(status, body, headers=()):
    text = body.encode()
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(text)}", *headers]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + text


FAULTS = {
    "429": _response("429 Too Many Requests", '{"error": {"message": "slow down"}}', ["Retry-After: 0"]),
    "500": _response("500 Internal Server Error", '{"error": {"message": "it broke"}}'),
    "401": _response("401 Unauthorized", '{"error": {"message": "no such key"}}'),
    "400": _response("400 Bad Request", '{"error": {"message": "this prompt is not for me", "code": "other"}}'),
    "malformed": _response("200 OK", '{"id": "x", "choices": [{"mess'),
    "not_chat": _response("200 OK", json.dumps({"hello": "world"})),
}
"""What is answered in the server's place; ``hang`` answers nothing, ``cut`` breaks off in the middle."""


class FaultProxy:
    """Forwards requests to ``port``; the n-th connection gets ``faults[n]``, those beyond the list ``then``."""

    def __init__(self, port, faults=(), then="pass"):
        self.upstream, self.faults, self.then, self.seen = port, list(faults), then, []

    async def _serve(self, reader, writer):
        try:
            request = await self._read(reader)
            if not request:
                return
            fault = self.faults[len(self.seen)] if len(self.seen) < len(self.faults) else self.then
            self.seen.append(fault)
            await self._do(fault, request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _read(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return re.sub(rb"(?i)connection: keep-alive", b"Connection: close", head) + await reader.readexactly(
            int(length[1]) if length else 0
        )

    async def _do(self, fault, request, writer):
        if fault == "hang":
            await asyncio.sleep(30)
        elif fault == "dead":
            writer.transport.abort()
        elif fault in FAULTS:
            writer.write(FAULTS[fault])
            await writer.drain()
        else:
            upstream, back = await asyncio.open_connection("127.0.0.1", self.upstream)
            back.write(request)
            answer = await upstream.read()
            back.close()
            await back.wait_closed()
            writer.write(answer[: len(answer) // 2] if fault == "cut" else answer)
            await writer.drain()

    def __enter__(self):
        self.loop, started = asyncio.new_event_loop(), threading.Event()

        async def main():
            self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
            self.stop = asyncio.Event()
            started.set()
            await self.stop.wait()
            self.server.close()
            under_way = asyncio.all_tasks() - {asyncio.current_task()}
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(main()), daemon=True)
        self.thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(timeout=10)
        self.loop.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"


def main():
    parser = argparse.ArgumentParser(description="Serve the rules as a judge that errs at a known rate.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--flip", type=float, default=0.2, help="share of replies whose verdict on noticing is turned")
    parser.add_argument("--seed", type=int, default=0, help="which replies are turned")
    chosen = parser.parse_args()
    app = JudgeServer(chosen.flip, chosen.seed).app()
    uvicorn.run(app, host="127.0.0.1", port=chosen.port, log_level="warning", ws="none", lifespan="off")


if __name__ == "__main__":
    main()
