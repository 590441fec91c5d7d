"""A small sparse autoencoder on disk, with random weights, written by sae-lens itself."""

from pathlib import Path

WIDTH, N_FEATURES = 32, 48


def sae_lens():
    """The library, imported without the warning that its own imports give."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import sae_lens
    return sae_lens


def write_sae(path: Path, hook: str = "model.layers.2", d_in: int = WIDTH, seed: int = 0, **changes) -> Path:
    """Write a plain one; decoder rows have many norms, so that a direction cannot be right by its norm."""
    import torch

    metadata = sae_lens().saes.sae.SAEMetadata(hook_name=hook, model_name="tiny")
    config = sae_lens().StandardSAEConfig(d_in=d_in, d_sae=N_FEATURES, metadata=metadata, **changes)
    sae = sae_lens().StandardSAE(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        rows = torch.randn(N_FEATURES, d_in, generator=generator)
        sae.W_dec.copy_(rows * torch.rand(N_FEATURES, 1, generator=generator))
        sae.W_enc.copy_(rows.T / d_in)
        sae.b_enc.copy_(0.1 * torch.randn(N_FEATURES, generator=generator))
        sae.b_dec.copy_(0.1 * torch.randn(d_in, generator=generator))
        sae.W_dec[7] = 0  # a dead one
    sae.save_model(path)
    return path
