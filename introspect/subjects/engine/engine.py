"""The engine of one model: shared prefixes where the model can be carried so, a full prefill of every row where not."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from introspect.errors import SubjectError
from introspect.stopping import requested
from introspect.subjects.chat import Chat
from introspect.subjects.engine.flight import Flight
from introspect.subjects.engine.full import FullPrefill
from introspect.subjects.engine.memory import out_of_memory
from introspect.subjects.engine.prefixes import Prefixes
from introspect.subjects.engine.probe import reason_against
from introspect.subjects.engine.readouts import Readouts
from introspect.subjects.engine.rows import Ending
from introspect.subjects.engine.runner import Runner
from introspect.subjects.engine.tune import Timing, timed, width_for
from introspect.subjects.subject import Query, Readout, Reply, Request

Way = Literal["shared prefix", "full prefill"]
DEFAULT_WIDTH = 64
FULL_WIDTH = 32


class Engine:
    """Runs requests in one batch of rows.

    Args:
        model: Any Hugging Face causal language model in evaluation mode.
        blocks: Its decoder blocks.
        chat: Its tokenizer.
        stop: Token ids that end a reply.
        name: For error sentences.
        way: ``auto`` takes a shared prefix where the model gives the same logits with it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        blocks: Sequence[nn.Module],
        chat: Chat,
        stop: frozenset[int],
        name: str,
        way: Literal["auto", "full prefill"] = "auto",
    ) -> None:
        self.runner = Runner(model, blocks, name)
        self.prefixes = Prefixes(self.runner)
        self.ending = Ending(chat, stop)
        self.full = FullPrefill(model, blocks, self.ending, name)
        self._asked = way
        self.width = DEFAULT_WIDTH
        self._best_widths: dict[int, int] = {}

    @cached_property
    def reason(self) -> str | None:
        """Why the model takes the slower path; ``None`` where it does not. The first look asks the model."""
        if self._asked != "auto":
            return "it was asked for"
        return reason_against(self.runner, self.prefixes)

    @property
    def way(self) -> Way:
        """How requests are run."""
        return "full prefill" if self.reason else "shared prefix"

    def describe(self) -> dict[str, str]:
        """Say what goes into the record of a run: the way and, where it is the slower one, the reason."""
        with self.runner.products.installed():
            products = "packed once, oneDNN" if self.runner.products.packed else "the model's own"
        said = {"way": str(self.way), "products": products}
        return {**said, "reason": self.reason} if self.reason else said

    @cached_property
    def readouts(self) -> Readouts:
        """What reads logits and activations off prompts."""
        return Readouts(self.runner, self.prefixes, sharing=self.reason is None)

    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Answer queries, in order."""
        return self.readouts.score(queries)

    def width_for(self, requests: Sequence[Request], n_requests: int, bytes_per_token: int) -> int:
        """Return how many rows to run at a time: by trying where that pays, once for runs of like length."""
        if self.reason:
            return min(FULL_WIDTH, n_requests)
        known = self._best_widths
        return width_for(self.runner, self.prefixes, self.ending, requests, n_requests, bytes_per_token, known)

    def timed(self, requests: Sequence[Request], width: int) -> Timing:
        """Measure what some requests cost, from a few tokens of each."""
        if self.reason:
            return self.full.timed(requests[:width])
        return timed(self.runner, self.prefixes, self.ending, requests, width)

    def generate(self, requests: Sequence[Request], width: int | None = None) -> list[Reply]:
        """Answer requests, in order."""
        replies = dict(self.stream(requests, width))
        return [replies[index] for index in range(len(requests))]

    def stream(self, requests: Sequence[Request], width: int | None = None) -> Iterator[tuple[int, Reply]]:
        """Answer requests; yield ``(index, reply)`` as they finish.

        Running out of memory halves the number of rows and goes on with what is not answered yet. Once stopping is
        requested, only the rows at work are finished.

        Args:
            requests: Any number; layers, strengths, vectors, spans, prompts, lengths and seeds may all differ.
            width: Most rows at a time; default is ``self.width``.

        Raises:
            SubjectError: Not even one row fits into memory.
        """
        waiting = dict(enumerate(requests))
        rows = width or self.width
        while waiting and not requested():
            indices = list(waiting)
            try:
                for index, reply in self._once(list(waiting.values()), rows):
                    del waiting[indices[index]]
                    yield indices[index], reply
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                rows = self._fewer(rows, error)

    def _fewer(self, rows: int, error: RuntimeError) -> int:
        """Return half the rows, after everything was let go that can be computed again."""
        if rows == 1:
            message = f"there is not enough memory for one row on {self.runner.name}: {str(error).splitlines()[0]}"
            raise SubjectError(message) from error
        self.readouts.clear()
        self.prefixes.clear()
        self.width = min(self.width, rows // 2)
        return rows // 2

    def _once(self, requests: Sequence[Request], rows: int) -> Iterator[tuple[int, Reply]]:
        if self.reason:
            for start in range(0, len(requests), rows):
                if requested():
                    return
                replies = self.full.generate(requests[start : start + rows])
                yield from enumerate(replies, start=start)
            return
        with torch.inference_mode():
            yield from Flight(self.runner, self.prefixes, self.ending, requests, rows)
