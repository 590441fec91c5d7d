"""What a verb prints for other programs: one JSON document on standard output."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from introspect.terminal import json_text

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def print_json(content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold, and paths
    """Print a document; paths become text, and what JSON has no number for (nan, infinities) becomes null."""
    sys.stdout.write(json_text(_plain(content)) + "\n")


def written(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Return what a verb that writes files says of itself."""
    return {"written": [str(path) for path in paths]}


def _plain(value: Any) -> Any:  # noqa: ANN401 - as above
    match value:
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(each) for each in value]
        case float() if value != value or value in {float("inf"), float("-inf")}:
            return None
        case Path():
            return str(value)
        case _:
            return value
