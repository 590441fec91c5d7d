"""Finding the decoder blocks of any Hugging Face causal language model, and the norm behind them."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from introspect.errors import SubjectError

KNOWN_PATHS = (
    "model.layers",
    "transformer.h",
    "gpt_neox.layers",
    "backbone.layers",
    "model.decoder.layers",
    "language_model.model.layers",
    "model.language_model.layers",
)


def decoder_blocks(model: PreTrainedModel) -> list[nn.Module]:
    """Return the blocks in order; layer ``l`` is the output of block ``l``, before the final norm.

    Raises:
        SubjectError: No list of as many modules as the configuration has layers.
    """
    n_layers = model.config.get_text_config().num_hidden_layers
    modules = dict(model.named_modules())
    candidates = [modules.get(path) for path in KNOWN_PATHS]
    candidates += [module for module in modules.values() if isinstance(module, nn.ModuleList)]
    for module in candidates:
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return list(module)
    message = f"{type(model).__name__} has no list of {n_layers} decoder blocks that an injection could hook"
    raise SubjectError(message)


@torch.inference_mode()
def final_norm(model: PreTrainedModel, blocks: Sequence[nn.Module]) -> nn.Module:
    """Return the module that the last block's output goes into; where there is no norm, one that changes nothing.

    It is found by running the model on one token: names differ, and so does what else stands beside the blocks.
    """
    found: list[nn.Module] = []
    open_: list[bool] = []

    def begun(module: nn.Module, args: object) -> None:
        if open_ and not found:
            found.append(module)

    handles = [blocks[-1].register_forward_hook(lambda *_: open_.append(True))]
    handles += [module.register_forward_pre_hook(begun) for module in model.modules()]
    try:
        model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return nn.Identity() if not found or found[0] is model.get_output_embeddings() else found[0]
