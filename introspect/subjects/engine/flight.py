"""Many requests through one batch of rows: a row that is finished is replaced at once.

A row holds its own tokens only; what it shares with others, its prefix, is there once. One step of decoding computes
the next token of every row, whatever its layer, strength, span, prefix, length or seed.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence

import torch

from introspect.injector import Injector
from introspect.stopping import requested
from introspect.subjects.engine.passes import BUCKET, Group, Pass, grouped, rounded
from introspect.subjects.engine.prefixes import Prefixes, n_shared
from introspect.subjects.engine.rows import Ending, Row
from introspect.subjects.engine.runner import Runner
from introspect.subjects.subject import Reply, Request

LINES = 4
"""A step of decoding has a multiple of it as rows: below that, products may sum in another order."""
TOKENS_AT_ONCE = 512
"""Prompt tokens in one pass: enough for full speed, few enough to stay small."""


class Flight:
    """One batch of rows and the queue behind it; iterate for ``(index, reply)`` in the order of finishing.

    Once stopping is requested, the rows at work are finished and the queue is dropped.

    Args:
        runner: The model, made ready.
        prefixes: Its prefixes.
        ending: When replies end.
        requests: All of them; ``index`` counts in their order.
        width: Most rows at a time.
    """

    def __init__(
        self, runner: Runner, prefixes: Prefixes, ending: Ending, requests: Sequence[Request], width: int
    ) -> None:
        self.runner, self.prefixes, self.ending = runner, prefixes, ending
        shared = {index: request.prompt.ids[: n_shared(request)] for index, request in enumerate(requests)}
        order = sorted(shared, key=lambda index: (shared[index], len(requests[index].prompt.ids)))
        self.queue = deque((index, requests[index], shared[index]) for index in order)
        self.width = min(rounded(width, LINES), rounded(len(requests), LINES))
        self.cache = runner.cache(self.width)
        self.injector = Injector(runner.blocks, (), runner.name)
        self.rows: list[Row] = []
        self.groups: tuple[Group, ...] | None = None
        self.steps: list[tuple[int, float]] = []

    def __iter__(self) -> Iterator[tuple[int, Reply]]:
        with self.runner.ready(), self.injector:
            while self.queue or self.rows:
                yield from self._replaced()
                if self.rows:
                    begun = time.perf_counter()
                    self._step()
                    self.steps.append((len(self.rows), time.perf_counter() - begun))

    def _replaced(self) -> Iterator[tuple[int, Reply]]:
        """Give out what is finished and put new rows into its place, until no row is finished."""
        while True:
            free = [place for place, row in enumerate(self.rows) if row.finish is not None]
            for place in free:
                row = self.rows[place]
                audits = self.injector.drop(place, len(row.fed))
                yield row.index, self.ending.reply(row, audits)
            if requested():
                self.queue.clear()
            room = self.width - len(self.rows) + len(free)
            if not (free or (self.queue and room)):
                return
            new = [self.queue.popleft() for _ in range(min(room, len(self.queue)))]
            self.groups = None
            places = free[: len(new)]
            places += range(len(self.rows), len(self.rows) + len(new) - len(places))
            self._close(free[len(new) :])
            if new:
                self._admit(places, new)

    def _close(self, holes: Sequence[int]) -> None:
        """Let the last rows fill the places that stay empty, so that rows stand close together."""
        for hole in sorted(holes, reverse=True):
            last = len(self.rows) - 1
            if hole != last:
                self.cache.move(last, hole, self.rows[last].at + 1)
                self.injector.move(last, hole)
                self.rows[hole] = self.rows[last]
            self.rows.pop()

    def _admit(self, places: Sequence[int], new: Sequence[tuple[int, Request, tuple[int, ...]]]) -> None:
        alike: dict[tuple[int, bool], list[int]] = {}
        for place, (index, request, shared) in zip(places, new, strict=True):
            row = Row(index, request, self.prefixes.get(shared, self.injector))
            if place == len(self.rows):
                self.rows.append(row)
            else:
                self.rows[place] = row
            self.injector.put(place, request.injections)
            alike.setdefault((row.n_own, row.prefix.length > 0), []).append(place)
        self.cache.admit(places, [self.rows[place].prefix for place in places])
        for (length, _), members in alike.items():
            n = max(1, TOKENS_AT_ONCE // length)
            for start in range(0, len(members), n):
                self._prefill(members[start : start + n], length)

    def _prefill(self, places: Sequence[int], length: int) -> None:
        """Compute the own prompt tokens of rows that have equally many, and their first new token."""
        rows = [self.rows[place] for place in places]
        begins = torch.tensor([row.prefix.length for row in rows])
        groups, where = grouped([row.prefix for row in rows]), torch.tensor(places)
        ids = torch.tensor([row.own for row in rows])
        logits = ids
        for start in range(0, length, TOKENS_AT_ONCE):
            part = ids[:, start : start + TOKENS_AT_ONCE]
            positions = begins[:, None] + start + torch.arange(part.shape[1])
            pass_ = Pass(positions, begins, groups, where, start, start + part.shape[1])
            logits = self.runner.run(part, pass_, self.cache, self.injector, lines=places)
        self.ending.take(rows, logits[:, -1])

    def _step(self) -> None:
        """Compute the next token of every row."""
        rows = self.rows
        idle = rounded(len(rows), LINES) - len(rows)
        prefixes = [row.prefix for row in rows] + [rows[-1].prefix] * idle
        begins = torch.tensor([prefix.length for prefix in prefixes])
        if self.groups is None:
            self.groups = grouped(prefixes)
        own = torch.tensor([row.at for row in rows] + [rows[-1].at] * idle)
        ids = torch.tensor([row.fed[-1] for row in rows] + [0] * idle)[:, None]
        n_own = rounded(int(own.max()) + 1, BUCKET)
        pass_ = Pass((begins + own)[:, None], begins, self.groups, slice(0, len(prefixes)), None, n_own)
        logits = self.runner.run(ids, pass_, self.cache, self.injector, idle=idle)
        self.ending.take(rows, logits[: len(rows), -1])
