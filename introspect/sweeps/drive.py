"""The driver of a run on workers: it owns the queue, the manifest and the bar, and writes no trial.

Workers are asked for, and each says when it has its subject. The first one makes the vectors and settles how many rows
run at a time; the others take both from the run folder and go to work. A worker that is gone leaves its block to the
others, with what its shard holds of it left out, and is replaced once there is room for another one. Blocks are those
of a run in one process, and a block that is repeated is repeated whole, so that trials are the same to the last bit
whoever runs them, on devices of one kind.
"""

import json
import logging
import time
import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from introspect.errors import ExecutorError, RunFolderError
from introspect.progress import Advance, silent, track
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.pool import Failed, Gone, Pool
from introspect.sweeps.queue import MOST_DEATHS, Block, Queue
from introspect.sweeps.reading import SHARDS, TRIALS, read_manifest
from introspect.sweeps.run import blocks
from introspect.sweeps.worker import Begun, Finished, Forecast, Message, Ready, Wrote
from introspect.terminal import Console

log = logging.getLogger(__name__)

MOMENT = 0.5
"""Seconds between looks at whether there is room for another worker."""
PATIENCE = 600.0
"""Seconds for which a run without any worker waits for room."""


@dataclass(slots=True)
class Driver:
    """Runs one plan on a pool's workers.

    Attributes:
        pool: Where the workers are.
        folder: The run folder, open.
        n_workers: How many workers there should be.
        starting: Workers that have not begun; ``waiting`` have, and wait for the vectors; ``idle`` have no block.
    """

    pool: Pool
    folder: RunFolder
    n_workers: int
    stack: ExitStack
    starting: set[str] = field(default_factory=set)
    waiting: dict[str, Begun] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    plan: Begun | None = None
    maker: str | None = None
    width: int | None = None
    queue: Queue | None = None
    advance: Advance = silent
    fresh: int = 0
    since: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    lost: list[str] = field(default_factory=list)

    @property
    def n_alive(self) -> int:
        """Workers that are there or asked for."""
        return len(self.starting) + len(self.waiting) + len(self.idle) + len(self.busy)

    @property
    def finished(self) -> bool:
        """Whether every trial is on the disk."""
        return self.plan is not None and self.done.issuperset(self.plan.keys)

    def run(self) -> None:
        """Run until every trial is on the disk."""
        for _ in range(self.n_workers):
            self._start()
        while not self.finished:
            for shard, event in self.pool.wait(MOMENT):
                self._on(shard, event)
            self._replace()
            if self.queue is not None and self.queue.finished and not self.finished:
                message = "every block was run, and yet some trials of the plan are not on the disk"
                raise ExecutorError(message)

    def _start(self) -> None:
        shard = f"worker-{uuid.uuid4().hex[:12]}"
        self.starting.add(shard)
        self.pool.start(shard)

    def _on(self, shard: str, event: Message | Gone | Failed) -> None:
        match event:
            case Begun():
                self.starting.discard(shard)
                self._begun(shard, event)
            case Ready():
                self._ready(shard, event)
            case Wrote(keys):
                self._wrote(keys)
            case Finished():
                self._queue.finish(shard)
                self._hand(shard)
            case Gone(why):
                self._gone(shard, why)
            case Failed(error):
                raise error
            case Forecast():
                return

    def _begun(self, shard: str, begun: Begun) -> None:
        log.info("%s began on %s", shard, begun.place, extra={"fields": {"worker": shard, **asdict(begun.place)}})
        if self.plan is None:
            self._first(begun)
        elif begun.agreed != self.plan.agreed:
            message = (
                f"{shard} would run other trials than the first worker: another model, tokenizer, list or version of "
                "introspect is on its machine; put the same on all of them"
            )
            raise ExecutorError(message)
        self.waiting[shard] = begun
        self._make_ready()

    def _first(self, begun: Begun) -> None:
        """Begin the run, or go on with it, now that it is known what it is."""
        self.folder.adopt(begun.manifest)
        self.plan = begun
        self.done = self.folder.recover().keys() & set(begun.keys)
        rows = read_manifest(self.folder.path).engine.get("rows")
        self.width = int(rows) if rows and begun.manifest.plan.batch_size is None else None
        label = f"{begun.manifest.plan.name}: {begun.n_cells} cells"
        self.advance = self.stack.enter_context(track(label, len(begun.keys), len(self.done)))
        self.since = time.monotonic()

    def _make_ready(self) -> None:
        """Let one worker make the vectors and settle the rows, and the others follow once it has."""
        if self.queue is None and self.maker is None and self.waiting and not self.finished:
            self.maker = next(iter(self.waiting))
        ready = [self.maker] if self.queue is None and self.maker in self.waiting else []
        for shard in [*self.waiting] if self.queue is not None else ready:
            if shard is not None:
                del self.waiting[shard]
                self.busy.add(shard)
                self.pool.send(shard, "ready", self.width)

    def _ready(self, shard: str, ready: Ready) -> None:
        if self.queue is None and self.plan is not None:
            self.width = ready.width
            manifest = read_manifest(self.folder.path)
            self.folder.adopt(manifest.model_copy(update={"engine": ready.engine}))
            parts = blocks(len(self.plan.keys), self.plan.n_all, ready.width)
            reads = self.plan.n_spoken
            whole = [Block(part.start, part.stop, part.start >= reads) for part in parts]
            self.queue = Queue(block for block in whole if self._missing(block))
            self._make_ready()
        self._hand(shard)

    def _missing(self, block: Block) -> bool:
        return self.plan is not None and not self.done.issuperset(self.plan.keys[block.start : block.stop])

    @property
    def _queue(self) -> Queue:
        if self.queue is None:
            message = "a worker finished a block before there were any"
            raise ExecutorError(message)
        return self.queue

    def _hand(self, shard: str) -> None:
        self.busy.discard(shard)
        block = self._queue.take(shard)
        if block is None or self.plan is None:
            self.idle.add(shard)
            return
        self.busy.add(shard)
        done = self.done.intersection(self.plan.keys[block.start : block.stop])
        self.pool.send(shard, "run", block.start, block.stop, tuple(sorted(done)))

    def _wrote(self, keys: Iterable[str]) -> None:
        new = set(keys) - self.done
        self.done |= new
        self.fresh += len(new)
        rate = self.fresh / max(time.monotonic() - self.since, 1e-6)
        at_work = len(self.busy)
        self.advance(len(new), f"{rate:.2f} trials/s, {at_work} worker{'s' if at_work != 1 else ''}")

    def _gone(self, shard: str, why: str) -> None:
        """Count what the worker had written, and give the rest of its block to the others."""
        self.lost.append(why)
        log.warning("%s is gone (%s); what it had not written goes to others", shard, why)
        if self.plan is None and len(self.lost) >= MOST_DEATHS * self.n_workers:
            message = f"{len(self.lost)} workers were lost before one had its subject; the last: {why}"
            raise ExecutorError(message)
        for group in (self.starting, self.idle, self.busy):
            group.discard(shard)
        self.waiting.pop(shard, None)
        if self.maker == shard and self.queue is None:
            self.maker = None
        if self.plan is not None:
            self._wrote(keys_in(self.folder.path / SHARDS / f"{shard}.{TRIALS}").intersection(self.plan.keys))
        if self.queue is not None:
            self.queue.lose(shard)
            for other in sorted(self.idle)[: self.queue.n_waiting]:
                self.idle.discard(other)
                self._hand(other)
        self._make_ready()

    def _replace(self) -> None:
        """Start another worker where one is missing, there is work for it, and room."""
        now = time.monotonic()
        wanted = self.n_workers if self.queue is None else min(self.n_workers, self.queue.n_waiting + len(self.busy))
        if self.n_alive < wanted and self.pool.room():
            self._start()
        if self.n_alive:
            self.seen = now
        elif now - self.seen > PATIENCE:
            message = (
                f"all workers are gone, and for {PATIENCE:.0f} seconds there was no room for another one (the last: "
                f"{self.lost[-1]}); what was finished is kept, and the same command goes on"
            )
            raise ExecutorError(message)


