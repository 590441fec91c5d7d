"""What a manifest says about the machine and the libraries."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

PACKAGES = ("introspect", "torch", "transformers", "tokenizers", "safetensors", "numpy", "peft", "accelerate", "gguf")


def machine() -> dict[str, str]:
    """Describe the machine, as far as it can matter for a number."""
    described = {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
    }
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        described |= {"gpus": ", ".join(names), "cuda": str(torch.version.cuda)}
    return described


def packages() -> dict[str, str]:
    """Return the versions of the libraries that a reply depends on."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
