"""Control directions matched in norm to a concept vector.

Source: Lindsey (2025), experiment 1, controls: vectors of random direction with the norm of a concept vector.
"""

import hashlib
from dataclasses import replace

import numpy as np
import torch

from introspect.vectors.vector import ConceptVector


def random_matched(vector: ConceptVector, draw: int = 0) -> ConceptVector:
    """Return an isotropic Gaussian direction with the norm of ``vector``.

    The direction is a function of concept, layer and ``draw`` alone, so every strength of a dose–response curve is
    along the same direction, on any machine.
    """
    seed = hashlib.blake2b(
        f"{vector.concept}\0{vector.layer}\0{draw}".encode(), digest_size=8, person=b"random"
    ).digest()
    generator = np.random.Generator(np.random.Philox(int.from_bytes(seed, "big")))
    noise = torch.from_numpy(generator.standard_normal(vector.direction.shape[0])).to(torch.float32)
    return replace(vector, direction=noise * (vector.direction.norm() / noise.norm()), method=f"random draw {draw}")
