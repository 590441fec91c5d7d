"""The laboratory on trial: every subject with a known answer runs the same study, and the verdicts are compared."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from introspect.analysis.criteria.clauses import CLAUSES, CRITERIA, Clause, Criterion
from introspect.analysis.criteria.evidence import Evidence, evidence
from introspect.analysis.criteria.judge import conclude
from introspect.analysis.criteria.measured import Measured
from introspect.analysis.criteria.results import Status
from introspect.analysis.studies import open_evidence
from introspect.errors import ExecutorError
from introspect.organisms.catalog import Specimen, specimens
from introspect.progress import track
from introspect.records import Rules
from introspect.studies.expected import EXPECTED, RELABELLED
from introspect.studies.relabel import relabelled
from introspect.studies.study import run_study


@dataclass(frozen=True, slots=True)
class Cell:
    """One verdict: what was expected (``None``: free) and what was got.

    ``seed`` is that of the trials, ``training_seed`` the organism's own.
    """

    organism: str
    criterion: Criterion
    expected: Status | None
    got: Status
    seed: int
    training_seed: int
    form: str

    @property
    def right(self) -> bool:
        """Whether the verdict is the expected one; a free one always is."""
        return self.expected is None or self.got == self.expected


@dataclass(frozen=True, slots=True)
class Found:
    """What one subject's study came to: the cells, those without each clause, and each part's interval."""

    cells: tuple[Cell, ...]
    without: dict[str, tuple[Cell, ...]]
    parts: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """All verdicts; ``without`` gives, for every clause, the cells that turn wrong if it is left out."""

    cells: tuple[Cell, ...]
    without: dict[str, tuple[Cell, ...]]
    parts: tuple[dict[str, Any], ...]

    @property
    def wrong(self) -> tuple[Cell, ...]:
        """The cells that are not as expected."""
        return tuple(cell for cell in self.cells if not cell.right)

    @property
    def idle(self) -> tuple[str, ...]:
        """The clauses without which every verdict would be as it is; fewer subjects than the table's cannot tell."""
        whole = {cell.organism for cell in self.cells} >= set(EXPECTED)
        return tuple(name for name, cells in self.without.items() if not cells) if whole else ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "rows": [asdict(cell) for cell in self.cells],
            "n_expected": sum(cell.expected is not None for cell in self.cells),
            "n_wrong": len(self.wrong),
            "idle_clauses": list(self.idle),
            "without_clause": {name: [asdict(cell) for cell in cells] for name, cells in self.without.items()},
            "parts": list(self.parts),
        }


def validate(
    seeds: Sequence[int] = (0,),
    subjects: Sequence[Specimen] | None = None,
    out: Path | None = None,
    workers: int | None = None,
) -> Validation:
    """Run and judge every subject.

    Args:
        seeds: Of the trials; every subject runs once with each.
        subjects: Which ones; all that there are by default.
        out: Keep the studies there; by default they are thrown away.
        workers: Processes at a time; as many as there are processors by default.

    Raises:
        ExecutorError: A process was ended from outside.
    """
    chosen = list(subjects if subjects is not None else specimens())
    found: list[Found] = []
    tasks = [(each, seed) for seed in seeds for each in chosen]
    with tempfile.TemporaryDirectory() as folder, track("validate", len(tasks)) as advance:
        root = out or Path(folder)
        n = min(workers or os.cpu_count() or 1, len(tasks) or 1)
        with ProcessPoolExecutor(n, get_context("spawn"), _alone) as pool:
            waiting = {
                pool.submit(one, each, seed, root / f"{folder_of(each)}-seed{seed}", out is not None): each
                for each, seed in tasks
            }
            try:
                for done in as_completed(waiting):
                    found.append(done.result())
                    advance(1, waiting[done].name)
            except BrokenProcessPool as error:
                message = "a process was ended from outside (out of memory?); with --out the same command goes on"
                raise ExecutorError(message) from error
            finally:  # what has not begun would only be waited for
                pool.shutdown(wait=False, cancel_futures=True)
    return _together(found)


