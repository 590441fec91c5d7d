"""Running a study: split, choose on one half, run everything else on the other at the one setting chosen.

1. Concept vectors are read; near neighbours by cosine stay together; every group gets a side (``introspect.split``).
2. The experiment that chooses runs its whole grid on the development half, and one layer and strength is taken. Those
   that only explore run there as well.
3. All other experiments run at that cell on the half that is reported, with lead-ins, questions and noise of that side.
4. Every reply of the main report that claims something is cut just before the claim, and the same subject goes on from
   there without the vector.

Everything goes into one folder and is taken up again where it stopped.

Source: choice and assessment on different data, Stone (1974); the rest is ours.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from introspect.analysis.criteria.evidence import CONTINUED, RESUMED
from introspect.analysis.studies import candidates, chosen
from introspect.concepts import load_concepts
from introspect.errors import PlanError, RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.records import SCHEMA_VERSION, Claim, Plan, Rules, Side, Study, Trial, TrialSpec
from introspect.split import split_groups
from introspect.stimuli import load_stimuli
from introspect.studies.readers import observe
from introspect.subjects.local import LocalSubject
from introspect.sweeps.battery import SUBJECT_KEYS, Remembered
from introspect.sweeps.cells import layers_of
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.loading import load_plan_subject
from introspect.sweeps.plans import load_study
from introspect.sweeps.prepare import Prepared, prepare
from introspect.sweeps.reading import STUDY, read_study, read_trials
from introspect.sweeps.run import Executor, run_prepared
from introspect.vectors.extract import extract

REPORT = "report"
"""The task whose replies are the main report."""
BREAKS = ".!?\n"


def run_study(
    path: str | Path,
    out: str | Path,
    overrides: Sequence[str] = (),
    subject: LocalSubject | None = None,
    executor: Executor | None = None,
    readers: bool = True,
) -> Path:
    """Run a study into a folder, or go on with it; return the folder.

    Args:
        path: The study's file.
        out: Where everything goes: one run folder an experiment, and ``study.json``.
        overrides: ``key=value`` for all experiments.
        subject: The subject, where it is loaded already.
        executor: Where the trials are run, if not in this process, which holds the subject as well: it splits the
            concepts by their vectors, and reads the reports.
        readers: Whether third-party readers read the reports; they stand beside the verdicts, and none needs them.

    Raises:
        IntrospectError: Something does not fit, or the folder holds another study.
    """
    rules, plans = load_study(Path(path), overrides)
    return run_plans(rules, plans, Path(out), subject, executor, readers)


def run_plans(
    rules: Rules,
    plans: Sequence[Plan],
    out: Path,
    subject: LocalSubject | None = None,
    executor: Executor | None = None,
    readers: bool = True,
) -> Path:
    """Run a study whose file was read."""
    first = next(plan for plan in plans if plan.name == rules.choose)
    if len({tuple(getattr(plan, key) for key in SUBJECT_KEYS) for plan in plans}) > 1:
        message = "a study is of one subject; its experiments name several, or load it in several ways"
        raise PlanError(message)
    reader = Remembered(subject or load_plan_subject(first))
    study = _begun(rules, plans, first, reader, out)
    halves: dict[Side, tuple[str, ...]] = {
        side: tuple(name for name, own in study.sides.items() if own == side) for side in ("development", "report")
    }
    for plan in sorted(
        (each for each in plans if each.name in rules.on_grid), key=lambda each: each.name != first.name
    ):
        choosing = plan.model_copy(update={"only": halves["development"], "side": "development"})
        prepared = prepare(choosing, None, reader.subject, reader)
        _write(study, out)  # once it is known that the first experiment fits
        run_prepared(prepared, out / plan.name, executor)
    study = _chosen(study, out)
    for plan in plans:
        if plan.name in rules.on_grid:
            continue
        prepared = prepare(_at_cell(plan, study, first.protocol, halves["report"]), None, reader.subject, reader)
        run_prepared(prepared, out / plan.name, executor)
        if readers:
            observe(prepared, out / plan.name)
        if any(map(reports, prepared.everything)):
            run_prepared(continuations(prepared, out / plan.name), out / f"{plan.name}_{CONTINUED}", executor)
    return out


def _at_cell(plan: Plan, study: Study, protocol: str, names: tuple[str, ...]) -> Plan:
    """Return an experiment at the cell that was chosen, with the concepts of the half that is reported."""
    at: dict[str, object] = {"layers": (study.layer,), "depths": None, "strengths": (study.strength,)}
    if study.wordings and plan.protocol == protocol:
        at["wordings"] = study.wordings
    return plan.model_copy(update={**at, "only": names, "side": "report"})


def planned(rules: Rules, plans: Sequence[Plan]) -> list[Plan]:
    """Return about what a study will run, known before it has chosen: for estimates of its cost.

    Every concept has a side of its own, near neighbours too; the middle of the grid stands for the cell that is
    chosen, and the first wordings for those that are.
    """
    found: list[Plan] = []
    protocol = next(plan.protocol for plan in plans if plan.name == rules.choose)
    for plan in plans:
        names = load_concepts(plan.concepts).unique()
        names = names if plan.n_concepts is None else names.sample(plan.n_concepts, plan.seed)
        sides = split_groups([[name] for name in names.names], plan.salt)
        side: Side = "development" if plan.name in rules.on_grid else "report"
        update: dict[str, object] = {"side": side, "only": tuple(name for name in names.names if sides[name] == side)}
        if side == "report":
            update["strengths"] = (plan.strengths[len(plan.strengths) // 2],)
            for key in ("layers", "depths"):
                if values := getattr(plan, key):
                    update[key] = (values[len(values) // 2],)
            if rules.n_wordings and plan.protocol == protocol:
                there = load_stimuli(plan.stimuli).choose(plan.wordings, plan.protocol)
                update["wordings"] = tuple(there)[: rules.n_wordings]
        found.append(plan.model_copy(update=update))
    return found


def neighbours(
    directions: Float[Tensor, "layer concept d_model"], names: Sequence[str], least: float
) -> list[list[str]]:
    """Return the concepts in groups: two of them are together where their cosine, or a chain of such, is large enough.

    Args:
        directions: The concepts' vectors at every layer that may be chosen; the largest cosine counts.
        names: Their names.
        least: The cosine from which two are neighbours.
    """
    unit = torch.nn.functional.normalize(directions.double(), dim=-1)
    close = (unit @ unit.mT).amax(dim=0) >= least
    free, groups = set(range(len(names))), list[list[str]]()
    while free:
        waiting, group = [min(free)], list[int]()
        while waiting:
            index = waiting.pop()
            if index in free:
                free.remove(index)
                group.append(index)
                waiting += close[index].nonzero().flatten().tolist()
        groups.append([names[index] for index in sorted(group)])
    return groups


def _begun(rules: Rules, plans: Sequence[Plan], first: Plan, reader: Remembered, out: Path) -> Study:
    """Return the study in the folder, or split its concepts."""
    experiments = tuple(plan.name for plan in plans)
    stimuli, concepts = load_stimuli(first.stimuli), load_concepts(first.concepts).unique()
    if first.n_concepts is not None:
        concepts = concepts.sample(first.n_concepts, first.seed)
    if (out / STUDY).exists():
        study = read_study(out)
        if (study.rules, study.salt, study.experiments) != (rules, first.salt, experiments):
            message = f"{out} holds a study with other rules, another salt or other experiments; use another --out"
            raise RunFolderError(message)
        if set(study.sides) != set(concepts.names):
            message = f"{out} holds a study whose halves are of other concepts; use another --out"
            raise RunFolderError(message)
        return study
    layers = layers_of(first, reader.identity)
    found = extract(reader, concepts, load_concepts(first.baseline), stimuli, first.method).vectors
    directions = torch.stack([found.directions[name][list(layers)] for name in concepts.names], dim=1)
    groups = neighbours(directions, concepts.names, rules.neighbours)
    sides = split_groups(groups, first.salt)
    if len(set(sides.values())) < 2:
        message = f"all {len(sides)} concepts are on one side of the split; a study needs more of them"
        raise PlanError(message)
    return Study(
        schema_version=SCHEMA_VERSION,
        rules=rules,
        salt=first.salt,
        sides={name: sides[name] for name in concepts.names},
        groups=tuple(tuple(group) for group in groups if len(group) > 1),
        experiments=experiments,
    )


def _chosen(study: Study, out: Path) -> Study:
    """Choose the cell by the trials of the development half, once they are all there."""
    if study.layer is not None:
        return study
    found = candidates(out / study.rules.choose, study.rules.choose_by, study.rules.n_wordings)
    best = chosen(found)
    at = {"layer": best.layer, "strength": best.strength, "wordings": best.wordings}
    study = study.model_copy(update={"candidates": found, **at})
    _write(study, out)
    return study


def _write(study: Study, out: Path) -> None:
    with RunFolder(out) as folder:
        folder.write(STUDY, study.model_dump_json(indent=1).encode())


def reports(spec: TrialSpec) -> bool:
    """Whether a trial is one of the main report, from which replies are gone on with."""
    return spec.protocol == "injected_thought" and spec.task == REPORT


def continuations(prepared: Prepared, folder: Path) -> Prepared:
    """Return the trials that go on, without the vector, from just before the claim of a run's replies.

    A reply that was drawn goes on with the vector, too: its claim came about by chance as well, and what is compared
    with the draw without the vector is another draw with it, not the one that was picked for its claim.

    Args:
        prepared: The experiment that gave the replies.
        folder: Its run folder, finished.
    """
    grader = RuleGrader()
    specs = [
        spec
        for trial in sorted(read_trials(folder), key=lambda trial: trial.key)
        if trial.spec.task == REPORT
        and trial.spec.arm == "concept"
        and (said := before_claim(trial.reply, grader.grade(trial.reply))) is not None
        for spec in going_on(trial, said)
    ]
    name = f"{prepared.plan.name}_{CONTINUED}"
    return replace(prepared, plan=prepared.plan.model_copy(update={"name": name}), specs=specs, everything=specs)


def before_claim(reply: str, claim: Claim) -> str | None:
    """Return what a reply says before the sentence of its first claim, or ``None`` where it claims nothing."""
    starts = [evidence.start for evidence in claim.named]
    if claim.noticed == "yes":
        starts += [evidence.start for evidence in claim.evidence if evidence.rule.startswith("noticed:")]
    if not starts:
        return None
    before = reply[: min(starts)]
    cut = max(before.rfind(sign) for sign in BREAKS) + 1
    return before[:cut].rstrip()


def going_on(trial: Trial, said: str) -> list[TrialSpec]:
    """Return the trial that goes on from there with nothing injected and, of a drawn reply, one with all as it was."""
    from_there = {"said": said, "follows": trial.key}
    nothing = {"arm": CONTINUED, "vector": None, "layer": None, "strength": None, "also": (), "match": "norm"}
    found = [trial.spec.model_copy(update={**nothing, **from_there})]
    if trial.spec.temperature > 0:
        found.append(trial.spec.model_copy(update={"arm": RESUMED, **from_there}))
    return found
