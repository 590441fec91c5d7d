"""A study opened for reading: the choice on one half, the verdicts on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from introspect.analysis.criteria.beside import beside, observed
from introspect.analysis.criteria.clauses import CLAUSES, Clause, Criterion
from introspect.analysis.criteria.evidence import CONTINUED, Evidence, evidence
from introspect.analysis.criteria.judge import CriterionResult, judge
from introspect.analysis.criteria.remarks import remarks
from introspect.analysis.criteria.words import setting
from introspect.analysis.findings.finding import Finding
from introspect.analysis.naming import COLUMN, with_first_named
from introspect.analysis.outcomes import grade_run, outcomes
from introspect.analysis.permutation import GridTest, max_naming
from introspect.analysis.runs import Run, load_run
from introspect.errors import RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.records import Candidate, Rules, Study
from introspect.sweeps.folder import MANIFEST, read_readers, read_study


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
        identity = next(iter(self.runs.values())).manifest.subject
        name = Path(identity.name).name if Path(identity.name).is_absolute() else identity.name
        return f"{Path(identity.adapter).name} on {name}" if identity.adapter else name

    @property
    def optimism(self) -> float | None:
        """How much better the chosen cell looks on the half that chose it than on the other, by the same statistic."""
        best = max((each.score for each in self.study.candidates), default=None)
        frame = next((each for name, each in self.frames.items() if self._is_main(name)), None)
        if best is None or frame is None:
            return None
        found = _scores(frame.filter(pl.col("task") == "report"), self.study.rules.choose_by)
        return best - found[0].score if found else None

    @property
    def beside(self) -> list[Finding]:
        """What the study shows beyond the criteria, at the same setting."""
        run = next(iter(self.runs.values()))
        kept = [frame for name, frame in self.frames.items() if name != self.study.rules.choose]
        found = beside(kept, run.manifest.concepts, run.manifest.plan.temperature)
        asked = self.evidence.questions
        readers = [read_readers(each.path) for each in self.runs.values()]
        return [*found, *(each for one in readers for each in observed(one, asked))]

    @property
    def remarks(self) -> list[str]:
        """What a referee would remark on."""
        return remarks(self.study, self.evidence, self.results, self.runs.values())

    @property
    def grid(self) -> GridTest | None:
        """Whether concepts are named more often than by luck in the best cell of the grid, on the half that chose."""
        frame = self.frames.get(self.study.rules.choose)
        return None if frame is None else grid_test(frame, next(iter(self.runs.values())).manifest.concepts)

    @property
    def choice(self) -> list[str]:
        """Say how the setting was chosen, and what choosing it is worth."""
        found = [setting(self.study)]
        if self.optimism is not None:
            found.append(
                f"On the half that chose it the setting looks better by {self.optimism:+.2f} than on the other "
                "(optimism)."
            )
        if (test := self.grid) is not None:
            found.append(
                f"Naming in the best of {len(test.statistics)} cells, injected concepts dealt again: p = {test.p:.4f}, "
                "corrected for the choice."
            )
        return found

    def _is_main(self, name: str) -> bool:
        frame = self.frames[name]
        spoken = (frame["protocol"] == "injected_thought") & (frame["task"] == "report") & (frame["arm"] == "concept")
        return name != self.study.rules.choose and bool(spoken.any())


def candidates(path: Path, by: str) -> tuple[Candidate, ...]:
    """Return how every cell of a run does by a statistic, in the order of layers and strengths.

    Args:
        path: The run folder of the experiment that chooses.
        by: ``success``, ``named`` or ``noticed``; a share of the trials under concept vectors.
    """
    run = load_run(path)
    return tuple(_scores(outcomes(run, grade_run(run, RuleGrader())), by))


def _scores(frame: pl.DataFrame, by: str) -> list[Candidate]:
    hit = (pl.col("noticed") == "yes") if by == "noticed" else pl.col(by).fill_null(value=False)
    cells = frame.filter(pl.col("arm") == "concept").group_by("layer", "strength").agg(hit.mean().alias("s"), pl.len())
    return [
        Candidate(layer=layer, strength=strength, score=float(score), n=n)
        for layer, strength, score, n in cells.sort("layer", "strength").iter_rows()
    ]


def grid_test(frame: pl.DataFrame, concepts: Mapping[str, Sequence[str]]) -> GridTest | None:
    """Test naming in the best cell of a grid, by dealing the injected concepts again among the trials of a wording.

    Args:
        frame: Outcomes of reports on the whole grid.
        concepts: Every form of every concept.

    Returns:
        ``None`` where the cells do not have the same trials.
    """
    key = ["wording", "concept", "sample"]
    trials = with_first_named(frame.filter((pl.col("arm") == "concept") & (pl.col("task") == "report")), concepts)
    whole = trials.sort("layer", "strength").group_by(["layer", "strength"], maintain_order=True)
    cells = [part.sort(key) for _, part in whole]
    if not cells or any(not cell.select(key).equals(cells[0].select(key)) for cell in cells):
        return None
    number = {name: place for place, name in enumerate(concepts)}
    named = np.array([[number.get(name or "", -1) for name in cell[COLUMN].to_list()] for cell in cells])
    wordings = {name: place for place, name in enumerate(cells[0]["wording"].unique(maintain_order=True))}
    injected = np.array([number[name] for name in cells[0]["concept"].to_list()])
    return max_naming(named, injected, np.array([wordings[name] for name in cells[0]["wording"].to_list()]), "concept")


def chosen(found: Sequence[Candidate]) -> Candidate:
    """Return the best cell; of equals the one with the lowest layer, then with the lowest strength.

    Raises:
        RunFolderError: There are no trials under concept vectors.
    """
    if not found:
        message = "the experiment that chooses has no trials under concept vectors, so no cell can be chosen"
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
    kept = [frame for name, frame in frames.items() if name != study.rules.choose]
    follows = {
        trial.key: trial.spec.follows for run in runs.values() for trial in run.trials if trial.spec.follows is not None
    }
    concepts = {name: forms for run in runs.values() for name, forms in run.manifest.concepts.items()}
    return study, runs, frames, evidence(kept, concepts, follows)


def analyze_study(path: str | Path, rules: Rules | None = None, clauses: Sequence[Clause] = CLAUSES) -> StudyAnalysis:
    """Judge the four criteria of a study.

    Args:
        path: Its folder.
        rules: Others than those it ran with.
        clauses: All of them but in a test of the rules themselves.
    """
    study, runs, frames, found = open_evidence(Path(path))
    return StudyAnalysis(Path(path), study, runs, frames, found, judge(found, rules or study.rules, clauses))
