"""Runs as tables in files: one row a trial, with the columns of ``introspect.analysis.frames``."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from introspect.analysis.frames import flat, trial_frame
from introspect.analysis.runs import load_run
from introspect.errors import RunFolderError, UnknownNameError
from introspect.sweeps.reading import MANIFEST

WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    "parquet": lambda frame, path: frame.write_parquet(path),
    "csv": lambda frame, path: flat(frame).write_csv(path),
    "jsonl": lambda frame, path: frame.write_ndjson(path),
}
"""How each kind of table is written; the kind is the file's ending. CSV holds lists as JSON."""


def write_table(run: str | Path, path: Path) -> Path:
    """Write a run as a table; return its file.

    Args:
        run: The run folder.
        path: The table; its ending says which kind.

    Raises:
        RunFolderError: Not a run folder.
        UnknownNameError: Another ending than those of ``WRITERS``.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in WRITERS:
        raise UnknownNameError("kind of table", kind, WRITERS)
    frame = trial_frame(load_run(run))
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[kind](frame, path)
    return path


def run_folders(folder: Path) -> list[Path]:
    """Return the runs in a folder: itself, or those of a battery or a study.

    Raises:
        RunFolderError: There is none.
    """
    if (folder / MANIFEST).is_file():
        return [folder]
    found = sorted(file.parent for file in folder.glob(f"*/{MANIFEST}"))
    if not found:
        message = f"{folder} is not a run folder, and no folder in it is one: there is no {MANIFEST}"
        raise RunFolderError(message)
    return found
