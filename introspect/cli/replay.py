"""``replay``: trials of a run again, by their keys."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from introspect.cli.output import print_json
from introspect.cli.runs import RunArgument
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.records import Projection
    from introspect.sweeps.replay import Replayed

CHANGED = 1
"""Exit code where a trial came out another way."""


def replay(
    folder: RunArgument,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]…", help="Keys of trials, or their beginnings.")
    ] = None,
    sample: Annotated[int, typer.Option(min=0, help="And so many injected trials, from every arm and cell.")] = 0,
    keep: Annotated[bool, typer.Option(help="Keep what is read under every token, for the report page.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run trials of a run again, compare them with the record, and read the stream under every token.

    Exit code 1 says that a reply came out another way: another machine, number format or version of a library.

    introspect replay runs/01 3f9a1c --keep

    introspect replay runs/01 --sample 24 --keep
    """
    from introspect.errors import RunFolderError
    from introspect.progress import track
    from introspect.sweeps import replay as again

    trials = [*again.find_trials(folder, keys or []), *again.sample_trials(folder, sample, seed)]
    if not trials:
        message = f"no trial of {folder} is named; give a key (the report page shows them), or --sample 24"
        raise RunFolderError(message)
    materials = again.reopened(folder)
    found: list[Replayed] = []
    projections: list[Projection] = []
    with track("running trials again", len(trials)) as advance:
        for trial in trials:
            found.append(again.replay(trial, materials))
            read = again.project(trial, materials)
            projections += [read] if read else []
            advance(1, "")
    kept = again.keep(folder, projections) if keep else None
    if as_json:
        print_json(_json(found, projections))
    else:
        _show(folder, found, kept)
    if not all(each.same for each in found):
        sys.exit(CHANGED)


def _json(found: "list[Replayed]", projections: "list[Projection]") -> list[dict[str, Any]]:
    read = {each.key: each.model_dump(mode="json") for each in projections}
    return [
        {
            "key": each.recorded.key,
            "same": each.same,
            "recorded": each.recorded.reply,
            "again": each.again.reply,
            "audits": [audit.model_dump(mode="json") for audit in each.again.audits],
            "scores": None if each.again.scores is None else each.again.scores.model_dump(mode="json"),
            "projection": read.get(each.recorded.key),
        }
        for each in found
    ]


def _show(folder: Path, found: "list[Replayed]", kept: int | None) -> None:
    from introspect.plots.text import visible
    from introspect.report.transcripts import audit_lines

    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        console.print(Text(f"{each.recorded.key}  {'same' if each.same else 'DIFFERENT'}", style="bold"))
        if len(found) <= 4 or not each.same:
            console.print(Text(f"  on record: {visible(each.recorded.reply)}"))
            console.print(Text(f"  now:       {visible(each.again.reply)}"))
            for line in audit_lines(each.again):
                console.print(Text(f"  {line}", style="dim"))
    same = sum(each.same for each in found)
    console.print(Text(f"{same} of {len(found)} came out the same, token for token"))
    if kept is not None:
        console.print(Text(f"{kept} trials of {folder} have projections now; next: introspect report {folder}"))
