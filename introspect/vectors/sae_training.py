"""Training a small sparse autoencoder on activations that were read already, with sae-lens's own trainer.

The activations are read once by our engine and stay in memory; sae-lens's runner would run the model again for every
pass over them, with hooks that it never takes off. A top-k autoencoder keeps k features a token; its decoder rows are
held at one norm in effect, the input is scaled to a usual norm for training, and the scale is folded into the weights
at the end, so that what is saved reads raw activations.

Source: Gao et al. (2024), Scaling and evaluating sparse autoencoders, on top-k with an auxiliary loss for dead
features; the trainer is sae-lens's.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from introspect.records import Record
from introspect.vectors.sae import Dictionary, library


class Recipe(Record):
    """What decides an autoencoder, given the activations; ``d_sae`` is how many features, ``k`` how many a token."""

    d_sae: int = Field(default=2304, ge=2)
    k: int = Field(default=32, ge=1)
    n_passes: int = Field(default=8, ge=1)
    batch: int = Field(default=1024, ge=2)
    lr: float = Field(default=5e-4, gt=0)
    seed: int = Field(default=0, ge=0)


class Quality(Record):
    """How good an autoencoder is on activations it was not trained on.

    ``explained_variance`` is 1 less the squared error over the squared distance from the mean; ``l0`` the features that
    are active on a token; ``dead`` the features that are active on none of the ``n_tokens``.
    """

    n_tokens: int
    explained_variance: float
    l0: float
    dead: int
    n_features: int


def fit(activations: Float[Tensor, "token d_model"], recipe: Recipe, hook: str, subject: str, out: Path) -> None:
    """Train an autoencoder and save it as sae-lens does, to be loaded by ``load_dictionary``.

    Args:
        activations: Float32, one row a token, in any order.
        recipe: Its size and training.
        hook: The place that was read, such as ``model.layers.20``, which is kept in the file.
        subject: The subject's name, likewise.
        out: The folder.
    """
    lens = library()
    metadata = lens.saes.sae.SAEMetadata(hook_name=hook, model_name=subject, model_class_name="AutoModelForCausalLM")
    config = lens.TopKTrainingSAEConfig(
        d_in=activations.shape[1],
        d_sae=recipe.d_sae,
        k=recipe.k,
        normalize_activations="expected_average_only_in",
        metadata=metadata,
    )
    sae = lens.TopKTrainingSAE(config)
    _draw(sae, recipe.seed, activations)
    n_samples = recipe.n_passes * len(activations) // recipe.batch * recipe.batch or recipe.batch
    steps = n_samples // recipe.batch
    trainer = lens.SAETrainer(
        cfg=lens.config.SAETrainerConfig(
            total_training_samples=n_samples,
            train_batch_size_samples=recipe.batch,
            lr=recipe.lr,
            lr_end=recipe.lr / 10,
            lr_warm_up_steps=steps // 20,
            lr_decay_steps=steps // 5,
            dead_feature_window=max(steps // 10, 1),
            n_batches_for_norm_estimate=min(100, max(len(activations) // recipe.batch, 1)),
        ),
        sae=sae,
        data_provider=batches(activations, recipe),
    )
    trainer.fit().save_inference_model(str(out))


def _draw(sae: object, seed: int, activations: Float[Tensor, "token d_model"]) -> None:
    """Draw the weights from a generator of their own: decoder rows of norm 0.1, the encoder their transpose."""
    rows = torch.randn(sae.W_dec.shape, generator=torch.Generator().manual_seed(seed))  # pyright: ignore
    with torch.no_grad():
        sae.W_dec.copy_(0.1 * torch.nn.functional.normalize(rows, dim=-1))  # pyright: ignore
        sae.W_enc.copy_(sae.W_dec.T)  # pyright: ignore


def batches(activations: Float[Tensor, "token d_model"], recipe: Recipe) -> Iterator[Float[Tensor, "batch d_model"]]:
    """Yield batches for ever, every token once a pass, in an order drawn for each pass."""
    generator = torch.Generator().manual_seed(recipe.seed)
    size = min(recipe.batch, len(activations))
    while True:
        order = torch.randperm(len(activations), generator=generator)
        for start in range(0, len(order) - size + 1, size):
            yield activations[order[start : start + size]]


def quality(dictionary: Dictionary, activations: Float[Tensor, "token d_model"], at_once: int = 4096) -> Quality:
    """Measure an autoencoder on activations, best those of texts that it did not see."""
    error, active, fired = 0.0, 0, torch.zeros(dictionary.n_features, dtype=torch.bool)
    for rows in activations.split(at_once):
        lit = dictionary.encode(rows) > 0
        active += int(lit.sum())
        fired |= lit.any(dim=0)
        error += float((dictionary.rebuild(rows) - rows).double().square().sum())
    spread = float((activations - activations.mean(dim=0)).double().square().sum())
    return Quality(
        n_tokens=len(activations),
        explained_variance=1 - error / spread,
        l0=active / len(activations),
        dead=int((~fired).sum()),
        n_features=dictionary.n_features,
    )
