"""An injection, and the arithmetic of it: the only code that changes activations.

Source of the method: Lindsey (2025), experiment 1 and appendix: the raw vector times the strength, at the output of
the block that the vector was read from, from a stated token on, sampled tokens included. Two controls change the stream
as much, by what is there: ``amplify`` the model's own activation, and ``swap`` it for another prompt's (after the
in-distribution control of Mayner, Decomposing introspection in LLMs; here at the matched norm).
"""

from dataclasses import dataclass
from typing import get_args

from jaxtyping import Bool, Float
from torch import Tensor

from introspect.errors import IntrospectError, ShapeError, UnknownNameError
from introspect.operator import add as plain_add
from introspect.operator import push as plain_push
from introspect.records import Edit
from introspect.spans import Span
from introspect.vectors.vector import ConceptVector


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """A vector, with its layer and strength, the span it acts on, and what is done there.

    ``add`` adds strength times the raw vector. The other edits take only its size s, the norm of that product, in
    residual-stream units: ``amplify`` adds s·h/‖h‖ to the activation h, ``swap`` s·(t − h)/‖t − h‖ with the ``target``
    t, an activation of another prompt at the same layer; it goes past the target where that is nearer than s, and along
    a direction that is mostly rounding where it is very near: at the last prompt token, say, if the target was read at
    the last token of another prompt in the same template. Where h or t − h is zero nothing changes.

    Raises:
        UnknownNameError: No such edit.
        ShapeError: A swap without a target of the vector's shape.
        IntrospectError: Another edit with a target.
    """

    vector: ConceptVector
    span: Span
    edit: Edit = "add"
    target: Float[Tensor, " d_model"] | None = None

    def __post_init__(self) -> None:
        if self.edit not in get_args(Edit):
            raise UnknownNameError("edit", self.edit, get_args(Edit))
        wanted, given = tuple(self.vector.direction.shape), None if self.target is None else tuple(self.target.shape)
        if self.edit == "swap" and given != wanted:
            raise ShapeError("the activation that a swap moves towards", wanted, given)
        if self.edit != "swap" and given is not None:
            message = f"an injection with the edit {self.edit!r} has no target; only 'swap' moves towards one"
            raise IntrospectError(message)


def add(
    residual: Float[Tensor, "row position d_model"],
    delta: Float[Tensor, "row d_model"],
    mask: Bool[Tensor, "row position"],
) -> Float[Tensor, "row position d_model"]:
    """Return a copy of ``residual`` with each row's ``delta`` added where its mask is true.

    Rows are independent trials: each has its own vector, strength and span. Positions outside the mask keep their
    bits.
    """
    return plain_add(residual, delta, mask)


def push(
    residual: Float[Tensor, "row position d_model"],
    size: Float[Tensor, " row"],
    target: Float[Tensor, "row d_model"],
    swap: Bool[Tensor, " row"],
    mask: Bool[Tensor, "row position"],
) -> Float[Tensor, "row position d_model"]:
    """Return a copy of ``residual`` with activations changed by ``size``, each along a direction of its own.

    A row of ``swap`` moves towards its ``target``, another one is amplified. It is computed in float32 and rounded
    once. Positions outside the mask, without a direction, or of a row of size 0 keep their bits.
    """
    return plain_push(residual, size, target, swap, mask)
