"""The output of one block on every token of many texts; the model is run up to that block and no further."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from introspect.errors import LayerError
from introspect.progress import Advance, silent
from introspect.subjects.chat import Encoded
from introspect.subjects.engine.batch import by_length
from introspect.subjects.local import LocalSubject

TOKENS_AT_ONCE = 4096


class _Reached(Exception):  # noqa: N818 - no error: what is behind the block is not needed
    """The block has been run."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


@torch.inference_mode()
def block_outputs(
    subject: LocalSubject,
    layer: int,
    prompts: Sequence[Encoded],
    first: Callable[[Encoded], int],
    progress: Advance = silent,
) -> Float[Tensor, "token d_model"]:
    """Read a block's output, float32 on the CPU, token by token and text by text, in their order.

    Texts of equal length run together, without padding.

    Args:
        subject: The subject; nothing is injected.
        layer: 0-based block.
        prompts: The texts in tokens.
        first: Which token of a text is the first that is kept.
        progress: Told of texts.

    Raises:
        LayerError: The subject has no such layer.
    """
    if not 0 <= layer < subject.n_layers:
        raise LayerError(layer, subject.n_layers, subject.identity.name)
    begins = [first(prompt) for prompt in prompts]
    ends = torch.tensor([len(each.ids) - begin for each, begin in zip(prompts, begins, strict=True)]).cumsum(0).tolist()
    found = torch.zeros(ends[-1] if ends else 0, subject.identity.d_model)
    device = subject.engine.runner.device
    with subject.engine.runner.products.installed(), _stopping_at(subject.blocks[layer]):
        for indices in by_length([len(prompt.ids) for prompt in prompts], TOKENS_AT_ONCE):
            output = _run(subject.model, torch.tensor([prompts[i].ids for i in indices]).to(device))
            for row, i in enumerate(indices):
                kept = output[row, begins[i] :]
                found[ends[i] - len(kept) : ends[i]] = kept.to("cpu", torch.float32)
            progress(len(indices))
    return found


def _run(model: nn.Module, ids: Tensor) -> Tensor:
    try:
        model(input_ids=ids, use_cache=False)
    except _Reached as reached:
        return reached.output
    message = "the model ran without the block that was to be read"
    raise RuntimeError(message)


@contextmanager
def _stopping_at(block: nn.Module) -> Iterator[None]:
    """Let forward passes end behind a block."""

    def stop(module: nn.Module, args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        raise _Reached(output[0] if isinstance(output, tuple) else output)

    handle = block.register_forward_hook(stop)
    try:
        yield
    finally:
        handle.remove()
