"""From a plan to what a task of Inspect's runs: the trials that speak, their vectors, and a sample for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inspect_ai.dataset import Sample

from introspect.errors import PlanError
from introspect.evals.messages import messages, plain_turns
from introspect.evals.provider import KEY
from introspect.evals.samples import metadata, target
from introspect.evals.scorers import FORMS
from introspect.protocols.materials import Materials
from introspect.protocols.trials import prompt_of, replies
from introspect.records import Plan, TrialSpec, digest
from introspect.subjects.cache import cache_folder
from introspect.subjects.local import LocalSubject
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.plans import load_plan, plan_from
from introspect.sweeps.prepare import Prepared, prepare

PROTOCOL = "injected_thought"
DEFAULT: Mapping[str, Any] = {
    "name": "injected_thoughts",
    "protocol": PROTOCOL,
    "tasks": ["report"],
    "depths": [0.5, 0.67],
    "strengths": [2.0, 4.0],
    "n_concepts": 10,
    "wordings": ["plain", "brief"],
    "none_samples": 10,
}
"""The plan where none is given: small enough for the embedded model on a processor."""


def plan_for(subject: LocalSubject, file: str | None, changes: Mapping[str, Any]) -> Plan:
    """Return the plan of a task: a file's or the default one, changed, on this subject.

    Raises:
        PlanError: It is of another experiment, or a value does not fit.
    """
    content = dict(DEFAULT) if file is None else load_plan(Path(file)).model_dump(mode="json", exclude_unset=True)
    given = {name: value for name, value in changes.items() if value is not None}
    if "layers" in given:
        content.pop("depths", None)
    if "concepts" in given:
        content.pop("n_concepts", None)
    identity = subject.identity
    own = {"subject": identity.name, "adapter": identity.adapter, "revision": identity.revision}
    plan = plan_from({**content, **given, **own}, file or "of the task's parameters")
    if plan.protocol != PROTOCOL:
        message = f"this task runs the experiment {PROTOCOL}, and the plan {file} is of {plan.protocol}"
        raise PlanError(message)
    return plan


def prepared_trials(plan: Plan, limit: int | None, subject: LocalSubject) -> tuple[Prepared, Materials]:
    """Prepare a plan's trials that generate a reply; its vectors are kept in the cache.

    Raises:
        PlanError: No trial of the plan generates a reply.
    """
    prepared = prepare(plan, limit, subject)
    if not any(map(replies, prepared.specs)):
        message = f"no trial of the plan {plan.name!r} generates a reply; give tasks = ['report']"
        raise PlanError(message)
    kept = cache_folder() / "inspect" / digest([plan.identity(), prepared.vectors_hash])
    with RunFolder(kept) as folder:
        vectors = prepared.vectors(folder)
        return prepared, prepared.materials(vectors, prepared.scales(folder, vectors))


def samples(prepared: Prepared, materials: Materials) -> list[Sample]:
    """Return one sample a trial, in the order of the sweep."""
    forms = {concept.name: concept.forms for concept in prepared.concepts.members}
    return [_sample(spec, materials, forms) for spec in prepared.specs if replies(spec)]


def _sample(spec: TrialSpec, materials: Materials, forms: Mapping[str, Sequence[str]]) -> Sample:
    asked = messages(plain_turns(spec, materials.wordings[spec.wording]), spec.key)
    asked[-1].metadata = {KEY: spec.key}
    unit = spec.concept or spec.fill.get("lead") or prompt_of(spec, materials).record().id
    named = forms[spec.concept] if spec.concept else [form for each in forms.values() for form in each]
    more = {FORMS: list(named), "spec": spec.model_dump(mode="json")}
    return Sample(input=asked, id=spec.key, target=target(spec), metadata=metadata(spec, unit) | more)
