"""The subject that a plan names, and another one's vectors for it."""

from dataclasses import replace
from pathlib import Path

from introspect.concepts import ConceptSet
from introspect.errors import PlanError
from introspect.records import Plan
from introspect.subjects.backends import through
from introspect.subjects.load import load_subject
from introspect.subjects.local import LocalSubject
from introspect.vectors.vector import VectorSet, load_vectors

NDIF = "ndif"
"""The device of a plan whose traces are sent away."""


def load_plan_subject(plan: Plan) -> LocalSubject:
    """Load the subject that a plan names, as its backend runs it.

    Raises:
        PlanError: The backend cannot do what the plan says.
        SubjectError: It cannot be loaded, or not be carried by the backend.
    """
    if plan.device == NDIF:
        return _far_away(plan)
    if plan.backend != "hf" and plan.device_map is not None:
        message = f"backend = {plan.backend!r} runs on one device; leave device_map out, or take backend = 'hf'"
        raise PlanError(message)
    loaded = load_subject(
        plan.subject,
        adapter=plan.adapter,
        device=plan.device,
        dtype=plan.dtype,
        device_map=plan.device_map,
        revision=plan.revision,
        trust_remote_code=plan.trust_remote_code,
        form=plan.format,
    )
    return through(loaded, plan.backend)


def _far_away(plan: Plan) -> LocalSubject:
    """Return a subject whose traces run on NDIF, as it is deployed there."""
    if plan.backend != "nnsight":
        message = f"device = {NDIF!r} needs backend = 'nnsight'; the plan has {plan.backend!r}"
        raise PlanError(message)
    for key in ("adapter", "device_map"):
        if getattr(plan, key) is not None:
            message = f"device = {NDIF!r} runs a model as it is deployed there, without {key}; leave {key} out"
            raise PlanError(message)
    from introspect.subjects.trace import remote_subject

    return remote_subject(plan.subject, revision=plan.revision, form=plan.format)


def foreign_vectors(path: str, subject: LocalSubject, concepts: ConceptSet) -> VectorSet:
    """Read another subject's vectors, to be used in this one.

    Raises:
        PlanError: They are of another shape, or a concept is missing.
    """
    vectors = load_vectors(Path(path))
    source, own = vectors.provenance, subject.identity
    if (source.n_layers, source.d_model) != (own.n_layers, own.d_model):
        message = (
            f"the vectors {path} are of {source.n_layers} layers × {source.d_model}, and {own.name} has "
            f"{own.n_layers} × {own.d_model}"
        )
        raise PlanError(message)
    missing = [name for name in concepts.names if name not in vectors.directions]
    if missing:
        message = f"the vectors {path} have no {', '.join(missing[:5])}; extract them for the plan's concepts"
        raise PlanError(message)
    provenance = source.model_copy(update={"subject": own.fingerprint, "used_in": f"those of {source.subject}"})
    return replace(vectors, provenance=provenance)