def drive(pool: Pool, out: Path, n_workers: int) -> None:
    """Run on a pool's workers into a folder, or go on with it.

    Raises:
        IntrospectError: What a worker raised, or no worker is left.
    """
    with RunFolder(out) as folder, ExitStack() as stack:
        refuse_orphans(out)
        driver = Driver(pool, folder, n_workers, stack)
        word = f"starting {n_workers} worker{'s' if n_workers != 1 else ''}"
        Console(stderr=True).print(word, highlight=False)
        driver.run()


def forecast(pool: Pool) -> Forecast:
    """Let one worker load the subject and measure what the plan will cost.

    Raises:
        IntrospectError: What the worker raised, or it was lost.
    """
    pool.start("forecast")
    while True:
        for shard, event in pool.wait(MOMENT):
            match event:
                case Begun():
                    pool.send(shard, "forecast")
                case Forecast():
                    return event
                case Failed(error):
                    raise error
                case Gone(why):
                    message = f"the worker that was to measure the plan was lost: {why}"
                    raise ExecutorError(message)
                case _:
                    continue


def refuse_orphans(out: Path) -> None:
    """Raise ``RunFolderError`` where workers of an earlier run are still writing."""
    for file in sorted((out / SHARDS).glob("*.lock")):
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout as error:
            message = f"a worker of an earlier run is still writing to {out} ({file.stem}); wait for it to end"
            raise RunFolderError(message) from error


def keys_in(file: Path) -> set[str]:
    """Return the keys of the whole lines of a shard."""
    data = file.read_bytes() if file.exists() else b""
    return {json.loads(line)["key"] for line in data[: data.rfind(b"\n") + 1].splitlines()}
