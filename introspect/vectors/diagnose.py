"""Is this a good concept vector? Norms, stability over the baseline, neighbours among the concepts, top tokens."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.records import Record
from introspect.vectors.extract import Extraction, mean_difference


@runtime_checkable
class Unembedding(Protocol):
    """A subject that can say which tokens a direction points to."""

    def top_tokens(self, direction: Float[Tensor, " d_model"], n: int = 8) -> list[str]:
        """Return the ``n`` tokens whose unembedding has the largest product with the direction."""
        ...


class Diagnosis(Record):
    """What to look at before using a concept's vector.

    ``norm`` and ``split_half`` have one value a layer; ``split_half`` is the cosine between the vectors made with
    either half of the baseline words (``None`` for pairs, which have no baseline). ``nearest`` (concept, cosine) and
    ``top_tokens`` are taken at ``layer``.
    """

    concept: str
    layer: int
    norm: tuple[float, ...]
    split_half: tuple[float, ...] | None
    nearest: tuple[tuple[str, float], ...]
    top_tokens: tuple[str, ...]


def split_half_cosine(
    concept: Float[Tensor, "n_concept n_layers d_model"], baseline: Float[Tensor, "n_baseline n_layers d_model"]
) -> Float[Tensor, " n_layers"]:
    """Return the cosine between vectors made with the even and with the odd baseline words, at every layer."""
    halves = [mean_difference(concept, baseline[start::2]) for start in (0, 1)]
    return torch.cosine_similarity(*halves, dim=-1)


def nearest(
    directions: dict[str, Float[Tensor, " d_model"]], concept: str, n: int = 3
) -> tuple[tuple[str, float], ...]:
    """Return the ``n`` other concepts whose directions have the largest cosine with this one's."""
    names = [other for other in directions if other != concept]
    if not names:
        return ()
    cosines = torch.cosine_similarity(directions[concept][None], torch.stack([directions[name] for name in names]))
    found = cosines.topk(min(n, len(names)))
    return tuple(
        (names[place], value) for value, place in zip(found.values.tolist(), found.indices.tolist(), strict=True)
    )


def diagnose(extraction: Extraction, unembedding: Unembedding, layer: int | None = None) -> list[Diagnosis]:
    """Examine every vector of an extraction; neighbours and tokens at ``layer``.

    By default that is the layer nearest to two thirds of depth that has vectors.
    """
    vectors = extraction.vectors
    n_layers, missing = vectors.provenance.n_layers, vectors.provenance.missing or ()
    middle = round(2 / 3 * (n_layers - 1))
    present = [row for row in range(n_layers) if row not in missing]
    at = min(present, key=lambda row: abs(row - middle)) if layer is None else layer
    slices = {name: rows[at] for name, rows in vectors.directions.items()}
    return [
        Diagnosis(
            concept=name,
            layer=at,
            norm=_rounded(rows.norm(dim=-1)),
            split_half=_split(extraction, index),
            nearest=nearest(slices, name),
            top_tokens=tuple(unembedding.top_tokens(slices[name])),
        )
        for index, (name, rows) in enumerate(vectors.directions.items())
    ]


def _split(extraction: Extraction, index: int) -> tuple[float, ...] | None:
    if extraction.baseline is None or extraction.concepts is None or len(extraction.baseline) < 2:
        return None
    if index >= len(extraction.concepts):  # a feature, which was not read from words
        return None
    return _rounded(split_half_cosine(extraction.concepts[index : index + 1], extraction.baseline))


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values.tolist())


def as_json(diagnoses: Sequence[Diagnosis]) -> bytes:
    """Serialise diagnoses for the file beside the vectors."""
    return ("[\n" + ",\n".join(d.model_dump_json() for d in diagnoses) + "\n]\n").encode()
