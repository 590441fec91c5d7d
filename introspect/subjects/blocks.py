"""Finding the decoder blocks of any Hugging Face causal language model."""

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
