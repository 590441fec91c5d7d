"""What ``introspect doctor`` looks at: packages, subjects, devices, executors, backends, judges, programs, disk.

Nothing is loaded, downloaded or asked of a server: a check looks whether a thing is there, and says what to do if not.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

State = Literal["ok", "missing", "optional", "low"]
DISTRIBUTION = "introspect"
FREE_GIB = 2.0
"""Free disk below this is said: a run needs little, an unpacked or downloaded model a few times as much."""
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GOOGLE_API_KEY"}
"""Providers of judges, and the variable in which Inspect looks for their key. Only whether it is set is looked at."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked for: in words what was found, and what to do where it is not there.

    ``missing`` is what the lab needs, ``optional`` what some verbs need, ``low`` what works and may soon not.
    """

    group: str
    name: str
    state: State
    found: str
    cure: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return asdict(self)


def checks() -> list[Check]:
    """Look at everything."""
    groups: tuple[Callable[[], Iterable[Check]], ...] = (
        packages, subjects, devices, executors, backends, judges, programs, disk
    )  # fmt: skip
    return [check for group in groups for check in group()]


def packages(
    declared: Iterable[str] | None = None, installed: Callable[[str], str | None] | None = None
) -> Iterator[Check]:
    """Compare what is installed with what the package declares, the core first and then each extra.

    Args:
        declared: Requirements as a distribution's metadata has them; those of this package by default.
        installed: The version of a distribution by name, or None; those of this environment by default.
    """
    version_of = installed or _installed
    for line in declared if declared is not None else requires(DISTRIBUTION) or ():
        wanted = Requirement(line)
        extra = _extra(wanted)
        if extra is None and wanted.marker is not None and not wanted.marker.evaluate():
            continue  # not on this platform
        if wanted.name == DISTRIBUTION:
            continue  # an extra that is made of others
        yield _package(wanted, extra, version_of(wanted.name))


def _package(wanted: Requirement, extra: str | None, found: str | None) -> Check:
    group = "packages" if extra is None else f"extra {extra}"
    whole = found is not None and wanted.specifier.contains(found, prereleases=True)
    target = f"'{wanted.name}{wanted.specifier}'" if extra is None else f"'{DISTRIBUTION}[{extra}]'"
    said = found or "not installed"
    if not whole and found:
        said = f"{found}, and {wanted.specifier} is needed"
    state: State = "ok" if whole else "missing" if extra is None else "optional"
    return Check(group, wanted.name, state, said, "" if whole else f"pip install {target}")


def _extra(wanted: Requirement) -> str | None:
    """Return the extra that asks for a requirement, read off its marker."""
    if wanted.marker is None or "extra" not in str(wanted.marker):
        return None
    return str(wanted.marker).partition("extra == ")[2].strip("'\" )")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def subjects() -> Iterator[Check]:
    """Look for the embedded model, the organisms, and models that the hub's cache already holds."""
    from introspect.errors import SubjectError
    from introspect.organisms.catalog import UNTOUCHED, specimens
    from introspect.subjects.gguf import EMBEDDED, embedded_gguf

    try:
        yield Check("subjects", EMBEDDED, "ok", f"embedded, {_size(embedded_gguf().stat().st_size)}")
    except SubjectError as error:
        yield Check("subjects", EMBEDDED, "missing", "not installed", str(error).partition("run: ")[2])
    n_trained = sum(each.name != UNTOUCHED for each in specimens())
    yield Check("subjects", "organisms", "ok" if n_trained else "missing", f"{n_trained} with known answers")
    held = sorted(_hub_models())
    shown = ", ".join(held[:6]) + (f", … ({len(held)} in all)" if len(held) > 6 else "")
    yield Check("subjects", "hub cache", "ok", shown or "no model yet: naming a hub id downloads it")


def _hub_models() -> Iterator[str]:
    from huggingface_hub.constants import HF_HUB_CACHE

    for folder in Path(HF_HUB_CACHE).glob("models--*"):
        if any(folder.glob("snapshots/*/*.safetensors")):
            yield folder.name.removeprefix("models--").replace("--", "/")


def devices() -> Iterator[Check]:
    """Say which devices torch sees."""
    import torch

    yield Check("devices", "cpu", "ok", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {_memory()}")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count()))
        yield Check("devices", "cuda", "ok", names)
    else:
        build = "torch was built without CUDA" if torch.version.cuda is None else "no GPU is seen"
        yield Check("devices", "cuda", "optional", build, "only large subjects need one")
    if torch.backends.mps.is_available():
        yield Check("devices", "mps", "ok", "Apple GPU")


def executors() -> Iterator[Check]:
    """Say where trials can be run."""
    yield Check("executors", "local", "ok", "this process")
    yield _library("executors", "ray", "ray", "ray")


def backends() -> Iterator[Check]:
    """Say which libraries can carry a subject."""
    yield _library("backends", "hf", "transformers", None)
    yield _library("backends", "transformer_lens", "transformer-lens", None)
    yield _library("backends", "nnsight", "nnsight", None)


def judges() -> Iterator[Check]:
    """Say what can grade."""
    yield Check("judges", "rules", "ok", "always there")
    yield Check("judges", "local:SUBJECT", "ok", "every subject above")
    hosted = _library("judges", "hosted models", "inspect-ai", "inspect")
    yield hosted
    if hosted.state == "ok":
        for provider, key in KEYS.items():
            known = bool(os.environ.get(key))
            state: State = "ok" if known else "optional"
            cure = "" if known else f"set {key} to judge with {provider}/…"
            yield Check("judges", f"{provider}/…", state, "a key is set" if known else "no key", cure)


def _library(group: str, name: str, distribution: str, extra: str | None) -> Check:
    found = _installed(distribution)
    target = f"'{DISTRIBUTION}[{extra}]'" if extra else distribution
    if found is not None:
        return Check(group, name, "ok", f"{distribution} {found}")
    return Check(group, name, "optional" if extra else "missing", "not installed", f"pip install {target}")


def programs() -> Iterator[Check]:
    """Look for programs that are no Python packages."""
    from introspect.plots.paper import chromium

    browser = chromium()
    cure = "" if browser else "install chromium, for figures as SVG and PDF (on Debian: apt install chromium)"
    yield Check("programs", "chromium", "ok" if browser else "optional", browser or "not found", cure)
    git = shutil.which("git")
    cure = "" if git else "install git, for the commit in a figure's sidecar"
    yield Check("programs", "git", "ok" if git else "optional", git or "not found", cure)


def disk() -> Iterator[Check]:
    """Say where caches and runs are kept, how large the caches are and how much room is left."""
    from huggingface_hub.constants import HF_HUB_CACHE

    from introspect.subjects.cache import cache_folder

    yield _folder("cache", cache_folder(), "set INTROSPECT_CACHE to a folder with room")
    yield _folder("hub cache", Path(HF_HUB_CACHE), "set HF_HOME to a folder with room")
    yield _folder("runs", Path("runs").resolve(), "give run another --out")


def _folder(name: str, folder: Path, cure: str) -> Check:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    made = partial(Check, "disk", name)
    held = "not made yet" if not folder.is_dir() else _size(_held(folder))
    said = f"{folder}: {held}, {_size(free)} free"
    if not there.is_dir() or not os.access(there, os.W_OK):
        return made("missing", f"{said}, and it cannot be written", cure)
    return made("low", said, cure) if free < FREE_GIB * 2**30 else made("ok", said)


def _held(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def _memory() -> str:
    try:
        return f"{_size(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))} of memory"
    except (ValueError, OSError, AttributeError):
        return "memory unknown"
