"""What a concept vector is made of, in the features of a sparse autoencoder at its layer.

Two answers, since a vector is a difference and no activation. *By cosine*: the features whose decoder rows point most
like the vector, and the share of its squared norm that lies in the span of those rows (least squares). *By encoding*:
how much each feature rises when the vector is added to a typical activation, and the share of the squared norm that
the change of the autoencoder's output explains; it can be negative, where that change is further from the vector than
no change at all. The typical activation is the decoder's bias, or one that is given, such as the baseline's mean.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import ShapeError, StimulusError
from introspect.records import Record
from introspect.vectors.sae import Dictionary
from introspect.vectors.vector import ConceptVector

Way = Literal["cosine", "encoding"]


class Decomposition(Record):
    """The features that make up a vector, the largest first; ``share`` is how much of its squared norm they explain.

    ``features`` are (index, cosine) or (index, rise of the activation); by encoding, ``share`` is of all features, not
    only those listed.
    """

    concept: str
    layer: int
    source: str
    by: Way
    features: tuple[tuple[int, float], ...]
    share: float


def decompose(
    vector: ConceptVector,
    dictionary: Dictionary,
    by: Way = "cosine",
    n: int = 10,
    around: Float[Tensor, " d_model"] | None = None,
) -> Decomposition:
    """Take a vector apart.

    Args:
        vector: A concept vector at the autoencoder's layer.
        dictionary: The autoencoder.
        by: Which way; see above.
        n: How many features to list.
        around: By encoding, the activation that the vector is added to; the decoder's bias by default.

    Raises:
        StimulusError: The vector is of another layer, or zero.
        ShapeError: It is of another width.
    """
    if vector.layer != dictionary.layer:
        message = (
            f"the vector of {vector.concept!r} is of layer {vector.layer}, and {dictionary.source} reads layer "
            f"{dictionary.layer}"
        )
        raise StimulusError(message)
    if vector.direction.shape != (dictionary.d_model,):
        raise ShapeError(f"a vector for {dictionary.source}", (dictionary.d_model,), tuple(vector.direction.shape))
    if not vector.norm > 0:
        message = f"the vector of {vector.concept!r} at layer {vector.layer} is zero"
        raise StimulusError(message)
    if by == "cosine":
        features, share = _by_cosine(vector.direction, dictionary, n)
    else:
        features, share = _by_encoding(vector.direction, dictionary, n, dictionary.centre if around is None else around)
    return Decomposition(
        concept=vector.concept, layer=vector.layer, source=dictionary.source, by=by, features=features, share=share
    )


def _by_cosine(
    direction: Float[Tensor, " d_model"], dictionary: Dictionary, n: int
) -> tuple[tuple[tuple[int, float], ...], float]:
    cosines = dictionary.decoder @ (direction / direction.norm())
    best = cosines.topk(min(n, dictionary.n_features)).indices
    rows = dictionary.decoder[best].double()
    weights = torch.linalg.lstsq(rows.T, direction.double()[:, None], driver="gelsd").solution
    return _listed(cosines, best), _share(direction.double(), (rows.T @ weights)[:, 0])


def _by_encoding(
    direction: Float[Tensor, " d_model"], dictionary: Dictionary, n: int, around: Float[Tensor, " d_model"]
) -> tuple[tuple[tuple[int, float], ...], float]:
    rise = dictionary.encode(around + direction) - dictionary.encode(around)
    change = dictionary.rebuild(around + direction) - dictionary.rebuild(around)
    best = rise.topk(min(n, dictionary.n_features)).indices
    return _listed(rise, best), _share(direction.double(), change.double())


def _listed(values: Tensor, best: Tensor) -> tuple[tuple[int, float], ...]:
    return tuple((int(index), round(float(values[index]), 6)) for index in best)


def _share(wanted: Float[Tensor, " d_model"], found: Float[Tensor, " d_model"]) -> float:
    """Return the share of the squared norm that is explained."""
    return round(1 - float((wanted - found).square().sum() / wanted.square().sum()), 6)
