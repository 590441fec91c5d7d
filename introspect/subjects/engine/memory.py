"""How much memory there is, and what running out of it looks like."""

import os

import torch

SAID = ("not enough memory: you tried to allocate", "MPS backend out of memory")
"""What torch says on the CPU and on Apple's GPUs."""
SHARE = 0.6
"""How much of the free memory rows may take; the rest is for the passes themselves."""


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device that has its own, else the machine's; 0 where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def out_of_memory(error: RuntimeError) -> bool:
    """Tell whether an error means that memory ran out: torch has a class for it on CUDA, and a sentence elsewhere."""
    return isinstance(error, torch.OutOfMemoryError) or any(said in str(error) for said in SAID)


def rows_that_fit(bytes_per_row: int, device: torch.device) -> int | None:
    """Return how many rows fit into what is free now; ``None`` where that cannot be told."""
    free = free_bytes(device)
    return max(1, int(SHARE * free) // max(1, bytes_per_row)) if free else None
