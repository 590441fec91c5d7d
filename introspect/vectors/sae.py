"""Features of sparse autoencoders, as sae-lens loads them: the only module that knows that library's names.

A feature's direction is its row of the decoder. It has no norm of its own (a decoder may be scaled against its encoder
at will), so a concept that is a feature gets the norm that a concept vector typically has at that layer: the median,
over the baseline words, of the distance of a word's activation from the mean of all of them. A strength then means
about the same for a feature as for a word.

**Which layer.** An autoencoder of ``model.layers.N`` or ``blocks.N.hook_resid_post`` reads the output of block N, our
layer N; one of ``blocks.N.hook_resid_pre`` reads what enters block N, which is the output of block N − 1. Places
within a block (``hook_mlp_out``, ``hook_z``, ``hook_resid_mid``) are none of the residual stream between blocks and
are refused, as are transcoders, whose decoder writes elsewhere than it reads.

An autoencoder that was trained in TransformerLens's ``HookedTransformer`` saw a residual stream without its mean
where the model has layer norms (GPT-2): its directions are right up to a constant along the all-ones vector, and
its encoder must not be given ours.
"""

import functools
import hashlib
import importlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from introspect.errors import ShapeError, StimulusError, UnknownNameError

BLOCK_OUTPUTS = re.compile(
    r"(?:(?:model\.|transformer\.|gpt_neox\.|backbone\.)?(?:language_model\.)?(?:layers|h)\.(\d+)"
    r"|blocks\.(\d+)\.hook_resid_post|blocks\.(\d+)\.hook_out)"
)
BLOCK_INPUT = re.compile(r"blocks\.(\d+)\.hook_resid_pre")
LOCAL = (".", "/", "~")
"""How a path begins that cannot be the name of a release."""
UNFOLDED = frozenset({"covariance_whitening", "expected_average_only_in"})
"""Scalings of the input that belong in the weights, and without which neither encoder nor decoder means anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """The features of one autoencoder at one layer.

    ``layer`` is the 0-based block whose output it reads; ``digest`` hashes its decoder, so that a record that names it
    cannot mean another one.
    """

    source: str
    sae: Any
    layer: int
    hook: str
    digest: str

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return int(self.sae.cfg.d_sae)

    @property
    def d_model(self) -> int:
        """The width of what it reads."""
        return int(self.sae.cfg.d_in)

    @property
    def decoder(self) -> Float[Tensor, "n_features d_model"]:
        """Every feature's direction, of norm 1; a row of zeros stays one."""
        return torch.nn.functional.normalize(self.sae.W_dec.detach().to("cpu", torch.float32), dim=-1)

    @property
    def centre(self) -> Float[Tensor, " d_model"]:
        """What it takes for a typical activation: the decoder's bias."""
        return self.sae.b_dec.detach().to("cpu", torch.float32)

    def direction(self, index: int) -> Float[Tensor, " d_model"]:
        """Return one feature's direction, of norm 1.

        Raises:
            StimulusError: There is no such feature, or it has no direction.
        """
        if not 0 <= index < self.n_features:
            message = f"{self.source} has features 0 to {self.n_features - 1}, and no {index}"
            raise StimulusError(message)
        row = self.decoder[index]
        if not row.norm() > 0:
            message = f"feature {index} of {self.source} has no direction: its decoder row is zero or not a number"
            raise StimulusError(message)
        return row

    @torch.inference_mode()
    def encode(self, activations: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows n_features"]:
        """Return how strongly each feature is active, float32.

        Raises:
            ShapeError: The activations are of another width.
        """
        self._fits(activations)
        return self.sae.encode(activations.to(self.sae.dtype)).to("cpu", torch.float32)

    @torch.inference_mode()
    def rebuild(self, activations: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows d_model"]:
        """Return what is left of activations after encoding and decoding, float32."""
        self._fits(activations)
        return self.sae.decode(self.sae.encode(activations.to(self.sae.dtype))).to("cpu", torch.float32)

    def _fits(self, activations: Tensor) -> None:
        if activations.shape[-1] != self.d_model:
            raise ShapeError(f"activations for {self.source}", ("…", self.d_model), tuple(activations.shape))


def load_dictionary(source: str) -> Dictionary:
    """Load an autoencoder: a folder, or RELEASE/ID as ``SAE.from_pretrained`` takes them.

    Args:
        source: A folder with ``cfg.json`` and ``sae_weights.safetensors``; or a release of sae-lens's own list, or a
            repository of the hub, and the id of the autoencoder in it.

    Raises:
        UnknownNameError: Neither a folder nor a known release, or no such id in the release.
        StimulusError: It cannot be read, or reads a place that is not the output of a block.
    """
    folder = Path(source).expanduser()
    if folder.is_dir() or source.startswith(LOCAL):
        weights = folder / "sae_weights.safetensors"
        if not weights.is_file():
            message = f"{folder} is no folder of a sparse autoencoder: it has no cfg.json with sae_weights.safetensors"
            raise StimulusError(message)
        return _from_folder(source, folder, weights.stat().st_mtime_ns)
    return _from_release(source)


@functools.cache
def library() -> Any:  # noqa: ANN401 - a module
    """Import sae-lens, which takes seconds, without the warning that its own imports give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports transformer_lens.utils by its old name
        return importlib.import_module("sae_lens")


@functools.lru_cache(maxsize=4)
def _from_folder(source: str, folder: Path, changed: int) -> Dictionary:
    return _loaded(source, lambda: library().SAE.load_from_disk(folder))


@functools.lru_cache(maxsize=4)
def _from_release(source: str) -> Dictionary:
    release, name = _release_and_id(source)
    return _loaded(source, lambda: library().SAE.from_pretrained(release, name))


def _release_and_id(source: str) -> tuple[str, str]:
    """Split a name where a known release ends, or behind the repository's two parts."""
    known = library().loading.pretrained_saes_directory.get_pretrained_saes_directory()
    parts = source.split("/")
    for n in range(len(parts) - 1, 0, -1):
        release, name = "/".join(parts[:n]), "/".join(parts[n:])
        if release in known:
            if name not in known[release].saes_map:
                raise UnknownNameError(f"autoencoder of the release {release}", name, known[release].saes_map)
            return release, name
    if len(parts) < 3:
        raise UnknownNameError("folder of a sparse autoencoder, and no release", parts[0], known)
    return "/".join(parts[:2]), "/".join(parts[2:])


def _loaded(source: str, load: Any) -> Dictionary:  # noqa: ANN401 - how sae-lens does it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # advice on loading the model for it, which is loaded here
            sae = load()
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        message = f"the sparse autoencoder {source} cannot be loaded: {first}"
        raise StimulusError(message) from error
    sae.eval()
    _usable(source, sae)
    hook = str(sae.cfg.metadata.hook_name or "")
    weights = sae.W_dec.detach().to("cpu", torch.float32).contiguous()
    digest = hashlib.blake2b(weights.numpy().tobytes(), digest_size=16).hexdigest()
    return Dictionary(source, sae, layer_of(hook, source), hook, digest)


def _usable(source: str, sae: Any) -> None:  # noqa: ANN401 - any of its architectures
    if getattr(sae.cfg, "d_out", None) is not None:
        message = f"{source} is a transcoder: it reads one place and writes another, and has no direction of one layer"
        raise StimulusError(message)
    if sae.cfg.normalize_activations in UNFOLDED:
        message = (
            f"{source} wants its input scaled ({sae.cfg.normalize_activations}) by numbers that are not in its "
            "weights; fold them in and save it again"
        )
        raise StimulusError(message)


def layer_of(hook: str, source: str) -> int:
    """Return the 0-based block whose output a hook of sae-lens reads.

    Raises:
        StimulusError: The hook is no place between blocks.
    """
    output, entry = BLOCK_OUTPUTS.fullmatch(hook), BLOCK_INPUT.fullmatch(hook)
    if output is not None:
        return int(next(number for number in output.groups() if number is not None))
    if entry is not None and int(entry[1]) > 0:
        return int(entry[1]) - 1
    message = (
        f"{source} reads {hook or 'a place it does not name'!r}, which is no block's output; model.layers.N, "
        "blocks.N.hook_resid_post and blocks.N.hook_resid_pre (from 1) are"
    )
    raise StimulusError(message)


def feature(reference: str) -> tuple[Dictionary, int]:
    """Load what ``SOURCE#INDEX`` names.

    Raises:
        StimulusError: The autoencoder cannot be used, or has no such feature.
    """
    source, _, index = reference.rpartition("#")
    found = load_dictionary(source)
    found.direction(int(index))
    return found, int(index)


def typical_norm(baseline: Float[Tensor, "n_baseline d_model"]) -> float:
    """Return the median distance of the baseline words' activations from their mean: a usual concept vector's norm."""
    return float((baseline - baseline.mean(dim=0)).norm(dim=-1).median())


def feature_rows(
    references: Mapping[str, str], baseline: Float[Tensor, "n_baseline n_layers d_model"]
) -> dict[str, Float[Tensor, "n_layers d_model"]]:
    """Return every feature's direction at its layer, at the norm of a usual concept vector there; other rows are zero.

    Args:
        references: ``SOURCE#INDEX`` by the concept's name.
        baseline: The baseline words' activations at every layer.
    """
    found: dict[str, Tensor] = {}
    for name, reference in references.items():
        dictionary, index = feature(reference)
        rows = torch.zeros(baseline.shape[1:])
        rows[dictionary.layer] = dictionary.direction(index) * typical_norm(baseline[:, dictionary.layer])
        found[name] = rows
    return found
