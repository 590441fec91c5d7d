"""Pure maths on activation matrices, and the one method that a model must offer for it.

Words (Lindsey 2025, appendix on concept vectors): ask about the lower-case word, read the residual stream at the last
prompt token at every layer, subtract the mean over the baseline words. Pairs: read the last prompt token of a text
with the concept and of its twin without; take the difference of means, or the first principal component of the
differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.concepts import Concept, ConceptSet, find_concept, load_concepts
from introspect.errors import LayerError, ShapeError, StimulusError
from introspect.progress import Advance, silent
from introspect.records import Method, SubjectIdentity
from introspect.stimuli import Stimuli, load_stimuli
from introspect.vectors.sae import feature, feature_rows
from introspect.vectors.vector import ConceptVector, Provenance, VectorSet


@runtime_checkable
class Reader(Protocol):
    """A subject whose residual stream can be read."""

    @property
    def identity(self) -> SubjectIdentity:
        """Which model this is."""
        ...

    def read(self, prompts: Sequence[str], progress: Advance = silent) -> Float[Tensor, "n_prompts n_layers d_model"]:
        """Read every block's output at the last token of each prompt, put as a user's turn; float32 on the CPU."""
        ...


def mean_difference(
    concept: Float[Tensor, "n_concept *rest"], baseline: Float[Tensor, "n_baseline *rest"]
) -> Float[Tensor, "*rest"]:
    """Subtract the mean baseline activation from the mean concept activation.

    Source: Lindsey (2025), appendix on concept vectors.

    Args:
        concept: Activations read while the model is asked about the concept.
        baseline: Activations read for unrelated words, same layers and position.

    Returns:
        The difference of means, in residual-stream units; its norm is meaningful.
    """
    return concept.mean(dim=0) - baseline.mean(dim=0)


def principal_difference(
    positive: Float[Tensor, "n_pairs n_layers d_model"], negative: Float[Tensor, "n_pairs n_layers d_model"]
) -> Float[Tensor, "n_layers d_model"]:
    """Return, for every layer, the first principal component of the paired differences.

    The differences are not centred: the component is the direction that carries most of their energy. It points
    from negative to positive on average and has the norm of the mean difference, so that a strength means the same
    for both pair methods.

    Source: Zou et al. (2023), Representation Engineering, section 3.1 (reading vectors from paired differences).
    """
    differences = (positive - negative).transpose(0, 1)
    mean = differences.mean(dim=1)
    component = torch.linalg.svd(differences, full_matrices=False).Vh[:, 0]
    sign = torch.where((component * mean).sum(dim=-1) < 0, -1.0, 1.0)
    return component * (sign * mean.norm(dim=-1))[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Extraction:
    """The vectors with the activations that diagnostics need; ``baseline`` is ``None`` for pairs."""

    vectors: VectorSet
    baseline: Float[Tensor, "n_baseline n_layers d_model"] | None
    concepts: Float[Tensor, "n_concepts n_layers d_model"] | None


def from_words(
    reader: Reader, concepts: ConceptSet, baseline: ConceptSet, stimuli: Stimuli, progress: Advance = silent
) -> Extraction:
    """Extract one vector for every concept's word, all layers in one pass over the prompts; features come last."""
    asked = [concept.name for concept in concepts.members if concept.feature is None]
    prompts = [stimuli.extraction_prompt(name) for name in (*asked, *baseline.names)]
    activations = reader.read(prompts, progress)
    of_concepts, of_baseline = activations[: len(asked)], activations[len(asked) :]
    directions = {name: mean_difference(of_concepts[i : i + 1], of_baseline) for i, name in enumerate(asked)}
    provenance = recipe(reader.identity, concepts, baseline, stimuli, "word")
    directions |= feature_rows(features(concepts), of_baseline)
    return Extraction(VectorSet(directions, provenance), of_baseline, of_concepts)


def from_pairs(
    reader: Reader, concepts: ConceptSet, stimuli: Stimuli, method: Method, progress: Advance = silent
) -> Extraction:
    """Extract one vector for every concept from its contrastive pairs.

    Raises:
        StimulusError: A concept has no pairs, or fewer than two for the principal component.
    """
    needed = 2 if method == "pair_pca" else 1
    for concept in concepts.members:
        if len(concept.pairs) < needed:
            message = (
                f"the concept {concept.name!r} has {len(concept.pairs)} contrastive pairs; {method} needs {needed}"
            )
            raise StimulusError(message)
    texts = [text for concept in concepts.members for pair in concept.pairs for text in pair]
    activations = reader.read(texts, progress)
    directions: dict[str, Tensor] = {}
    start = 0
    for concept in concepts.members:
        rows = activations[start : start + 2 * len(concept.pairs)]
        start += len(rows)
        positive, negative = rows[0::2], rows[1::2]
        take = principal_difference if method == "pair_pca" else mean_difference
        directions[concept.name] = take(positive, negative)
    provenance = recipe(reader.identity, concepts, concepts, stimuli, method)
    return Extraction(VectorSet(directions, provenance), None, None)


