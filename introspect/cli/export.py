"""``export``: a run for other tools."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from introspect.cli.output import JsonOption, print_json, written
from introspect.terminal import Console

INSPECT = "inspect"
ENDING = {INSPECT: "eval"}
"""Endings of files where they are not the name of the kind."""


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run folder, or one of a battery or a study.", show_default=False)
    ],
    to: Annotated[str, typer.Option(metavar="KIND", help="inspect, parquet, csv or jsonl.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder for the files; default export in DIR.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run's trials for other tools: logs that inspect view shows, or tables with one row a trial.

    introspect export runs/01 --to inspect

    introspect export runs/battery --to parquet --out tables
    """
    from introspect.analysis.export import run_folders

    write, target = _writer(to), out or folder / "export"
    runs = run_folders(folder)
    if as_json:
        print_json(written(write(run, target / _file(run, to)) for run in runs))
        return
    for run in runs:
        path = write(run, target / _file(run, to))
        Console(highlight=False, soft_wrap=True).print(Text(f"wrote {path}"))
    if to == INSPECT:
        Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"next: inspect view --log-dir {target}"))


def _file(run: Path, to: str) -> str:
    return f"{run.resolve().name}.{ENDING.get(to, to)}"


def _writer(to: str) -> Callable[[Path, Path], Path]:
    """Return what writes a kind of file.

    Raises:
        UnknownNameError: A kind that nobody knows.
        IntrospectError: Logs are asked for, and Inspect is not installed.
    """
    from introspect.analysis.export import WRITERS, write_table
    from introspect.errors import IntrospectError, UnknownNameError

    if to in WRITERS:
        return write_table
    if to != INSPECT:
        raise UnknownNameError("kind of export", to, [INSPECT, *WRITERS])
    try:
        from introspect.evals.logs import write_log
    except ModuleNotFoundError as error:
        message = f"logs of Inspect need its library ({error}); install it with: pip install 'introspect[inspect]'"
        raise IntrospectError(message) from error
    return write_log
