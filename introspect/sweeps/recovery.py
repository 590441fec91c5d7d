"""What is sound in a run folder, and what is not: lines held against their checksums, drafts of killed processes.

Damage is set aside, never thrown away: lines that do not fit go to ``NAME.damaged`` beside the file, and the file is
replaced in one step by its sound lines, whose trials need not run again.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from introspect.checksums import ChecksumError, unsealed
from introspect.errors import IntrospectError, RunFolderError
from introspect.records import Record

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
    """Yield the numbered lines of a file that were finished, without their ends; none where there is no file.

    Raises:
        RunFolderError: It cannot be read, or leads out of the folder.
    """
    check_inside(folder, file)
    try:
        with file.open("rb") as opened:
            for number, line in enumerate(opened, start=1):
                if line.endswith(b"\n"):
                    yield number, line[:-1]
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or error}"
        raise RunFolderError(message) from error


def records_in(
    file: Path, folder: Path, kind: type[AnyRecord], remedy: str, error: type[IntrospectError] = RunFolderError
) -> Iterator[tuple[int, AnyRecord]]:
    """Yield number and record of every finished line of a file.

    Raises:
        IntrospectError: A line is damaged; ``remedy`` says what to do about it.
    """
    for number, line in complete_lines(file, folder):
        try:
            record = parsed(line, kind)
        except ValueError as problem:
            message = f"line {number} of {file} is damaged ({problem}); {remedy}"
            raise error(message) from problem
        yield number, record


def sound_records(file: Path, folder: Path, kind: type[AnyRecord]) -> Iterator[AnyRecord]:
    """Return the records of a file, damaged lines left out."""
    for _, line in complete_lines(file, folder):
        with suppress(ValueError):
            yield parsed(line, kind)


def repair(file: Path, folder: Path, kind: type[AnyRecord]) -> None:
    """Cut off a line that was never finished, and set damaged lines aside, of which the logs tell.

    Whoever calls it holds the folder's lock.
    """
    whole, damaged = 0, set[int]()
    for number, line in complete_lines(file, folder):
        whole += len(line) + 1
        if not _is_sound(line, kind):
            damaged.add(number)
    if damaged:
        _set_aside(file, folder, damaged)
    elif file.exists() and file.stat().st_size > whole:
        os.truncate(file, whole)


def _is_sound(line: bytes, kind: type[AnyRecord]) -> bool:
    """Whether a line is as it was written; without a checksum, whether it is a record at all."""
    try:
        if unsealed(line) is line:
            parsed(line, kind)
    except ValueError:
        return False
    return True


def _set_aside(file: Path, folder: Path, damaged: set[int]) -> None:
    beside = file.with_name(file.name + DAMAGED)
    with beside.open("ab") as kept:
        kept.writelines(line + b"\n" for number, line in complete_lines(file, folder) if number in damaged)
        kept.flush()
        os.fsync(kept.fileno())
    sound = [line for number, line in complete_lines(file, folder) if number not in damaged]
    replace(file, b"".join(line + b"\n" for line in sound))
    first = sorted(damaged)[:MANY]
    numbers = ", ".join(map(str, first)) + (" and others" if len(damaged) > MANY else "")
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
