"""Small GGUF files, read within their own bounds: metadata, and float32 tensors; and the layout of files of any size.

The format's own library reads an array for as long as its header says, which for a false count is for ever, and maps
tensors by offsets that nobody checked. Here every count is held against the bytes that are left before anything is
read, so a damaged file ends in one sentence, at once.

Source: the GGUF specification, version 3, whose little-endian files are laid out as those of version 2.
"""

import math
import mmap
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from introspect.errors import StimulusError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
LARGEST = 1 << 28
"""Bytes of the largest file that is read: one direction for each of 1,000 layers of width 65,536."""
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY, FLOAT32 = 8, 9, 0
TYPES = {0: "float32", 1: "float16", 2: "Q4_0", 8: "Q8_0", 30: "bfloat16"}
ALIGNMENT = "general.alignment"
MOST_DIMENSIONS = 4
DEEPEST = 4
"""Arrays within arrays of metadata."""

Value = int | float | bool | str


class DamageError(ValueError):
    """A count or an offset that the file cannot hold."""


@dataclass(frozen=True, slots=True, eq=False)
class GgufFile:
    """What a file holds: metadata without its arrays, and its tensors, the last dimension the fastest."""

    fields: Mapping[str, Value]
    tensors: Mapping[str, Float32[Tensor, "..."]]


def read_gguf(path: Path) -> GgufFile:
    """Read a whole file.

    Raises:
        StimulusError: No such file, not GGUF, too large, damaged, or with tensors that are not float32.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            message = f"{path} has {size} bytes, more than any file of vectors; is it a model?"
            raise StimulusError(message)
        cursor = _Cursor(path.read_bytes())
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise StimulusError(message) from error
    if cursor.data[:4] != MAGIC:
        message = f"{path} is no GGUF file (it begins with {cursor.data[:4]!r}, not with {MAGIC!r})"
        raise StimulusError(message)
    try:
        return _read(cursor)
    except (ValueError, struct.error) as error:
        message = f"{path} cannot be read as a GGUF file of vectors: {error}"
        raise StimulusError(message) from error


def check_layout(path: Path) -> None:
    """Walk the header of a GGUF file of any size and any tensor types, and hold every count against the bytes.

    Raises:
        DamageError: A count, a shape or an offset that the file cannot hold, or two tensors that overlap.
        OSError: It cannot be read.
    """
    with path.open("rb") as file, closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
        cursor = _Cursor(data)
        fields, infos = _header(cursor)
        start = _aligned(cursor.at, fields.get(ALIGNMENT, 32))
        _check_apart([(name, start + at, _n_bytes(name, shape, kind)) for name, shape, kind, at in infos], len(data))


@dataclass(slots=True)
class _Cursor:
    """A place in the bytes, from which only what is there can be taken."""

    data: bytes | mmap.mmap
    at: int = 0
    seen: set[str] = field(default_factory=set)

    def take(self, n: int) -> bytes:
        if n > len(self.data) - self.at:
            message = f"{n} bytes are announced at byte {self.at}, and it has {len(self.data)}"
            raise DamageError(message)
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, code: str) -> Value:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def count(self, code: str = "Q") -> int:
        return int(self.number(code))

    def text(self) -> str:
        raw = self.take(self.count())
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            message = f"a name before byte {self.at} is not UTF-8"
            raise DamageError(message) from error

    def new_name(self) -> str:
        name = self.text()
        if name in self.seen:
            message = f"it has {name!r} twice"
            raise DamageError(message)
        self.seen.add(name)
        return name


_Info = tuple[str, tuple[int, ...], int, int]
"""A tensor's name, its shape with the fastest dimension last, its type, and where it begins behind the header."""


def _read(cursor: _Cursor) -> GgufFile:
    fields, infos = _header(cursor)
    for name, _, kind, _ in infos:
        if kind != FLOAT32:
            message = f"the tensor {name!r} is {TYPES.get(kind, f'of type {kind}')}; only float32 is read"
            raise DamageError(message)
    start = _aligned(cursor.at, fields.get(ALIGNMENT, 32))
    tensors = {name: _tensor(cursor.data, start + at, shape) for name, shape, _, at in infos}
    _check_apart([(name, start + at, 4 * math.prod(shape)) for name, shape, _, at in infos], len(cursor.data))
    return GgufFile(fields, tensors)


