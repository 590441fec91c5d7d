"""Running a plan: blocks of trials through the engine, each trial on the disk soon after it has finished.

Inside a block rows are replaced as they finish. The plan and the number of rows fix which trials share a block; a run
that was killed and goes on repeats an unfinished block as it was and writes only what is missing, so its trials equal
those of an unbroken run to the last bit, also on hardware where a row's last bits depend on its neighbours.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from introspect.progress import track
from introspect.protocols.materials import Materials
from introspect.protocols.trials import prompt_of, replies, request, run_trials
from introspect.records import Plan, Prompt, Trial, TrialSpec
from introspect.stopping import finishing, requested
from introspect.subjects.engine.tune import WIDTHS
from introspect.subjects.local import LocalSubject
from introspect.sweeps.cells import cell_of
from introspect.sweeps.folder import RunFolder, read_manifest, read_prompts
from introspect.sweeps.plans import load_plan
from introspect.sweeps.prepare import Prepared, prepare

log = logging.getLogger(__name__)

READ_WIDTH = 64
"""What blocks are sized by where nothing is generated."""


def sweep(
    plan: Plan | str | Path, out: str | Path, max_trials: int | None = None, subject: LocalSubject | None = None
) -> Path:
    """Run a plan into a folder, or go on with it; return the folder.

    Args:
        plan: What to run: a plan, or the file of one.
        out: The run folder. One that holds the beginning of the same run is completed.
        max_trials: Run a seeded, balanced subset of so many trials.
        subject: The plan's subject, where it is loaded already.

    Raises:
        IntrospectError: The plan does not fit, or the folder cannot take it.
    """
    run_prepared(prepare(plan if isinstance(plan, Plan) else load_plan(Path(plan)), max_trials, subject), Path(out))
    return Path(out)


def run_prepared(prepared: Prepared, out: Path) -> None:
    """Run what was prepared into a folder, or go on with it."""
    with RunFolder(out) as folder:
        folder.adopt(prepared.manifest(), prepared.everything)
        there = folder.recover()
        done, kept = {trial.key for trial in there}, set(read_prompts(out))
        lost = [trial for trial in there if trial.prompt not in kept]
        whole = all(spec.key in done for spec in prepared.specs)
        if whole and not lost:
            return
        vectors = prepared.vectors(folder)
        materials = prepared.materials(vectors, prepared.scales(folder, vectors))
        folder.append((), _new_prompts(lost, materials, kept))
        if not whole:
            _run(folder, prepared, materials, done, kept)


def blocks(specs: Sequence[TrialSpec], n_all: int, width: int) -> list[Sequence[TrialSpec]]:
    """Cut the trials into the blocks that run together: some batches each, and at most a sixteenth of a long plan.

    A block ends with fewer and fewer rows in use, so short ones waste time; an unfinished one is repeated when a run
    goes on, so long ones do, too.
    """
    size = min(max(2 * width, n_all // 16), 16 * width)
    return [specs[start : start + size] for start in range(0, len(specs), size)]


def _run(folder: RunFolder, prepared: Prepared, materials: Materials, done: set[str], kept: set[str]) -> None:
    specs, width = prepared.specs, _width(folder, prepared, materials)
    cells, already = len({cell_of(spec) for spec in specs}), sum(spec.key in done for spec in specs)
    with finishing(), track(f"{prepared.plan.name}: {cells} cells", len(specs), already) as advance:
        begun, fresh = time.monotonic(), 0
        fields = {"plan": prepared.plan.name, "subject": prepared.subject.identity.fingerprint, "rows": width}
        log.info("%d trials of %d are to be run", len(specs) - already, len(specs), extra={"fields": fields})
        for block in blocks(specs, prepared.n_all, width):
            if requested() or all(spec.key in done for spec in block):
                continue
            for trial in run_trials(block, materials, width):
                if trial.key in done:
                    continue
                folder.append([trial], _new_prompts([trial], materials, kept))
                fresh += 1
                log.debug("a trial is written", extra={"fields": {"trials": already + fresh, "key": trial.key}})
                advance(1, f"{fresh / (time.monotonic() - begun):.2f} trials/s")


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
    subject, plan = prepared.subject, prepared.plan
    known = manifest.engine.get("rows")
    if plan.batch_size is None and known is not None and known.isdecimal():
        return int(known)
    spoken = [spec for spec in prepared.specs if replies(spec)]
    width = plan.batch_size or READ_WIDTH
    if spoken and plan.batch_size is None:
        some = [request(spec, materials) for spec in spoken[: WIDTHS[-1]]]
        width = subject.engine.width_for(some, len(spoken), subject.cache_bytes_per_token())
    folder.adopt(manifest.model_copy(update={"engine": {**subject.engine.describe(), "rows": str(width)}}))
    return width
