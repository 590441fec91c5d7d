"""A run folder: a manifest, the prompts, the vectors, and trials appended one line each.

Lines are handed to the system as soon as there are any, so that a killed process loses none, and waited for on the disk
twice a second, in case the machine stops. A write that fails is taken back whole; a line that was left unfinished is
cut off at the next start. Every line, and every file that is written whole, carries a checksum; damaged lines are set
aside at the next start. One process at a time; several workers on one run append each to files of its own, under
``shards``, and readers take all of them together.
"""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from introspect.checksums import sealed
from introspect.errors import RunFolderError
from introspect.records import SCHEMA_VERSION, Manifest, Prompt, Record, Trial, TrialSpec
from introspect.sweeps.differences import differences
from introspect.sweeps.reading import (
    DIAGNOSTICS,
    EFFECTS,
    MANIFEST,
    PROMPTS,
    READERS,
    SHARDS,
    STUDY,
    TRIALS,
    VECTORS,
    contradicts,
    files_of,
    lines_of_trials,
    read_manifest,
)
from introspect.sweeps.recovery import (
    DAMAGED,
    check_inside,
    remove_drafts,
    repair,
    replace,
    sound_records,
    unwritable,
    version_of,
)

log = logging.getLogger(__name__)

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
        self._synced = 0.0
        self._unsynced: dict[str, None] = {}

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
            self._sync()
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

        Both are waited for on the disk twice a second and when the folder is closed.
        """
        if prompts:
            self._append(self._into + PROMPTS, prompts)
        self._append(self._into + TRIALS, trials)
        if time.monotonic() - self._synced > SECONDS_UNSYNCED:
            self._sync()

    def _append(self, name: str, records: Sequence[Record]) -> None:
        data = b"".join(sealed(record.model_dump_json().encode()) + b"\n" for record in records)
        path = self.path / name
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(data)
        except OSError as error:
            if path.exists():
                os.truncate(path, before)
            raise unwritable(self.path, error) from error
        self._unsynced[name] = None

    def _sync(self) -> None:
        """Wait until what was appended is on the disk, prompts before the trials that have them."""
        try:
            for name in sorted(self._unsynced):
                with (self.path / name).open("ab") as file:
                    os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._unsynced.clear()
        self._synced = time.monotonic()

    def recover(self) -> dict[str, str]:
        """Return the keys of the sound trials already there, and the prompt of each, without holding the trials.

        A line that was never finished is cut off; damaged lines are set aside, and a warning says how many.

        Raises:
            RunFolderError: Two sound lines of one trial differ, or the folder cannot be written.
        """
        self.repair()
        seen: dict[str, int] = {}
        prompts: dict[str, str] = {}
        for file, number, trial in lines_of_trials(self.path):
            content = hash(trial.model_dump_json())
            if seen.setdefault(trial.key, content) != content:
                raise contradicts(file, number, trial)
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
