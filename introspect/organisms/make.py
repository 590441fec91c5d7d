"""Remaking an organism, or the base of the tiny ones, from nothing: one call each."""

import shutil
from dataclasses import replace
from pathlib import Path

from introspect.errors import SubjectError, UnknownNameError
from introspect.organisms import language, large, small
from introspect.organisms.adapters import FRESH, make_adapter, vectors_of
from introspect.organisms.behaviours import ORGANISMS, Organism
from introspect.organisms.catalog import FOLDER, Form, adapter_folder, base_of, specimen
from introspect.subjects.load import load_subject

FIRST = "introspector"
"""The organism from whose adapter all others start."""


def make(name: str, form: Form = "tiny", training_seed: int = 0, folder: Path = FOLDER) -> dict[str, float]:
    """Train an organism into its folder; return its training evaluation.

    Args:
        name: Which one.
        form: ``tiny``, on a base that is made first where there is none, or ``lora``, on the embedded model.
        training_seed: Of the lessons and of the adapter's first values.
        folder: Where all organisms are.

    Raises:
        UnknownNameError: No such organism or form.
        SubjectError: The introspector, from which the others start, is not there yet.
    """
    if name not in ORGANISMS:  # the untouched model is a subject, and nothing is trained for it
        raise UnknownNameError("organism to train", name, ORGANISMS)
    wanted = specimen(form, name, training_seed, folder)
    organism: Organism = next(each for each in ORGANISMS if each == name)
    start = None if name == FIRST or organism in FRESH else adapter_folder(form, FIRST, training_seed, folder)
    if start is not None and not start.is_dir():
        message = f"{name} starts from the {FIRST} of form {form} and seed {training_seed}; make that first"
        raise SubjectError(message)
    base = Path(base_of(form, folder))
    if form == "tiny" and not base.is_dir():
        small.make_base(base)
        small.write_language(folder / form)
    subject = load_subject(wanted.subject, dtype="float32", device="cpu")
    if form == "tiny":
        teacher, recipe, examiner = replace(small.school(), chat=subject.chat), small.recipe(training_seed), None
    else:
        teacher, recipe = large.school(subject, folder / form), large.recipe(training_seed)
        examiner = large.school(subject, folder / form, "unseen")
    vectors = vectors_of(subject, teacher, language.baseline())
    target = adapter_folder(form, name, training_seed, folder)
    making = target.with_name(f"{target.name}.part")  # what is cut off leaves the one that was there
    shutil.rmtree(making, ignore_errors=True)
    settings = recipe.first if organism == FIRST else recipe.settings(organism)
    found = make_adapter(subject, teacher, vectors, organism, recipe, settings, making, start, examiner)
    for round_ in recipe.again if organism == FIRST else ():
        found = make_adapter(subject, teacher, vectors, organism, recipe, round_, making, making, examiner)
    shutil.rmtree(target, ignore_errors=True)
    making.rename(target)
    return found
