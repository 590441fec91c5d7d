"""What Inspect finds through its entry point: the model ``introspect/…``, the tasks and the scorers."""

from inspect_ai.model import ModelAPI, modelapi

from introspect.evals.rates import by_arm
from introspect.evals.scorers import named, noticed, success
from introspect.evals.tasks import injected_thoughts

__all__ = ["by_arm", "injected_thoughts", "named", "noticed", "provider", "success"]


@modelapi(name="introspect")
def provider() -> type[ModelAPI]:
    """Return the engine as a model, loaded when one is asked for."""
    from introspect.evals.provider import IntrospectAPI

    return IntrospectAPI
