"""``stimuli check`` and ``stimuli list``: is a stimulus file whole, and what is in one?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.output import JsonOption, print_json
from introspect.terminal import Console

stimuli = typer.Typer(name="stimuli", no_args_is_help=True, help="Wordings and lists: check a file of yours, list one.")


@stimuli.command("check", no_args_is_help=True)
def check_stimuli(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A stimulus file, TOML or JSON.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Say what is wrong with a stimulus file: unknown tasks, slots that nothing fills, marks that are missing.

    Exit code 0 if nothing is, 2 if something is.

    introspect stimuli check mine.toml

    introspect stimuli check mine.toml --json
    """
    from introspect.errors import StimulusError
    from introspect.protocols.check import problems
    from introspect.stimuli import parse_stimuli

    console = Console(highlight=False)
    content = parse_stimuli(file)
    found = problems(content)
    n_lists = len({*content.lists, *content.more})
    if as_json:
        print_json({"file": file, "problems": found, "wordings": len(content.wording), "lists": n_lists})
    for problem in found if not as_json else ():
        console.print(Text(f"- {problem}"))
    if found:
        message = f"{file} has {len(found)} problem{'s' if len(found) > 1 else ''}, listed above"
        raise StimulusError(message)
    if as_json:
        return
    console.print(Text(f"{file}: {len(content.wording)} wordings and {n_lists} lists, nothing wrong"))


@stimuli.command("list")
def list_stimuli(
    source: Annotated[str, typer.Argument(help="A stimulus file; the shipped one by default.")] = "default",
    as_json: JsonOption = False,
) -> None:
    """List a stimulus file's wordings, their tasks and marks.

    introspect stimuli list

    introspect stimuli list mine.toml
    """
    from introspect.stimuli import load_stimuli

    content = load_stimuli(source)
    if as_json:
        print_json(content.model_dump(mode="json"))
        return
    table = Table(title=content.title, title_justify="left")
    for name in ("protocol", "wording", "tasks", "marks"):
        table.add_column(name)
    for name, wording in sorted(content.wording.items(), key=lambda item: (item[1].protocol, item[0])):
        table.add_row(wording.protocol, name, ", ".join(wording.tasks) or "–", ", ".join(wording.marks))
    console = Console(highlight=False)
    console.print(table)
    for name, texts in content.lists.items():
        console.print(Text(f"list {name}: {len(texts)}"))
    console.print(Text(f"yes–no questions: {len(content.question)}; multiple choice: {len(content.multiple_choice)}"))
