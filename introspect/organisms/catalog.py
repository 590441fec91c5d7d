"""Where the organisms are: their weights, adapters and studies, by form, name and training seed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from introspect.errors import IntrospectError, UnknownNameError
from introspect.organisms.behaviours import ORGANISMS

Form = Literal["tiny", "lora"]
FORMS: tuple[Form, ...] = get_args(Form)
UNTOUCHED = "untouched"
FOLDER = Path(str(resources.files("introspect") / "data" / "organisms"))
TRAINING_SEEDS = (0, 1)
HELD_OUT = "held_out.toml"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One subject with a known answer, or the untouched model, which has none.

    ``adapter`` is its folder; ``subject`` the base's folder or name; ``study`` the plan it runs.
    """

    name: str
    form: Form
    training_seed: int
    subject: str
    adapter: Path | None
    study: Path


def slug(name: str) -> str:
    """Return a name as a folder's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def adapter_folder(form: Form, name: str, training_seed: int, folder: Path = FOLDER) -> Path:
    """Return where an organism's adapter is kept."""
    return folder / form / f"{slug(name)}-{training_seed}"


def base_of(form: Form, folder: Path = FOLDER) -> str:
    """Return the subject that a form's adapters change."""
    return str(folder / "tiny" / "base") if form == "tiny" else "smollm2"


def specimen(form: str, name: str, training_seed: int, folder: Path = FOLDER) -> Specimen:
    """Return a subject; ``UnknownNameError`` gives the near miss, in form and in name."""
    if form not in FORMS:
        raise UnknownNameError("form of organism", form, FORMS)
    known = [*ORGANISMS, UNTOUCHED]
    if name not in known:
        raise UnknownNameError("organism", name, known)
    kind: Form = next(each for each in FORMS if each == form)
    adapter = None if name == UNTOUCHED else adapter_folder(kind, name, training_seed, folder)
    return Specimen(name, kind, training_seed, base_of(kind, folder), adapter, folder / kind / "study.toml")


def specimens(folder: Path = FOLDER) -> list[Specimen]:
    """Return every subject there is, the tiny ones first; the untouched model stands once a form."""
    found: list[Specimen] = []
    for form in FORMS:
        for training_seed in TRAINING_SEEDS:
            for name in ORGANISMS:
                if adapter_folder(form, name, training_seed, folder).is_dir():
                    found.append(specimen(form, name, training_seed, folder))
        if (folder / form / "study.toml").is_file():
            found.append(specimen(form, UNTOUCHED, TRAINING_SEEDS[0], folder))
    return found


def others_than_training(each: Specimen) -> Path:
    """Return the file of concepts that a subject was not trained on.

    Raises:
        IntrospectError: Its language has no others.
    """
    file = each.study.parent / HELD_OUT
    if not file.is_file():
        message = f"the form {each.form} has no concepts but those of training; the form lora has"
        raise IntrospectError(message)
    return file


def select(names: Sequence[str], form: str, training_seed: int | None = None) -> list[Specimen]:
    """Return the subjects of these names (all of them where none is given), of one form or of ``all``.

    Raises:
        UnknownNameError: There is no such form or name.
        IntrospectError: There is no organism of that name in that form and of that training seed.
    """
    if form not in {"all", *FORMS}:
        raise UnknownNameError("form of organism", form, [*FORMS, "all"])
    for name in names:
        specimen(FORMS[0], name, 0)  # a wrong name is known at once
    found = [
        each
        for each in specimens()
        if (not names or each.name in names)
        and form in {"all", each.form}
        and training_seed in {None, each.training_seed}
    ]
    which = f"the form {form}" + ("" if training_seed is None else f" and training seed {training_seed}")
    there = {each.name for each in found}
    if lacking := [name for name in names if name not in there]:
        message = f"there is no {' and no '.join(lacking)} of {which}; see introspect organisms list"
        raise IntrospectError(message)
    if not found:
        message = f"there is no organism of {which}; see introspect organisms list"
        raise IntrospectError(message)
    return found
