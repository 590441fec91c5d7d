"""Trials as Parquet: what the lines of a finished run, or of a part of one, are compacted to.

``packed/trials-*.parquet`` holds every trial once, sorted by its key: the columns that one looks for trials by, and
the trial's own line, from which it is read again as it was written. Lines that come later, as a run goes on, stand
beside until they are packed as well. A packing is written whole into a folder of its own, read back, and takes its
place by being renamed; the lines are removed after that.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

import polars as pl

from introspect.checksums import unsealed
from introspect.errors import RunFolderError
from introspect.progress import Advance, silent
from introspect.records import Trial

PACKED = "packed"
TRIALS = "trials-*.parquet"
ROWS = 50_000
"""Trials of a file, and most that are held at a time while packing."""
KEY = re.compile(rb'\{"key":"([0-9a-f]{32})"')
PLACES = {"key": pl.String, "file": pl.String, "start": pl.Int64, "size": pl.Int64}
COLUMNS = {
    "key": pl.String,
    "finish": pl.String,
    "task": pl.String,
    "arm": pl.String,
    "n_options": pl.Int64,
    "line": pl.String,
}

Written = Callable[[Path, int, Sequence[Trial]], None]
"""What is written of some trials beside them: the folder, the number of the file, and the trials."""


class PackedTrials(Sequence[Trial]):
    """A packed run's trials, read when they are asked for.

    Args:
        path: The run folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._n: int | None = None

    def __len__(self) -> int:
        if self._n is None:
            self._n = int(self.frame().select(pl.len()).collect().item())
        return self._n

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, int):
            place = range(len(self))[index]
            return parsed(self.frame().slice(place, 1))[0]
        places = range(len(self))[index]
        start, stop = min(places, default=0), max(places, default=-1) + 1
        found = parsed(self.frame().slice(start, stop - start))
        return [found[place - start] for place in places]

    def __iter__(self) -> Iterator[Trial]:
        for file in files(self.path):
            yield from parsed(pl.scan_parquet(file))

    def of(self, keys: Sequence[str]) -> list[Trial]:
        """Return the trials of these keys, in the order of their keys."""
        return parsed(self.frame().filter(pl.col("key").is_in(list(keys))))

    def frame(self) -> pl.LazyFrame:
        """Return the table, unread."""
        return pl.scan_parquet(files(self.path))


def option_counts(trials: Sequence[Trial], task: str) -> set[int]:
    """Return how many answers are on offer in the trials of a task."""
    if isinstance(trials, PackedTrials):
        column = trials.frame().filter(pl.col("task") == task).select(pl.col("n_options").unique())
        return set(column.collect()["n_options"])
    return {len(trial.spec.options) for trial in trials if trial.spec.task == task}


def is_packed(path: Path) -> bool:
    """Whether a run folder has packed trials."""
    return (path / PACKED).is_dir()


def files(path: Path) -> list[Path]:
    """Return the files of packed trials, in the order of their keys."""
    return sorted((path / PACKED).glob(TRIALS))


def parsed(frame: pl.LazyFrame) -> list[Trial]:
    """Return the trials of some rows.

    Raises:
        RunFolderError: A row is damaged.
    """
    try:
        lines = frame.select("line").collect()["line"]
        return [Trial.model_validate_json(unsealed(line.encode())) for line in lines]
    except (ValueError, pl.exceptions.PolarsError, OSError) as error:
        message = f"the packed trials are damaged: {str(error).splitlines()[0]}"
        raise RunFolderError(message) from error


def pack(path: Path, lines: Sequence[Path], beside: Written, progress: Advance = silent) -> int:
    """Compact a run's lines to Parquet, what was packed before among them; return how many trials there are.

    Args:
        path: The run folder, open for writing.
        lines: Its files of lines, which are removed once they are packed.
        beside: Writes what is derived from some trials into the same folder.
        progress: Told how many trials are written.

    Raises:
        RunFolderError: A line is damaged or contradicts another one, or there is no room; nothing is changed then.
    """
    draft = path / f".{PACKED}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir()
        found = placed([*_unpacked(path, draft), *lines])
        for number, start in enumerate(range(0, len(found), ROWS)):
            trials = _write(draft / TRIALS.replace("*", f"{number:05d}"), found[start : start + ROWS])
            beside(draft, number, trials)
            progress(len(trials))
        _replace(path, draft, len(found))
    except OSError as error:
        message = f"{path} cannot be packed ({error.strerror or error}); nothing was lost"
        raise RunFolderError(message) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for file in lines:
        file.unlink()
    return len(found)