def folder_of(each: Specimen) -> str:
    """Return the name of a subject's study."""
    name = each.adapter.name if each.adapter else f"{each.name}-{each.training_seed}"
    return f"{each.form}-{name}"


def one(each: Specimen, seed: int, out: Path, readers: bool = True) -> Found:
    """Run one subject's study and judge it; the introspector's is also judged with its conditions dealt again."""
    run_study(each.study, out, overrides(each, seed), readers=readers)
    return judged(each, seed, out)


def overrides(each: Specimen, seed: int) -> list[str]:
    """Return what a subject's study is changed by: whose it is, and the seed of its trials."""
    found = [f"subject={json.dumps(each.subject)}", f"seed={seed}"]
    return found if each.adapter is None else [*found, f"adapter={json.dumps(str(each.adapter))}"]


def judged(each: Specimen, seed: int, out: Path) -> Found:
    """Judge a finished study."""
    study, runs, frames, real = open_evidence(out)
    found = [_verdicts(each.name, each, seed, real, study.rules)]
    if each.name == "introspector":
        concepts = {name: forms for run in runs.values() for name, forms in run.manifest.concepts.items()}
        follows = {row.key: row.follows for row in real.rows if row.follows}
        kept = [frame for name, frame in frames.items() if name not in study.rules.on_grid]
        dealt = evidence(relabelled(kept, seed), concepts, follows)
        found.append(_verdicts(RELABELLED, each, seed, dealt, study.rules))
    return _joined(found)


def _verdicts(name: str, each: Specimen, seed: int, real: Evidence, rules: Rules) -> Found:
    measured = Measured(real, rules)

    def cells(clauses: Sequence[Clause]) -> tuple[Cell, ...]:
        results = conclude(measured, clauses, strict=False)  # what contradicts itself is a miss, and no end of the rest
        return tuple(
            Cell(
                name,
                criterion,
                EXPECTED[name][criterion],
                results[criterion].status,
                seed,
                each.training_seed,
                each.form,
            )
            for criterion in CRITERIA
        )

    whole = cells(CLAUSES)
    missed = {cell.criterion for cell in whole if not cell.right}
    without: dict[str, tuple[Cell, ...]] = {}
    for clause in CLAUSES:
        left = cells([other for other in CLAUSES if other is not clause])
        without[clause_name(clause)] = tuple(cell for cell in left if not cell.right and cell.criterion not in missed)
    parts = [
        {
            "organism": name, "form": each.form, "training_seed": each.training_seed, "criterion": criterion,
            "clause": clause.clause.name, "applies": clause.applies, "part": part.part.name, "status": part.status,
            "value": part.interval.value, "low": part.interval.low, "high": part.interval.high,
            "n_concepts": part.interval.n_units, "because": part.because,
        }
        for criterion, result in conclude(measured, strict=False).items()
        for clause in result.clauses for part in clause.parts
    ]  # fmt: skip
    return Found(whole, without, tuple(parts))


def clause_name(clause: Clause) -> str:
    """Return a clause's full name."""
    return f"{clause.criterion}: {clause.name}"


def _joined(found: Sequence[Found]) -> Found:
    names = [clause_name(clause) for clause in CLAUSES]
    return Found(
        tuple(cell for each in found for cell in each.cells),
        {name: tuple(cell for each in found for cell in each.without[name]) for name in names},
        tuple(part for each in found for part in each.parts),
    )


def _together(found: Sequence[Found]) -> Validation:
    order = {name: number for number, name in enumerate(EXPECTED)}

    def place(each: Found) -> tuple[bool, int, int, int]:
        first = each.cells[0]
        return first.form != "tiny", first.training_seed, order[first.organism], first.seed

    whole = _joined(sorted(found, key=place))
    return Validation(whole.cells, whole.without, whole.parts)


def _alone() -> None:
    """Prepare a worker: one thread, and no bars of its own."""
    import torch

    torch.set_num_threads(1)
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the worker lives
