"""Running a plan: batches of trials through the engine, each batch on the disk before the next begins.

The plan fixes which trials share a batch. A run that was killed and goes on therefore repeats whole batches as they
were and writes only what is missing, so its trials equal those of an unbroken run to the last bit.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from introspect.progress import Advance, track
from introspect.protocols.materials import Materials, finished
from introspect.protocols.registry import protocol
from introspect.records import Plan, Trial, TrialSpec
from introspect.sweeps.cells import cell_of
from introspect.sweeps.folder import PROMPTS, RunFolder
from introspect.sweeps.plans import load_plan
from introspect.sweeps.prepare import Prepared, prepare


def sweep(plan: Plan | str | Path, out: str | Path, max_trials: int | None = None) -> Path:
    """Run a plan into a folder, or go on with it; return the folder.

    Args:
        plan: What to run: a plan, or the file of one.
        out: The run folder. One that holds the beginning of the same run is completed.
        max_trials: Run a seeded, balanced subset of so many trials.

    Raises:
        IntrospectError: The plan does not fit, or the folder cannot take it.
    """
    prepared = prepare(plan if isinstance(plan, Plan) else load_plan(Path(plan)), max_trials)
    with RunFolder(Path(out)) as folder:
        folder.adopt(prepared.manifest())
        done = {trial.key for trial in folder.recover()}
        if any(spec.key not in done for spec in prepared.specs):
            materials = prepared.materials(prepared.vectors(folder))
            _write_prompts(folder, prepared, materials)
            _run(folder, prepared, materials, done)
    return Path(out)


def batches(specs: Sequence[TrialSpec], size: int) -> list[Sequence[TrialSpec]]:
    """Cut the trials into the batches that run together."""
    return [specs[start : start + size] for start in range(0, len(specs), size)]


def _write_prompts(folder: RunFolder, prepared: Prepared, materials: Materials) -> None:
    records = {record.id: record for record in (materials.prompt(name).record() for name in prepared.wordings)}
    lines = "".join(record.model_dump_json() + "\n" for record in records.values())
    folder.write(PROMPTS, lines.encode())


def _run(folder: RunFolder, prepared: Prepared, materials: Materials, done: set[str]) -> None:
    specs = prepared.specs
    already = sum(spec.key in done for spec in specs)
    cells = len({cell_of(spec) for spec in specs})
    with track(f"{prepared.plan.name}: {cells} cells", len(specs), already) as advance:
        begun, fresh = time.monotonic(), 0
        for batch in batches(specs, prepared.plan.batch_size):
            missing = [spec for spec in batch if spec.key not in done]
            if not missing:
                continue
            trials = run_batch(batch, materials)
            folder.append([trial for trial in trials if trial.key not in done])
            fresh += len(missing)
            _tell(advance, len(missing), fresh / (time.monotonic() - begun))


def run_batch(specs: Sequence[TrialSpec], materials: Materials) -> list[Trial]:
    """Run trials together, in order."""
    requests = [protocol(spec.protocol)(spec, materials) for spec in specs]
    replies = materials.subject.generate(requests)
    return [finished(spec, reply) for spec, reply in zip(specs, replies, strict=True)]


def _tell(advance: Advance, n: int, rate: float) -> None:
    advance(n, f"{rate:.2f} trials/s")
