"""Control directions at the norm of a concept vector: is it this concept, or is it that something was changed?

Every control is a function of the vector and of ``draw`` alone, on any machine, so that every strength of a
dose–response curve is along the same direction. It keeps the ``concept`` whose norm it has, with its layer and
strength; ``method`` says what it is. Two families change no direction of their own: ``swap`` and ``amplify`` take the
norm only, and are edits (``introspect/injection.py``).

Sources: ``random`` and ``negated``: Lindsey (2025), experiment 1, controls. ``covariance``: noise along the principal
components of real activations, so that it is as usual as they are. ``shuffled`` keeps the coordinates' sizes, outlying
dimensions included, and loses their places. ``swap``: Mayner, Decomposing introspection in LLMs.
"""

import hashlib
from dataclasses import replace
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from introspect.errors import IntrospectError, ShapeError, VectorMismatchError
from introspect.records import Family
from introspect.vectors.vector import ConceptVector

FAMILIES: tuple[Family, ...] = get_args(Family)
"""The names of all families, the concept's own first."""


def random_matched(vector: ConceptVector, draw: int = 0) -> ConceptVector:
    """Return an isotropic Gaussian direction with the norm of ``vector``."""
    noise = _generator("random", vector, draw).standard_normal(vector.direction.shape[0])
    return _at_norm(vector, torch.from_numpy(noise).to(torch.float32), f"random draw {draw}")


def covariance_matched(vector: ConceptVector, activations: Float[Tensor, "n d_model"], draw: int = 0) -> ConceptVector:
    """Return a Gaussian direction with the covariance of real activations, at the norm of ``vector``.

    It is the sum of the centred activations, each times a standard normal number of its own.

    Args:
        vector: The concept vector.
        activations: The baseline's, at the vector's layer.
        draw: Which control of the family.

    Raises:
        ShapeError: Fewer than two activations, or of another width.
        IntrospectError: All activations are the same.
    """
    _fits(vector, activations, 2)
    rows = activations.double().cpu().numpy()
    numbers = _generator("covariance", vector, draw).standard_normal(len(rows))
    # Summed row by row and not as a matrix product, whose order of summing depends on the machine.
    noise = (numbers[:, None] * (rows - rows.mean(axis=0))).sum(axis=0)
    return _at_norm(vector, torch.from_numpy(noise).to(torch.float32), f"covariance draw {draw}")


def coordinate_shuffled(vector: ConceptVector, draw: int = 0) -> ConceptVector:
    """Return the vector with its coordinates in another order."""
    order = torch.from_numpy(_generator("shuffled", vector, draw).permutation(vector.direction.shape[0]))
    return replace(vector, direction=vector.direction[order], method=f"shuffled draw {draw}")


def negated(vector: ConceptVector) -> ConceptVector:
    """Return the vector that points the other way."""
    return replace(vector, direction=-vector.direction, method="negated")


def other_concept(vector: ConceptVector, other: ConceptVector) -> ConceptVector:
    """Return another concept's direction at the norm of ``vector``; ``method`` names the other concept.

    Raises:
        VectorMismatchError: The two were read from different subjects.
        IntrospectError: They were read at different layers, or are of one concept.
    """
    if other.subject != vector.subject:
        raise VectorMismatchError(other.concept, other.subject, vector.subject)
    if other.layer != vector.layer or other.concept == vector.concept:
        message = (
            f"{other.concept!r} at layer {other.layer} is no control for {vector.concept!r} at layer {vector.layer}; "
            "take another concept at the same layer"
        )
        raise IntrospectError(message)
    return _at_norm(vector, other.direction, f"direction of {other.concept}")


def swap_row(n: int, vector: ConceptVector, draw: int = 0) -> int:
    """Return which of ``n`` activations is the other prompt's; the first ``n`` draws differ from each other."""
    order = _generator("swap", vector, 0).permutation(n)
    return int(order[draw % n])


def swap_target(
    activations: Float[Tensor, "n d_model"], vector: ConceptVector, draw: int = 0
) -> Float[Tensor, " d_model"]:
    """Return what a swap moves towards: another prompt's activation, float32 on the CPU, as it was read.

    Args:
        activations: The baseline's, at the vector's layer.
        vector: The concept vector, whose norm is how far the swap moves.
        draw: Which control of the family; see ``swap_row``.

    Raises:
        ShapeError: No activations, or of another width.
    """
    _fits(vector, activations, 1)
    return activations[swap_row(len(activations), vector, draw)].to("cpu", torch.float32, copy=True)


def _generator(family: str, vector: ConceptVector, draw: int) -> np.random.Generator:
    """Return numbers that are a function of family, concept, layer and draw alone."""
    name = f"{vector.concept}\0{vector.layer}\0{draw}".encode()
    seed = hashlib.blake2b(name, digest_size=8, person=family.encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(seed, "big")))


def _at_norm(vector: ConceptVector, direction: Float[Tensor, " d_model"], method: str) -> ConceptVector:
    """Return a direction at the norm of ``vector``.

    Raises:
        IntrospectError: It has no direction.
    """
    norm = direction.norm()
    if not norm > 0:
        message = f"the control of {vector.concept!r} ({method}) has no direction: it is zero, or not a number"
        raise IntrospectError(message)
    return replace(vector, direction=direction * (vector.direction.norm() / norm), method=method)


def _fits(vector: ConceptVector, activations: Tensor, least: int) -> None:
    wide = vector.direction.shape[0]
    if activations.dim() != 2 or len(activations) < least or activations.shape[1] != wide:
        raise ShapeError("activations for a control", (f"{least} or more", wide), tuple(activations.shape))
