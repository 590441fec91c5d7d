"""Running a plan: blocks of trials through the engine, each trial on the disk soon after it has finished.

Inside a block rows are replaced as they finish. The plan and the number of rows fix which trials share a block; a run
that was killed and goes on repeats an unfinished block as it was and writes only what is missing, so its trials equal
those of an unbroken run to the last bit, also on hardware where a row's last bits depend on its neighbours.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from introspect.progress import track
from introspect.protocols.materials import Materials
from introspect.protocols.trials import about, prompt_of, replies, request, run_trials
from introspect.records import Plan, Prompt, Trial, TrialSpec
from introspect.subjects.engine.tune import WIDTHS
from introspect.subjects.local import LocalSubject
from introspect.sweeps.cells import cell_of
from introspect.sweeps.folder import RunFolder, read_manifest, read_prompts
from introspect.sweeps.plans import load_plan
from introspect.sweeps.prepare import Prepared, prepare

READ_WIDTH = 64
"""What blocks are sized by where nothing is generated."""
SECONDS_UNWRITTEN = 0.5
"""How long a finished trial may wait for its neighbours before it is written."""


@runtime_checkable
class Executor(Protocol):
    """Where trials are run: without one, in this process."""

    def run(self, plan: Plan, out: Path, max_trials: int | None = None) -> None:
        """Run a plan into a folder, or go on with it; the subject is not needed in this process."""
        ...

    def run_specs(self, plan: Plan, specs: Sequence[TrialSpec], out: Path) -> None:
        """Run these trials, of a plan's subject and with its vectors, into a folder."""
        ...


def sweep(
    plan: Plan | str | Path,
    out: str | Path,
    max_trials: int | None = None,
    subject: LocalSubject | None = None,
    executor: Executor | None = None,
) -> Path:
    """Run a plan into a folder, or go on with it; return the folder.

    Args:
        plan: What to run: a plan, or the file of one.
        out: The run folder. One that holds the beginning of the same run is completed.
        max_trials: Run a seeded, balanced subset of so many trials.
        subject: The plan's subject, where it is loaded already.
        executor: Where the trials are run, if not in this process.

    Raises:
        IntrospectError: The plan does not fit, or the folder cannot take it.
    """
    loaded = plan if isinstance(plan, Plan) else load_plan(Path(plan))
    if executor is None:
        run_prepared(prepare(loaded, max_trials, subject), Path(out))
    else:
        executor.run(loaded, Path(out), max_trials)
    return Path(out)


def run_prepared(prepared: Prepared, out: Path, executor: Executor | None = None) -> None:
    """Run what was prepared into a folder, or go on with it."""
    if executor is not None:
        executor.run_specs(prepared.plan, prepared.specs, out)
        return
    with RunFolder(out) as folder:
        folder.adopt(prepared.manifest())
        done = folder.recover_keys()
        if any(spec.key not in done for spec in prepared.specs):
            vectors = prepared.vectors(folder)
            _run(folder, prepared, prepared.materials(vectors, prepared.scales(folder, vectors)), done)


def blocks(n: int, n_all: int, width: int) -> list[range]:
    """Cut so many trials into the blocks that run together: some batches each, at most a sixteenth of a long plan.

    A block ends with fewer and fewer rows in use, so short ones waste time; an unfinished one is repeated when a run
    goes on, so long ones do, too.
    """
    size = min(max(2 * width, n_all // 16), 16 * width)
    return [range(start, min(start + size, n)) for start in range(0, n, size)]


def run_block(
    folder: RunFolder, block: Sequence[TrialSpec], materials: Materials, width: int, known: tuple[set[str], set[str]]
) -> Iterator[list[Trial]]:
    """Run a block as a whole; write and yield what is missing of it, some trials at a time.

    Args:
        folder: Where to.
        block: The trials that run together.
        materials: What they are made from.
        width: Rows at a time.
        known: Keys of the trials, and names of the prompts, that are on the disk; the prompts written are added.
    """
    done, kept = known
    finished = _soon(run_trials(block, materials, width))
    while True:
        with about(block[0], len(block)):
            trials = next(finished, None)
        if trials is None:
            return
        missing = [trial for trial in trials if trial.key not in done]
        folder.append(missing, _new_prompts(missing, materials, kept))
        yield missing


def _run(folder: RunFolder, prepared: Prepared, materials: Materials, done: set[str]) -> None:
    specs, width = prepared.specs, _width(folder, prepared, materials)
    cells = len({cell_of(spec) for spec in specs})
    known = done, set(read_prompts(folder.path))
    with track(f"{prepared.plan.name}: {cells} cells", len(specs), sum(spec.key in done for spec in specs)) as advance:
        begun, fresh = time.monotonic(), 0
        for part in blocks(len(specs), prepared.n_all, width):
            block = specs[part.start : part.stop]
            if all(spec.key in done for spec in block):
                continue
            for missing in run_block(folder, block, materials, width, known):
                fresh += len(missing)
                advance(len(missing), f"{fresh / (time.monotonic() - begun):.2f} trials/s")


def _new_prompts(trials: Sequence[Trial], materials: Materials, kept: set[str]) -> list[Prompt]:
    """Return the prompts of these trials that are not on the disk yet."""
    new: list[Prompt] = []
    for trial in trials:
        if trial.prompt not in kept:
            kept.add(trial.prompt)
            new.append(prompt_of(trial.spec, materials).record())
    return new


def _width(folder: RunFolder, prepared: Prepared, materials: Materials) -> int:
    """Return how many rows run at a time: the plan's number, the one this run began with, or one found now."""
    manifest = read_manifest(folder.path)
    known = manifest.engine.get("rows")
    if prepared.plan.batch_size is None and known is not None:
        return int(known)
    width, engine = find_width(prepared, materials, None)
    folder.adopt(manifest.model_copy(update={"engine": engine}))
    return width


def find_width(prepared: Prepared, materials: Materials, known: int | None) -> tuple[int, dict[str, str]]:
    """Return how many rows run at a time, and what goes into the record of the run: how the subject is run."""
    subject, plan = prepared.subject, prepared.plan
    spoken = [spec for spec in prepared.specs if replies(spec)]
    width = plan.batch_size or known or READ_WIDTH
    if spoken and plan.batch_size is None and known is None:
        some = [request(spec, materials) for spec in spoken[: WIDTHS[-1]]]
        width = subject.engine.width_for(some, len(spoken), subject.cache_bytes_per_token())
    return width, {**subject.engine.describe(), "rows": str(width)}


def _soon(trials: Iterator[Trial]) -> Iterator[list[Trial]]:
    """Gather what finishes within a moment, so that the disk is asked to keep some trials at a time."""
    waiting: list[Trial] = []
    last = time.monotonic()
    for trial in trials:
        waiting.append(trial)
        if time.monotonic() - last > SECONDS_UNWRITTEN:
            yield waiting
            waiting, last = [], time.monotonic()
    if waiting:
        yield waiting
