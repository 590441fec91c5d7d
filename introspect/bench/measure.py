"""Seconds, peak memory, and the rate of matrix products that the machine reaches on this model's own weights."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from introspect.subjects.local import LocalSubject

MIB = 2**20
N_MEDIANS, N_STEPS = 5, 10


@dataclass(slots=True)
class Measured:
    """Seconds of a block, and the most memory the process held in it."""

    seconds: float = 0.0
    peak_mib: float = 0.0


@contextmanager
def measured(device: torch.device) -> Iterator[Measured]:
    """Time a block and watch its memory: on CUDA what torch holds there, else what the process holds."""
    result, done = Measured(), threading.Event()

    def watch() -> None:
        while True:
            result.peak_mib = max(result.peak_mib, _resident() / MIB)
            if done.wait(0.02):
                return

    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begun = perf_counter()
    try:
        yield result
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    finally:
        result.seconds = perf_counter() - begun
        done.set()
        watcher.join()
        if device.type == "cuda":
            result.peak_mib = torch.cuda.max_memory_allocated(device) / MIB


def _resident() -> int:
    status = Path("/proc/self/statm")
    if not status.exists():
        return 0
    return int(status.read_text().split()[1]) * 4096


def decode_weights(subject: LocalSubject) -> list[Tensor]:
    """Return the weights of a step's products in layer order, each ``[out, in]``, the unembedding last."""
    weights: list[Tensor] = []
    for block in subject.blocks:
        for module in block.modules():
            weight = getattr(module, "weight", None)
            if isinstance(weight, Tensor) and weight.dim() == 2 and not isinstance(module, nn.Embedding):
                weights.append(weight.detach() if isinstance(module, nn.Linear) else weight.detach().t())
    head = subject.model.get_output_embeddings()
    return [*weights, head.weight.detach()]  # pyright: ignore


@torch.inference_mode()
def product_rate(weights: Sequence[Tensor], rows: int) -> float:
    """Return the rate, in GFLOP/s, of these products alone with so many rows: the best of five medians of ten steps."""
    first = weights[0]
    given = {w.shape[1]: torch.randn(rows, w.shape[1], device=w.device).to(w.dtype) for w in weights}
    out = {w.shape[0]: torch.empty(rows, w.shape[0], dtype=first.dtype, device=w.device) for w in weights}

    def step() -> float:
        begun = perf_counter()
        for weight in weights:
            torch.mm(given[weight.shape[1]], weight.t(), out=out[weight.shape[0]])
        if first.device.type == "cuda":
            torch.cuda.synchronize(first.device)
        return perf_counter() - begun

    step()
    best = min(median(step() for _ in range(N_STEPS)) for _ in range(N_MEDIANS))
    return 2 * sum(weight.numel() for weight in weights) * rows / best / 1e9
