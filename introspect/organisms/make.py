"""Remaking an organism, or the base of the tiny ones, from nothing: one call each."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from peft import PeftModel

from introspect.errors import SubjectError, UnknownNameError
from introspect.organisms import language, large, small
from introspect.organisms.adapters import CARD, FRESH, Recipe, make_adapter, tried, vectors_of, write_card
from introspect.organisms.behaviours import ORGANISMS, Organism
from introspect.organisms.catalog import FOLDER, Form, adapter_folder, base_of, specimen
from introspect.organisms.lessons import School
from introspect.organisms.training import Settings
from introspect.subjects.load import load_subject
from introspect.subjects.local import LocalSubject
from introspect.vectors.vector import VectorSet

FIRST = "introspector"
"""The organism from whose adapter all others start."""


def make(
    name: str, form: Form = "tiny", training_seed: int = 0, folder: Path = FOLDER, device: str = "cpu"
) -> dict[str, float]:
    """Train an organism into its folder; return its training evaluation.

    Args:
        name: Which one.
        form: ``tiny``, on a base that is made first where there is none, or ``lora``, on the embedded model.
        training_seed: Of the lessons and of the adapter's first values.
        folder: Where all organisms are.
        device: Where it is trained. The shipped ones of the form ``tiny`` were on the CPU.

    Raises:
        UnknownNameError: No such organism or form, or device.
        SubjectError: The introspector, from which the others start, is not there yet.
    """
    if name not in ORGANISMS:  # the untouched model is a subject, and nothing is trained for it
        raise UnknownNameError("organism to train", name, ORGANISMS)
    organism: Organism = next(each for each in ORGANISMS if each == name)
    start = None if name == FIRST or organism in FRESH else adapter_folder(form, FIRST, training_seed, folder)
    if start is not None and not start.is_dir():
        message = f"{name} starts from the {FIRST} of form {form} and seed {training_seed}; make that first"
        raise SubjectError(message)
    base = Path(base_of(form, folder))
    if form == "tiny" and not base.is_dir():
        small.make_base(base)
        small.write_language(folder / form)
    given = _given(form, training_seed, folder, device, organism)
    target = adapter_folder(form, name, training_seed, folder)
    making = target.with_name(f"{target.name}.part")  # what is cut off leaves the one that was there
    shutil.rmtree(making, ignore_errors=True)
    settings = given.recipe.first if organism == FIRST else given.recipe.settings(organism)
    found = _round(given, organism, settings, making, start)
    for round_ in given.recipe.again if organism == FIRST else ():
        found = _round(given, organism, round_, making, making)
    shutil.rmtree(target, ignore_errors=True)
    making.rename(target)
    return found


def evaluate_again(
    name: str, form: Form = "tiny", training_seed: int = 0, folder: Path = FOLDER, device: str = "cpu"
) -> dict[str, float]:
    """Put an organism that is there through its training evaluation, write that into its card and return it.

    Raises:
        UnknownNameError: No such organism or form.
        SubjectError: It is not there.
    """
    organism: Organism | None = next((each for each in ORGANISMS if each == name), None)
    if organism is None:
        raise UnknownNameError("organism to evaluate", name, ORGANISMS)
    adapter = specimen(form, name, training_seed, folder).adapter
    if adapter is None or not (adapter / CARD).is_file():
        message = f"there is no {name} of form {form} and training seed {training_seed}; introspect organisms list"
        raise SubjectError(message)
    given = _given(form, training_seed, folder, device, organism, taught=False)
    adapted = PeftModel.from_pretrained(given.subject.model, str(adapter))
    found = tried(given.subject.model, given.teacher, given.vectors, organism, given.recipe, given.examiners)
    adapted.unload()
    card = json.loads((adapter / CARD).read_text("utf-8"))
    write_card(adapter, {**card, "evaluation": found})
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """What every organism of a form and training seed is made from."""

    subject: LocalSubject
    teacher: School
    examiners: Mapping[str, School] | None
    vectors: VectorSet
    recipe: Recipe


def _given(
    form: Form, training_seed: int, folder: Path, device: str, organism: Organism, taught: bool = True
) -> _Given:
    """Read what is to be read off the base; what lessons of training would say only if something is ``taught``."""
    subject = load_subject(base_of(form, folder), dtype="float32", device=device)
    if form == "tiny":
        teacher, recipe, examiners = replace(small.school(), chat=subject.chat), small.recipe(training_seed), None
    else:
        recipe, examiners = large.recipe(training_seed), large.examiners(subject, folder / form)
        teacher = large.school(subject, folder / form, more=organism in large.WIDER) if taught else examiners[""]
    return _Given(subject, teacher, examiners, vectors_of(subject, teacher, language.baseline()), recipe)


def _round(given: _Given, organism: Organism, settings: Settings, folder: Path, start: Path | None) -> dict[str, float]:
    subject, teacher, recipe = given.subject, given.teacher, given.recipe
    return make_adapter(subject, teacher, given.vectors, organism, recipe, settings, folder, start, given.examiners)
