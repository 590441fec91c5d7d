"""A run folder: a manifest, the prompts, the vectors, and trials appended one line each.

Lines are appended a batch at a time, flushed to the disk before the next batch begins; a write that fails is taken
back whole, and a line that a killed process left unfinished is cut off at the next start. One process at a time.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from introspect.errors import RunFolderError
from introspect.records import (
    SCHEMA_VERSION,
    Effects,
    Manifest,
    Projection,
    Prompt,
    Readers,
    Record,
    Study,
    Trial,
)

MANIFEST = "manifest.json"
PROMPTS = "prompts.jsonl"
TRIALS = "trials.jsonl"
VECTORS = "vectors.safetensors"
DIAGNOSTICS = "diagnostics.json"
EFFECTS = "effects.json"
STUDY = "study.json"
READERS = "readers.json"
PROJECTIONS = "projections.jsonl"


class RunFolder:
    """A run folder open for writing.

    Raises:
        RunFolderError: It cannot be written, or another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=0)

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe.{os.getpid()}"
            probe.write_bytes(b"can this folder be written?")
            probe.unlink()
            self._lock.acquire()
        except Timeout as error:
            message = f"another process is writing to {self.path}; wait for it or choose another --out"
            raise RunFolderError(message) from error
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def adopt(self, manifest: Manifest) -> None:
        """Begin the run, or check that the folder holds the same one and note how many trials are asked for now.

        Raises:
            RunFolderError: The folder holds another run; the sentence shows the difference.
        """
        if (self.path / MANIFEST).is_file():
            old = read_manifest(self.path)
            differences = list(_differences(old, manifest))
            if differences:
                message = (
                    f"{self.path} holds another run, and nothing was changed in it: {'; '.join(differences)}. "
                    "Use another --out, or the plan as it was"
                )
                raise RunFolderError(message)
            update = {"n_planned": max(old.n_planned, manifest.n_planned), "engine": old.engine or manifest.engine}
            manifest = old.model_copy(update=update)
        elif (self.path / TRIALS).exists():
            message = f"{self.path} has trials but no {MANIFEST}; it is not a whole run folder, use another --out"
            raise RunFolderError(message)
        self.write(MANIFEST, manifest.model_dump_json(indent=2).encode())

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file in one step."""
        draft = self.path / f".{name}.{os.getpid()}"
        try:
            draft.write_bytes(data)
            draft.replace(self.path / name)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        finally:
            draft.unlink(missing_ok=True)

    def append(self, trials: Sequence[Trial], prompts: Sequence[Prompt] = ()) -> None:
        """Append trials, all or none, after the prompts they have, and wait until they are on the disk."""
        if prompts:
            self._append(PROMPTS, prompts)
        self._append(TRIALS, trials)

    def _append(self, name: str, records: Sequence[Record]) -> None:
        data = "".join(record.model_dump_json() + "\n" for record in records).encode()
        path = self.path / name
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if path.exists():
                os.truncate(path, before)
            raise _unwritable(self.path, error) from error

    def recover(self) -> list[Trial]:
        """Return the trials already there, after cutting off a line that was never finished."""
        for path in (self.path / PROMPTS, self.path / TRIALS):
            data = path.read_bytes() if path.exists() else b""
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.truncate(path, whole)
        return read_trials(self.path)


def read_manifest(path: Path) -> Manifest:
    """Read a run's manifest.

    Raises:
        RunFolderError: No run there, a damaged manifest, or one of another version of the format.
    """
    file = path / MANIFEST
    try:
        text = file.read_text("utf-8")
        return Manifest.model_validate_json(text)
    except FileNotFoundError as error:
        message = f"{path} is not a run folder: it has no {MANIFEST}"
        raise RunFolderError(message) from error
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        version = _version(file)
        if version is not None and version != SCHEMA_VERSION:
            message = (
                f"{path} was written in version {version} of the run format, and this is version {SCHEMA_VERSION}; "
                "open it with the introspect that wrote it, or start a new folder"
            )
            raise RunFolderError(message) from error
        message = f"{file} is damaged: {str(error).splitlines()[0]}"
        raise RunFolderError(message) from error


def _version(file: Path) -> int | None:
    try:
        content: Any = json.loads(file.read_text("utf-8"))
        return int(content["schema_version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_trials(path: Path) -> list[Trial]:
    """Read a run's trials; a last line without its end, from a process that is writing or was killed, is left out.

    Raises:
        RunFolderError: A line is damaged, or two trials of one key differ.
    """
    trials: dict[str, Trial] = {}
    for number, line in _lines(path / TRIALS):
        try:
            trial = Trial.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            message = f"line {number} of {path / TRIALS} is damaged ({problem}); remove the line to run its trial again"
            raise RunFolderError(message) from error
        if trials.setdefault(trial.key, trial) != trial:
            message = f"line {number} of {path / TRIALS} contradicts an earlier line of the same trial {trial.key}"
            raise RunFolderError(message)
    return list(trials.values())


def read_prompts(path: Path) -> dict[str, Prompt]:
    """Read a run's prompts by their id."""
    try:
        prompts = [Prompt.model_validate_json(line) for _, line in _lines(path / PROMPTS)]
    except ValidationError as error:
        message = f"{path / PROMPTS} is damaged: {error.errors()[0]['msg']}"
        raise RunFolderError(message) from error
    return {prompt.id: prompt for prompt in prompts}


