"""Requests that are waiting at the same time, run as one batch.

Whoever asks first runs a batch for all that are waiting, in a thread, one batch at a time; those who came meanwhile are
the next one. So a hundred concurrent samples are a few passes of the engine, and nothing runs when nobody asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
from anyio import lowlevel, to_thread

from introspect.subjects.subject import Reply, Request

QUIET = 0.25
"""Seconds without another request after which a batch that is not full begins."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request and what became of it."""

    request: Request
    reply: Reply | None = None
    error: Exception | None = None

    @property
    def over(self) -> bool:
        """Whether it was run."""
        return self.reply is not None or self.error is not None


@dataclass(slots=True, eq=False)
class Batches:
    """Answers requests of concurrent tasks in batches.

    Attributes:
        run: Answers requests, in order; called in a thread, never twice at once.
        quiet: Seconds to wait for more.
        sizes: How many requests each batch had so far.
    """

    run: Callable[[Sequence[Request]], list[Reply]]
    quiet: float = QUIET
    sizes: list[int] = field(default_factory=list)
    _waiting: list[Waiting] = field(default_factory=list)
    _turn: tuple[lowlevel.EventLoopToken, anyio.Lock] | None = None

    async def ask(self, request: Request, most: int) -> Reply:
        """Answer a request together with the others that are waiting.

        Args:
            request: The request.
            most: A batch of so many does not wait for more.

        Raises:
            Exception: Whatever running its batch raised.
        """
        one = Waiting(request)
        self._waiting.append(one)
        try:
            async with self._lock():
                if not one.over:
                    await self._batch(most)
        finally:
            if one in self._waiting:  # it was cancelled before its turn
                self._waiting.remove(one)
        if one.error is not None:
            raise one.error
        assert one.reply is not None
        return one.reply

    def _lock(self) -> anyio.Lock:
        """Return the lock of this event loop: a model outlives the loop of one evaluation."""
        token = lowlevel.current_token()
        if self._turn is None or self._turn[0] != token:
            self._turn = (token, anyio.Lock())
        return self._turn[1]

    async def _batch(self, most: int) -> None:
        seen = 0
        while seen < len(self._waiting) < most:
            seen = len(self._waiting)
            await self._more(seen, most)
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        self.sizes.append(len(batch))
        await to_thread.run_sync(self._answer, batch)

    async def _more(self, seen: int, most: int) -> None:
        """Wait until there are more, or for the quiet time."""
        with anyio.move_on_after(self.quiet):
            while len(self._waiting) == seen < most:
                await anyio.sleep(self.quiet / 20)

    def _answer(self, batch: Sequence[Waiting]) -> None:
        try:
            for each, reply in zip(batch, self.run([each.request for each in batch]), strict=True):
                each.reply = reply
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            for each in batch:
                each.error = error
