"""What the documentation names exists, and what it shows works."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "experiments/**/*.md", "figures/**/*.md", "notebooks/*.md")
    for page in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PATHLIKE = re.compile(r"^(?:[\w.-]+/)+[\w.-]*$|^[\w-]+\.(?:md|toml|cff|txt|py|ipynb)$")
MADE_BY_RUNNING = ("runs/", ".venv", "mine.toml", "org/model", "diagnostics.json", "prompts.jsonl")
FOLDERS = ("introspect/", "experiments/", "notebooks/", "figures/", "tests/", "docs/", ".ci/")


def name(page):
    return str(page.relative_to(ROOT))


def blocks(language):
    return [
        pytest.param(text, id=f"{name(page)}:{page.read_text()[: match.start()].count(chr(10)) + 1}")
        for page in PAGES
        for match in FENCE.finditer(page.read_text())
        for kind, text in [match.groups()]
        if kind == language
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_and_link_on_a_page_exists(page):
    text = FENCE.sub("", page.read_text())
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [link for link in links if link and "://" not in link and not (page.parent / link).exists()]
    for path in re.findall(r"`([^`\n]+)`", text):
        ours = path.startswith(FOLDERS) or re.fullmatch(r"[A-Z]+\.(md|cff)", path)
        if ours and PATHLIKE.match(path) and not path.startswith(MADE_BY_RUNNING):
            missing += [] if (ROOT / path).exists() else [path]
    assert missing == []


def test_the_checker_of_paths_would_notice_a_wrong_one():
    assert PATHLIKE.match("introspect/graders/rulez.py")
    assert not (ROOT / "introspect/graders/rulez.py").exists()


@pytest.mark.parametrize("text", blocks("sh"))
def test_every_command_on_a_page_is_one_that_exists(text):
    import typer

    from introspect.cli.app import app

    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "make":
            assert words[1] in targets
            continue
        assert words[0] in {"introspect", ".venv/bin/introspect"}, line
        command, arguments = typer.main.get_command(app), words[1:]
        while hasattr(command, "commands"):
            command, arguments = command.commands[arguments[0]], arguments[1:]
        command.make_context(words[1], list(arguments))


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_file_shown_on_a_page_is_read_as_what_it_is(text, tmp_path):
    import introspect as ins
    from introspect.protocols.check import problems
    from introspect.stimuli import parse_stimuli
    from introspect.sweeps.plans import load_battery

    file = tmp_path / "shown.toml"
    file.write_text(text)
    content = tomllib.loads(text)
    if "wording" in content:
        assert ins.load_stimuli(file).wording
        assert problems(parse_stimuli(file)) == []
    elif "concept" in content or "words" in content:
        assert ins.load_concepts(file).members
    elif "experiment" in content:
        assert load_battery(file)
    else:
        assert ins.load_plan(file).name


@pytest.mark.parametrize("text", blocks("python"))
def test_every_python_snippet_on_a_page_runs(text, tmp_path, monkeypatch):
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "snippet", "exec"), {})


def test_the_two_first_commands_of_the_readme_are_the_demo_and_the_tests():
    first = next(match[2] for match in FENCE.finditer((ROOT / "README.md").read_text()) if match[1] == "sh")
    assert [line.split()[:2] for line in first.splitlines()] == [["make", "demo"], ["make", "test"]]


def test_the_citation_file_is_whole():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= set(citation)
    assert citation["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_log_is_dated_newest_first():
    dates = re.findall(r"^## (\d{4}-\d{2}-\d{2})", (ROOT / "experiments" / "LOG.md").read_text(), re.MULTILINE)
    assert dates
    assert dates == sorted(dates, reverse=True)


def test_every_committed_figure_has_its_provenance():
    for figure in (ROOT / "figures").glob("**/*.json"):
        result = figure.is_relative_to(ROOT / "figures" / "results")  # a run that figures are drawn from
        if not result and not figure.name.endswith(".provenance.json"):
            assert figure.with_name(figure.name.replace(".json", ".provenance.json")).exists()
