"""A study opened for reading: the choice on one half, the verdicts on the other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from introspect.analysis.criteria.beside import beside, observed
from introspect.analysis.criteria.clauses import CLAUSES, Clause, Criterion
from introspect.analysis.criteria.doses import doses
from introspect.analysis.criteria.evidence import CONTINUED, READ_BY, Evidence, evidence
from introspect.analysis.criteria.judge import judge
from introspect.analysis.criteria.naming_beside import read_by_another
from introspect.analysis.criteria.remarks import injected_at, remarks
from introspect.analysis.criteria.results import CriterionResult
from introspect.analysis.criteria.words import setting
from introspect.analysis.findings.finding import Finding
from introspect.analysis.grid import Grid, grids
from introspect.analysis.outcomes import grade_run, outcomes
from introspect.analysis.runs import Run, load_run
from introspect.errors import RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.records import Candidate, Rules, Study
from introspect.sweeps.reading import MANIFEST, read_readers, read_study


@dataclass(frozen=True, slots=True)
class StudyAnalysis:
    """A study's numbers: ``results`` are the verdicts, ``frames`` the outcomes of each experiment by its name."""

    path: Path
    study: Study
    runs: Mapping[str, Run]
    frames: Mapping[str, pl.DataFrame]
    evidence: Evidence
    results: Mapping[Criterion, CriterionResult]

    @property
    def subject(self) -> str:
        """The subject's name, with its adapter if it has one; of paths the last part."""
        return _called(next(iter(self.runs.values())))

    @property
    def optimism(self) -> float | None:
        """How much better the chosen cell looks on the half that chose it than on the other.

        By the same statistic in the same wordings; ``None`` where the two halves share none.
        """
        best = max((each.score for each in self.study.candidates), default=None)
        frame = next((each for name, each in self.frames.items() if self._is_main(name)), None)
        first = self.frames.get(self.study.rules.choose)
        if best is None or frame is None or first is None:
            return None
        alike = self.study.wordings or first["wording"].unique().to_list()
        found = _scores(frame.filter(pl.col("wording").is_in(alike)), self.study.rules.choose_by)
        return best - found[0].score if found else None

    @property
    def beside(self) -> list[Finding]:
        """What the study shows beyond the criteria, at the same setting."""
        run = next((self.runs[name] for name in self.runs if self._is_main(name)), next(iter(self.runs.values())))
        kept = [frame for name, frame in self.frames.items() if name not in self.study.rules.on_grid]
        rules, manifest = self.study.rules, run.manifest
        found = beside(kept, self.evidence, manifest.concepts, manifest.plan.temperature, rules.level)
        if self.study.layer is not None:
            found += [each for frame in self._on_grid for each in doses(frame, self.study.layer)]
        asked = self.evidence.questions
        readers = [read for each in self.runs.values() if (read := read_readers(each.path)) is not None]
        return [*found, *self._read_by_others, *observed(readers, asked)]

    @property
    def remarks(self) -> list[str]:
        """What a referee would remark on."""
        return remarks(self.study, self.evidence, self.results, self.runs.values())

    @property
    def incomplete(self) -> list[str]:
        """What is planned and not there, experiment by experiment; empty where the study is whole."""
        found = [f"{name} has not run" for name in self.study.experiments if name not in self.runs]
        return [*found, *(f"{name} has {run.so_far}" for name, run in self.runs.items() if run.so_far)]

    @property
    def grids(self) -> list[Grid]:
        """Every cell of the grids on the half that chose, with p corrected for the choice of the best."""
        return [grid for name in self.runs if name in self.study.rules.on_grid for grid in self.grids_of(name)]

    def grids_of(self, name: str) -> list[Grid]:
        """Return the grids of one experiment."""
        concepts = next(iter(self.runs.values())).manifest.concepts
        return grids(self.frames[name], concepts)

    @property
    def choice(self) -> list[str]:
        """Say how the setting was chosen, and what choosing it is worth."""
        found = [setting(self.study, sorted({place.span for place in injected_at(self.runs.values())}))]
        if self.incomplete:
            found[0] += f" The study is not whole, and no verdict is final: {'; '.join(self.incomplete)}."
        if self.optimism is not None:
            found.append(
                f"On the half that chose it the setting looks better by {self.optimism:+.2f} than on the other "
                "(optimism)."
            )
        found += [grid.sentence for grid in self.grids]
        return found

    @property
    def _read_by_others(self) -> Iterator[Finding]:
        """What other models make of the reports, going on from them before the claim."""
        grader = RuleGrader()
        for folder in sorted(self.path.glob(f"*_{READ_BY}_*/{MANIFEST}")):
            run = load_run(folder.parent)
            frame = outcomes(run, grade_run(run, grader))
            theirs = evidence([frame], run.manifest.concepts, _follows([run]))
            so_far = f" ({run.so_far})" if run.so_far else ""
            yield from read_by_another(self.evidence, theirs, _called(run) + so_far, self.study.rules.level)

    @property
    def _on_grid(self) -> list[pl.DataFrame]:
        """The outcomes of the experiments on the half that chose."""
        return [self.frames[name] for name in self.runs if name in self.study.rules.on_grid]

    def _is_main(self, name: str) -> bool:
        frame = self.frames[name]
        spoken = (frame["protocol"] == "injected_thought") & (frame["task"] == "report") & (frame["arm"] == "concept")
        return name not in self.study.rules.on_grid and bool(spoken.any())


