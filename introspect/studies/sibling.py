"""A sibling model as a third party: it goes on from a study's transcripts, cut just before the claim.

What it names there can be read off the words before the claim, without the vector and without being the subject. Where
it does as well as the subject, the report shows nothing of the subject's state. It stands beside the subject itself,
unsteered, which is the other reader to beat, and decides nothing.

Source: Song et al. (2025, arXiv 2508.14802) for the third party that has the same words; the cut is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from introspect.analysis.criteria.evidence import CONTINUED, READ_BY
from introspect.analysis.runs import load_run
from introspect.errors import PlanError, RunFolderError
from introspect.records import Plan
from introspect.studies.study import continuations, reports
from introspect.subjects.local import LocalSubject
from introspect.sweeps.battery import SUBJECT_KEYS
from introspect.sweeps.plans import changed
from introspect.sweeps.prepare import prepare
from introspect.sweeps.reading import MANIFEST, read_study
from introspect.sweeps.run import run_prepared

ITS_OWN = frozenset({*SUBJECT_KEYS, "batch_size", "vectors"}) - {"subject"}
"""What a plan says of its subject, and of another one has to be said anew."""
SETTABLE = ITS_OWN - {"vectors"}


def read_along(
    path: str | Path, sibling: str, overrides: Sequence[str] = (), loaded: LocalSubject | None = None
) -> list[Path]:
    """Let another model go on from the reports of a finished study, or go on with that; return the new run folders.

    Args:
        path: The study's folder. Its verdicts and its own runs stay as they are.
        sibling: The other model: ``smollm2``, a hub id, a folder or a GGUF file.
        overrides: ``key=value`` of how it is loaded: ``adapter``, ``dtype``, ``device``, ``device_map`` and so on.
        loaded: The other model, where it is loaded already.

    Raises:
        PlanError: An override is about something else.
        RunFolderError: Not a study, or one whose reports are not finished.
        SubjectError: The other model cannot be loaded.
    """
    path, found = Path(path), list[Path]()
    study = read_study(path)
    for name in study.experiments:
        if name in study.rules.on_grid or not (path / name / MANIFEST).is_file():
            continue
        run = load_run(path / name)
        if not any(map(reports, (trial.spec for trial in run.trials))):
            continue
        if run.so_far:
            message = f"the reports of {path / name} are not finished ({run.so_far}); go on with the study first"
            raise RunFolderError(message)
        plan = _of_another(run.manifest.plan, sibling, overrides)
        prepared = continuations(prepare(plan, None, loaded), path / name)
        loaded, identity = prepared.subject, prepared.subject.identity
        own = {"subject": identity.fingerprint, "dtype": identity.dtype, "vectors_hash": prepared.vectors_hash}
        specs = [spec.model_copy(update=own) for spec in prepared.specs if spec.arm == CONTINUED]
        found.append(path / plan.name)
        run_prepared(replace(prepared, plan=plan, specs=specs, everything=specs), found[-1])
    if not found:
        message = f"the study {path} has no reports yet that another model could read; go on with it first"
        raise RunFolderError(message)
    return found


def _of_another(plan: Plan, sibling: str, overrides: Sequence[str]) -> Plan:
    """Return the plan of the same reports by another model, without injection."""
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key not in SETTABLE:
            message = f"--set {key} is about the study, which is as it is; here it takes {', '.join(sorted(SETTABLE))}"
            raise PlanError(message)
    content = {key: value for key, value in plan.model_dump().items() if key not in ITS_OWN}
    content |= {"subject": sibling, "arms": ("none",), "layers": (0,), "depths": None}
    other = changed(content, overrides, "of the other model")
    adapter = f"{Path(other.adapter).name}-on-" if other.adapter else ""
    who = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{adapter}{Path(sibling).name}").strip("-.")
    return other.model_copy(update={"name": f"{plan.name}_{READ_BY}_{who}"})
