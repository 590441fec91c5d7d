"""What ``--help`` shows as examples runs as printed, on the folders that the commands of the README leave."""

import shlex

import handmade
import pytest

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


@pytest.mark.parametrize(("verb", "n"), [("grade", 2), ("calibrate", 2), ("export", 2)])
def test_the_examples_in_the_help_run_as_printed(command, home, verb, n):
    helped = command(verb, "--help")
    examples = [line.strip() for line in helped.out.splitlines() if line.strip().startswith(f"introspect {verb} ")]
    assert len(examples) == n
    for example in examples:
        finished = command(*shlex.split(example)[1:])
        assert finished.code == 0, f"{example}\n{finished.err}"
        assert finished.out or finished.err, f"{example} says nothing"
    left = {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()}
    assert {
        "grade": "runs/01/claims/rules-2.jsonl",
        "calibrate": "runs/rules.calibration.json",
        "export": "tables/concealment.parquet",
    }[verb] in left
