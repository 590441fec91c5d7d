"""Our experiments as tasks of Inspect's. What loads a model is imported when a task is made, not before."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.solver import generate

from introspect.errors import SubjectError
from introspect.evals.refusal import plainly
from introspect.evals.scorers import named, noticed, success

if TYPE_CHECKING:
    from introspect.evals.provider import IntrospectAPI

Several = str | float | Sequence[str | int | float]


@task
def injected_thoughts(
    plan: str | None = None,
    concepts: str | Sequence[str] | None = None,
    layers: Several | None = None,
    strengths: Several | None = None,
    limit: int | None = None,
) -> Task:
    """Does the subject report a thought that was injected into its activations?

    Args:
        plan: A plan of the experiment injected_thought; a small one by default. Subject, adapter, number format and
            template are those of the model that runs it.
        concepts: The words, or the name or the file of a list, in place of the plan's.
        layers: Blocks, 0-based, in place of the plan's.
        strengths: Multiples of the raw vector, in place of the plan's.
        limit: A balanced subset of so many trials.

    Raises:
        RefusalError: The model is not one of introspect's, into which a thought can be injected, or the plan is wrong.
    """
    from introspect.evals.trials import plan_for, prepared_trials, samples

    one = isinstance(concepts, str) and "," not in concepts
    changes = {
        "concepts": concepts if one else listed(concepts),
        "layers": listed(layers),
        "strengths": listed(strengths),
    }
    with plainly():
        api = _api()
        chosen = plan_for(api.subject, plan, changes)
        prepared, materials = prepared_trials(chosen, limit, api.subject)
    api.adopt(prepared.specs, materials)
    return Task(
        dataset=MemoryDataset(samples(prepared, materials), name=chosen.name),
        solver=generate(),
        scorer=[noticed(), named(), success()],
        config=GenerateConfig(max_connections=chosen.batch_size or api.rows),
        metadata={"plan": chosen.model_dump(mode="json"), "subject": api.subject.identity.model_dump(mode="json")},
        name=chosen.name,
    )


def _api() -> "IntrospectAPI":
    """Return the engine behind the model that runs the task.

    Raises:
        SubjectError: It is another provider's model.
    """
    from introspect.evals.provider import IntrospectAPI

    model = get_model()
    if not isinstance(model.api, IntrospectAPI):
        message = f"nothing can be injected into the model {model}; give --model introspect/NAME, as introspect/smollm2"
        raise SubjectError(message)
    return model.api


def listed(value: Several | None) -> list[str | int | float] | None:
    """Return what a parameter gives, one or several, as a list."""
    if value is None:
        return None
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [value] if isinstance(value, int | float) else list(value)
