"""A concept vector, and the file of all of them.

The file is safetensors: one float32 tensor ``[n_layers, d_model]`` named by each concept (lower case), with the
provenance in the metadata and, where controls need them, the baseline words' activations. Row ``l`` is a difference of
activations at the output of block ``l``. A checksum of the numbers and their provenance stands there as well.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from introspect.errors import LayerError, StimulusError, StrengthError, UnknownNameError
from introspect.records import Method, Record, digest

METADATA_KEY, CHECK_KEY = "introspect", "check"
BASELINE_KEY = "__baseline__"
"""Name of the baseline words' activations in the file; no concept's name has capitals or underscores at both ends."""


@dataclass(frozen=True, slots=True, eq=False)
class ConceptVector:
    """One direction at one layer, with the strength it will be added at; ``bread * 4.0`` is four times as strong.

    ``direction`` is float32 on the CPU, in residual-stream units and not normalised (Lindsey 2025, appendix);
    ``subject`` is the fingerprint of the model that it was read from.
    """

    concept: str
    direction: Float[Tensor, " d_model"]
    layer: int
    subject: str
    method: str
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not (isinstance(self.strength, int | float) and math.isfinite(self.strength) and self.strength >= 0):
            raise StrengthError(self.strength)

    def __mul__(self, factor: float) -> "ConceptVector":
        return replace(self, strength=self.strength * factor)

    __rmul__ = __mul__

    @property
    def norm(self) -> float:
        """‖v‖, before the strength."""
        return float(self.direction.norm())

    @property
    def delta(self) -> Float[Tensor, " d_model"]:
        """What is added to the residual stream: strength times the raw vector."""
        return self.direction * self.strength


class Provenance(Record):
    """Where a vector file came from; its hash pins the file in every trial.

    ``used_in`` says whose vectors they are where another subject runs with them. Vectors that were not extracted here
    have ``source``, which says what they were made of; they may miss some layers, whose rows are zero.
    """

    subject: str
    subject_name: str
    dtype: str
    method: Method | Literal["gguf", "steering_vectors", "sae"]
    extraction_prompt: str
    concepts_hash: str
    baseline_hash: str | None
    n_layers: int
    d_model: int
    used_in: str | None = None
    source: str | None = None
    missing: tuple[int, ...] | None = None

    @property
    def digest(self) -> str:
        """Hash of the recipe. Not of the bytes: the same recipe on another device may differ in the last digit."""
        return digest(self.model_dump(mode="json", exclude={"subject_name"}, exclude_none=True))


@dataclass(frozen=True, slots=True, eq=False)
class VectorSet:
    """The vectors of many concepts at every layer.

    ``baseline`` are the activations of the baseline words, where they are kept: some controls are made from them.
    """

    directions: Mapping[str, Float[Tensor, "n_layers d_model"]]
    provenance: Provenance
    baseline: Float[Tensor, "n_baseline n_layers d_model"] | None = None

    def vector(self, concept: str, layer: int) -> ConceptVector:
        """Return one concept's vector at one layer, strength 1."""
        name = concept.strip().lower()
        if name not in self.directions:
            raise UnknownNameError("concept vector", concept, self.directions)
        if not 0 <= layer < self.provenance.n_layers:
            raise LayerError(layer, self.provenance.n_layers, self.provenance.subject_name)
        if layer in (self.provenance.missing or ()):
            present = [row for row in range(self.provenance.n_layers) if row not in (self.provenance.missing or ())]
            message = (
                f"there is no vector of {name!r} at layer {layer}: {self.provenance.source} has layers "
                f"{', '.join(map(str, present))}"
            )
            raise StimulusError(message)
        return ConceptVector(
            concept=name,
            direction=self.directions[name][layer],
            layer=layer,
            subject=self.provenance.subject,
            method=self.provenance.method,
        )

    def save(self, path: Path) -> None:
        """Write the file in one step: a reader sees the old file or the new one, never half of it."""
        tensors = {name: rows.to(torch.float32).contiguous() for name, rows in self.directions.items()}
        if self.baseline is not None:
            tensors[BASELINE_KEY] = self.baseline.to(torch.float32).contiguous()
        content = {**self.provenance.model_dump(mode="json"), CHECK_KEY: _checksum(tensors, self.provenance)}
        metadata = {METADATA_KEY: json.dumps(content, ensure_ascii=False, separators=(",", ":"))}
        with in_one_step(path) as draft:
            draft.write_bytes(save(tensors, metadata))


@contextmanager
def in_one_step(path: Path) -> Iterator[Path]:
    """Lend a draft that becomes the file when the block ends well, and is gone when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load_vectors(path: Path) -> VectorSet:
    """Read a vector file.

    Raises:
        StimulusError: No such file, not safetensors, not one of ours, or not as it was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            directions = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        content = json.loads(metadata[METADATA_KEY]) if METADATA_KEY in metadata else None
        check = content.pop(CHECK_KEY, None) if isinstance(content, dict) else None
        provenance = None if content is None else Provenance.model_validate(content)
    except (OSError, SafetensorError, ValueError, RuntimeError, RecursionError) as error:
        message = f"the vector file {path} cannot be read ({error}); extract it again"
        raise StimulusError(message) from error
    if provenance is None:
        message = f"{path} is a safetensors file, but not one of concept vectors: it has no {METADATA_KEY!r} metadata"
        raise StimulusError(message)
    if check is not None and check != _checksum(directions, provenance):
        message = f"the vector file {path} is damaged: its checksum does not fit its numbers; extract it again"
        raise StimulusError(message)
    _check_shapes(directions, provenance, path)
    baseline = directions.pop(BASELINE_KEY, None)
    return VectorSet(directions, provenance, baseline)


def _checksum(tensors: Mapping[str, Tensor], provenance: Provenance) -> str:
    total = hashlib.blake2b(provenance.model_dump_json().encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name!r} {tuple(tensor.shape)} {tensor.dtype}".encode("utf-8", "backslashreplace"))
        total.update(tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return total.hexdigest()


def _check_shapes(directions: Mapping[str, Tensor], provenance: Provenance, path: Path) -> None:
    wanted = (provenance.n_layers, provenance.d_model)
    for name, tensor in directions.items():
        n_dims = 3 if name == BASELINE_KEY else 2
        if tensor.dtype != torch.float32 or tensor.dim() != n_dims or tuple(tensor.shape[-2:]) != wanted:
            message = (
                f"the vector file {path} has {name!r} as {tensor.dtype} of shape {tuple(tensor.shape)}; it says of "
                f"itself that its vectors are float32 of shape {wanted}"
            )
            raise StimulusError(message)
