"""The user's cache folder: written in one step, safe for several processes, free to delete at any time.

What was built carries the hashes of its files; an entry that is no longer what was built is removed and built again.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import platformdirs
from filelock import FileLock

from introspect.checksums import sealed, unsealed
from introspect.errors import SubjectError
from introspect.progress import silent, track

log = logging.getLogger(__name__)

HUB_BLOB = re.compile(r"[0-9a-f]{64}")
CHUNK = 1 << 22
WORTH_A_BAR = 1 << 31
"""Bytes of weights from which reading them takes long enough to show progress."""
SUMS = "sums.json"
"""The hashes of an entry's files, beside them."""


def cache_folder() -> Path:
    """Return ``INTROSPECT_CACHE`` or the platform's cache folder for this package (XDG rules on Linux)."""
    return Path(os.environ.get("INTROSPECT_CACHE") or platformdirs.user_cache_path("introspect"))


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return ``folder``, built by ``build`` into a draft that is renamed when whole.

    Two processes that ask at once build once; a process that is killed leaves a draft that the next one removes. An
    entry whose files are not those that were built is damaged, and built again.

    Raises:
        SubjectError: The cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if folder.is_dir() and is_sound(folder):
                return folder
            for left in folder.parent.glob(f".{folder.name}.*"):
                shutil.rmtree(left, ignore_errors=True)
            draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
            draft.mkdir()
            try:
                build(draft)
                sums = {file.relative_to(draft).as_posix(): _sha256(file) for file in _files(draft)}
                (draft / SUMS).write_bytes(sealed(json.dumps(sums).encode()))
                shutil.rmtree(folder, ignore_errors=True)
                draft.replace(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        message = (
            f"the cache folder {folder.parent} cannot be written ({error.strerror or error}); free some space or "
            "set INTROSPECT_CACHE to another folder"
        )
        raise SubjectError(message) from error
    return folder


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.name != SUMS)


def is_sound(folder: Path) -> bool:
    """Whether an entry's files are those that were built; one from before there were hashes is taken as it is.

    Small files are read whole; large ones only if they look changed, since reading them takes as long as loading them.
    """
    try:
        sums = json.loads(unsealed((folder / SUMS).read_bytes()))
        found = {file.relative_to(folder).as_posix(): file for file in _files(folder)}
        damaged = sorted(name for name in sums | found if name not in found or sums.get(name) != _known(found[name]))
    except FileNotFoundError:
        return True
    except (OSError, ValueError, TypeError, AttributeError):
        damaged = [SUMS]
    if damaged:
        log.warning("the cache entry %s is damaged (%s), and is built again", folder, ", ".join(damaged[:3]))
    return not damaged


def _known(file: Path) -> str:
    return _sha256(file) if file.stat().st_size < WORTH_A_BAR else file_hash(file)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, remembered by path, size, place on the disk, and times of change.

    A clock that was set back may give a changed file its old time of writing, so the file system's own time counts too.

    The hub's own cache names large files by their SHA-256; that name is taken as it is.
    """
    real = path.resolve()
    if HUB_BLOB.fullmatch(real.name):
        return real.name
    stat = real.stat()
    known = cache_folder() / "hashes" / hashlib.sha256(str(real).encode()).hexdigest()[:32]
    stamp = [str(real), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    try:
        written = known.read_bytes()
        content = unsealed(written)
        stored = json.loads(content)
        if content is not written and stored["stamp"] == stamp:  # without a seal nothing tells what became of it
            return str(stored["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    sha256 = _sha256(real)
    _remember(known, {"stamp": stamp, "sha256": sha256})
    return sha256


def _sha256(path: Path) -> str:
    total, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file, ExitStack() as stack:
        shown = stack.enter_context(track(f"hashing {path.name}", -(-size // CHUNK))) if size > WORTH_A_BAR else silent
        while chunk := file.read(CHUNK):
            total.update(chunk)
            shown()
    return total.hexdigest()


def _remember(known: Path, value: dict[str, object]) -> None:
    """Keep a hash for the next time; a cache that cannot be written only costs that time."""
    draft = known.with_name(f".{known.name}.{uuid.uuid4().hex}")
    try:
        known.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(sealed(json.dumps(value).encode()))
        draft.replace(known)
    except OSError:
        draft.unlink(missing_ok=True)
