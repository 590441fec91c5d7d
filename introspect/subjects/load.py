"""Loading a subject: the embedded model, a GGUF file, a local folder or a hub id, with or without a PEFT adapter."""

import difflib
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from introspect.errors import SubjectError, UnknownNameError
from introspect.records import SubjectIdentity, digest
from introspect.subjects.cache import WORTH_A_BAR
from introspect.subjects.chat import Chat
from introspect.subjects.fingerprint import fingerprint
from introspect.subjects.gguf import EMBEDDED, embedded_gguf, is_gguf, unpacked, without_bars
from introspect.subjects.local import LocalSubject
from introspect.subjects.weights import check_whole, checked_weights

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
DOWNLOADED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]
TWICE = ["consolidated*.safetensors", "original/*", "onnx/*"]
"""The same weights in another layout, which some repositories hold beside those that transformers reads."""
DTYPES = {"auto": "auto", "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DEVICES = ("auto", "cuda", "mps", "cpu")


def load_subject(  # noqa: PLR0913 - the choices a user has, all but the first by keyword
    name: str | Path = EMBEDDED,
    *,
    adapter: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    device_map: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    form: Literal["auto", "chat", "transcript"] = "auto",
) -> LocalSubject:
    """Load a model into the laboratory.

    Args:
        name: ``smollm2`` (embedded), a hub id, a folder, or a ``.gguf`` file.
        adapter: Folder or hub id of a PEFT adapter; it is merged into the weights.
        device: ``auto`` (cuda, then mps, then cpu) or a torch device.
        dtype: ``auto`` (as the weights are stored), ``float32``, ``bfloat16`` or ``float16``.
        device_map: Spread layers over several devices, as in accelerate (``auto``, ``balanced``, …).
        revision: Branch, tag or commit of a hub id.
        trust_remote_code: Run code that comes with the weights. Off unless you know whose it is.
        form: ``transcript`` lets a chat model run in the plain transcript of base models, as another subject.

    Raises:
        SubjectError: It cannot be loaded; one sentence says why.
    """
    if dtype not in DTYPES:
        raise UnknownNameError("dtype", dtype, DTYPES)
    target = _device(device)
    options = {"trust_remote_code": trust_remote_code, "dtype": DTYPES[dtype], "device_map": device_map}
    folder, weights = _locate(str(name), revision, trust_remote_code)
    worth_a_bar = sum(file.stat().st_size for file in weights) >= WORTH_A_BAR
    with nullcontext() if worth_a_bar else without_bars():
        model, tokenizer = _load(str(name), folder, options)
        adapter_files: list[Path] = []
        if adapter is not None:
            model, adapter_files = _with_adapter(model, str(adapter))
    if device_map is None:
        model = model.to(target)  # pyright: ignore[reportArgumentType]
    model.eval()
    chat = Chat(tokenizer, str(name), form)
    stamp = fingerprint(weights, tokenizer, adapter_files)
    config = model.config.get_text_config()
    identity = SubjectIdentity(
        name=str(name),
        fingerprint=digest([stamp, form]) if form == "transcript" and tokenizer.chat_template else stamp,
        format=chat.format,
        dtype=str(model.dtype).removeprefix("torch."),
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        adapter=str(adapter) if adapter else None,
        revision=revision,
    )
    return LocalSubject(model, chat, identity)


def _device(device: str) -> torch.device:
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise UnknownNameError("device", device, DEVICES) from error
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    n = there.get(found.type, 1)
    if n <= (found.index or 0):
        seen = ", ".join(name for name, count in (*there.items(), ("cpu", 1)) if count)
        numbered = f"only {n} of {found.type}" if n else f"no {found.type} device"
        message = (
            f"the device is to be {device}, and torch sees {numbered} here; there is {seen}, and auto takes the first"
        )
        raise SubjectError(message)
    return found


def _locate(name: str, revision: str | None, trust_remote_code: bool) -> tuple[Path, list[Path]]:
    """Return the folder to load and the files whose contents are the weights."""
    path = Path(name).expanduser()
    if name == EMBEDDED:
        file = embedded_gguf()
        return unpacked(file), [file]
    if path.is_file() and (path.suffix == ".gguf" or is_gguf(path)):
        return unpacked(path), [path]
    if path.is_dir():
        return path, checked_weights(path)
    if path.is_file():
        message = f"{path} is no GGUF file and no folder; a subject is smollm2, a hub id, a folder or a .gguf file"
        raise SubjectError(message)
    if path.suffix in {".gguf", ".safetensors"} or path.is_absolute() or name.startswith((".", "~")):
        raise SubjectError(_missing(path))
    if not HUB_ID.fullmatch(name) or difflib.get_close_matches(name.lower(), [EMBEDDED], cutoff=0.7):
        raise UnknownNameError("subject", name, [EMBEDDED, "or a hub id, a folder, a .gguf file"])
    folder = _download(name, revision, trust_remote_code)
    return folder, checked_weights(folder)


def _missing(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=1)
    hint = f"; did you mean {path.parent / near[0]}?" if near else ""
    return f"there is no file or folder {path}{hint}"


def _download(name: str, revision: str | None, trust_remote_code: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    from huggingface_hub.utils import enable_progress_bars

    patterns = [*DOWNLOADED, *(["*.py"] if trust_remote_code else [])]
    enable_progress_bars()  # a download is worth a bar; the one that transformers turned off is this one, too
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=TWICE))
    except RepositoryNotFoundError as error:
        message = f"the hub has no model {name!r}, or it is private and no token is set"
        raise SubjectError(message) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:200]
        message = f"there is no file or folder {name!r}, and the hub could not be asked for it: {first}"
        raise SubjectError(message) from error


def _load(name: str, folder: Path, options: dict[str, Any]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    remote = {"trust_remote_code": options["trust_remote_code"]}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **remote)
        model = AutoModelForCausalLM.from_pretrained(str(folder), use_safetensors=True, **options)
    except Exception as error:  # the library raises whatever its readers raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        message = f"{name} cannot be loaded as a causal language model: {first}"
        raise SubjectError(message) from error
    return model, tokenizer


def _with_adapter(model: PreTrainedModel, adapter: str) -> tuple[PreTrainedModel, list[Path]]:
    """Merge a PEFT adapter into the weights, so that every backend sees one plain model."""
    from peft import PeftModel

    folder = Path(adapter).expanduser()
    if not folder.is_dir():
        if folder.is_absolute() or adapter.startswith((".", "~")) or not HUB_ID.fullmatch(adapter):
            raise SubjectError(_missing(folder))
        folder = _download(adapter, None, trust_remote_code=False)
    files = [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
    for file in files:
        if not file.is_file():
            message = f"the adapter {adapter} is not whole: it has no {file.name}"
            raise SubjectError(message)
    check_whole(files[1])
    try:
        merged = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    except Exception as error:  # likewise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        message = f"the adapter {adapter} does not fit this model: {first}"
        raise SubjectError(message) from error
    return merged, files
