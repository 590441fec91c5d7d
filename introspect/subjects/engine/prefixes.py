"""Prefixes computed once: which part of a request no row steers, and the store of what was computed of it.

A prefix is computed in chunks of ``CHUNK`` tokens, each attending to those before it, so that prompts with a common
beginning share its chunks, and what a chunk comes to does not depend on which prompt asked for it first.
"""

from collections import OrderedDict
from collections.abc import Iterator
from weakref import WeakValueDictionary

import torch

from introspect.injector import Injector
from introspect.subjects.engine.passes import NO_PREFIX, Pass, Prefix, State, grouped
from introspect.subjects.engine.runner import Runner
from introspect.subjects.subject import Request

CHUNK = 64
SHORTEST = 8
"""A prefix of fewer tokens is not worth sharing."""
KEPT_BYTES = 1 << 30
"""How much of prefixes that no row uses any more is kept for the next ones."""


def n_shared(request: Request) -> int:
    """Return how many first tokens of a request can be shared: a function of the request alone.

    They end where the first injection or the first mark of the prompt begins: a control trial, which carries nothing,
    is cut where the steered trials of the same wording are. At least two tokens stay the row's own.
    """
    prompt = request.prompt
    ends = [len(prompt.ids) - 2]
    ends += [start for injection in request.injections for start, _ in injection.span.prompt]
    for start, stop in prompt.marks.values():
        ends += [i for i, (a, b) in enumerate(prompt.offsets) if a < b and a < stop and b > start][:1]
    shortest = min(ends)
    return shortest if shortest >= SHORTEST else 0


def chunk_ends(length: int) -> Iterator[int]:
    """Yield where the chunks of a prefix end; a last chunk of one token joins the one before it."""
    end = 0
    while end < length:
        end = length if length - end - CHUNK <= 1 else end + CHUNK
        yield end


class _Piece:
    """What one chunk added: keys and values of its tokens, and the recurrent states behind it."""

    __slots__ = ("keys", "n_bytes", "states", "values")

    def __init__(self, prefix: Prefix, n_before: int) -> None:
        self.keys = {layer: part[:, :, n_before:].clone() for layer, part in prefix.keys.items()}
        self.values = {layer: part[:, :, n_before:].clone() for layer, part in prefix.values.items()}
        self.states: dict[int, State] = prefix.states
        self.n_bytes = sum(part.nbytes for part in (*self.keys.values(), *self.values.values()))

    def behind(self, prefix: Prefix, ids: tuple[int, ...]) -> Prefix:
        """Return the prefix with this chunk behind it."""
        if not prefix.length:
            return Prefix(ids, self.keys, self.values, self.states)
        keys, values = (
            {layer: torch.cat([before[layer], part], dim=2) for layer, part in mine.items()}
            for before, mine in ((prefix.keys, self.keys), (prefix.values, self.values))
        )
        return Prefix(ids, keys, values, self.states)


class Prefixes:
    """The prefixes of one model."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._pieces: OrderedDict[tuple[int, ...], _Piece] = OrderedDict()
        self._whole: WeakValueDictionary[tuple[int, ...], Prefix] = WeakValueDictionary()
        self.n_computed = 0

    def get(self, ids: tuple[int, ...], injector: Injector | None = None) -> Prefix:
        """Return a prefix, computing the chunks of it that are not there.

        Args:
            ids: Its tokens.
            injector: The injector that is installed on the model, if one is: it is told that it has no part in this.
        """
        if not ids:
            return NO_PREFIX
        whole = self._whole.get(ids)
        if whole is None:
            whole = self._assembled(ids, injector or Injector(self._runner.blocks))
            self._whole[ids] = whole
        return whole

    def _assembled(self, ids: tuple[int, ...], injector: Injector) -> Prefix:
        prefix, begin = NO_PREFIX, 0
        for end in chunk_ends(len(ids)):
            piece = self._pieces.get(ids[:end])
            if piece is None:
                piece = _Piece(self._computed(prefix, ids[begin:end], injector), begin)
                self._pieces[ids[:end]] = piece
            self._pieces.move_to_end(ids[:end])
            prefix, begin = piece.behind(prefix, ids[:end]), end
        while len(self._pieces) > 1 and sum(piece.n_bytes for piece in self._pieces.values()) > KEPT_BYTES:
            self._pieces.popitem(last=False)
        return prefix

    def _computed(self, prefix: Prefix, ids: tuple[int, ...], injector: Injector) -> Prefix:
        cache = self._runner.cache()
        cache.collected = {}
        positions = prefix.length + torch.arange(len(ids))[None]
        pass_ = Pass(positions, torch.tensor([prefix.length]), grouped([prefix]), None, 0, len(ids))
        tokens = torch.tensor([ids])
        with self._runner.ready(), torch.inference_mode():
            self._runner.run(tokens, pass_, cache, injector, lines=(), idle=1, states=prefix.states)
        self.n_computed += len(ids)
        return cache.extended(prefix, ids)

    def clear(self) -> None:
        """Let everything go; a row keeps its own prefix as long as it runs."""
        self._pieces.clear()
        self._whole.clear()
