"""A run, opened for reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from introspect.records import Effects, Manifest, Prompt, Trial
from introspect.sweeps.packed import PackedTrials, is_packed
from introspect.sweeps.reading import TRIALS, files_of, read_effects, read_manifest, read_prompts, read_trials
from introspect.terminal import counted

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass(frozen=True, slots=True)
class Run:
    """An opened run folder: what was planned, the trials there are so far, and matched effects if there are any.

    Trials that are packed stay on the disk until they are asked for.
    """

    path: Path
    manifest: Manifest
    trials: Sequence[Trial]
    prompts: dict[str, Prompt]
    effects: Effects | None = None

    @property
    def so_far(self) -> str | None:
        """How many of the planned trials there are, in words; ``None`` where none is missing."""
        n, planned = len(self.trials), self.manifest.n_planned
        return f"{n:,} of {counted(planned, 'planned trial')}" if n < planned else None

    def polars(self) -> "pl.DataFrame":
        """Return one row a trial, graded by rules; ``introspect.analysis.frames.COLUMNS`` says what stands where."""
        from introspect.analysis.frames import trial_frame

        return trial_frame(self)

    def pandas(self) -> "pd.DataFrame":
        """Return the same as a frame of pandas.

        Raises:
            RunFolderError: pandas is not installed.
        """
        from introspect.analysis.frames import as_pandas

        return as_pandas(self.polars())


def load_run(path: str | Path) -> Run:
    """Open a run folder, finished or not.

    Raises:
        RunFolderError: Not a run folder, a damaged one, or one of another version.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    packed = is_packed(folder) and not files_of(folder, TRIALS)
    trials = PackedTrials(folder) if packed else tuple(sorted(read_trials(folder), key=lambda trial: trial.key))
    return Run(folder, manifest, trials, read_prompts(folder), read_effects(folder))
