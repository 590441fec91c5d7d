"""``merge`` and ``pack``: run folders put together, and made small."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from introspect.terminal import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")]


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR DIR …", help="Runs of one plan.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the merged run; it must not hold one.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Join runs of one plan that were made in different places; trials that contradict each other are an error.

    introspect merge runs/here runs/there --out runs/both

    introspect merge runs/node1 runs/node2 runs/node3 --out runs/all --json
    """
    from introspect.progress import track
    from introspect.sweeps.merge import merge as merge_runs
    from introspect.sweeps.reading import read_manifest

    total = sum(read_manifest(folder).n_planned for folder in folders)
    with track("reading trials", total) as advance:
        n = merge_runs(folders, out, advance)
    _say({"folder": str(out), "n_trials": n}, f"{n:,} trials in {out}", as_json)


def pack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Compact a run's trials to Parquet and grade them by the rules, so that large runs open and analyse fast.

    A packed run can be analysed, reported, merged and gone on with as before; what is added later is packed by the
    same command.

    introspect pack runs/01

    introspect pack runs/battery/yes_no --json
    """
    from introspect.analysis.packing import pack_run
    from introspect.progress import track
    from introspect.sweeps.reading import read_manifest

    with track("packing", read_manifest(folder).n_planned) as advance:
        n = pack_run(folder, advance)
    size = sum(file.stat().st_size for file in (folder / "packed").iterdir())
    said = {"folder": str(folder), "n_trials": n, "bytes": size}
    _say(said, f"{n:,} trials in {folder / 'packed'}, {size / 1e6:.1f} MB", as_json)


def _say(content: dict[str, object], sentence: str, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(content) + "\n")
    else:
        Console(highlight=False, soft_wrap=True).print(Text(sentence))
