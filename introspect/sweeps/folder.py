"""A run folder: a manifest, the prompts, the vectors, and trials appended one line each.

Lines are handed to the system as soon as there are any, so that a killed process loses none, and waited for on the disk
twice a second, in case the machine stops. A write that fails is taken back whole; a line that was left unfinished is
cut off at the next start. Every line, and every file that is written whole, carries a checksum; damaged lines are set
aside at the next start. One process at a time; several workers on one run append each to files of its own, under
``shards``, and readers take all of them together.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from introspect.checksums import sealed, unsealed
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
    TrialSpec,
)
from introspect.sweeps.differences import differences
from introspect.sweeps.packed import PACKED, PackedTrials, is_packed
from introspect.sweeps.recovery import (
    DAMAGED,
    check_inside,
    complete_lines,
    damage,
    parsed,
    read_whole,
    remove_drafts,
    repair,
    replace,
    sound_records,
    unwritable,
    version_of,
)

log = logging.getLogger(__name__)

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
LOCK = ".lock"
SECONDS_UNSYNCED = 0.5
"""How long trials may be with the system and not on the disk, while others follow."""
SEALED = frozenset({MANIFEST, EFFECTS, STUDY, READERS})
"""Files written whole that carry their checksum."""


class RunFolder:
    """A run folder open for writing.

    Args:
        path: The folder.
        shard: The name of a worker, which appends to files that nobody else writes; without one it is the whole folder.

    Raises:
        RunFolderError: It cannot be written, another process has it, or a file of it is a link that leads out of it.
    """

    def __init__(self, path: Path, shard: str | None = None) -> None:
        self.path = path
        self._into = "" if shard is None else f"{SHARDS}/{shard}."
        self._lock = FileLock(path / (LOCK if shard is None else f"{self._into}lock"), timeout=0)
        self._synced, self._unsynced = 0.0, False

    def __enter__(self) -> "RunFolder":
        try:
            (self.path / self._into).parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe.{os.getpid()}"
            probe.write_bytes(b"can this folder be written?")
            probe.unlink(missing_ok=True)
            own = (self._into + PROMPTS, self._into + TRIALS)
            for name in (LOCK, PROMPTS, TRIALS, VECTORS, DIAGNOSTICS, *SEALED, *own):
                check_inside(self.path, self.path / name)
            self._lock.acquire()
            if not self._into:  # a worker has the folder with others, whose drafts may be in use
                remove_drafts(self.path, ("probe", PROMPTS, TRIALS, VECTORS, DIAGNOSTICS, *SEALED))
        except Timeout as error:
            message = f"another process is writing to {self.path}; wait for it or choose another --out"
            raise RunFolderError(message) from error
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._unsynced:
                self._append(self._into + TRIALS, ())
        finally:
            self._lock.release()

    def adopt(self, manifest: Manifest, specs: Sequence[TrialSpec] = ()) -> None:
        """Begin the run, or check that the folder holds the same one and note how many trials are asked for now.

        A manifest that is missing or damaged is written anew where the trials themselves show that they are this
        run's: ``specs`` are all of the plan, and a trial's key hashes everything that decides it.

        Raises:
            RunFolderError: The folder holds another run; the sentence shows the difference.
        """
        if specs and self._without_manifest(specs):
            self.write(MANIFEST, manifest.model_dump_json(indent=2).encode())
            return
        if (self.path / MANIFEST).is_file():
            old = read_manifest(self.path)
            found = list(differences(old, manifest))
            if found:
                message = (
                    f"{self.path} holds another run, and nothing was changed in it: {'; '.join(found)}. "
                    "Use another --out, or the plan as it was"
                )
                raise RunFolderError(message)
            update = {"n_planned": max(old.n_planned, manifest.n_planned), "engine": old.engine or manifest.engine}
            manifest = old.model_copy(update=update)
        elif files_of(self.path, TRIALS):
            message = f"{self.path} has trials but no {MANIFEST}; it is not a whole run folder, use another --out"
            raise RunFolderError(message)
        self.write(MANIFEST, manifest.model_dump_json(indent=2).encode())

    def _without_manifest(self, specs: Sequence[TrialSpec]) -> bool:
        """Whether there are trials, all of this plan, and no manifest that can be read; a damaged one is set aside."""
        file = self.path / MANIFEST
        try:
            read_manifest(self.path)
        except RunFolderError:
            known = version_of(file) in {None, SCHEMA_VERSION}
            files = files_of(self.path, TRIALS) if known else []
            trials = [trial for each in files for trial in sound_records(each, self.path, Trial)]
            if not trials or not {trial.key for trial in trials} <= {spec.key for spec in specs}:
                return False
            if file.exists():
                file.replace(file.with_name(MANIFEST + DAMAGED))
            log.warning(
                "%s was missing or damaged and is written anew: all %d trials are this plan's", file, len(trials)
            )
            return True
        return False

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file in one step."""
        try:
            replace(self.path / name, sealed(data) if name in SEALED else data)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def append(self, trials: Sequence[Trial], prompts: Sequence[Prompt] = ()) -> None:
        """Append trials, all or none, after the prompts they have; a process that is killed then loses none.

        Prompts are waited for on the disk, trials twice a second and when the folder is closed.
        """
        if prompts:
            self._append(self._into + PROMPTS, prompts)
        late = time.monotonic() - self._synced > SECONDS_UNSYNCED
        self._append(self._into + TRIALS, trials, wait=late)
        self._unsynced = not late

    def _append(self, name: str, records: Sequence[Record], *, wait: bool = True) -> None:
        data = b"".join(sealed(record.model_dump_json().encode()) + b"\n" for record in records)
        path = self.path / name
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(data)
                file.flush()
                if wait:
                    os.fsync(file.fileno())
                    self._synced = time.monotonic()
        except OSError as error:
            if path.exists():
                os.truncate(path, before)
            raise unwritable(self.path, error) from error

    def recover(self) -> list[Trial]:
        """Return the sound trials already there.

        A line that was never finished is cut off; damaged lines are set aside, and a warning says how many.

        Raises:
            RunFolderError: Two sound lines of one trial differ, or the folder cannot be written.
        """
        self.repair()
        return read_trials(self.path)

    def recover_keys(self) -> dict[str, str]:
        """Return the keys of the trials already there, and the prompt of each, likewise, without holding the trials.

        Raises:
            RunFolderError: Two sound lines of one trial differ, or the folder cannot be written.
        """
        self.repair()
        seen: dict[str, int] = {}
        prompts: dict[str, str] = {}
        for file, number, trial in lines_of_trials(self.path):
            content = hash(trial.model_dump_json())
            if seen.setdefault(trial.key, content) != content:
                raise _contradicts(file, number, trial)
            prompts[trial.key] = trial.prompt
        return prompts

    def repair(self) -> None:
        """Cut off lines that were never finished, and set damaged ones aside.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        try:
            for file in files_of(self.path, PROMPTS):
                repair(file, self.path, Prompt)
            for file in files_of(self.path, TRIALS):
                repair(file, self.path, Trial)
        except OSError as error:
            raise unwritable(self.path, error) from error


def _contradicts(file: Path, number: int, trial: Trial) -> RunFolderError:
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
            raise _contradicts(file, number, trial)
    return list(trials.values())


def lines_of_trials(path: Path) -> Iterator[tuple[Path, int, Trial]]:
    """Yield file, number and trial of every whole line of a run.

    Raises:
        RunFolderError: A line is damaged.
    """
    for trial in PackedTrials(path) if is_packed(path) else ():
        yield path / PACKED, 0, trial
    for file in files_of(path, TRIALS):
        for number, line in complete_lines(file, path):
            try:
                trial = parsed(line, Trial)
            except ValueError as error:
                message = (
                    f"line {number} of {file} is damaged ({error}); the run's own command sets such lines aside and "
                    "runs their trials again"
                )
                raise RunFolderError(message) from error
            yield file, number, trial


def read_prompts(path: Path, shard: str | None = None) -> dict[str, Prompt]:
    """Read a run's prompts by their id; of one worker's files where a shard is named.

    Raises:
        RunFolderError: A line is damaged.
    """
    prompts: dict[str, Prompt] = {}
    for file in files_of(path, PROMPTS) if shard is None else [path / SHARDS / f"{shard}.{PROMPTS}"]:
        try:
            found = [parsed(line, Prompt) for _, line in complete_lines(file, path)]
        except ValueError as error:
            message = f"{file} is damaged: {error}; the run's own command sets damaged lines aside"
            raise RunFolderError(message) from error
        prompts |= {prompt.id: prompt for prompt in found}
    return prompts


def read_projections(path: Path) -> dict[str, Projection]:
    """Read what was read under every token of some trials, by trial key; of a trial read twice the last.

    Raises:
        RunFolderError: A line is damaged.
    """
    try:
        found = [parsed(line, Projection) for _, line in complete_lines(path / PROJECTIONS, path)]
    except ValueError as error:
        message = f"{path / PROJECTIONS} is damaged ({error}); remove it to read them again"
        raise RunFolderError(message) from error
    return {each.key: each for each in found}


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
