"""A worker: one process that holds a subject and runs blocks of a plan into files of its own.

It enumerates the plan's trials itself, so that only numbers travel: which trials of the order a block has, and which
of them are on the disk already. Whatever starts workers (``introspect.sweeps.ray_pool``) calls the three methods, each
of which yields messages; the driver (``introspect.sweeps.drive``) reads them.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from introspect.errors import ExecutorError
from introspect.protocols.materials import Materials
from introspect.protocols.trials import replies
from introspect.records import Manifest, Plan, TrialSpec, digest
from introspect.subjects.local import LocalSubject
from introspect.sweeps.cells import cell_of
from introspect.sweeps.estimate import Estimate, estimate
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.prepare import Prepared, prepare
from introspect.sweeps.reading import read_prompts
from introspect.sweeps.run import find_width, run_block


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run: a plan's trials, so many of them, or these ``specs`` in the place of them."""

    plan: Plan
    max_trials: int | None = None
    specs: tuple[TrialSpec, ...] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is, and the accelerators that it was given, as ``CUDA_VISIBLE_DEVICES`` names them."""

    host: str
    process: int
    devices: tuple[str, ...] = ()

    def __str__(self) -> str:
        given = f" with the accelerators {', '.join(self.devices)}" if self.devices else ""
        return f"{self.host} (process {self.process}){given}"


def here() -> Place:
    """Return where this process is."""
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return Place(socket.gethostname(), os.getpid(), tuple(name.strip() for name in devices.split(",") if name.strip()))


@dataclass(frozen=True, slots=True)
class Begun:
    """A worker has its subject: what it is going to run, in order, and from where on trials only read."""

    place: Place
    manifest: Manifest
    keys: tuple[str, ...]
    n_all: int
    n_cells: int
    n_spoken: int

    @property
    def agreed(self) -> str:
        """What all workers of a run have to have in common."""
        return digest([self.manifest.subject.fingerprint, self.manifest.vectors_hash, list(self.keys)])


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has its vectors and knows how many rows it runs at a time."""

    width: int
    engine: dict[str, str]


@dataclass(frozen=True, slots=True)
class Wrote:
    """Trials that are on the disk."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A block is done."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan will cost on workers like this one; ``loading`` are the seconds until it had its subject."""

    manifest: Manifest
    cost: Estimate
    loading: float


Message = Begun | Ready | Wrote | Finished | Forecast


class Worker:
    """Runs blocks of a job into a shard of the run folder.

    Args:
        job: What is to be run.
        out: The run folder, on storage that driver and workers share.
        shard: The worker's name, and that of its files.
        home: The folder in which the driver was started, from which the plan's paths start.
        subject: The subject, where this process has it already.
    """

    def __init__(self, job: Job, out: str, shard: str, home: str = "", subject: LocalSubject | None = None) -> None:
        self.job, self.out, self.shard, self.home, self.subject = job, Path(out), shard, home, subject
        self._prepared: Prepared | None = None
        self._materials: Materials | None = None
        self._folder: RunFolder | None = None
        self._width, self._loading = 0, 0.0

    def begin(self) -> Iterator[Begun]:
        """Load the subject and enumerate the trials."""
        if self.home and Path(self.home).is_dir():
            os.chdir(self.home)
        since = time.monotonic()
        prepared = prepare(self.job.plan, self.job.max_trials, self.subject)
        self._loading = time.monotonic() - since
        if self.job.specs is not None:
            prepared = replace(prepared, specs=list(self.job.specs), everything=list(self.job.specs))
        self._prepared = prepared
        spoken = [replies(spec) for spec in prepared.specs]
        yield Begun(
            place=here(),
            manifest=prepared.manifest(),
            keys=tuple(spec.key for spec in prepared.specs),
            n_all=prepared.n_all,
            n_cells=len({cell_of(spec) for spec in prepared.specs}),
            n_spoken=len(spoken) - spoken[::-1].index(True) if any(spoken) else 0,
        )

    def ready(self, width: int | None) -> Iterator[Ready]:
        """Read the vectors, or make and keep them where there are none, and settle the number of rows.

        Args:
            width: Rows at a time, where the run has settled that.
        """
        prepared = self._begun()
        self._folder = RunFolder(self.out, self.shard)
        self._folder.__enter__()  # it is this process's until it ends
        vectors = prepared.vectors(self._folder)
        self._materials = prepared.materials(vectors, prepared.scales(self._folder, vectors))
        self._width, engine = find_width(prepared, self._materials, width)
        yield Ready(self._width, engine)

    def run(self, start: int, stop: int, done: Sequence[str]) -> Iterator[Wrote | Finished]:
        """Run a block and write what is missing of it.

        Args:
            start: Of the block, in the plan's order.
            stop: Behind its last trial.
            done: Keys of its trials that are on the disk.
        """
        prepared = self._begun()
        if self._materials is None or self._folder is None:
            message = f"the worker {self.shard} was given a block before it was ready"
            raise ExecutorError(message)
        kept = set(read_prompts(self.out, self.shard))
        block = prepared.specs[start:stop]
        for missing in run_block(self._folder, block, self._materials, self._width, (set(done), kept)):
            yield Wrote(tuple(trial.key for trial in missing))
        yield Finished()

    def forecast(self) -> Iterator[Forecast]:
        """Measure what the plan will cost; nothing is written."""
        prepared = self._begun()
        yield Forecast(prepared.manifest(), estimate(prepared), self._loading)

    def _begun(self) -> Prepared:
        if self._prepared is None:
            message = f"the worker {self.shard} has not begun"
            raise ExecutorError(message)
        return self._prepared