def extract(
    reader: Reader,
    concepts: ConceptSet,
    baseline: ConceptSet,
    stimuli: Stimuli,
    method: Method = "word",
    progress: Advance = silent,
) -> Extraction:
    """Extract the vectors of a concept list by the method named."""
    concepts.unique()
    if method == "word":
        return from_words(reader, concepts, baseline, stimuli, progress)
    return from_pairs(reader, concepts, stimuli, method, progress)


def n_prompts(concepts: ConceptSet, baseline: ConceptSet, method: Method) -> int:
    """Count the prompts that ``extract`` will read, for a progress bar."""
    if method == "word":
        return len(concepts.names) - len(features(concepts)) + len(baseline.names)
    return 2 * sum(len(concept.pairs) for concept in concepts.members)


def recipe(
    identity: SubjectIdentity, concepts: ConceptSet, baseline: ConceptSet, stimuli: Stimuli, method: Method
) -> Provenance:
    """Return where a vector file comes from, known before it is made; pairs use no baseline and no prompt.

    Raises:
        StimulusError: A feature cannot be used in this subject, or not beside the other concepts.
    """
    words = method == "word"
    source, missing = _of_features(identity, concepts, method)
    return Provenance(
        subject=identity.fingerprint,
        subject_name=identity.name,
        dtype=identity.dtype,
        method=method,
        extraction_prompt=stimuli.extract if words else "{text}",
        concepts_hash=concepts.digest,
        baseline_hash=baseline.digest if words else None,
        n_layers=identity.n_layers,
        d_model=identity.d_model,
        source=source,
        missing=missing,
    )


def features(concepts: ConceptSet) -> dict[str, str]:
    """Return the features of sparse autoencoders among the concepts, by name."""
    return {concept.name: concept.feature for concept in concepts.members if concept.feature is not None}


def _of_features(
    identity: SubjectIdentity, concepts: ConceptSet, method: Method
) -> tuple[str | None, tuple[int, ...] | None]:
    """Return what the features are, in words, and the layers at which they have no vector."""
    found = {name: feature(reference) for name, reference in features(concepts).items()}
    if not found:
        return None, None
    if method != "word":
        message = f"features of sparse autoencoders need method = 'word', whose norm they get, and not {method!r}"
        raise StimulusError(message)
    for dictionary, index in found.values():
        if dictionary.d_model != identity.d_model:
            raise ShapeError(
                f"feature {index} of {dictionary.source} in {identity.name}", identity.d_model, dictionary.d_model
            )
        if dictionary.layer >= identity.n_layers:
            raise LayerError(dictionary.layer, identity.n_layers, identity.name)
    layers = {dictionary.layer for dictionary, _ in found.values()}
    if len(layers) > 1:
        message = f"the features are of layers {sorted(layers)}; give each layer a plan of its own"
        raise StimulusError(message)
    each = sorted({f"{one.source} at {one.hook}, decoder {one.digest[:12]}" for one, _ in found.values()})
    return "features of " + "; ".join(each), tuple(row for row in range(identity.n_layers) if row not in layers)


def concept_vector(
    reader: Reader, concept: str | Concept, layer: int, *, stimuli: Stimuli | None = None, progress: Advance = silent
) -> ConceptVector:
    """Extract one concept's vector at one layer, from its word against the shipped baseline.

    For many concepts or layers use ``extract``, which reads the baseline once for all.

    Raises:
        UnknownNameError: A word that no shipped list has; give a ``Concept`` for a word of your own.
        LayerError: The subject has no such layer.
    """
    found = concept if isinstance(concept, Concept) else find_concept(concept)
    if not 0 <= layer < reader.identity.n_layers:
        raise LayerError(layer, reader.identity.n_layers, reader.identity.name)
    one, baseline = ConceptSet(title=found.name, concept=(found,)), load_concepts("lindsey_baseline")
    vectors = extract(reader, one, baseline, stimuli or load_stimuli(), "word", progress).vectors
    return vectors.vector(found.name, layer)