def placed(files: Sequence[Path]) -> pl.DataFrame:
    """Return where the line of every trial is, sorted by key, each trial once.

    Raises:
        RunFolderError: A line has no key, or two of one key differ.
    """
    parts = [_places(file) for file in files]
    whole = pl.concat([pl.DataFrame(schema=PLACES), *parts]).sort("key", maintain_order=True)
    twice = whole.filter(pl.col("key").is_duplicated())
    for (key,), same in twice.group_by(["key"], maintain_order=True):
        if len(set(_lines_at(same))) > 1:
            message = (
                f"two lines of the trial {key} contradict each other: {', '.join(same['file'].unique().to_list())}"
            )
            raise RunFolderError(message)
    return whole.unique("key", keep="first", maintain_order=True)


def _places(file: Path) -> pl.DataFrame:
    keys: list[str] = []
    starts: list[int] = []
    sizes: list[int] = []
    at = 0
    with file.open("rb") as opened:
        for line in opened:
            if line.endswith(b"\n"):  # else it was never finished
                keys.append(_key(file, line))
                starts.append(at)
                sizes.append(len(line))
            at += len(line)
    return pl.DataFrame({"key": keys, "file": [str(file)] * len(keys), "start": starts, "size": sizes}, schema=PLACES)


def _key(file: Path, line: bytes) -> str:
    found = KEY.match(line)
    try:
        return found[1].decode() if found else str(json.loads(line)["key"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"a line of {file} is damaged: it has no key; remove the line to run its trial again"
        raise RunFolderError(message) from error


def _lines_at(places: pl.DataFrame) -> list[str]:
    """Read lines, file by file from the front, and return them in the order asked for."""
    lines = [""] * len(places)
    rows = places.with_row_index("place").sort("file", "start")
    for (name,), part in rows.group_by(["file"], maintain_order=True):
        with Path(str(name)).open("rb") as opened:
            for place, start, size in part.select("place", "start", "size").iter_rows():
                opened.seek(start)
                lines[place] = opened.read(size).decode().rstrip("\n")
    return lines


def _write(file: Path, places: pl.DataFrame) -> list[Trial]:
    lines = _lines_at(places)
    trials = parsed(pl.LazyFrame({"line": lines}, schema={"line": pl.String}))
    rows = [
        (t.key, t.finish, t.spec.task, t.spec.arm, len(t.spec.options), line)
        for t, line in zip(trials, lines, strict=True)
    ]
    pl.DataFrame(rows, schema=COLUMNS, orient="row").write_parquet(file, compression="zstd")
    return trials


def _unpacked(path: Path, draft: Path) -> list[Path]:
    """Write what was packed before out as lines again."""
    again: list[Path] = []
    for file in files(path):
        again.append(draft / f"{file.stem}.jsonl")
        lines = pl.read_parquet(file, columns=["line"])["line"]
        again[-1].write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return again


def _replace(path: Path, draft: Path, n: int) -> None:
    """Put a packing in the place of an earlier one, once it has been read back."""
    kept = pl.scan_parquet(draft / TRIALS).select(pl.col("key").n_unique()).collect().item() if n else 0
    if kept != n:
        message = f"{draft} did not come out as it was written; nothing was changed in {path}"
        raise RunFolderError(message)
    for file in draft.glob("*.jsonl"):
        file.unlink()
    old = path / f".{PACKED}.old"
    shutil.rmtree(old, ignore_errors=True)
    if is_packed(path):
        (path / PACKED).rename(old)
    draft.replace(path / PACKED)
    shutil.rmtree(old, ignore_errors=True)
