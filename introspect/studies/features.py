"""A finished run, read once more through a sparse autoencoder: what each injection lit up before a word was said.

The activation is read at the last prompt token, where the subject is about to answer, with the trial's injection and
without it. Whether its reply reports noticing is the rule grader's reading, as in the analysis.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch

from introspect.analysis.features import FEATURES
from introspect.analysis.outcomes import grade_run
from introspect.analysis.runs import load_run
from introspect.errors import RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.protocols.trials import replies
from introspect.records import Claim, TrialSpec
from introspect.subjects.features import Lit, light
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.prepare import prepare
from introspect.vectors.sae import Dictionary

AT_ONCE = 32
"""Trials whose features are held at a time."""


def read_features(
    folder: Path,
    dictionary: Dictionary,
    n: int = 20,
    strength: float | None = None,
    subject: LocalSubject | None = None,
) -> pl.DataFrame:
    """Return the ``n`` features that the run's concept vectors change most, trial by trial.

    Args:
        folder: A finished run with replies.
        dictionary: The autoencoder, of the injected layer or a later one.
        n: How many features.
        strength: Only trials of this strength; over several, a feature and the reports both rise with it, and an area
            says no more than that.
        subject: The run's subject, where it is loaded already.

    Returns:
        Rows of the schema ``introspect.analysis.features.FEATURES``.

    Raises:
        RunFolderError: The run has no injected trial with a reply.
        StimulusError: The autoencoder reads a layer before an injected one.
    """
    run = load_run(folder)
    claims = grade_run(run, RuleGrader())
    specs = [trial.spec for trial in run.trials if _counts(trial.spec, strength)]
    if not specs:
        at = "" if strength is None else f" at strength {strength:g}"
        message = f"{folder} has no reply under a concept vector{at}, so there is nothing that features could predict"
        raise RunFolderError(message)
    prepared = prepare(run.manifest.plan, subject=subject)
    with RunFolder(folder) as opened:
        materials = prepared.materials(prepared.vectors(opened))
    queries = [
        Query(prompt, materials.injections(spec, prompt)) for spec in specs if (prompt := materials.prompt(spec))
    ]
    found: list[Lit] = []
    for start in range(0, len(queries), AT_ONCE):
        found += light(prepared.subject, queries[start : start + AT_ONCE], dictionary)
    return _frame(specs, found, claims, n)


def _counts(spec: TrialSpec, strength: float | None) -> bool:
    if spec.vector is None or spec.vector.family != "concept" or not replies(spec):
        return False
    return strength is None or spec.strength == strength


def _frame(specs: Sequence[TrialSpec], found: Sequence[Lit], claims: dict[str, Claim], n: int) -> pl.DataFrame:
    steered = torch.stack([lit.steered[-1] for lit in found])
    plain = torch.stack([lit.plain[-1] for lit in found])
    change = (steered - plain).mean(dim=0).abs()
    reading = {"yes": True, "no": False, "unreadable": None}
    rows = [
        {
            "key": spec.key,
            "concept": spec.concept,
            "feature": int(index),
            "steered": float(steered[place, index]),
            "plain": float(plain[place, index]),
            "reported": reading[claims[spec.key].noticed],
        }
        for index in change.topk(min(n, len(change))).indices
        for place, spec in enumerate(specs)
    ]
    return pl.DataFrame(rows, schema=FEATURES)
