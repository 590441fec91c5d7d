"""Weights of a folder, looked at before any library is given them: there, whole, within their own bounds.

Source: the safetensors format; a header of at most 100 MB, then the tensors one after the other without gaps.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from introspect.errors import SubjectError

LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header, as the format's own library allows."""
INDEX = "model.safetensors.index.json"
LARGEST_INDEX = 1 << 28
LONGEST_NAME = 255
"""Bytes that file systems take for a name."""


def checked_weights(folder: Path) -> list[Path]:
    """Return a folder's weight files after checking that each is there and whole.

    Raises:
        SubjectError: There are none, or one is missing, damaged, pickled, or outside the folder.
    """
    if not (folder / "config.json").is_file():
        message = f"the folder {folder} is not a model: it has no config.json"
        raise SubjectError(message)
    index = folder / INDEX
    shards = _of_index(index) if index.is_file() else sorted(folder.glob("*.safetensors"))
    if not shards:
        other = ", ".join(sorted(file.name for file in folder.glob("*.bin"))[:3])
        hint = f"; pickled weights ({other}) are not read, convert them" if other else "; is the download complete?"
        message = f"the folder {folder} has no .safetensors weights{hint}"
        raise SubjectError(message)
    for shard in shards:
        check_whole(shard)
    return shards


def _of_index(index: Path) -> list[Path]:
    """Return the files that an index names, which stand beside it."""
    try:
        if index.stat().st_size > LARGEST_INDEX:
            message = f"the index {index} is no index of weights: it has {index.stat().st_size} bytes"
            raise SubjectError(message)
        names = {str(name) for name in json.loads(index.read_text("utf-8"))["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"the index {index} is damaged: {error}"
        raise SubjectError(message) from error
    for name in sorted(names):
        plain = name not in {"", ".", ".."} and name.isprintable() and not set(name) & set("/\\")
        if not plain or len(name.encode()) > LONGEST_NAME:
            message = f"the index {index} names {name[:80]!r}; the files of a model stand beside their index"
            raise SubjectError(message)
    return sorted(index.parent / name for name in names)


def check_whole(shard: Path) -> None:
    """Compare a safetensors file with what its header promises: every byte once, and none beyond.

    Raises:
        SubjectError: It is missing, damaged or half-downloaded.
    """
    if not shard.is_file():
        message = f"the weights {shard} are missing; the download is not complete"
        raise SubjectError(message)
    size = shard.stat().st_size
    try:
        places, begins = _places(shard, size)
    except (struct.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = f"the weights {shard} are damaged or half-downloaded: their header cannot be read"
        raise SubjectError(message) from error
    end = 0
    for start, stop in places:
        if start != end or stop < start:
            message = (
                f"the weights {shard} are damaged: their tensors overlap, or leave a gap, at byte {begins + start}"
            )
            raise SubjectError(message)
        end = stop
    if begins + end != size:
        message = f"the weights {shard} are half-downloaded: {size} bytes of {begins + end}"
        raise SubjectError(message)


def _places(shard: Path, size: int) -> tuple[list[tuple[int, int]], int]:
    """Return where each tensor begins and ends, in order, and where the first one begins in the file."""
    with shard.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size, LARGEST_HEADER):
            message = f"a header of {length} bytes"
            raise ValueError(message)
        header: Mapping[str, Any] = json.loads(file.read(length))
    offsets = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
    if not offsets:
        message = "no tensor"
        raise ValueError(message)
    return sorted((_whole(start), _whole(stop)) for start, stop in offsets), 8 + length


def _whole(number: Any) -> int:  # noqa: ANN401 - whatever JSON holds
    if type(number) is not int or number < 0:
        message = f"an offset of {number!r}"
        raise ValueError(message)
    return number
