"""Outcomes beside packed trials: graded once, by the rules, and read as columns from then on.

``packed/outcomes-*.parquet`` holds the tidy frame of ``introspect.analysis.outcomes`` without the replies, and
``packed/outcomes.json`` who graded; a packing whose rules are of another version is graded again when it is packed
again, and until then is read the slow way. An analysis of packed outcomes is that of the trials, row for row.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from introspect.analysis.outcomes import SCHEMA, Grader, grade_run, outcomes
from introspect.errors import RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.progress import Advance, silent
from introspect.records import Claim, Manifest, Prompt, Trial
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.packed import PACKED, PackedTrials, pack
from introspect.sweeps.reading import TRIALS, files_of, read_manifest

OUTCOMES = "outcomes-*.parquet"
GRADED = "outcomes.json"
LEFT_OUT = ("reply",)
"""Columns that are long and that no statistic reads; the trials have them."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a run's trials, as ``outcomes`` reads them."""

    manifest: Manifest
    trials: Sequence[Trial]
    prompts: dict[str, Prompt]


def pack_run(path: Path, progress: Advance = silent) -> int:
    """Compact a run folder's trials to Parquet and grade them by the rules; return how many there are.

    Raises:
        RunFolderError: Not a run folder, another process has it, a damaged line, or no room; nothing is changed then.
    """
    manifest, grader = read_manifest(path), RuleGrader()

    def beside(draft: Path, number: int, trials: Sequence[Trial]) -> None:
        part = Part(manifest, trials, {})
        frame = outcomes(part, grade_run(part, grader)).drop(LEFT_OUT)
        frame.write_parquet(draft / OUTCOMES.replace("*", f"{number:05d}"), compression="zstd")
        said = {"grader": grader.name, "columns": frame.columns}
        (draft / GRADED).write_text(json.dumps(said), "utf-8")

    with RunFolder(path) as folder:
        folder.repair()
        return pack(path, files_of(path, TRIALS), beside, progress)


def packed_outcomes(path: Path) -> pl.DataFrame | None:
    """Return the outcomes that lie beside packed trials, or ``None`` where they are not what the rules say now.

    Raises:
        RunFolderError: They are damaged.
    """
    file = path / PACKED / GRADED
    if not file.is_file() or files_of(path, TRIALS):
        return None
    try:
        said = json.loads(file.read_bytes())
        columns = [name for name in SCHEMA if name not in LEFT_OUT]
        if said != {"grader": RuleGrader.name, "columns": columns}:
            return None
        return pl.read_parquet(path / PACKED / OUTCOMES)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        message = f"the packed outcomes of {path} are damaged ({str(error).splitlines()[0]}); pack the run again"
        raise RunFolderError(message) from error


class ClaimsOnDemand(Mapping[str, Claim]):
    """The claims of packed trials, graded again when one is asked for; the mapping has a key a trial with a reply.

    Args:
        trials: The trials.
        grader: Who reads the replies.
    """

    def __init__(self, trials: PackedTrials, grader: Grader) -> None:
        self._trials, self._grader = trials, grader

    def __getitem__(self, key: str) -> Claim:
        for trial in self._trials.of([key]):
            if trial.finish != "scored":
                return self._grader.grade(trial.reply)
        raise KeyError(key)

    def of(self, trials: Sequence[Trial]) -> dict[str, Claim]:
        """Return the claims of trials that have been read already."""
        return {trial.key: self._grader.grade(trial.reply) for trial in trials if trial.finish != "scored"}

    def __iter__(self) -> Iterator[str]:
        yield from self._spoken().select("key").collect()["key"]

    def __len__(self) -> int:
        return int(self._spoken().select(pl.len()).collect().item())

    def _spoken(self) -> pl.LazyFrame:
        return self._trials.frame().filter(pl.col("finish") != "scored")
