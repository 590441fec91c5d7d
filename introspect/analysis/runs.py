"""A run, opened for reading."""

from dataclasses import dataclass
from pathlib import Path

from introspect.records import Effects, Manifest, Prompt, Trial
from introspect.sweeps.folder import read_effects, read_manifest, read_prompts, read_trials


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder in memory: what was planned, the trials there are so far, and matched effects if there are any."""

    path: Path
    manifest: Manifest
    trials: tuple[Trial, ...]
    prompts: dict[str, Prompt]
    effects: Effects | None = None


def load_run(path: str | Path) -> Run:
    """Open a run folder, finished or not.

    Raises:
        RunFolderError: Not a run folder, a damaged one, or one of another version.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    trials = sorted(read_trials(folder), key=lambda trial: trial.key)
    return Run(folder, manifest, tuple(trials), read_prompts(folder), read_effects(folder))