def candidates(path: Path, by: str, n_wordings: int | None = None) -> tuple[Candidate, ...]:
    """Return how every cell of a run does by a statistic, in the order of layers and strengths.

    Args:
        path: The run folder of the experiment that chooses.
        by: ``success``, ``named`` or ``noticed``; a share of the reports under concept vectors.
        n_wordings: How many wordings a cell is seen in, those in which it does best; all by default.
    """
    run = load_run(path)
    return tuple(_scores(outcomes(run, grade_run(run, RuleGrader())), by, n_wordings))


def _scores(frame: pl.DataFrame, by: str, n_wordings: int | None = None) -> list[Candidate]:
    cell = ["layer", "strength"]
    hit = (pl.col("noticed") == "yes") if by == "noticed" else pl.col(by).fill_null(value=False)
    reported = frame.filter((pl.col("arm") == "concept") & (pl.col("task") == "report"))
    each = reported.group_by(*cell, "wording").agg(hit.sum().alias("hits"), pl.len())
    if n_wordings is not None:
        share = pl.col("hits") / pl.col("len")
        each = each.sort(*cell, -share, "wording").group_by(cell, maintain_order=True).head(n_wordings)
    cells = each.group_by(cell).agg(pl.col("hits", "len").sum(), pl.col("wording").sort())
    return [
        Candidate(layer=layer, strength=strength, score=hits / n, n=n, wordings=wordings if n_wordings else ())
        for layer, strength, hits, n, wordings in cells.sort(cell).iter_rows()
    ]


def chosen(found: Sequence[Candidate]) -> Candidate:
    """Return the best cell; of equals the one with the lowest layer, then with the lowest strength.

    Raises:
        RunFolderError: There are no reports under concept vectors.
    """
    if not found:
        message = "the experiment that chooses has no reports under concept vectors, so no cell can be chosen"
        raise RunFolderError(message)
    return max(found, key=lambda each: (each.score, -each.layer, -each.strength))


def is_study_folder(path: Path) -> bool:
    """Whether a folder holds a study."""
    return (path / "study.json").is_file()


def open_evidence(path: Path) -> tuple[Study, dict[str, Run], dict[str, pl.DataFrame], Evidence]:
    """Open a study's runs, without judging them."""
    study = read_study(path)
    grader = RuleGrader()
    names = [*study.experiments, *(f"{name}_{CONTINUED}" for name in study.experiments)]
    runs = {name: load_run(path / name) for name in names if (path / name / MANIFEST).is_file()}
    frames = {name: outcomes(run, grade_run(run, grader)) for name, run in runs.items()}
    kept = [frame for name, frame in frames.items() if name not in study.rules.on_grid]
    concepts = {name: forms for run in runs.values() for name, forms in run.manifest.concepts.items()}
    return study, runs, frames, evidence(kept, concepts, _follows(runs.values()))


def _follows(runs: Iterable[Run]) -> dict[str, str]:
    """Return the trials that others go on from, by those that do."""
    return {trial.key: trial.spec.follows for run in runs for trial in run.trials if trial.spec.follows is not None}


def _called(run: Run) -> str:
    """Return a run's subject by name, with its adapter if it has one; of paths the last part."""
    identity = run.manifest.subject
    name = Path(identity.name).name if Path(identity.name).is_absolute() else identity.name
    return f"{Path(identity.adapter).name} on {name}" if identity.adapter else name


def analyze_study(path: str | Path, rules: Rules | None = None, clauses: Sequence[Clause] = CLAUSES) -> StudyAnalysis:
    """Judge the four criteria of a study.

    Args:
        path: Its folder.
        rules: Others than those it ran with.
        clauses: All of them but in a test of the rules themselves.

    Raises:
        RunFolderError: Not a study, or none of its experiments has run.
    """
    study, runs, frames, found = open_evidence(Path(path))
    if rules is not None:
        study = study.model_copy(update={"rules": rules})
    if not runs:
        message = f"the study {path} has no run yet; introspect run with its plan and this folder goes on with it"
        raise RunFolderError(message)
    return StudyAnalysis(Path(path), study, runs, frames, found, judge(found, study.rules, clauses))
