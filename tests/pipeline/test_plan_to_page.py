"""From a plan to a page, on a small model, through the command line."""

import base64
import gzip
import json
from collections import Counter

import pytest

N_TRIALS = 2 * (2 * 2 * 3 * 2) + 2 * 3


def lines(folder):
    return (folder / "trials.jsonl").read_text().splitlines()


def test_every_trial_of_the_grid_is_run_once_and_the_clean_ones_belong_to_no_cell(run_folder):
    trials = [json.loads(line) for line in lines(run_folder)]
    assert len(trials) == len({trial["key"] for trial in trials}) == N_TRIALS
    arms = Counter(trial["spec"]["arm"] for trial in trials)
    assert arms == {"concept": 24, "random": 24, "none": 6}
    assert all(trial["spec"]["layer"] is None for trial in trials if trial["spec"]["arm"] == "none")


def test_every_trial_has_its_audit_on_disk(run_folder):
    for line in lines(run_folder):
        trial = json.loads(line)
        if trial["spec"]["arm"] == "none":
            assert trial["audits"] == []
            continue
        (audit,) = trial["audits"]
        assert audit["layer"] == trial["spec"]["layer"]
        assert audit["edited_prompt"] == audit["planned_prompt"] > 0
        fed_back = len(trial["reply_tokens"]) - (trial["finish"] == "length")
        assert audit["edited_generated"] == audit["planned_generated"] == fed_back
        wanted = trial["spec"]["strength"] * audit["vector_norm"]
        assert audit["delta_norm"] == pytest.approx(wanted, rel=1e-4)
        assert audit["relative_strength"] == pytest.approx(audit["delta_norm"] / audit["residual_norm"], rel=1e-4)


def test_a_random_vector_has_the_norm_of_the_concept_it_stands_in_for(run_folder):
    norms = {}
    for line in lines(run_folder):
        trial = json.loads(line)
        if trial["spec"]["vector"]:
            key = (trial["spec"]["vector"]["concept"], trial["spec"]["layer"])
            norms.setdefault(key, set()).add(round(trial["audits"][0]["vector_norm"], 4))
    assert len(norms) == 6
    assert all(max(found) - min(found) < 1e-3 for found in norms.values())


def test_the_same_command_again_changes_nothing(run_folder, command, plan_file):
    before = {file.name: file.read_bytes() for file in run_folder.iterdir() if file.is_file()}
    assert command("run", plan_file, "--out", run_folder).code == 0
    assert {file.name: file.read_bytes() for file in run_folder.iterdir() if file.is_file()} == before


def test_the_analysis_counts_cells_arms_and_units(run_folder, command):
    analysis = json.loads(command("analyze", run_folder, "--json").out)
    assert analysis["n_trials"] == analysis["n_planned"] == N_TRIALS
    assert len(analysis["rows"]) == 2 * 4 + 1
    for row in analysis["rows"]:
        n_units = 6 if row["arm"] == "none" else 3  # lead-ins, each wording's own, where nothing is injected; concepts
        assert (row["n"], row["n_units"]) == (6, n_units)
        for metric in ("noticed", "named", "coherent"):
            rate = row[metric]
            assert 0 <= rate["low"] <= rate["count"] / row["n"] <= rate["high"] <= 1
    table = command("analyze", run_folder).out
    assert all(arm in table for arm in ("concept", "random", "none"))
    assert analysis["verdict"][:40] in table


def test_figures_come_as_html_and_json_with_their_provenance(run_folder, command, tmp_path):
    assert command("figures", run_folder, "--out", tmp_path / "figures").code == 0
    names = {file.name for file in (tmp_path / "figures").iterdir()}
    assert {"arms.html", "arms.json", "heatmap_noticed.html", "dose_response_named.json"} <= names
    sidecars = [name for name in names if "provenance" in name]
    assert sidecars
    content = json.loads((tmp_path / "figures" / sidecars[0]).read_text())
    assert content["n"] == N_TRIALS
    assert content["command"].startswith("introspect figures")


def test_the_page_holds_every_transcript_and_nothing_from_elsewhere(run_folder, command):
    assert command("report", run_folder).code == 0
    page = (run_folder / "report.html").read_text()
    assert "Does the subject report the injected thought?" in page
    packed = page.split('id="data-transcripts">')[1].split("<")[0]
    trials = gzip.decompress(base64.b64decode(packed)).decode()
    assert all(json.loads(line)["key"] in trials for line in lines(run_folder))
    assert 'src="http' not in page
    assert '<link rel="stylesheet" href="http' not in page


def test_max_trials_runs_a_balanced_subset_that_a_longer_run_completes(command, plan_file, tmp_path):
    folder = tmp_path / "part"
    assert command("run", plan_file, "--out", folder, "--max-trials", 16).code == 0
    part = lines(folder)
    arms = Counter(json.loads(line)["spec"]["arm"] for line in part)
    assert all(abs(arms[arm] - 16 * n / N_TRIALS) < 1 for arm, n in (("concept", 24), ("random", 24), ("none", 6)))
    assert command("run", plan_file, "--out", folder).code == 0
    assert lines(folder)[: len(part)] == part
    assert len(lines(folder)) == N_TRIALS


def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(command, plan_file, tmp_path):
    finished = command("run", plan_file, "--out", tmp_path / "nowhere", "--dry-run")
    assert finished.code == 0
    assert "54 of 54" in finished.out
    assert "MiB" in finished.out
    assert not any(tmp_path.iterdir())


def test_set_changes_the_subject_and_the_repeats(command, plan_file, tmp_path):
    from gguf_files import write_gguf

    base = write_gguf(tmp_path / "base.gguf", "llama", template=None)
    folder = tmp_path / "other"
    finished = command("run", plan_file, "--out", folder, "--set", f"subject={base}", "--set", "samples=2",
                       "--max-trials", 20)  # fmt: skip
    assert finished.code == 0, finished.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["plan"]["samples"] == 2
    assert manifest["subject"]["name"] == str(base)
    assert manifest["subject"]["format"] == "transcript"
