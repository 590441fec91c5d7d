"""Which features of a sparse autoencoder an injection lights up, at its own layer or a later one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from introspect.errors import LayerError, ShapeError, StimulusError
from introspect.subjects.subject import Query, Subject
from introspect.vectors.sae import Dictionary


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """The features of one prompt at some positions, with the injections and without them."""

    steered: Float[Tensor, "position n_features"]
    plain: Float[Tensor, "position n_features"]


def light(subject: Subject, queries: Sequence[Query], dictionary: Dictionary) -> list[Lit]:
    """Read the features of prompts twice: as the queries say, and with nothing injected.

    Args:
        subject: The subject.
        queries: Prompts with their injections and positions; what else they ask for is left out.
        dictionary: The features, of the layer that is read.

    Raises:
        ShapeError: The features are of another width than the subject.
        LayerError: The subject has no such layer.
        StimulusError: Something is injected behind the layer that is read, where it cannot be seen.
    """
    identity = subject.identity
    if dictionary.d_model != identity.d_model:
        raise ShapeError(f"features of {dictionary.source} in {identity.name}", identity.d_model, dictionary.d_model)
    if dictionary.layer >= identity.n_layers:
        raise LayerError(dictionary.layer, identity.n_layers, identity.name)
    for query in queries:
        for injection in query.injections:
            if injection.vector.layer > dictionary.layer:
                message = (
                    f"an injection at layer {injection.vector.layer} cannot be seen at layer {dictionary.layer}, which "
                    f"{dictionary.source} reads"
                )
                raise StimulusError(message)
    steered = [_only(query, dictionary.layer) for query in queries]
    found = subject.score([*steered, *(replace(query, injections=()) for query in steered)])
    features = [dictionary.encode(readout.activations[0]) for readout in found]
    return [Lit(*pair) for pair in zip(features[: len(queries)], features[len(queries) :], strict=True)]


def _only(query: Query, layer: int) -> Query:
    return Query(query.prompt, query.injections, positions=query.positions, layers=(layer,))
