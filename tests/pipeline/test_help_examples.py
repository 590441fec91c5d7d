"""What ``--help`` shows as examples runs as printed, on the folders that the commands of the README leave."""

import shlex

import handmade
import pytest

LOCAL = "local:"
CONCEPTS = {name: (name,) for name in ("bread", "silver", "oceans", "dust")}
REPLIES = {
    "concept": ["Yes, I notice an injected thought. It is about bread.", "No, I notice nothing."],
    "random": ["I do not notice anything unusual.", "Yes. The word is dust."],
    "none": ["No.", "No, nothing unusual."],
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a run and a battery."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for run in ("runs/01", "runs/battery/injected_thought", "runs/battery/concealment"):
        handmade.replies_run(tmp_path / run, REPLIES, CONCEPTS)
    return tmp_path


def examples(command, verb):
    helped = command(verb, "--help")
    found = [line.strip() for line in helped.out.splitlines() if line.strip().startswith(f"introspect {verb} ")]
    assert len(found) >= 2
    return found


def run_as_printed(command, example):
    finished = command(*shlex.split(example)[1:])
    assert finished.code == 0, f"{example}\n{finished.err}"
    assert finished.out or finished.err, f"{example} says nothing"


@pytest.mark.parametrize(
    ("verb", "left"),
    [
        ("grade", "runs/01/claims/rules-2.jsonl"),
        ("calibrate", "runs/rules.calibration.json"),
        ("export", "tables/concealment.parquet"),
    ],
)
def test_the_examples_in_the_help_run_as_printed(command, home, verb, left):
    for example in examples(command, verb):
        if LOCAL not in example:
            run_as_printed(command, example)
    assert (home / left).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["grade", "calibrate"])
def test_the_examples_that_load_a_model_run_as_printed(command, home, verb):
    (example,) = [each for each in examples(command, verb) if LOCAL in each]
    run_as_printed(command, example)
