"""The trace of a word in activations, layer by layer: cosines, raw and centred, against a baseline of other words."""

import torch
from jaxtyping import Float
from torch import Tensor

DIGITS = 6


def curves(
    activations: Float[Tensor, "n_layers position d_model"],
    vector: Float[Tensor, "n_layers d_model"],
    baseline: Float[Tensor, "n_words n_layers d_model"],
    centre: Float[Tensor, "n_layers d_model"] | None,
) -> dict[str, tuple[float, ...]]:
    """Return mean cosines over positions, one value a layer.

    Source: Lindsey (2025), experiment 4: cosine similarity with the word's concept vector at the same layer, averaged
    over the sentence's tokens, against the cosines with the vectors of 100 other words.

    Args:
        activations: The residual stream on the sentence's tokens.
        vector: The word's concept vector.
        baseline: The vectors of other words.
        centre: What is taken off for the centred curves: the mean activation where no word is asked for.

    Returns:
        ``cosine``, ``baseline`` (the mean over the other words) and ``spread`` (their standard deviation); with
        ``centred_`` before the name where a centre is given.
    """
    found = _against(activations, vector, baseline)
    if centre is not None:
        moved = _against(activations - centre[:, None], vector, baseline)
        found |= {f"centred_{name}": value for name, value in moved.items()}
    return {name: tuple(round(value, DIGITS) for value in line.tolist()) for name, line in found.items()}


def _against(activations: Tensor, vector: Tensor, baseline: Tensor) -> dict[str, Tensor]:
    unit = torch.nn.functional.normalize(activations, dim=-1)
    own = torch.einsum("lpd,ld->l", unit, torch.nn.functional.normalize(vector, dim=-1)) / activations.shape[1]
    others = torch.einsum("lpd,nld->nl", unit, torch.nn.functional.normalize(baseline, dim=-1)) / activations.shape[1]
    return {"cosine": own, "baseline": others.mean(dim=0), "spread": others.std(dim=0, correction=0)}