def read_projections(path: Path) -> dict[str, Projection]:
    """Read what was read under every token of some trials, by trial key; of a trial read twice the last.

    Raises:
        RunFolderError: A line is damaged.
    """
    try:
        found = [Projection.model_validate_json(line) for _, line in _lines(path / PROJECTIONS)]
    except ValidationError as error:
        message = f"{path / PROJECTIONS} is damaged ({error.errors()[0]['msg']}); remove it to read them again"
        raise RunFolderError(message) from error
    return {each.key: each for each in found}


def read_effects(path: Path) -> Effects | None:
    """Read the matches of effects of a run, if it has any.

    Raises:
        RunFolderError: The file is damaged.
    """
    file = path / EFFECTS
    try:
        return Effects.model_validate_json(file.read_bytes()) if file.exists() else None
    except (OSError, ValidationError) as error:
        message = f"{file} is damaged ({str(error).splitlines()[0]}); remove it to match the effects again"
        raise RunFolderError(message) from error


def read_readers(path: Path) -> Readers | None:
    """Read what a third party made of a run's trials, if it was asked.

    Raises:
        RunFolderError: The file is damaged.
    """
    file = path / READERS
    try:
        return Readers.model_validate_json(file.read_bytes()) if file.exists() else None
    except (OSError, ValidationError) as error:
        message = f"{file} is damaged ({str(error).splitlines()[0]}); remove it to have the trials read again"
        raise RunFolderError(message) from error


def read_study(path: Path) -> Study:
    """Read how a study went about its choice.

    Raises:
        RunFolderError: The file is missing, damaged, or of another version.
    """
    file = path / STUDY
    try:
        content = json.loads(file.read_bytes())
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version is not None and version != SCHEMA_VERSION:
            message = f"{file} was written in version {version} of the run format, and this is version {SCHEMA_VERSION}"
            raise RunFolderError(message)
        return Study.model_validate(content)
    except FileNotFoundError as error:
        message = f"{path} is not the folder of a study: it has no {STUDY}"
        raise RunFolderError(message) from error
    except (OSError, ValueError) as error:
        message = f"{file} is damaged ({str(error).splitlines()[0]})"
        raise RunFolderError(message) from error


def _lines(file: Path) -> Iterable[tuple[int, bytes]]:
    try:
        data = file.read_bytes() if file.exists() else b""
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or error}"
        raise RunFolderError(message) from error
    return enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1)


def _differences(old: Manifest, new: Manifest) -> Iterable[str]:
    if old.schema_version != new.schema_version:
        yield f"its format is version {old.schema_version}, this one writes version {new.schema_version}"
    before, after = old.plan.identity(), new.plan.identity()
    for key in before | after:
        was, now = (plan.get(key, getattr(manifest.plan, key)) for plan, manifest in ((before, old), (after, new)))
        if was != now:
            yield f"{key} was {was!r}, is now {now!r}"
    if old.subject.fingerprint != new.subject.fingerprint or old.subject.dtype != new.subject.dtype:
        yield (
            f"the subject was {old.subject.fingerprint[:12]} in {old.subject.dtype}, is now "
            f"{new.subject.fingerprint[:12]} in {new.subject.dtype}"
        )
    for name in ("wordings", "concepts", "vectors_hash"):
        if getattr(old, name) != getattr(new, name):
            yield f"the {name.replace('_', ' ')} are not the same (a list or stimulus file was edited)"


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    message = (
        f"{path} cannot be written ({error.strerror or error}); what was there before is kept. "
        "Free some space or choose another --out, then run the same command again"
    )
    return RunFolderError(message)
