"""Concept vectors to and from ``steering_vectors.SteeringVector``, in memory: that package has no file format.

A ``SteeringVector`` maps the index of a layer to a vector that is added to that layer's output; with the layer type
``decoder_block`` the index counts decoder blocks from 0, as ours does (``steering_vectors`` 0.12,
``layer_matching.py``). The other layer types are parts within a block, and no place of our vectors.

The package does not install beside this one's stack (it wants transformers < 5), and is not needed to read its objects:
``from_steering_vector`` takes anything that has the two attributes.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from introspect.errors import IntrospectError, StimulusError
from introspect.records import SubjectIdentity
from introspect.vectors.imported import from_directions
from introspect.vectors.vector import VectorSet

BLOCK = "decoder_block"


@runtime_checkable
class Steering(Protocol):
    """What a ``SteeringVector`` is to us."""

    layer_activations: dict[int, Tensor]
    layer_type: str


def to_steering_vector(vectors: VectorSet, concept: str, layers: Iterable[int] | None = None) -> Any:  # noqa: ANN401
    """Return one concept's vectors as a ``steering_vectors.SteeringVector``, at the layers given or at all there are.

    Its own default steers every layer that it holds at once; one layer is what an injection here is.

    Raises:
        IntrospectError: ``steering_vectors`` is not installed.
        UnknownNameError: There is no such concept.
        LayerError: There is no such layer.
    """
    missing = vectors.provenance.missing or ()
    chosen = [row for row in range(vectors.provenance.n_layers) if row not in missing] if layers is None else layers
    rows = {layer: vectors.vector(concept, layer).direction.clone() for layer in chosen}
    try:
        made_there = import_module("steering_vectors").SteeringVector
    except ImportError as error:
        message = (
            "steering_vectors is not installed; it needs transformers < 5 and so an environment of its own, in which "
            "introspect.vectors can be imported (tests/compat/requirements.txt)"
        )
        raise IntrospectError(message) from error
    return made_there(layer_activations=rows, layer_type=BLOCK)


def from_steering_vector(found: Mapping[str, Steering], subject: SubjectIdentity) -> VectorSet:
    """Return steering vectors, each by its concept's name, as the vectors of a subject; see ``from_directions``.

    Raises:
        StimulusError: A vector is of a part within a block.
    """
    for name, each in found.items():
        if each.layer_type != BLOCK:
            message = f"the steering vector {name!r} acts on {each.layer_type!r}; only {BLOCK!r} is a place of ours"
            raise StimulusError(message)
    directions = {name: each.layer_activations for name, each in found.items()}
    return from_directions(directions, subject, "steering_vectors", f"steering vectors of {', '.join(found)}")
