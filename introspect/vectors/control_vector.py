"""Control vectors: the GGUF file that repeng writes and llama.cpp reads, one concept a file.

Architecture ``controlvector``; ``controlvector.model_hint`` is the kind of model, ``controlvector.layer_count`` how
many tensors there are; ``direction.N`` is one float32 vector.

**Which N is which block.** All count blocks from 0, as we do, and ``direction.N`` acts on the output of block N:

- repeng (0.4, ``extract.py``) keys directions by the block's index and reads them at ``hidden_states[N + 1]``, which
  is the output of block N. It trains blocks 1 to n − 1 and never block 0.
- llama.cpp (``common/common.cpp``, ``src/llama-adapter.cpp``) keeps ``direction.N`` at place N − 1 of a buffer that has
  no block 0, takes place N − 1 back out for block N, and adds it to that block's output (``build_cvec`` before
  ``l_out``). The two shifts cancel. A file with ``direction.0`` it refuses whole, so block 0 is never written here.
- llama.cpp's own ``cvector-generator`` is off by one against that: it names what it read at the output of block N − 1
  ``direction.N``. ``read_control_vector(…, made_by="cvector-generator")`` puts such a direction back where it was read;
  by default it goes where llama.cpp would add it.

Both makers give directions of norm 1, and a strength multiplies them as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import StimulusError
from introspect.records import SubjectIdentity
from introspect.vectors.gguf_file import read_gguf
from introspect.vectors.imported import from_directions
from introspect.vectors.vector import VectorSet, in_one_step

ARCHITECTURE = "controlvector"
HINT, COUNT = f"{ARCHITECTURE}.model_hint", f"{ARCHITECTURE}.layer_count"
DIRECTION = re.compile(r"direction\.(\d{1,6})")

Maker = Literal["repeng", "cvector-generator"]


@dataclass(frozen=True, slots=True, eq=False)
class ControlVector:
    """What such a file holds: one direction for each 0-based block, at whose output it acts."""

    model_hint: str
    directions: Mapping[int, Float[Tensor, " d_model"]]
    source: str


def write_control_vector(vectors: VectorSet, concept: str, path: Path, model_hint: str | None = None) -> None:
    """Write one concept's vectors as they are, every block but the first.

    Args:
        vectors: The vectors.
        concept: Which of them.
        path: The file.
        model_hint: The kind of model, such as ``llama``; nothing reads it but people, and by default it is the
            subject's name.

    Raises:
        UnknownNameError: There is no such concept.
    """
    from gguf import GGUFWriter

    missing = vectors.provenance.missing or ()
    layers = [layer for layer in range(1, vectors.provenance.n_layers) if layer not in missing]
    with in_one_step(path) as draft:
        writer = GGUFWriter(draft, ARCHITECTURE)
        writer.add_string(HINT, model_hint or vectors.provenance.subject_name)
        writer.add_uint32(COUNT, len(layers))
        for layer in layers:
            direction = vectors.vector(concept, layer).direction
            writer.add_tensor(f"direction.{layer}", direction.to(torch.float32).contiguous().numpy())
        try:
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def read_control_vector(path: Path, made_by: Maker = "repeng") -> ControlVector:
    """Read a control vector, checked within itself.

    Args:
        path: The file.
        made_by: ``cvector-generator`` puts every direction back at the block it was read from, one below its name.

    Raises:
        StimulusError: Not a GGUF file of float32 vectors, not a control vector, or one whose parts do not agree.
    """
    found = read_gguf(path)
    architecture = found.fields.get("general.architecture")
    if architecture != ARCHITECTURE:
        message = f"{path} is a GGUF file of {architecture!r}, not a control vector (architecture {ARCHITECTURE!r})"
        raise StimulusError(message)
    shift = 1 if made_by == "cvector-generator" else 0
    directions = {_block(name, path) - shift: tensor for name, tensor in found.tensors.items()}
    _check(directions, found.fields.get(COUNT), path)
    return ControlVector(str(found.fields.get(HINT, "")), dict(sorted(directions.items())), str(path))


def _block(name: str, path: Path) -> int:
    matched = DIRECTION.fullmatch(name)
    if matched is None or int(matched[1]) == 0:
        message = f"{path} has a tensor {name!r}; a control vector has direction.1, direction.2 and so on"
        raise StimulusError(message)
    return int(matched[1])


def _check(directions: Mapping[int, Tensor], announced: object, path: Path) -> None:
    if not directions:
        message = f"the control vector {path} has no direction"
        raise StimulusError(message)
    if announced is not None and announced != len(directions):
        message = f"the control vector {path} says it has {announced} directions and has {len(directions)}"
        raise StimulusError(message)
    widths = {tuple(direction.shape) for direction in directions.values()}
    if len(widths) > 1 or len(next(iter(widths))) != 1:
        message = f"the directions of {path} are not vectors of one width: {', '.join(map(str, sorted(widths)))}"
        raise StimulusError(message)
    for layer, direction in directions.items():
        if not direction.isfinite().all():
            message = f"the control vector {path} has numbers that are not finite in the direction of block {layer}"
            raise StimulusError(message)


def as_vectors(found: Mapping[str, ControlVector], subject: SubjectIdentity) -> VectorSet:
    """Return control vectors, each by its concept's name, as the vectors of a subject; see ``from_directions``."""
    sources = [f"{each.source} ({each.model_hint})" if each.model_hint else each.source for each in found.values()]
    directions = {name: each.directions for name, each in found.items()}
    return from_directions(directions, subject, "gguf", "; ".join(sources))
