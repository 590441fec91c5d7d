"""A battery, from one file to one page: several experiments on one subject, side by side, through the command line."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BATTERY = """
subject = "{subject}"
layers = [0, 1, 2]
strengths = [1, 4]
concepts = ["bread", "oceans", "silver", "dust"]
baseline = "baseline.toml"
n_options = 4

[[experiment]]
protocol = "steer_then_remove"
layers = [0, 1]
wordings = ["sr_brief"]

[[experiment]]
protocol = "localisation"
layers = [0, 1]
wordings = ["lo_brief"]

[[experiment]]
name = "told"
protocol = "yes_no"
tasks = ["detection"]
info = ["none", "accurate"]
wordings = ["yn_brief"]

[[experiment]]
protocol = "competence"
n_items = 4
"""


@pytest.fixture(scope="module")
def battery_file(plan_file):
    file = plan_file.with_name("battery.toml")
    file.write_text(BATTERY.format(subject=tomllib.loads(plan_file.read_text())["subject"]))
    return file


@pytest.fixture(scope="module")
def finished(battery_file, cache_folder, tmp_path_factory):
    from introspect.sweeps.battery import run_battery

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        return run_battery(battery_file, tmp_path_factory.mktemp("batteries") / "all")


@pytest.fixture
def battery(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "all"))


def test_every_experiment_has_a_run_folder_of_its_own_with_the_shared_keys(battery):
    folders = sorted(entry.name for entry in battery.iterdir())
    assert folders == ["competence", "localisation", "steer_then_remove", "told"]
    for name in folders:
        manifest = json.loads((battery / name / "manifest.json").read_text())
        assert list(manifest["concepts"]) == ["bread", "oceans", "silver", "dust"]
        assert len((battery / name / "trials.jsonl").read_text().splitlines()) == manifest["n_planned"]


def test_the_same_command_again_changes_no_trial(battery, battery_file, command):
    before = {file: file.read_bytes() for file in battery.glob("*/trials.jsonl")}
    done = command("run", battery_file, "--out", battery)
    assert done.code == 0, done.err
    assert {file: file.read_bytes() for file in battery.glob("*/trials.jsonl")} == before


def test_what_a_battery_will_cost_is_said_experiment_by_experiment(battery_file, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = command("run", battery_file, "--dry-run").out
    assert "localisation" in shown
    assert len(re.findall(r"\d (s|min|h)\b", shown)) >= 5
    assert list(tmp_path.iterdir()) == []


def test_the_analysis_of_a_battery_has_every_verdict_and_the_layer_profiles(battery, command):
    shown = command("analyze", battery).out
    for words in ("localisation", "told", "layer profiles", "Layer profiles at"):
        assert words in shown
    content = json.loads(command("analyze", battery, "--json").out)
    assert set(content["runs"]) == {"competence", "localisation", "steer_then_remove", "told"}
    assert content["runs"]["told"]["protocol"] == "yes_no"
    assert {row["info"] for row in content["runs"]["told"]["rows"]} == {"none", "accurate"}
    assert len(content["findings"]) == 2


def test_the_page_of_a_battery_holds_every_experiment_and_leads_to_its_page(battery, command):
    done = command("report", battery)
    assert done.code == 0, done.err
    page = (battery / "report.html").read_text()
    for name in ("competence", "localisation", "steer_then_remove", "told"):
        assert f'href="{name}/report.html"' in page
        assert (battery / name / "report.html").is_file()
    assert 'http-equiv="Content-Security-Policy"' in page
    assert 'data-figure="profiles_1_1"' in page


def test_the_figures_of_a_battery_come_with_those_of_its_experiments(battery, command, tmp_path):
    assert command("figures", battery, "--out", tmp_path / "figures").code == 0
    assert (tmp_path / "figures" / "profiles_1_1.provenance.json").is_file()
    assert list((tmp_path / "figures" / "localisation").glob("*.json"))


def test_experiments_are_compared_by_depth_only_where_they_share_depths_and_concepts(battery):
    from introspect.analysis.battery import load_battery_runs

    loaded = load_battery_runs(battery)
    assert loaded.strengths == [1.0, 4.0]
    at_four = loaded.at_multiple(4.0)
    assert set(at_four["strength"]) == {4.0}
    pairs = loaded.comparisons(at_four)
    assert {(each.first, each.second) for each in pairs} >= {
        ("localisation: locate", "steer_then_remove: detect/words"),
    }
    assert all(each.n_units == 4 and each.n_depths >= 2 for each in pairs)
    near = loaded.at_relative(float(loaded.relative))
    cells = near.select("experiment", "layer", "strength").unique()
    assert cells.height == near.select("experiment", "layer").unique().height, "one strength a layer and experiment"
    damage = loaded.damage()
    assert {"surprisal (nats)", "questions of fact answered rightly"} <= set(damage["name"])


def test_two_experiments_of_one_name_are_refused_before_anything_runs(battery_file, command, tmp_path):
    twice = tmp_path / "twice.toml"
    twice.write_text(battery_file.read_text() + '\n[[experiment]]\nprotocol = "competence"\n')
    done = command("run", twice, "--out", tmp_path / "out")
    assert done.code == 2
    assert "two experiments named competence" in done.err
    assert not (tmp_path / "out").exists()


def test_a_wrong_key_in_one_experiment_is_said_with_its_name(battery_file, command, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        battery_file.read_text() + '\n[[experiment]]\nname = "last"\nprotocol = "strength"\nstrenghts = [1]\n'
    )
    done = command("run", wrong, "--out", tmp_path / "out")
    assert done.code == 2
    assert "experiment 'last' has an unknown key 'strenghts'; did you mean 'strengths'?" in done.err


def test_the_shipped_battery_has_every_experiment_every_control_every_span_and_every_text():
    from introspect.protocols.protocol import FAMILIES
    from introspect.protocols.registry import PROTOCOLS
    from introspect.sweeps.plans import load_battery

    plans = load_battery(ROOT / "experiments" / "battery" / "plan.toml")
    assert {plan.protocol for plan in plans} == set(PROTOCOLS) - {"vector_by_text"}  # a plan of its own
    assert {arm for plan in plans for arm in plan.arms or ()} >= set(FAMILIES)
    assert {plan.where for plan in plans} >= {"prompt", "generated", "cache", None}
    assert {text for plan in plans for text in plan.info} == {"none", "accurate", "neutral"}
    assert {plan.match for plan in plans} == {"norm", "effect"}
    assert {plan.format for plan in plans} >= {"transcript", "auto"}


def test_two_runs_are_compared_trial_by_trial(battery, command, tmp_path):
    other = shutil.copytree(battery / "localisation", tmp_path / "other")
    done = command("compare", battery / "localisation", other, "--out", tmp_path / "figures")
    assert done.code == 0, done.err
    assert "choices equal" in " ".join(done.out.split())
    assert "differ by at most 0 nats" in " ".join(done.out.split())
    assert (tmp_path / "figures" / "side_by_side.json").is_file()
    assert command("compare", battery / "localisation").code == 2


def test_a_stimulus_file_is_checked_with_all_its_problems_at_once(command, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        """
[wording.one]
protocol = "localisaton"
turns = [{ role = "user", text = "x" }]
[wording.two]
protocol = "yes_no"
turns = [{ role = "user", text = "{info}{wether} {ask}" }]
ask = { detecton = "Is it?" }
[grader]
noticed = "Is it so?"
[more]
lead_in = ["We go on."]
"""
    )
    done = command("stimuli", "check", mine)
    assert done.code == 2
    for words in (
        "did you mean 'localisation'?",
        "did you mean 'detection'?",
        "slot {wether}",
        "no mark {{trial}}",
        "{response}",
        "did you mean 'lead_ins'?",
    ):
        assert words in " ".join(done.out.split())
    assert "6 problems" in done.err
    assert command("stimuli", "list").code == 0
