"""With --json a verb prints one JSON document on standard output, and nothing else."""

import json

import pytest


def document(finished):
    assert finished.code == 0, finished
    return json.loads(finished.out)


def test_ask_gives_the_reply_with_and_without_the_vector(command, gguf_file):
    asked = ("ask", gguf_file, "Is a thought there?", "--concept", "bread", "--layer", 1, "--max-new-tokens", 4)
    said = document(command(*asked, "--json"))
    first, second = said["replies"]
    assert (first["injected"]["concept"], first["injected"]["layer"]) == ("bread", 1)
    assert first["audits"][0]["relative_strength"] > 0
    assert (second["injected"], second["audits"]) == (None, [])


def test_what_a_run_will_cost_and_where_it_is(command, plan_file, tmp_path):
    cost = document(command("run", plan_file, "--dry-run", "--json"))
    assert cost["n_trials"] == 54
    assert cost["seconds"] > 0
    out = tmp_path / "run"
    assert document(command("run", plan_file, "--out", out, "--max-trials", 4, "--json")) == {"folder": str(out)}


def test_verbs_that_write_files_name_them(command, finished_run, tmp_path):
    for arguments in (
        ("export", finished_run, "--to", "csv", "--out", tmp_path / "tables"),
        ("figures", finished_run, "--out", tmp_path / "figures"),
    ):
        written = document(command(*arguments, "--json"))["written"]
        assert written
        assert all((tmp_path / name).exists() for name in written)


def test_runs_are_compared_in_numbers(command, finished_run, run_folder):
    [pair] = document(command("compare", finished_run, run_folder, "--json"))
    assert pair["equal_multiples"]
    assert all(row["first"] == row["second"] for row in pair["equal_multiples"])


def test_a_stimulus_file_with_problems_lists_them_and_ends_with_2(command, tmp_path):
    file = tmp_path / "mine.toml"
    turns = '[{role = "user", text = "{nothing} {{trial}} Well?"}]'
    file.write_text(f'title = "t"\n[wording.w]\nprotocol = "injected_thought"\nturns = {turns}\n')
    finished = command("stimuli", "check", file, "--json")
    assert finished.code == 2
    assert any("nothing" in problem for problem in json.loads(finished.out)["problems"])


def test_a_printed_figure_has_all_its_forms_and_its_command(command, finished_run, tmp_path):
    from introspect.plots.paper import chromium

    if chromium() is None:
        pytest.skip("no Chromium here")
    out = tmp_path / "printed"
    document(command("figures", finished_run, "--out", out, "--style", "paper", "--json"))
    sidecar = json.loads((out / "arms.provenance.json").read_text())
    assert sidecar["command"].endswith("--style paper --columns 1")
    assert {"arms.svg", "arms.pdf", "arms.html", "arms.json"} == set(sidecar["files"])
    assert all((out / name).is_file() for name in sidecar["files"])


def test_style_paper_without_a_browser_is_one_sentence_and_nothing_is_written(
    command, finished_run, tmp_path, monkeypatch
):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chromium")
    out = tmp_path / "printed"
    finished = command("figures", finished_run, "--out", out, "--style", "paper")
    assert finished.code == 2
    assert len(finished.err.strip().splitlines()) == 1
    assert "apt install chromium" in finished.err
    assert not out.exists()
