"""What is sound in a run folder, and what is not: lines held against their checksums, drafts of killed processes.

Damage is set aside, never thrown away: lines that do not fit go to ``NAME.damaged`` beside the file, and the file is
replaced in one step by its sound lines, whose trials need not run again.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from introspect.checksums import ChecksumError, unsealed
from introspect.errors import RunFolderError
from introspect.records import Record, Trial

log = logging.getLogger(__name__)

DAMAGED = ".damaged"
MANY = 3
"""Lines that a sentence names by their numbers."""

AnyRecord = TypeVar("AnyRecord", bound=Record)


def check_inside(folder: Path, file: Path) -> None:
    """Refuse a file that is reached through a symbolic link out of its run folder.

    Raises:
        RunFolderError: It leads out.
    """
    if not file.resolve().is_relative_to(folder.resolve()):
        message = (
            f"{file} is a symbolic link that leads out of the run folder, to {file.resolve()}; a run keeps its files "
            "to itself: put the file there in place of the link"
        )
        raise RunFolderError(message)


def parsed(line: bytes, kind: type[AnyRecord]) -> AnyRecord:
    """Return the record of a line, held against its checksum where it has one.

    Raises:
        ValueError: The line is damaged; the sentence says how.
    """
    try:
        return kind.model_validate_json(unsealed(line))
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error


def complete_lines(file: Path, folder: Path) -> Iterator[tuple[int, bytes]]:
    """Return the numbered lines of a file that were finished, none where there is no file.

    Raises:
        RunFolderError: It cannot be read, or leads out of the folder.
    """
    check_inside(folder, file)
    try:
        data = file.read_bytes() if file.exists() else b""
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or error}"
        raise RunFolderError(message) from error
    return enumerate(data.split(b"\n")[:-1], start=1)


def sound_records(file: Path, folder: Path, kind: type[AnyRecord]) -> Iterator[AnyRecord]:
    """Return the records of a file, damaged lines left out."""
    for _, line in complete_lines(file, folder):
        with suppress(ValueError):
            yield parsed(line, kind)


def each_once(numbered: Iterable[tuple[int, Trial]], file: Path) -> list[Trial]:
    """Return trials without repetitions.

    Raises:
        RunFolderError: Two trials of one key differ.
    """
    trials: dict[str, Trial] = {}
    for number, trial in numbered:
        if trials.setdefault(trial.key, trial) != trial:
            message = f"line {number} of {file} contradicts an earlier line of the same trial {trial.key}"
            raise RunFolderError(message)
    return list(trials.values())


def repair(file: Path, folder: Path, kind: type[AnyRecord]) -> list[AnyRecord]:
    """Cut off a line that was never finished, and set damaged lines aside, of which the logs tell; return the rest.

    Whoever calls it holds the folder's lock.
    """
    sound: list[bytes] = []
    records: list[AnyRecord] = []
    damaged: list[tuple[int, bytes]] = []
    for number, line in complete_lines(file, folder):
        try:
            records.append(parsed(line, kind))
            sound.append(line)
        except ValueError:
            damaged.append((number, line))
    if damaged:
        _set_aside(file, sound, damaged)
    elif file.exists() and file.stat().st_size > (whole := sum(len(line) + 1 for line in sound)):
        os.truncate(file, whole)
    return records


def _set_aside(file: Path, sound: list[bytes], damaged: list[tuple[int, bytes]]) -> None:
    beside = file.with_name(file.name + DAMAGED)
    with beside.open("ab") as kept:
        kept.writelines(line + b"\n" for _, line in damaged)
        kept.flush()
        os.fsync(kept.fileno())
    replace(file, b"".join(line + b"\n" for line in sound))
    numbers = ", ".join(str(number) for number, _ in damaged[:MANY]) + (" and others" if len(damaged) > MANY else "")
    which = f"line {numbers} of {file} was" if len(damaged) == 1 else f"{len(damaged)} lines of {file} ({numbers}) were"
    log.warning("%s damaged, set aside in %s, and will be made again; %d are sound", which, beside.name, len(sound))


def replace(file: Path, data: bytes) -> None:
    """Write a whole file in one step, on the disk before it takes the name."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with draft.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def remove_drafts(folder: Path, names: tuple[str, ...]) -> None:
    """Remove what killed processes left half-written; whoever calls it holds the folder's lock."""
    for name in names:
        for draft in folder.glob(f".{name}.*"):
            if draft.suffix.removeprefix(".").isdigit():
                draft.unlink(missing_ok=True)


def damage(error: Exception) -> str:
    """Say in a few words what is wrong with a file."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, ChecksumError | UnicodeDecodeError):
        return str(error)
    return str(error).splitlines()[0]


def unwritable(path: Path, error: OSError) -> RunFolderError:
    """Return the error for a folder that cannot be written."""
    message = (
        f"{path} cannot be written ({error.strerror or error}); what was there before is kept. "
        "Free some space or choose another --out, then run the same command again"
    )
    return RunFolderError(message)


def read_whole(path: Path, name: str, kind: type[AnyRecord], remedy: str) -> AnyRecord | None:
    """Read a file that was written whole, if it is there.

    Raises:
        RunFolderError: It is damaged; ``remedy`` says what to remove it for.
    """
    file = path / name
    check_inside(path, file)
    try:
        return kind.model_validate_json(unsealed(file.read_bytes())) if file.exists() else None
    except (OSError, ValueError) as error:
        message = f"{file} is damaged ({damage(error)}); remove it {remedy}"
        raise RunFolderError(message) from error


def version_of(file: Path) -> int | None:
    """Return the version of the format that a file says it has, however strange the rest is; none of a damaged one."""
    try:
        content: Any = json.loads(unsealed(file.read_bytes()))
        return int(content["schema_version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
