"""The gallery is what the committed results give, and each figure says where it came from."""

import importlib.util
import json
from pathlib import Path

import pytest

FIGURES = Path(__file__).resolve().parents[2] / "figures"
RECORDS = ("01_injected_thought", "battery")
"""Drawn once from runs that are not kept here; figures/README.md says so."""


def drawing():
    spec = importlib.util.spec_from_file_location("draw", FIGURES / "draw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names():
    return sorted(folder.parent.name for folder in FIGURES.glob("results/*/manifest.json"))


def read(path):
    return json.loads(path.read_text("utf-8"))


def same(first, second):
    """Whether two documents are equal, numbers as far as another machine would give them."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) or isinstance(second, float):
        return first is not None and second is not None and first == pytest.approx(second, rel=1e-6, abs=1e-9)
    return first == second


def test_every_folder_of_the_gallery_has_its_results():
    folders = {each.name for each in FIGURES.iterdir() if any(each.glob("*.json"))}
    assert folders == {*names(), *RECORDS}


@pytest.mark.parametrize("name", names())
def test_the_committed_figures_are_those_of_the_committed_results(name, tmp_path):
    drawing().draw(name, tmp_path)
    drawn, kept = ({path.name for path in folder.glob("*.json")} for folder in (tmp_path, FIGURES / name))
    assert drawn == kept
    for file in sorted(drawn):
        new, old = read(tmp_path / file), read(FIGURES / name / file)
        if file.endswith(".provenance.json"):
            new, old = ({**each, "commit": None} for each in (new, old))
        assert same(new, old), f"figures/{name}/{file} is not current: make figures"


def test_a_figure_that_is_not_current_would_be_noticed():
    assert same({"a": [1.0, None]}, {"a": [1.0 + 1e-9, None]})
    assert not same({"a": [1.0]}, {"a": [1.01]})
    assert not same({"a": [1.0]}, {"a": [None]})


@pytest.mark.parametrize("name", names())
def test_the_command_in_a_sidecar_names_the_committed_results(name):
    for sidecar in (FIGURES / name).glob("*.provenance.json"):
        said = read(sidecar)
        assert said["command"] == f"introspect figures figures/results/{name} --out figures/{name}"
        assert said["n"] == len((FIGURES / "results" / name / "trials.jsonl").read_text("utf-8").splitlines())
