"""Runs of one plan that were made in different places become one.

The folders have to hold the same run: plan, subject, vectors, wordings and concepts. A trial that several of them have
is taken once, and where two do not agree on it nothing is merged. The trials of each folder become a shard of the new
one; the folders themselves stay as they are.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from introspect.errors import RunFolderError
from introspect.progress import Advance, silent
from introspect.records import Manifest, Trial
from introspect.sweeps.differences import differences
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.reading import (
    DIAGNOSTICS,
    EFFECTS,
    VECTORS,
    lines_of_trials,
    read_effects,
    read_manifest,
    read_prompts,
)

AT_ONCE = 1000


def merge(folders: Sequence[Path], out: Path, progress: Advance = silent) -> int:
    """Merge run folders into a new one; return how many trials it has.

    Args:
        folders: Two or more runs of one plan.
        out: The folder of the outcome; it must not hold a run.
        progress: Told how many trials were read.

    Raises:
        RunFolderError: The folders hold different runs, two trials of one key differ, or there is a run in ``out``.
    """
    if len(folders) < 2:
        message = "merging takes at least two run folders; one was given"
        raise RunFolderError(message)
    if (out / "manifest.json").exists():
        message = f"{out} holds a run already; give another --out"
        raise RunFolderError(message)
    manifest = _one(folders)
    seen: dict[str, tuple[bytes, Path]] = {}
    for folder in folders:
        for _, _, trial in lines_of_trials(folder):
            _once(seen, trial, folder)
            progress(1)
    planned = max(manifest.n_planned, len(seen))
    with RunFolder(out) as folder:
        folder.adopt(manifest.model_copy(update={"n_planned": planned}))
        for source in folders:
            _copy(source, out, seen)
        _beside(folders, out)
    return len(seen)


def _one(folders: Sequence[Path]) -> Manifest:
    """Return the manifest that the folders share.

    Raises:
        RunFolderError: They hold different runs, or matched effects in different ways.
    """
    manifests = [read_manifest(folder) for folder in folders]
    first = manifests[0]
    for folder, other in zip(folders[1:], manifests[1:], strict=True):
        found = list(differences(first, other))
        if read_effects(folder) != read_effects(folders[0]):
            found.append("the effects of control vectors were matched in another way")
        if found:
            message = f"{folders[0]} and {folder} are not one run: {'; '.join(found)}"
            raise RunFolderError(message)
    return first.model_copy(update={"n_planned": max(each.n_planned for each in manifests)})


def _once(seen: dict[str, tuple[bytes, Path]], trial: Trial, folder: Path) -> None:
    content = hashlib.blake2b(trial.model_dump_json().encode(), digest_size=16).digest()
    known, where = seen.setdefault(trial.key, (content, folder))
    if known != content:
        message = (
            f"{where} and {folder} disagree on the trial {trial.key}, so nothing was merged; the runs differ in the "
            "machine, number format or rows at a time, or one is damaged. Leave one of them out"
        )
        raise RunFolderError(message)


def _copy(source: Path, out: Path, seen: dict[str, tuple[bytes, Path]]) -> None:
    """Append the trials that come from a folder, and its prompts, to a shard of their own."""
    prompts = read_prompts(source)
    written: set[str] = set()
    taken: set[str] = set()
    shard = f"merged-{hashlib.blake2b(str(source.absolute()).encode(), digest_size=6).hexdigest()}"
    with RunFolder(out, shard) as folder:
        waiting: list[Trial] = []
        for _, _, trial in lines_of_trials(source):
            if seen[trial.key][1] == source and trial.key not in taken:
                taken.add(trial.key)
                waiting.append(trial)
            if len(waiting) == AT_ONCE:
                folder.append(waiting, [prompts[name] for name in _new(waiting, written)])
                waiting = []
        folder.append(waiting, [prompts[name] for name in _new(waiting, written)])


def _new(trials: Sequence[Trial], written: set[str]) -> list[str]:
    names = [name for name in dict.fromkeys(trial.prompt for trial in trials) if name not in written]
    written.update(names)
    return names


def _beside(folders: Sequence[Path], out: Path) -> None:
    """Take along what was made once for the run: vectors, their diagnostics, matched effects."""
    for name in (VECTORS, DIAGNOSTICS, EFFECTS):
        for source in folders:
            if (source / name).is_file() and not (out / name).exists():
                shutil.copyfile(source / name, out / name)
