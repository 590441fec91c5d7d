"""Claims that a grader has left in a run folder, apart from the trials: ``claims/GRADER.jsonl``, a line a reply.

Trials are never touched, so any grader can be run over them at any time, and several stand side by side. A companion
``claims/GRADER.json`` says who graded. Lines are appended as claims come and are on the disk before the next is asked
for; a line that a killed process left unfinished is cut off at the next start, and damaged lines are set aside. One
process at a time for each grader.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout
from pydantic import Field

from introspect.checksums import sealed, unsealed
from introspect.errors import JudgeError, UnknownNameError
from introspect.records import Claim, Record
from introspect.sweeps.recovery import check_inside, damage, records_in, repair, replace

CLAIMS = "claims"
_UNSAFE = re.compile(r"[^\w.-]+")


class Grading(Record):
    """Who graded: the grader's name with its version, and what else decides its claims, in words."""

    grader: str
    settings: dict[str, str] = Field(default_factory=dict)


class GradedReply(Record):
    """The claim of one trial's reply."""

    key: str
    claim: Claim


def slug(grader: str) -> str:
    """Return a grader's name as it stands in file names."""
    return _UNSAFE.sub("-", grader).strip("-")


class ClaimsFile:
    """A grader's claims open for writing.

    Raises:
        JudgeError: They cannot be written, are damaged, or another process is writing them.
    """

    def __init__(self, folder: Path, grading: Grading) -> None:
        self.grading, self.folder = grading, folder
        self.path = folder / CLAIMS / f"{slug(grading.grader)}.jsonl"
        self._lock = FileLock(self.path.with_suffix(".lock"), timeout=0)

    def __enter__(self) -> "ClaimsFile":
        try:
            check_inside(self.folder, self.path)
            self.path.parent.mkdir(exist_ok=True)
            self._lock.acquire()
            replace(self.path.with_suffix(".json"), sealed(self.grading.model_dump_json(indent=1).encode()))
            repair(self.path, self.folder, GradedReply)
        except Timeout as error:
            message = f"another process is writing {self.path}; wait for it"
            raise JudgeError(message) from error
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()  # the file stays: another process may hold it by now, and a third would make a new one

    def append(self, key: str, claim: Claim) -> None:
        """Append a claim, whole or not at all, and wait until it is on the disk."""
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab") as file:
                file.write(_line(key, claim))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if self.path.exists():
                os.truncate(self.path, before)
            raise self._unwritable(error) from error

    def replace(self, claims: Mapping[str, Claim]) -> None:
        """Write all claims anew, in one step."""
        try:
            replace(self.path, b"".join(_line(key, claim) for key, claim in claims.items()))
        except OSError as error:
            raise self._unwritable(error) from error

    def read(self) -> dict[str, Claim]:
        """Return the claims that are there."""
        return _read(self.path, self.folder)

    def _unwritable(self, error: OSError) -> JudgeError:
        return JudgeError(f"{self.path} cannot be written ({error.strerror or error}); what was there before is kept")


def graders_in(folder: Path) -> dict[str, Grading]:
    """Return who has left claims in a run folder, by the name of the file.

    Raises:
        JudgeError: A companion file is damaged.
    """
    found: dict[str, Grading] = {}
    for file in sorted((folder / CLAIMS).glob("*.json")):
        check_inside(folder, file)
        try:
            found[file.stem] = Grading.model_validate_json(unsealed(file.read_bytes()))
        except (OSError, ValueError) as error:
            message = f"{file} is damaged ({damage(error)}); grade again to write it anew"
            raise JudgeError(message) from error
    return found


def read_claims(folder: Path, grader: str) -> tuple[Grading, dict[str, Claim]]:
    """Read a grader's claims by trial key.

    Args:
        folder: A run folder.
        grader: The grader's name, that of its file, or ``judge`` where there is only one.

    Raises:
        UnknownNameError: No such grader has left claims there.
        JudgeError: ``judge`` where there are several, or a damaged file.
    """
    known = graders_in(folder)
    if grader == "judge" and len(judges := [name for name in known if name.startswith("judge-")]) > 0:
        if len(judges) > 1:
            message = f"several judges have graded {folder}; name one: {', '.join(judges)}"
            raise JudgeError(message)
        grader = judges[0]
    if slug(grader) not in known:
        raise UnknownNameError(f"grader with claims in {folder} (introspect grade leaves them)", grader, known)
    return known[slug(grader)], _read(folder / CLAIMS / f"{slug(grader)}.jsonl", folder)


def _line(key: str, claim: Claim) -> bytes:
    return sealed(GradedReply(key=key, claim=claim).model_dump_json(exclude_defaults=True).encode()) + b"\n"


def _read(path: Path, folder: Path) -> dict[str, Claim]:
    remedy = "grading by a judge again sets such lines aside, or remove the line"
    return {graded.key: graded.claim for _, graded in records_in(path, folder, GradedReply, remedy, JudgeError)}
