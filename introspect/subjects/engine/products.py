"""Matrix products on the CPU with weights packed once, by oneDNN, which torch carries.

``torch.nn.Linear`` packs its weight again on every call, and torch's usual product leaves half of some processors
unused. Packed products are faster, and a row's result has the same bits whatever the number of rows beside it (from
two rows on), which the usual product does not promise. Weights stay where they are: the packed copy stands beside
them, if memory allows, and modules get their own ``forward`` back when the engine is done.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from introspect.subjects.engine.memory import free_bytes

DTYPES = (torch.float32, torch.bfloat16)
LARGE = 1 << 14
"""Outputs from which a layer's result is too large to be allocated anew in every step: the unembedding's."""
OUTPUTS_AT_ONCE = 1 << 12
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
"""How far a packed product may be from the usual one, relative to its largest component."""

_Forward = Callable[[Tensor], Tensor]


class Products:
    """The packed products of one model; none where weights are not on the CPU or memory is short."""

    def __init__(self, model: nn.Module) -> None:
        self._modules = [module for module in model.modules() if type(module) is nn.Linear]
        self._stamp: tuple[tuple[int, int], ...] | None = None
        self._forwards: list[_Forward] = []

    @property
    def packed(self) -> bool:
        """Whether the last ``installed`` used packed products."""
        return bool(self._forwards)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let every linear layer of the model use its packed product inside the block."""
        self._pack()
        try:
            for module, forward in zip(self._modules, self._forwards, strict=False):
                vars(module)["forward"] = forward
            yield
        finally:
            for module in self._modules:
                vars(module).pop("forward", None)

    def _pack(self) -> None:
        stamp = tuple((module.weight.data_ptr(), _version(module.weight)) for module in self._modules)
        if stamp == self._stamp:
            return
        self._stamp, self._forwards = stamp, []
        if _packable(self._modules):
            packed: dict[int, list[Tensor]] = {}
            self._forwards = [_packed(module, packed) for module in self._modules]


def _version(weight: Tensor) -> int:
    return 0 if weight.is_inference() else weight._version


def _packable(modules: Sequence[nn.Linear]) -> bool:
    weights = [module.weight for module in modules]
    fits = all(weight.device.type == "cpu" and weight.dtype in DTYPES for weight in weights)
    known = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if not (known and fits and weights):
        return False
    n_bytes = sum({weight.data_ptr(): weight.nbytes for weight in weights}.values())
    return 2 * n_bytes < free_bytes(weights[0].device) and _agrees(modules[0])


def _packed(module: nn.Linear, packed: dict[int, list[Tensor]]) -> _Forward:
    """Return the packed product of one layer; layers that share a weight share its packed copy."""
    weight, bias = module.weight.detach(), module.bias
    large = module.out_features >= LARGE
    if weight.data_ptr() not in packed:
        parts = weight.split(OUTPUTS_AT_ONCE) if large else (weight,)
        packed[weight.data_ptr()] = [torch.ops.mkldnn._reorder_linear_weight(part, None) for part in parts]
    ready = packed[weight.data_ptr()]
    if large:
        return _into_one_place(ready, bias)

    def product(given: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(given, ready[0], bias, "none", [], "")

    return product


def _into_one_place(ready: Sequence[Tensor], bias: Tensor | None) -> _Forward:
    """Let a large product write its result where it wrote the last one, some outputs at a time.

    Memory as large as the logits of a batch comes fresh from the system each time it is asked for, and that takes
    longer than the product. Who keeps a result beyond the next pass has to copy it; the engine keeps none.
    """
    n_outputs = sum(part.shape[0] for part in ready)
    place = torch.empty(0)

    def product(given: Tensor) -> Tensor:
        nonlocal place
        n = given.numel() // given.shape[-1]
        if len(place) < n or place.dtype != given.dtype:
            place = given.new_empty(n, n_outputs)
        start = 0
        for part in ready:
            stop = start + part.shape[0]
            own = None if bias is None else bias[start:stop]
            result = torch.ops.mkldnn._linear_pointwise(given, part, own, "none", [], "")
            place[:n, start:stop] = result.view(n, -1)
            start = stop
        return place[:n].view(*given.shape[:-1], n_outputs)

    return product


def _agrees(module: nn.Linear) -> bool:
    """Compare both products on a few rows, lest a build of torch means something else by the operator."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4, module.in_features, generator=generator).to(module.weight.dtype)
    try:
        with torch.inference_mode():
            ours = _packed(module, {})(rows).float()
            usual = nn.functional.linear(rows, module.weight, module.bias).float()
    except (RuntimeError, TypeError):  # the operator is torch's own affair and may change: then it is not used
        return False
    return bool((ours - usual).abs().max() <= CLOSE[module.weight.dtype] * usual.abs().max())
