"""What a referee would remark on: reasons why a verdict might not be accepted. None of them changes one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from introspect.analysis.control_line import MASS
from introspect.analysis.criteria.calibrated import known_calibration
from introspect.analysis.criteria.clauses import CLAUSES, Criterion
from introspect.analysis.criteria.evidence import Evidence, part_of
from introspect.analysis.criteria.measured import FEWEST_SHARED
from introspect.analysis.criteria.results import CriterionResult, PartResult
from introspect.analysis.runs import Run
from introspect.graders.rules import RuleGrader
from introspect.records import Audit, Plan, Study, Trial
from introspect.split import other_salt
from introspect.terminal import counted

ENOUGH = 50
"""Concepts a half that a study needs before a difference of 0.10 can be excluded where nothing happens at all."""
ENOUGH_LEADS = 50
NOISE = frozenset({"random", "covariance", "shuffled"})
UNREAD = 0.2
"""Share of unreadable replies from which on they are remarked on."""
ANSWERED = {
    "name": "the names in one pass",
    "detection": "yes and no to the detection question",
    "earlier": "yes and no about the earlier turn",
    "codes": "the codes",
}
"""Parts that are read off the probabilities of some answers, and what these are."""
JUDGED = frozenset(part for clause in CLAUSES for each in clause.parts for part, _ in each.compares)
"""Parts of the evidence that clauses compare."""


def remarks(
    study: Study,
    evidence: Evidence,
    results: Mapping[Criterion, CriterionResult],
    runs: Iterable[Run] = (),
    grader: str = RuleGrader.name,
) -> list[str]:
    """Return all remarks, each once.

    Args:
        study: How the setting was chosen.
        evidence: What was judged.
        results: The verdicts.
        runs: The experiments, for where they injected.
        grader: What read the replies, with its version.
    """
    found = [
        *_sample(study, evidence),
        *_choice(study, evidence),
        *_controls(evidence),
        *_spans(list(runs)),
        *_readings(evidence, grader),
        *_verdicts(results),
    ]
    return list(dict.fromkeys(found))


def _sample(study: Study, evidence: Evidence) -> Iterator[str]:
    n, chose = len(evidence.concepts), sum(side == "development" for side in study.sides.values())
    if n < ENOUGH:
        yield f"{n} concepts are too few to exclude small effects; {ENOUGH} a half would decide most clauses."
    if 0 < chose < ENOUGH:
        yield f"The setting was chosen on {counted(chose, 'concept')}; {ENOUGH} a half would choose it more surely."
    leads: dict[str, set[str | None]] = {}
    for row in evidence.of("report", "none"):
        leads.setdefault(row.wording, set()).add(row.prompt)
    most = max((len(each) for each in leads.values()), default=0)
    if 0 < most < ENOUGH_LEADS:
        yield f"The arm without injection has only {most} prompts of its own in a wording."
    for part, words in (("crossing", "notes"), ("elsewhere", "unrelated requests")):
        n_items = len({row.item for row in evidence.of(part)} - {None})
        if 0 < n_items < FEWEST_SHARED:
            yield f"The {words} are {n_items}: what rests on them is about these, as it is about the wordings."
    asked = {row.prompt for row in evidence.of("detection", "none")}
    if n > 1 and 0 < len(asked) <= len({row.wording for row in evidence.of("detection", "none")}):
        yield "The detection question stands behind one prompt a wording: the control line's score is of these prompts."


def _choice(study: Study, evidence: Evidence) -> Iterator[str]:
    chose = [name for name in evidence.concepts if study.sides.get(name) == "development"]
    if chose:
        some = ", ".join(chose[:3]) + (" …" if len(chose) > 3 else "")
        yield (
            f"The setting was chosen on test data: {len(chose)} of the concepts that are reported on had a part in the "
            f"choice ({some})."
        )
    cells = {(each.layer, each.strength) for each in study.candidates}
    if study.layer is not None and (study.layer, study.strength) not in cells:
        yield f"Layer {study.layer}, strength {study.strength:g} is none of the cells that were tried for the choice."
    apart = [group for group in study.groups if len({study.sides.get(name) for name in group}) > 1]
    if apart:
        yield f"Near neighbours stand on both sides of the split: {', '.join(apart[0])}."
    if said := other_salt(study.salt):
        yield said


def _controls(evidence: Evidence) -> Iterator[str]:
    if not NOISE & {row.arm for row in evidence.rows if row.part in {"report", "detection"}}:
        yield "No arm has vectors of noise at matched norm: whether any disturbance would do is not known."
    if not evidence.of("question"):
        yield "There are no control questions: a bias towards yes is not excluded."


def _spans(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        off = sum(_elsewhere(run.manifest.plan, trial) for trial in run.trials)
        if off:
            yield (
                f"{run.manifest.plan.name}: the span is not as named in {off} of {len(run.trials)} trials; what was "
                "injected into is not what the plan or the record says."
            )
    places = injected_at(runs)
    if len(places) > 1:
        said = "; ".join(
            f"{place.words} ({', '.join(sorted(names))})"
            for place, names in sorted(places.items(), key=lambda each: each[0].words)
        )
        yield f"The trials that the criteria compare were not all injected alike: {said}."
    on_reply = {trial.spec.where for run in runs for trial in _judged(run) if trial.reply}
    if len(on_reply) > 1:
        said = " and ".join(sorted(on_reply))
        yield f"The vector did not act on the same part of all replies that are compared ({said})."


@dataclass(frozen=True, slots=True)
class Place:
    """Where the trials of a criterion were injected."""

    span: str
    layer: int | None
    strength: float | None

    @property
    def words(self) -> str:
        """The place as it is said."""
        return f"span {self.span}, layer {self.layer}, strength {self.strength or 0.0:g}"


def injected_at(runs: Iterable[Run]) -> dict[Place, set[str]]:
    """Return where the trials were injected that the criteria compare, and the experiments of each place."""
    found: dict[Place, set[str]] = {}
    for run in runs:
        for trial in _judged(run):
            spec = trial.spec
            found.setdefault(Place(spec.span, spec.layer, spec.strength), set()).add(run.manifest.plan.name)
    return found


def _judged(run: Run) -> Iterator[Trial]:
    """Yield the trials on the reported half that clauses compare and that had a vector."""
    if run.manifest.plan.side != "report":
        return
    for trial in run.trials:
        if trial.spec.vector is not None and part_of(trial.spec.protocol, trial.spec.task) in JUDGED:
            yield trial


def _elsewhere(plan: Plan, trial: Trial) -> bool:
    """Whether a trial's vector acted on other positions than its plan names."""
    spec = trial.spec
    if spec.vector is None:
        return bool(trial.audits)
    named = (plan.span or spec.span, plan.where or spec.where)
    return (spec.span, spec.where) != named or any(map(_amiss, trial.audits)) or not trial.audits


