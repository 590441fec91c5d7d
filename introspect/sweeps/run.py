"""Running a plan: blocks of trials through the engine, each trial on the disk soon after it has finished.

Inside a block rows are replaced as they finish. The plan and the number of rows fix which trials share a block; a run
that was killed and goes on repeats an unfinished block as it was and writes only what is missing, so its trials equal
those of an unbroken run to the last bit, also on hardware where a row's last bits depend on its neighbours.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from introspect.progress import track
from introspect.protocols.materials import Materials
from introspect.protocols.trials import about, prompt_of, replies, request, run_trials
from introspect.records import Plan, Prompt, Trial, TrialSpec
from introspect.stopping import finishing, requested
from introspect.subjects.engine.tune import WIDTHS
from introspect.subjects.local import LocalSubject
from introspect.sweeps.cells import cell_of
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.plans import load_plan
from introspect.sweeps.prepare import Prepared, prepare
from introspect.sweeps.reading import lines_of_trials, read_manifest, read_prompts

log = logging.getLogger(__name__)

READ_WIDTH = 64
"""What blocks are sized by where nothing is generated."""


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
        folder.adopt(prepared.manifest(), prepared.everything)
        done = folder.recover()
        kept = set(read_prompts(out))
        lost = {key for key, prompt in done.items() if prompt not in kept}
        whole = all(spec.key in done for spec in prepared.specs)
        if whole and not lost:
            return
        vectors = prepared.vectors(folder)
        materials = prepared.materials(vectors, prepared.scales(folder, vectors))
        if lost:
            again = [trial for _, _, trial in lines_of_trials(out) if trial.key in lost]
            folder.append((), _new_prompts(again, materials, kept))
        if not whole:
            _run(folder, prepared, materials, (set(done), kept))


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
    """Run a block as a whole; write and yield what is missing of it, each trial as soon as it is finished.

    Args:
        folder: Where to.
        block: The trials that run together.
        materials: What they are made from.
        width: Rows at a time.
        known: Keys of the trials, and names of the prompts, that are on the disk; the prompts written are added.
    """
    done, kept = known
    finished = run_trials(block, materials, width)
    while True:
        with about(block[0], len(block)):
            trial = next(finished, None)
        if trial is None:
            return
        if trial.key not in done:
            folder.append([trial], _new_prompts([trial], materials, kept))
            yield [trial]


def _run(folder: RunFolder, prepared: Prepared, materials: Materials, known: tuple[set[str], set[str]]) -> None:
    specs, width = prepared.specs, _width(folder, prepared, materials)
    done, _ = known
    cells, already = len({cell_of(spec) for spec in specs}), sum(spec.key in done for spec in specs)
    with finishing(), track(f"{prepared.plan.name}: {cells} cells", len(specs), already) as advance:
        begun, fresh = time.monotonic(), 0
        fields = {"plan": prepared.plan.name, "subject": prepared.subject.identity.fingerprint, "rows": width}
        log.info("%d trials of %d are to be run", len(specs) - already, len(specs), extra={"fields": fields})
        for part in blocks(len(specs), prepared.n_all, width):
            block = specs[part.start : part.stop]
            if requested() or all(spec.key in done for spec in block):
                continue
            for missing in run_block(folder, block, materials, width, known):
                fresh += len(missing)
                log.debug("trials are written", extra={"fields": {"trials": already + fresh, "key": missing[-1].key}})
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
    if prepared.plan.batch_size is None and known is not None and known.isdecimal():
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
