"""Reading a run folder: its manifest, prompts and trials, and what else was made once for it.

Several workers on one run have each files of their own, under ``shards``; all of them are taken together. A last line
without its end, from a process that is writing or was killed, is left out.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from introspect.checksums import unsealed
from introspect.errors import RunFolderError
from introspect.records import SCHEMA_VERSION, Effects, Manifest, Projection, Prompt, Readers, Study, Trial
from introspect.sweeps.packed import PACKED, PackedTrials, is_packed
from introspect.sweeps.recovery import check_inside, damage, read_whole, records_in, version_of

MANIFEST = "manifest.json"
PROMPTS = "prompts.jsonl"
TRIALS = "trials.jsonl"
VECTORS = "vectors.safetensors"
DIAGNOSTICS = "diagnostics.json"
EFFECTS = "effects.json"
STUDY = "study.json"
SHARDS = "shards"
READERS = "readers.json"
PROJECTIONS = "projections.jsonl"
SET_ASIDE = "the run's own command sets such lines aside and runs their trials again"


def contradicts(file: Path, number: int, trial: Trial) -> RunFolderError:
    """Return the error for two trials of one key that differ."""
    message = f"line {number} of {file} contradicts an earlier line of the same trial {trial.key}"
    return RunFolderError(message)


def files_of(path: Path, name: str) -> list[Path]:
    """Return the files that hold a run's trials, or its prompts: the folder's own and then those of its workers."""
    return [file for file in (path / name, *sorted((path / SHARDS).glob(f"*.{name}"))) if file.exists()]


def read_manifest(path: Path) -> Manifest:
    """Read a run's manifest.

    Raises:
        RunFolderError: No run there, a damaged manifest, or one of another version of the format.
    """
    file = path / MANIFEST
    check_inside(path, file)
    try:
        return Manifest.model_validate_json(unsealed(file.read_bytes()))
    except FileNotFoundError as error:
        message = f"{path} is not a run folder: it has no {MANIFEST}"
        raise RunFolderError(message) from error
    except (OSError, ValueError) as error:
        version = version_of(file)
        if version is not None and version != SCHEMA_VERSION:
            message = (
                f"{path} was written in version {version} of the run format, and this is version {SCHEMA_VERSION}; "
                "open it with the introspect that wrote it, or start a new folder"
            )
            raise RunFolderError(message) from error
        message = (
            f"{file} is damaged: {damage(error)}. The run's own command writes it anew if all trials are that plan's"
        )
        raise RunFolderError(message) from error


def read_trials(path: Path) -> list[Trial]:
    """Read a run's trials; a last line without its end, from a process that is writing or was killed, is left out.

    Raises:
        RunFolderError: A line is damaged, or two trials of one key differ.
    """
    trials: dict[str, Trial] = {}
    for file, number, trial in lines_of_trials(path):
        if trials.setdefault(trial.key, trial) != trial:
            raise contradicts(file, number, trial)
    return list(trials.values())


def lines_of_trials(path: Path) -> Iterator[tuple[Path, int, Trial]]:
    """Yield file, number and trial of every whole line of a run.

    Raises:
        RunFolderError: A line is damaged.
    """
    for trial in PackedTrials(path) if is_packed(path) else ():
        yield path / PACKED, 0, trial
    for file in files_of(path, TRIALS):
        for number, trial in records_in(file, path, Trial, SET_ASIDE):
            yield file, number, trial


def read_prompts(path: Path, shard: str | None = None) -> dict[str, Prompt]:
    """Read a run's prompts by their id; of one worker's files where a shard is named.

    Raises:
        RunFolderError: A line is damaged.
    """
    files = files_of(path, PROMPTS) if shard is None else [path / SHARDS / f"{shard}.{PROMPTS}"]
    return {prompt.id: prompt for file in files for _, prompt in records_in(file, path, Prompt, SET_ASIDE)}


def read_projections(path: Path) -> dict[str, Projection]:
    """Read what was read under every token of some trials, by trial key; of a trial read twice the last.

    Raises:
        RunFolderError: A line is damaged.
    """
    found = records_in(path / PROJECTIONS, path, Projection, "remove the file to read them again")
    return {each.key: each for _, each in found}


def read_effects(path: Path) -> Effects | None:
    """Read the matches of effects of a run, if it has any.

    Raises:
        RunFolderError: The file is damaged.
    """
    return read_whole(path, EFFECTS, Effects, "to match the effects again")


def read_readers(path: Path) -> Readers | None:
    """Read what a third party made of a run's trials, if it was asked.

    Raises:
        RunFolderError: The file is damaged.
    """
    return read_whole(path, READERS, Readers, "to have the trials read again")


def read_study(path: Path) -> Study:
    """Read how a study went about its choice.

    Raises:
        RunFolderError: The file is missing, damaged, or of another version.
    """
    file = path / STUDY
    check_inside(path, file)
    try:
        content = json.loads(unsealed(file.read_bytes()))
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version is not None and version != SCHEMA_VERSION:
            message = f"{file} was written in version {version} of the run format, and this is version {SCHEMA_VERSION}"
            raise RunFolderError(message)
        return Study.model_validate(content)
    except FileNotFoundError as error:
        message = f"{path} is not the folder of a study: it has no {STUDY}"
        raise RunFolderError(message) from error
    except (OSError, ValueError, RecursionError) as error:
        message = f"{file} is damaged ({damage(error)})"
        raise RunFolderError(message) from error
