"""Which subjects the live laboratory has on offer: models, models with an adapter, and organisms, each by one name."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from introspect.errors import IntrospectError, RunFolderError, UnknownNameError
from introspect.organisms.catalog import FORMS, Specimen, slug, specimens
from introspect.records import Plan
from introspect.subjects.local import LocalSubject
from introspect.sweeps.plans import plan_from
from introspect.sweeps.reading import MANIFEST

NAME = "lab"
"""What the plan of live trials is called."""
QUESTION = "Does the subject report a thought that is injected live?"
STRENGTH = 4.0
"""The strength that is chosen at first."""
WITH = "+"
"""Stands between a subject and its adapter."""
NEAR = 0.8
"""How near to an organism's name a name must be to be taken for a slip; others may be those of models."""
FILES = ("concepts", "baseline", "stimuli")
"""What an organism brings along, beside its study."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One subject on offer: what it is called, its live plan, where its trials are saved; the model if it is loaded."""

    name: str
    plan: Plan
    path: Path
    subject: LocalSubject | None = None


def choices(subjects: Sequence[str | LocalSubject], path: Path, settings: Mapping[str, Any]) -> list[Choice]:
    """Return what is on offer, the first one first.

    Args:
        subjects: ``smollm2``, a hub id, a folder or a ``.gguf`` file, each with ``+ADAPTER`` behind it if it has one;
            an organism, such as ``tiny-introspector`` or ``lora-parrot-1`` (its training seed); or a loaded subject.
        path: Where trials are saved: the run folder of one subject; with several, each has a folder of its own inside.
        settings: Keys of the live plan; None is as if it were not there. An organism brings its own concepts, baseline
            and stimuli, and a temperature unless one is given.

    Raises:
        IntrospectError: There is no such organism, two have one name, or the folder is one of another kind.
    """
    names = [each if isinstance(each, str) else _loaded_name(each) for each in subjects]
    if not names:
        message = "the live laboratory needs a subject, for example smollm2"
        raise IntrospectError(message)
    folders = [slug(name) for name in names]
    twice = [name for place, name in enumerate(names) if folders[place] in folders[:place]]
    if twice:
        message = f"{twice[0]} is there twice, or two subjects have one folder name ({slug(twice[0])}); name each once"
        raise IntrospectError(message)
    _check_kind(path, folders)
    if len(names) > 1 and settings.get("adapter") is not None:
        message = f"an adapter belongs to one of several subjects; write {names[0]}{WITH}{settings['adapter']}"
        raise IntrospectError(message)
    return [
        Choice(
            name,
            plan_from(_content(name, each, settings), "introspect lab"),
            path if len(names) == 1 else path / folder,
            None if isinstance(each, str) else each,
        )
        for name, folder, each in zip(names, folders, subjects, strict=True)
    ]


def organism_names() -> dict[str, Specimen]:
    """Return every organism by the names that it can be chosen by; without a training seed it is the first one's."""
    found: dict[str, Specimen] = {}
    for each in specimens():
        short = f"{each.form}-{slug(each.name)}"
        found.setdefault(short, each)
        if each.adapter is not None:
            found[f"{short}-{each.training_seed}"] = each
    return found


def _loaded_name(subject: LocalSubject) -> str:
    identity = subject.identity
    return identity.name if identity.adapter is None else f"{identity.name}{WITH}{identity.adapter}"


def _check_kind(path: Path, folders: Sequence[str]) -> None:
    """Raise ``RunFolderError`` where one subject's folder is given to several, or the other way round."""
    if len(folders) > 1 and (path / MANIFEST).is_file():
        message = (
            f"{path} is the run of one subject; with several, each has a folder of its own inside one that is no run, "
            "so give another --run"
        )
        raise RunFolderError(message)
    inside = sorted(each.parent.name for each in path.glob(f"*/{MANIFEST}")) if len(folders) == 1 else []
    if inside:
        message = (
            f"{path} holds live trials of several subjects, each in its own folder ({', '.join(inside[:4])}); "
            f"give one of those, or another --run"
        )
        raise RunFolderError(message)


def _content(name: str, given: str | LocalSubject, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a subject's live plan."""
    asked = {key: value for key, value in settings.items() if value is not None}
    content = {"name": NAME, "question": QUESTION, "strengths": (STRENGTH,), **asked}
    if not isinstance(given, str):
        known = given.identity
        own = {"adapter": known.adapter, "revision": known.revision, "dtype": known.dtype}
        device = str(next(given.model.parameters()).device)
        return {**content, "subject": known.name, **own, "device": device}
    organism = None if Path(name).exists() else _organism(name)
    if organism is not None:
        return content | _brought(organism, asked)
    subject, adapter = _parted(name)
    return {**content, "subject": subject, **({} if adapter is None else {"adapter": adapter})}


def _organism(name: str) -> Specimen | None:
    known = organism_names()
    sounds = name.startswith(tuple(f"{form}-" for form in FORMS))
    if name not in known and sounds and difflib.get_close_matches(name, known, n=1, cutoff=NEAR):
        raise UnknownNameError("organism", name, known)
    return known.get(name)


def _brought(organism: Specimen, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an organism's study says, all but what is asked for of temperature and dtype."""
    study = tomllib.loads(organism.study.read_text("utf-8"))
    return {
        "subject": organism.subject,
        "adapter": None if organism.adapter is None else str(organism.adapter),
        "dtype": study["dtype"] if asked.get("dtype", "auto") == "auto" else asked["dtype"],
        "temperature": asked.get("temperature", study["temperature"]),
        "layers": study["layers"],
        "strengths": study["strengths"][-1:],
        **{key: str(organism.study.parent / study[key]) for key in FILES if key in study},
    }


def _parted(name: str) -> tuple[str, str | None]:
    """Return a subject and its adapter; a folder or file whose own name has the sign is one subject."""
    before, sign, behind = name.rpartition(WITH)
    if not sign or Path(name).exists():
        return name, None
    if not before or not behind:
        message = f"{name!r} is no subject; a subject with an adapter is written SUBJECT{WITH}ADAPTER"
        raise IntrospectError(message)
    return before, behind
