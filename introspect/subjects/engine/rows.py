"""One request on its way through the engine, and when its reply ends."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from introspect.records import Audit
from introspect.subjects.chat import Chat
from introspect.subjects.engine.passes import NO_PREFIX, Prefix
from introspect.subjects.engine.sampling import choose, gumbels
from introspect.subjects.subject import Reply, Request

STEPS_AT_ONCE = 16
Finish = Literal["stop", "length"]
Listener = Callable[[Request, Sequence[int]], None]
"""Is told a request and all tokens of its reply so far, each time there is another one; the stop token is none."""


class Row:
    """One request on its way."""

    __slots__ = ("_numbers", "fed", "finish", "index", "n_own", "prefix", "request")

    def __init__(self, index: int, request: Request, prefix: Prefix = NO_PREFIX) -> None:
        self.index, self.request, self.prefix = index, request, prefix
        self.n_own = len(request.prompt.ids) - prefix.length
        self.fed: list[int] = []
        self.finish: Finish | None = None
        self._numbers: Tensor | None = None

    def numbers(self, vocabulary: int) -> Tensor:
        """Return the numbers that the next token is drawn with; they are made for some steps at a time."""
        step = len(self.fed)
        if self._numbers is None or step % STEPS_AT_ONCE == 0:
            n = STEPS_AT_ONCE if self.request.temperature else 1
            self._numbers = gumbels(self.request.seed, vocabulary, step - step % STEPS_AT_ONCE, n)
        return self._numbers[step % STEPS_AT_ONCE % len(self._numbers)]

    @property
    def own(self) -> tuple[int, ...]:
        """The prompt tokens behind the prefix."""
        return self.request.prompt.ids[self.prefix.length :]

    @property
    def at(self) -> int:
        """Own index of the newest token."""
        return self.n_own + len(self.fed) - 1


class Ending:
    """When a reply ends, and what it says: the stop tokens and the tokenizer."""

    def __init__(self, chat: Chat, stop: frozenset[int]) -> None:
        self.chat, self.stop = chat, stop
        self._listener: Listener | None = None

    @contextmanager
    def heard(self, listener: Listener) -> Iterator[None]:
        """Tell a listener every token as it is drawn; what it raises ends the generation."""
        before, self._listener = self._listener, listener
        try:
            yield
        finally:
            self._listener = before

    def of(self, row: Row) -> Finish | None:
        """Tell how a reply has ended, or that it goes on."""
        if row.fed[-1] in self.stop or self.chat.stopped(row.fed):
            return "stop"
        return "length" if len(row.fed) >= row.request.max_new_tokens else None

    def reply(self, row: Row, audits: tuple[Audit, ...]) -> Reply:
        """Put a finished reply together; the stop token is cut off."""
        tokens = row.fed[:-1] if row.fed[-1] in self.stop else row.fed
        return Reply(row.request, tuple(tokens), self.chat.decode(tokens), row.finish or "length", audits)

    def take(self, rows: Sequence[Row], logits: Tensor) -> list[int]:
        """Choose and note the next token of these rows; return the tokens."""
        temperature = torch.tensor([float(row.request.temperature) for row in rows])
        numbers = None
        if bool((temperature > 0).any()):
            numbers = torch.stack([row.numbers(logits.shape[-1]) for row in rows])
        tokens = choose(logits, temperature, numbers).tolist()
        for row, token in zip(rows, tokens, strict=True):
            row.fed.append(token)
            row.finish = self.of(row)
            if self._listener is not None and token not in self.stop:
                self._listener(row.request, row.fed)
        return tokens
