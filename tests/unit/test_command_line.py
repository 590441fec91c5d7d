"""The command line says what it can do: verbs in the order of work, examples that are commands, codes, completion."""

import json
import re
import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner


def verbs(command=None, name="introspect"):
    """Every verb of the command line with its whole name."""
    from introspect.cli.app import app

    command = command or get_command(app)
    inside = getattr(command, "commands", None)
    if inside is None:
        return {name: command}
    return {key: verb for part, each in inside.items() for key, verb in verbs(each, f"{name} {part}").items()}


def examples(command):
    """The paragraphs of a verb's help that are commands."""
    paragraphs = [" ".join(each.split()) for each in (command.help or "").split("\n\n")]
    return [each for each in paragraphs if each.startswith("introspect ")]


def test_every_verb_ends_its_help_with_two_examples_of_itself():
    for name, command in verbs().items():
        last = [" ".join(each.split()) for each in (command.help or "").strip().split("\n\n")][-2:]
        assert len(last) == 2, name
        assert all(each.startswith(f"{name} ") or each == name for each in last), name
        assert len(set(examples(command))) == len(examples(command)) >= 2, name


def test_every_example_is_a_command_that_is_understood():
    for name, command in verbs().items():
        for example in examples(command):
            arguments = shlex.split(example.partition(" > ")[0])[len(name.split()) :]
            command.make_context(name, arguments)


CHEAP = re.compile(r"^introspect (stimuli list|organisms list|models|doctor)( --json)?$")


def test_the_examples_that_cost_nothing_run(tmp_path, monkeypatch):
    from introspect.cli.app import app

    monkeypatch.chdir(tmp_path)
    ran = []
    for command in verbs().values():
        for example in filter(CHEAP.match, examples(command)):
            done = CliRunner().invoke(app, shlex.split(example)[1:])
            assert done.exit_code == 0, (example, done.output)
            ran.append(example)
    assert len(ran) >= 5


def test_the_help_groups_every_verb_in_the_order_of_work():
    from introspect.cli.app import app
    from introspect.cli.panels import PANELS

    command = get_command(app)
    placed = [verb for panel in PANELS.values() for verb in panel]
    assert list(command.commands) == placed
    shown = CliRunner().invoke(app, ["--help"]).output
    at = [shown.index(panel) for panel in PANELS]
    assert at == sorted(at)
    assert "Exit codes: 0" in " ".join(shown.split())


def test_a_verb_that_nobody_placed_is_still_shown():
    import typer

    from introspect.cli.panels import OTHERS, ByWork

    app = typer.Typer(cls=ByWork)
    for name in ("run", "newcomer"):
        app.command(name)(lambda: None)
    shown = CliRunner().invoke(app, ["--help"]).output
    assert shown.index("3. Run") < shown.index(OTHERS) < shown.index("newcomer")


def test_the_shell_completes_verbs_and_options():
    from introspect.cli.app import app

    def completed(words, place):
        asked = {"_INTROSPECT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
        return CliRunner().invoke(app, [], env=asked, prog_name="introspect").output.split()

    assert completed("introspect an", 1) == ["analyze"]
    assert "--json" in completed("introspect analyze --", 2)


@pytest.mark.parametrize("arguments", [["stimuli", "list"], ["organisms", "list"], ["models"]])
def test_what_is_listed_is_listed_as_json_too(arguments):
    from introspect.cli.app import app

    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)


def test_numbers_that_json_lacks_become_null(capsys):
    from pathlib import Path

    from introspect.cli.output import print_json

    print_json({"a": float("nan"), "b": (float("inf"), 1.5), "c": Path("x/y")})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": "x/y"}
