"""Judges by name: a subject of ours behind ``local:``, or any model behind Inspect's model interface.

Of Inspect's, any model will do: ``anthropic/…``, ``openai/…``, ``google/…``, ``hf/…``, ``vllm/…``, ``ollama/…``,
or ``openai-api/SERVICE/MODEL`` for a server that speaks OpenAI's protocol. Trying again is done here and not there, so
that a run ends: only what may pass is tried again (rate limits, time-outs, broken answers, a server that is down),
after pauses that double, or as long as the server asks for.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from introspect.errors import JudgeError
from introspect.judges.model import Answer, Failure, Judge, Settings
from introspect.redaction import redacted

if TYPE_CHECKING:
    from inspect_ai.model import Model

LOCAL = "local:"
LONGEST_PAUSE = 60.0
REFUSED = frozenset({401, 403, 404})
"""Status codes that every other request would get as well: a wrong key, or a model that is not there."""


def open_judge(name: str, settings: Settings) -> Judge:
    """Return a judge; one behind ``local:`` needs no Inspect.

    Raises:
        JudgeError: The model cannot be reached by that name.
        SubjectError: The subject cannot be loaded.
    """
    if name.startswith(LOCAL):
        from introspect.judges.local import LocalJudge

        return LocalJudge(name, settings)
    return HostedJudge(name, settings)


class HostedJudge:
    """A model that Inspect reaches.

    Raises:
        JudgeError: Inspect is not installed, or does not know the model.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self._model = _open(name, settings)

    @property
    def identity(self) -> str:
        """The model, its server and the longest answer."""
        server = self.settings.base_url and redacted(self.settings.base_url)
        return json.dumps([self.name, server, self.settings.max_tokens])

    async def answers(self, prompts: Sequence[str]) -> AsyncGenerator[tuple[int, Answer | Failure], None]:
        """Answer prompts as they come; what is under way when this is closed is called off."""
        gate = asyncio.Semaphore(self.settings.n_at_once)
        tasks = [asyncio.create_task(self._one(index, prompt, gate)) for index, prompt in enumerate(prompts)]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """Close the connections, in the loop that opened them; the next loop opens its own."""
        with contextlib.suppress(RuntimeError):
            await self._model.api.aclose()
        self._model = _open(self.name, self.settings)

    async def _one(self, index: int, prompt: str, gate: asyncio.Semaphore) -> tuple[int, Answer | Failure]:
        async with gate:
            failure = Failure("it was never asked", again=True)
            for number in range(self.settings.n_tries):
                tried = await self._try(prompt)
                if isinstance(tried, Answer):
                    return index, tried
                failure, wait = tried
                if not failure.again:
                    break
                if number + 1 < self.settings.n_tries:
                    await asyncio.sleep(_pause(number, self.settings.first_pause, wait))
            return index, failure

    async def _try(self, prompt: str) -> Answer | tuple[Failure, float | None]:
        try:
            output = await self._model.generate(prompt)
        except Exception as error:  # noqa: BLE001 - every provider has exceptions of its own
            return _understood(self._model, self.name, error)
        if output.error or not output.choices:
            return Failure(redacted(output.error or "the answer is empty"), again=True), None
        if output.stop_reason == "content_filter":
            return Failure("the judge's provider withheld the answer", again=False), None
        usage = output.usage
        return Answer(output.completion, usage.input_tokens if usage else None, usage.output_tokens if usage else None)


def _open(name: str, settings: Settings) -> "Model":
    try:
        from inspect_ai.model import GenerateConfig, get_model
    except ModuleNotFoundError as error:
        message = (
            f"the judge {name!r} is reached through inspect-ai, which is not installed: "
            "pip install 'introspect[inspect]'; a subject on this machine needs no such package (--judge local:smollm2)"
        )
        raise JudgeError(message) from error
    config = GenerateConfig(
        temperature=0.0,
        max_tokens=settings.max_tokens,
        max_retries=0,
        attempt_timeout=settings.seconds,
        max_connections=settings.n_at_once,
    )
    try:
        return get_model(name, config=config, base_url=settings.base_url, api_key=settings.api_key, memoize=False)
    except Exception as error:
        message = (
            f"the judge {name!r} cannot be opened ({_sentence(error)}); models are named PROVIDER/MODEL, such as "
            "openai/MODEL, openai-api/SERVICE/MODEL with --base-url, ollama/MODEL, or local:SUBJECT for one of ours"
        )
        raise JudgeError(message) from error


def _understood(model: "Model", name: str, error: Exception) -> tuple[Failure, float | None]:
    """Sort an exception: tried again, this reply's own, or everybody's.

    Raises:
        JudgeError: Every request would fail like this.
    """
    error = _cause(error)
    status = getattr(error, "status_code", None)
    if status in REFUSED:
        message = f"the judge {name!r} refuses ({status}): {_sentence(error)}; check its name, its server and the key"
        raise JudgeError(message) from error
    decision = model.api.should_retry(error)
    passing = bool(getattr(decision, "retry", decision)) or status is None
    return Failure(_sentence(error), again=passing), getattr(decision, "retry_after", None)


def _cause(error: Exception) -> Exception:
    """Return the provider's own exception out of the wrappings that retrying and logging put round it."""
    last = getattr(error, "last_attempt", None)
    inner = last.exception() if last is not None else error.__cause__ if hasattr(error, "provider_message") else None
    return inner if isinstance(inner, Exception) else error


def _pause(number: int, first: float, asked: float | None) -> float:
    """Return the seconds before the next try; a quarter more or less, so that requests do not come back in step."""
    doubled = min(LONGEST_PAUSE, first * 2**number)
    return max(asked or 0.0, doubled * random.uniform(0.75, 1.25))


def _sentence(error: BaseException) -> str:
    """Return an exception in one line, without keys that the server may have shown back."""
    text = redacted(" ".join(str(getattr(error, "message", None) or error).split()))
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