def _header(cursor: _Cursor) -> tuple[dict[str, Value], list[_Info]]:
    cursor.take(len(MAGIC))
    version = cursor.count("I")
    if version not in VERSIONS:
        message = f"it says it is of version {version}, and 2 and 3 can be read"
        raise DamageError(message)
    n_tensors, n_fields = cursor.count(), cursor.count()
    fields: dict[str, Value] = {}
    for _ in range(n_fields):  # a false count ends where the bytes do
        name = cursor.new_name()
        value = _value(cursor, cursor.count("I"))
        if value is not None:
            fields[name] = value
    cursor.seen.clear()
    infos: list[_Info] = []
    for _ in range(n_tensors):
        infos.append(_tensor_info(cursor))
    return fields, infos


def _value(cursor: _Cursor, kind: int) -> Value | None:
    """Read one value; an array is passed over, and is ``None``."""
    if kind == STRING:
        return cursor.text()
    if kind == ARRAY:
        return _pass_over(cursor)
    if kind not in SCALARS:
        message = f"a metadata value has the unknown type {kind}"
        raise DamageError(message)
    return cursor.number(SCALARS[kind])


def _pass_over(cursor: _Cursor, depth: int = 1) -> None:
    kind, n = cursor.count("I"), cursor.count()
    if kind in SCALARS:
        cursor.take(n * struct.calcsize(f"<{SCALARS[kind]}"))
    elif kind == STRING:
        for _ in range(n):  # a false count ends where the bytes do
            cursor.take(cursor.count())
    elif kind == ARRAY and depth < DEEPEST:
        for _ in range(n):
            _pass_over(cursor, depth + 1)
    else:
        message = f"a metadata array has items of the type {kind}, which is unknown or too deep"
        raise DamageError(message)


def _tensor_info(cursor: _Cursor) -> _Info:
    name, n_dims = cursor.new_name(), cursor.count("I")
    if n_dims > MOST_DIMENSIONS:
        message = f"the tensor {name!r} says it has {n_dims} dimensions"
        raise DamageError(message)
    shape = tuple(cursor.count() for _ in range(n_dims))
    return name, shape[::-1], cursor.count("I"), cursor.count()


def _n_bytes(name: str, shape: Sequence[int], kind: int) -> int:
    """Return how many bytes a tensor takes, in blocks where its type has them."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    if kind not in GGML_QUANT_SIZES:
        message = f"the tensor {name!r} is of the unknown type {kind}"
        raise DamageError(message)
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    if not math.prod(shape) or (shape and shape[-1] % block):
        message = f"the tensor {name!r} has the shape {tuple(shape)}, which holds no number or no whole blocks"
        raise DamageError(message)
    return math.prod(shape) // block * size


def _check_apart(places: Sequence[tuple[str, int, int]], size: int) -> None:
    """Refuse tensors that lie over each other or beyond the end."""
    end, before = 0, ""
    for name, start, n in sorted(places, key=lambda place: place[1]):
        if start < end:
            message = f"the tensors {before!r} and {name!r} overlap"
            raise DamageError(message)
        end, before = start + n, name
    if end > size:
        message = f"the tensor {before!r} would end at byte {end}, and it has {size}"
        raise DamageError(message)


def _aligned(at: int, alignment: Value) -> int:
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        message = f"its alignment {alignment} is not a power of two"
        raise DamageError(message)
    return -(-at // alignment) * alignment


def _tensor(data: bytes | mmap.mmap, start: int, shape: tuple[int, ...]) -> Float32[Tensor, "..."]:
    n = math.prod(shape)
    if n == 0:
        message = f"a tensor of shape {shape} holds no number"
        raise DamageError(message)
    if start + 4 * n > len(data):
        message = f"a tensor of shape {shape} would end at byte {start + 4 * n}, and it has {len(data)}"
        raise DamageError(message)
    return torch.from_numpy(np.frombuffer(data, "<f4", n, start).astype(np.float32).reshape(shape))
