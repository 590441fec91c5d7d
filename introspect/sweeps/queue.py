"""The driver's queue of blocks: what waits, who has what, and what a worker that is gone leaves to the others.

A block is a stretch of the plan's order, the same one in every executor. Blocks with replies are handed out in order,
so that every beginning of a run is balanced over cells. Blocks that only read are sorted by prompt: a worker keeps to
neighbours of what it had, and one that runs out takes the later half of the longest stretch nobody is at, so each
worker computes the clean pass of a prompt once and only prompts on the border between two workers are computed twice.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from introspect.errors import ExecutorError

MOST_DEATHS = 3
"""Workers that may be lost at one block before it, and not the machines, is taken for the cause."""


@dataclass(frozen=True, slots=True)
class Block:
    """Trials ``start`` to ``stop`` of a plan's order; ``reads`` where nothing is generated in any of them."""

    start: int
    stop: int
    reads: bool = False


class Queue:
    """Blocks that wait for a worker.

    Args:
        blocks: What is to be done, in the plan's order.
    """

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._waiting: list[Block] = sorted(blocks, key=lambda block: block.start)
        self._taken: dict[str, Block] = {}
        self._last: dict[str, int] = {}
        self._deaths: dict[Block, int] = {}

    @property
    def finished(self) -> bool:
        """Whether nothing waits and nobody is at work."""
        return not self._waiting and not self._taken

    @property
    def n_waiting(self) -> int:
        """How many blocks nobody has."""
        return len(self._waiting)

    def take(self, worker: str) -> Block | None:
        """Return what a worker does next, or ``None`` where nothing waits."""
        if not self._waiting:
            return None
        block = self._next(worker)
        self._waiting.remove(block)
        self._taken[worker] = block
        return block

    def finish(self, worker: str) -> None:
        """Note that a worker has finished its block."""
        self._last[worker] = self._taken.pop(worker).stop

    def lose(self, worker: str) -> Block | None:
        """Put back what a worker had that is gone; return it.

        Raises:
            ExecutorError: Several workers were lost at this block.
        """
        block = self._taken.pop(worker, None)
        if block is None:
            return None
        self._deaths[block] = self._deaths.get(block, 0) + 1
        if self._deaths[block] >= MOST_DEATHS:
            message = (
                f"{MOST_DEATHS} workers were lost at the trials {block.start} to {block.stop - 1} of the plan's order, "
                "so these and not the machines seem to be the cause (memory, most likely); what was finished is kept. "
                "Set a smaller batch_size and run the same command again"
            )
            raise ExecutorError(message)
        self._waiting = sorted([*self._waiting, block], key=lambda each: each.start)
        return block

    def _next(self, worker: str) -> Block:
        first = self._waiting[0]
        if not first.reads:
            return first
        for block in self._waiting:
            if block.start == self._last.get(worker):
                return block
        stretches = list(_stretches(self._waiting))
        longest = max(stretches, key=len)
        begun = {*self._last.values(), *(block.stop for block in self._taken.values())}
        return longest[len(longest) // 2] if longest[0].start in begun else longest[0]


def _stretches(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Yield the runs of blocks that follow on each other."""
    stretch: list[Block] = []
    for block in blocks:
        if stretch and stretch[-1].stop != block.start:
            yield stretch
            stretch = []
        stretch.append(block)
    yield stretch