def _amiss(audit: Audit) -> bool:
    return (audit.planned_prompt, audit.planned_generated) != (audit.edited_prompt, audit.edited_generated)


def _readings(evidence: Evidence, grader: str) -> Iterator[str]:
    replies = [row for row in evidence.rows if row.noticed is not None and row.part != "elsewhere"]
    unread = sum(row.unreadable for row in replies)
    if replies and unread > UNREAD * len(replies):
        yield f"{100 * unread / len(replies):.0f} % of all replies cannot be read as an answer."
    for part, words in ANSWERED.items():
        tasks: dict[str, list[float]] = {}
        for row in evidence.rows:
            if row.part == part and row.mass is not None:
                tasks.setdefault(row.task, []).append(row.mass)
        for task, known in sorted(tasks.items()):
            if (most := median(known)) < MASS:
                yield f"There is hardly any mass on {words} ({task}: median {most:.2g}); replies begin otherwise."
    if replies:
        yield _errs(grader)


def _errs(grader: str) -> str:
    known = known_calibration(grader)
    if known is None:
        return f"The grader {grader} is not calibrated against labels by others; its errors are not in the intervals."
    of = known.errors("noticed")
    return (
        f"The grader {grader} finds {of.found} of {of.found + of.missed} labelled replies that claim noticing, and "
        f"passes over {of.passed} of {of.passed + of.false} others; the criteria's intervals do not carry these errors."
    )


def _verdicts(results: Mapping[Criterion, CriterionResult]) -> Iterator[str]:
    yield from (f"{part.part.name}: {part.because}." for part in _parts(results.values()) if part.because)
    if results["accuracy"].status == "met" and results["metacognition"].status != "met":
        yield "Accuracy alone shows that a model can be steered."


def _parts(results: Iterable[CriterionResult]) -> Iterator[PartResult]:
    return (part for result in results for clause in result.clauses if clause.applies for part in clause.parts)
