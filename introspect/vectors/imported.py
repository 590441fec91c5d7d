"""Directions that were made elsewhere, as the concept vectors of a subject: checked against its depth and width."""

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import ShapeError, StimulusError
from introspect.records import SubjectIdentity, digest
from introspect.vectors.vector import Provenance, VectorSet

Origin = Literal["gguf", "steering_vectors", "sae"]


def from_directions(
    found: Mapping[str, Mapping[int, Float[Tensor, " _"]]], subject: SubjectIdentity, origin: Origin, source: str
) -> VectorSet:
    """Return the vectors of a subject, whose missing layers are named as missing and not taken for zero.

    Args:
        found: For every concept, its directions by 0-based block, at whose output they act.
        subject: Whose residual stream they are said to belong to; nothing but depth and width can be checked.
        origin: The kind of thing they come from.
        source: What they were made of, in words.

    Raises:
        StimulusError: A direction acts on a block that the subject lacks, two concepts have one name, or there is none.
        ShapeError: A direction is of another width.
    """
    names = [name.strip().lower() for name in found]
    if not names or len(set(names)) < len(names):
        message = f"every vector needs a name of its own; given: {', '.join(names) or 'none'}"
        raise StimulusError(message)
    rows = {name: _rows(each, subject, name) for name, each in zip(names, found.values(), strict=True)}
    lacking = {layer for each in found.values() for layer in range(subject.n_layers) if layer not in each}
    provenance = Provenance(
        subject=subject.fingerprint,
        subject_name=subject.name,
        dtype=subject.dtype,
        method=origin,
        extraction_prompt="",
        concepts_hash=_content(rows),
        baseline_hash=None,
        n_layers=subject.n_layers,
        d_model=subject.d_model,
        source=source,
        missing=tuple(sorted(lacking)) or None,
    )
    return VectorSet(rows, provenance)


def _rows(directions: Mapping[int, Tensor], subject: SubjectIdentity, name: str) -> Float[Tensor, "n_layers d_model"]:
    rows = torch.zeros(subject.n_layers, subject.d_model)
    for layer, direction in directions.items():
        if not 0 <= layer < subject.n_layers:
            message = (
                f"{name!r} has a direction for block {layer}, and {subject.name} has blocks 0 to "
                f"{subject.n_layers - 1}; it is another model's"
            )
            raise StimulusError(message)
        if direction.shape != (subject.d_model,):
            raise ShapeError(f"{name!r} at block {layer} of {subject.name}", (subject.d_model,), tuple(direction.shape))
        rows[layer] = direction.detach().to("cpu", torch.float32)
    return rows


def _content(rows: Mapping[str, Tensor]) -> str:
    """Hash the numbers themselves: there is no recipe that would give them again."""
    return digest({name: each.contiguous().numpy().tobytes().hex() for name, each in rows.items()})
