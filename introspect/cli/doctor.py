"""``doctor``: what is installed and available here, and what to do about what is not."""

from itertools import groupby
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from introspect.cli.output import JsonOption, print_json
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.cli.checks import Check

LOOKS = {"ok": ("✓", "green"), "missing": ("✗", "bold red"), "optional": ("–", "dim"), "low": ("!", "yellow")}


def doctor(as_json: JsonOption = False) -> None:
    """Say what is installed, which subjects, devices, executors, backends and judges there are, and what to do.

    Exit code 1 if something that is needed is missing; what only some verbs need does not count.

    introspect doctor

    introspect doctor --json
    """
    from introspect.cli.checks import checks

    found = checks()
    missing = [check for check in found if check.state == "missing"]
    if as_json:
        print_json({"ready": not missing, "checks": [check.to_json() for check in found]})
    else:
        _show(Console(highlight=False), found, missing)
    if missing:
        raise typer.Exit(1)


def _show(console: Console, found: "list[Check]", missing: "list[Check]") -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("", "what", "found", "what to do"):
        table.add_column(head, overflow="fold")
    for group, members in groupby(found, key=lambda check: check.group):
        table.add_row("", Text(group, style="bold"), "", "")
        for check in _shortened(group, list(members)):
            mark, style = LOOKS[check.state]
            table.add_row(Text(mark, style=style), Text(f"  {check.name}"), Text(check.found), Text(check.cure))
    console.print(table)
    names = ", ".join(check.name for check in missing)
    said = f"needed and missing: {names}" if missing else "everything that is needed is here"
    console.print(Text(said, style="bold red" if missing else "bold green"))


def _shortened(group: str, members: "list[Check]") -> "list[Check]":
    """Put packages that are as they should be into one row; what is not keeps its own."""
    from introspect.cli.checks import Check

    if group != "packages" and not group.startswith("extra "):
        return members
    whole = [check for check in members if check.state == "ok"]
    if not whole:
        return members
    row = Check(group, f"{len(whole)} packages", "ok", ", ".join(f"{check.name} {check.found}" for check in whole))
    return [row, *(check for check in members if check.state != "ok")]
