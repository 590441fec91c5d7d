"""Training a small sparse autoencoder on activations that were read already, with sae-lens's own trainer.

The activations are read once by our engine and stay in memory; sae-lens's runner would run the model again for every
pass over them, with hooks that it never takes off. A top-k autoencoder keeps k features a token; its decoder rows are
held at one norm in effect, the input is scaled to a usual norm for training, and the scale is folded into the weights
at the end, so that what is saved reads raw activations. After each pass the trainer's state is kept, and a training
that was stopped goes on behind the last whole pass with the same batches.

Source: Gao et al. (2024), Scaling and evaluating sparse autoencoders, on top-k with an auxiliary loss for dead
features; the trainer is sae-lens's.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from introspect.progress import Advance, silent
from introspect.records import Record
from introspect.vectors.sae import Dictionary, library

PASS = "pass_{}"
"""The folder of the trainer's state after so many passes."""


class Recipe(Record):
    """What decides an autoencoder, given the activations; ``d_sae`` is how many features, ``k`` how many a token."""

    d_sae: int = Field(default=2304, ge=2)
    k: int = Field(default=32, ge=1)
    n_passes: int = Field(default=6, ge=1)
    batch: int = Field(default=1024, ge=2)
    lr: float = Field(default=5e-4, gt=0)
    seed: int = Field(default=0, ge=0)

    def steps(self, n_tokens: int) -> int:
        """Return how many steps a pass over so many tokens takes; what does not fill a batch waits for the next."""
        return max(n_tokens // self.batch, 1)


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


def fit(
    activations: Float[Tensor, "token d_model"],
    recipe: Recipe,
    names: tuple[str, str],
    out: Path,
    work: Path,
    progress: Advance = silent,
) -> None:
    """Train an autoencoder and save it as sae-lens does, to be loaded by ``load_dictionary``.

    Args:
        activations: Float32, one row a token, in any order.
        recipe: Its size and training.
        names: The place that was read, such as ``model.layers.20``, and the subject; both are kept in the file.
        out: The folder.
        work: Where a training that is stopped leaves its state; it must be of these activations and this recipe.
        progress: Told of steps.
    """
    trainer = _trainer(activations, recipe, names)
    done = passes_done(work)
    if done:
        trainer.sae.load_weights_from_checkpoint(work / PASS.format(done))
        trainer.load_trainer_state(work / PASS.format(done))
    for number in range(done, recipe.n_passes):
        for batch in one_pass(activations, recipe, number):
            trainer.step(batch)
            trainer.n_training_steps += 1
            progress()
        _keep(trainer, work, number + 1)
    trainer.sae.fold_activation_norm_scaling_factor(trainer.activation_scaler.scaling_factor)
    trainer.set_final_sae_metadata()
    trainer.sae.save_inference_model(str(out))


def passes_done(work: Path) -> int:
    """Return how many passes a training that was stopped has behind it."""
    return max((int(folder.name.removeprefix(PASS.format(""))) for folder in work.glob(PASS.format("*"))), default=0)


def _keep(trainer: Any, work: Path, number: int) -> None:  # noqa: ANN401 - the library's trainer
    """Keep the trainer's state after a pass, in one step, and let the state of the pass before go."""
    trainer.save_checkpoint("draft", work)
    (work / "draft").rename(work / PASS.format(number))
    shutil.rmtree(work / PASS.format(number - 1), ignore_errors=True)


def _trainer(activations: Float[Tensor, "token d_model"], recipe: Recipe, names: tuple[str, str]) -> Any:  # noqa: ANN401
    lens, (hook, subject), d_in = library(), names, activations.shape[1]
    metadata = lens.saes.sae.SAEMetadata(hook_name=hook, model_name=subject, model_class_name="AutoModelForCausalLM")
    config = lens.TopKTrainingSAEConfig(
        d_in=d_in,
        d_sae=recipe.d_sae,
        k=recipe.k,
        normalize_activations="expected_average_only_in",
        metadata=metadata,
    )
    sae = lens.TopKTrainingSAE(config)
    _draw(sae, recipe.seed)
    steps = recipe.n_passes * recipe.steps(len(activations))
    settings = lens.config.SAETrainerConfig(
        total_training_samples=steps * recipe.batch,
        train_batch_size_samples=recipe.batch,
        lr=recipe.lr,
        lr_end=recipe.lr / 10,
        lr_warm_up_steps=steps // 20,
        lr_decay_steps=steps // 5,
        dead_feature_window=max(steps // 10, 1),
    )
    trainer = lens.SAETrainer(cfg=settings, sae=sae, data_provider=iter(()))
    trainer.activation_scaler.scaling_factor = float(d_in**0.5 / activations.norm(dim=1).mean())
    return trainer


def _draw(sae: Any, seed: int) -> None:  # noqa: ANN401 - an autoencoder of the library
    """Draw the weights from a generator of their own: decoder rows of norm 0.1, the encoder their transpose."""
    rows = torch.randn(sae.W_dec.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        sae.W_dec.copy_(0.1 * torch.nn.functional.normalize(rows, dim=-1))
        sae.W_enc.copy_(sae.W_dec.T)


def one_pass(
    activations: Float[Tensor, "token d_model"], recipe: Recipe, number: int
) -> Iterator[Float[Tensor, "batch d_model"]]:
    """Yield the batches of one pass, every token once at most, in an order drawn for that pass alone."""
    generator = torch.Generator().manual_seed((recipe.seed << 16) + number)
    order = torch.randperm(len(activations), generator=generator)
    for step in range(recipe.steps(len(activations))):
        yield activations[order[step * recipe.batch : (step + 1) * recipe.batch]]


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
