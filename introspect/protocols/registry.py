"""The protocols that a plan can name."""

from introspect.errors import UnknownNameError
from introspect.protocols import (
    competence,
    concealment,
    identification,
    injected_thought,
    input_or_activation,
    intended_or_prefilled,
    intentional_control,
    localisation,
    steer_then_remove,
    strength,
    thought_vs_text,
    unprompted,
    vector_by_text,
    yes_no,
)
from introspect.protocols.protocol import Protocol

PROTOCOLS: dict[str, Protocol] = {
    module.PROTOCOL.name: module.PROTOCOL
    for module in (
        injected_thought,
        thought_vs_text,
        intended_or_prefilled,
        intentional_control,
        steer_then_remove,
        localisation,
        strength,
        identification,
        input_or_activation,
        concealment,
        unprompted,
        yes_no,
        competence,
        vector_by_text,
    )
}


def protocol(name: str) -> Protocol:
    """Return a protocol by its name; ``UnknownNameError`` gives the near miss."""
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
