"""Every error the lab raises on purpose, with the sentence a person reads.

A sentence says what was given, what would do, and the near miss where a name was typed. The constructor keeps its
arguments rather than a finished string, so that an error survives the trip between worker processes.
"""

import difflib
from collections.abc import Iterable


class IntrospectError(Exception):
    """Root of the tree; the command line prints the sentence and exits with 2."""


class UnknownNameError(IntrospectError, LookupError):
    """A name that a person typed and nobody knows."""

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        super().__init__(kind, given, tuple(known))

    def __str__(self) -> str:
        kind, given, known = self.args
        near = difflib.get_close_matches(given.lower(), [name.lower() for name in known], n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        shown = ", ".join(sorted(known)[:12]) + (f", … ({len(known)} in all)" if len(known) > 12 else "")
        return f"there is no {kind} named {given!r}{hint} Known: {shown or 'none'}"


class LayerError(IntrospectError, ValueError):
    """A layer the subject does not have."""

    def __init__(self, layer: int, n_layers: int, model: str) -> None:
        super().__init__(layer, n_layers, model)

    def __str__(self) -> str:
        layer, n_layers, model = self.args
        return f"layer {layer} is outside {model}, which has layers 0..{n_layers - 1} (0 is the first block)"


class StrengthError(IntrospectError, ValueError):
    """A strength that is not a finite number of at least zero."""

    def __init__(self, strength: object) -> None:
        super().__init__(strength)

    def __str__(self) -> str:
        return (
            f"strength {self.args[0]} is not a finite number of at least 0 (it multiplies the raw vector; "
            "to push the other way, negate the vector)"
        )


class SpanError(IntrospectError, ValueError):
    """A span that cannot be found in the text or on the tokens."""


class ShapeError(IntrospectError, ValueError):
    """Two shapes that should fit and do not."""

    def __init__(self, what: str, wanted: object, given: object) -> None:
        super().__init__(what, wanted, given)

    def __str__(self) -> str:
        what, wanted, given = self.args
        return f"{what}: wanted shape {wanted}, was given {given}"


class VectorMismatchError(IntrospectError, ValueError):
    """A vector that was read from another subject than the one it is given to."""

    def __init__(self, concept: str, made_on: str, used_on: str) -> None:
        super().__init__(concept, made_on, used_on)

    def __str__(self) -> str:
        concept, made_on, used_on = self.args
        return (
            f"the vector of {concept!r} was read from the subject {made_on[:12]}, not from this one ({used_on[:12]}); "
            "extract it again here"
        )


class InjectionActiveError(IntrospectError, RuntimeError):
    """Reading activations for a vector while something is being added to them."""

    def __str__(self) -> str:
        return "an injection is installed on this model; leave it before reading activations for concept vectors"


class AuditError(IntrospectError, RuntimeError):
    """What was added to the residual stream is not what the plan says."""


class SubjectError(IntrospectError):
    """A model that cannot be loaded, or cannot do what is asked of it."""


class TemplateError(SubjectError):
    """A chat template that cannot carry the conversation."""


class PlanError(IntrospectError, ValueError):
    """A plan that cannot be read or would run nothing."""


class StimulusError(IntrospectError, ValueError):
    """A stimulus or concept file that cannot be used."""


class RunFolderError(IntrospectError):
    """A run folder that cannot be written, resumed or read."""


class ExecutorError(IntrospectError):
    """Workers that cannot be started, do not agree, or are gone."""


class JudgeError(IntrospectError):
    """A judge that cannot be reached, refuses to work, or whose claims or calibration do not fit."""


class LogError(IntrospectError):
    """A log that cannot be written."""


class LabelError(IntrospectError, ValueError):
    """A file of labelled replies that cannot be used."""


class FigureError(IntrospectError):
    """A figure that cannot be drawn."""
