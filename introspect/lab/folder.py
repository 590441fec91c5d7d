"""Live trials on disk: a run folder like any other, whose plan grows with what is saved.

The plan on record names the concepts, layers, strengths and wordings of the saved trials, so that the folder can be
analysed, shown and run again. Questions of one's own stand in a stimulus file beside the trials.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from introspect.errors import RunFolderError
from introspect.lab.choices import NAME
from introspect.lab.session import OWN, PROTOCOL, Pair, Session
from introspect.protocols.trials import prompt_of
from introspect.records import SCHEMA_VERSION, Manifest, Plan, SubjectIdentity, Trial
from introspect.stimuli import Stimuli, Wording, load_stimuli
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.machine import machine, packages
from introspect.sweeps.reading import (
    MANIFEST,
    PROJECTIONS,
    VECTORS,
    read_manifest,
    read_projections,
    read_prompts,
    read_trials,
)

STIMULI = "stimuli.json"
FIXED = ("protocol", "name", "subject", "adapter", "dtype", "concepts", "baseline", "temperature", "max_new_tokens")
"""Keys of a live run's plan that stay as they were when it was begun."""


def check_folder(path: Path, plan: Plan, subject: SubjectIdentity, vectors_hash: str) -> None:
    """Raise ``RunFolderError`` unless a folder is empty or holds live trials of this subject, plan and vectors."""
    if not (path / MANIFEST).is_file():
        return
    old = read_manifest(path)
    if old.plan.name != NAME or old.plan.protocol != PROTOCOL:
        message = f"{path} holds the run of a plan ({old.plan.name!r}); give live trials a folder of their own by --run"
        raise RunFolderError(message)
    differ = [key for key in FIXED if getattr(old.plan, key) != getattr(plan, key)]
    if old.subject.fingerprint != subject.fingerprint:
        differ.append("subject")
    elif old.vectors_hash != vectors_hash:
        differ.append("vectors")
    if differ:
        message = (
            f"{path} holds live trials with another {' and another '.join(dict.fromkeys(differ))}; "
            "start introspect lab as it was, or give another --run"
        )
        raise RunFolderError(message)


def save(path: Path, session: Session, pair: Pair) -> int:
    """Put a pair's trials into a run folder, with their prompts and what was read under their tokens.

    Returns:
        How many trials the folder holds now; a pair that is there already changes nothing.

    Raises:
        RunFolderError: The folder cannot be written, or holds another run.
    """
    check_folder(path, session.plan, session.subject.identity, session.vectors.provenance.digest)
    with RunFolder(path) as folder:
        folder.recover()
        done = {trial.key: trial for trial in read_trials(path)}
        new = [trial for trial in pair.trials if trial.key not in done]
        whole = [*done.values(), *new]
        stimuli = _stimuli(path, session, pair, whole)
        if stimuli is not None:
            folder.write(STIMULI, stimuli.model_dump_json(indent=1).encode())
        if not (path / VECTORS).is_file():
            session.vectors.save(path / VECTORS)
        manifest = _manifest(path, session, whole, stimuli)
        folder.write(MANIFEST, manifest.model_dump_json(indent=2).encode())
        kept, materials = set(read_prompts(path)), session.materials(pair)
        prompts = {each.id: each for each in (prompt_of(trial.spec, materials).record() for trial in new)}
        folder.append(new, [prompt for name, prompt in prompts.items() if name not in kept])
        if pair.projection is not None:
            every = {**read_projections(path), pair.key: pair.projection}
            folder.write(PROJECTIONS, "".join(each.model_dump_json() + "\n" for each in every.values()).encode())
    return len(whole)


def _stimuli(path: Path, session: Session, pair: Pair, trials: Sequence[Trial]) -> Stimuli | None:
    """Return the wordings of the folder where a question of one's own is among them."""
    names = _ordered(trial.spec.wording for trial in trials)
    if not any(name.startswith(OWN) for name in names):
        return None
    known = dict(session.stimuli.wording)
    if (path / STIMULI).is_file():
        known = {**load_stimuli(path / STIMULI).wording, **known}
    known[pair.specs[0].wording] = pair.wording
    return session.stimuli.model_copy(update={"wording": {name: known[name] for name in names}})


def _manifest(path: Path, session: Session, trials: Sequence[Trial], stimuli: Stimuli | None) -> Manifest:
    plan, versions = _plan(path, session.plan, trials, stimuli), packages()
    old = read_manifest(path) if (path / MANIFEST).is_file() else None
    names = session.concepts.names
    wordings: dict[str, Wording] = (stimuli or session.stimuli).wording
    return Manifest(
        schema_version=SCHEMA_VERSION,
        introspect_version=versions["introspect"],
        created=old.created if old else datetime.now(UTC).isoformat(timespec="seconds"),
        plan=plan,
        subject=session.subject.identity,
        n_planned=len(trials),
        vectors_hash=session.vectors.provenance.digest,
        wordings={name: wordings[name].digest for name in plan.wordings},
        concepts={concept.name: concept.forms for concept in session.concepts.members},
        frequency={name: value for name, value in session.concepts.frequency.items() if name in names},
        machine=machine(),
        packages=versions,
        engine=session.subject.engine.describe(),
    )


def _plan(path: Path, plan: Plan, trials: Sequence[Trial], stimuli: Stimuli | None) -> Plan:
    specs = [trial.spec for trial in trials]
    update = {
        "only": _ordered(spec.concept for spec in specs if spec.concept is not None),
        "layers": tuple(sorted({spec.layer for spec in specs if spec.layer is not None})),
        "strengths": tuple(sorted({spec.strength for spec in specs if spec.strength is not None})),
        "wordings": _ordered(spec.wording for spec in specs),
        "tasks": _ordered(spec.task for spec in specs),
        "stimuli": plan.stimuli if stimuli is None else str((path / STIMULI).resolve()),
    }
    return Plan.model_validate({**plan.model_dump(), **update})


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
