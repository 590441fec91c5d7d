"""The protocols that a plan can name."""

from collections.abc import Callable

from introspect.errors import UnknownNameError
from introspect.protocols import injected_thought
from introspect.protocols.materials import Materials
from introspect.records import TrialSpec
from introspect.subjects.subject import Request

PROTOCOLS: dict[str, Callable[[TrialSpec, Materials], Request]] = {injected_thought.NAME: injected_thought.request}


def protocol(name: str) -> Callable[[TrialSpec, Materials], Request]:
    """Return the function that turns a protocol's specifications into requests."""
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
