"""Run folders made small and put together: the same trials, the same numbers, and no trial lost on the way."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import write_synthetic

ROOT = Path(__file__).resolve().parents[2]


def lines(folder):
    from introspect.sweeps.reading import TRIALS, files_of

    return sorted(line for file in files_of(folder, TRIALS) for line in file.read_bytes().splitlines())


def trials(folder):
    from introspect.sweeps.reading import read_trials

    return sorted(read_trials(folder), key=lambda trial: trial.key)


def numbers(folder):
    from introspect.analysis.analyze import analyze

    return json.dumps(analyze(folder).to_json() | {"run": ""}, sort_keys=True)


@pytest.fixture
def small(tmp_path):
    """A run of 900 trials in two shards, and the numbers and trials that it has."""
    folder = write_synthetic(tmp_path / "small", 900, n_concepts=6)
    return folder, numbers(folder), trials(folder)


def test_a_packed_run_has_the_numbers_and_the_trials_of_its_lines(small, command):
    from introspect.analysis.runs import load_run
    from introspect.sweeps.packed import PackedTrials

    folder, before, known = small
    done = command("pack", folder, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["n_trials"] == 900
    assert lines(folder) == [], "the lines are gone once they are packed"
    assert trials(folder) == known
    assert numbers(folder) == before
    opened = load_run(folder).trials
    assert isinstance(opened, PackedTrials)
    assert (len(opened), opened[0], opened[-1], opened[3:5]) == (900, known[0], known[-1], known[3:5])
    assert opened.of([known[7].key, known[2].key]) == [known[2], known[7]]


def test_the_analysis_of_a_packed_run_reads_columns_and_no_trial(small, command, monkeypatch):
    from introspect.sweeps import packed

    folder, before, _ = small
    assert command("pack", folder).code == 0
    read = []
    parsed = packed.parsed
    monkeypatch.setattr(packed, "parsed", lambda frame: read.extend(found := parsed(frame)) or found)
    assert numbers(folder) == before
    assert len(read) < 30, "one here and there is looked at by beartype; a run may have a million"


def test_a_page_of_a_packed_run_has_a_sample_of_every_arm_and_says_so(small, command):
    from introspect.analysis.analyze import analyze
    from introspect.report.build import shown

    folder, *_ = small
    assert command("pack", folder).code == 0
    analysis = analyze(folder)
    listed, claims = shown(analysis, most=60)
    assert [trial.spec.arm for trial in listed].count("concept") == 20
    assert {key: claims[key] for key in claims} == {trial.key: analysis.claims[trial.key] for trial in listed}
    assert shown(analysis, most=60)[0] == listed, "the same trials every time"
    assert len(shown(analysis)[0]) == 900, "as many as a page holds are all there"


def test_a_large_page_says_how_many_trials_it_lists(small, command, monkeypatch):
    from introspect.report import build

    folder, *_ = small
    assert command("pack", folder).code == 0
    monkeypatch.setattr(build, "MOST_TRIALS", 60)
    assert command("report", folder, "--out", folder / "page.html").code == 0
    page = " ".join((folder / "page.html").read_text().split())
    assert "60 of 900 transcripts, sampled; the numbers rest on all." in page
    assert "900 of 900 planned trials were run." in page


def test_what_is_run_after_packing_stands_beside_and_is_packed_as_well(plan_file, finished_run, tmp_path, command):
    run = tmp_path / "run"
    assert command("run", plan_file, "--out", run, "--max-trials", 20).code == 0
    assert command("pack", run).code == 0
    assert command("run", plan_file, "--out", run).code == 0
    assert len(lines(run)) == 34, "no trial is run again"
    assert trials(run) == trials(finished_run)
    assert numbers(run) == numbers(finished_run)
    assert command("pack", run).code == 0
    assert lines(run) == []
    assert trials(run) == trials(finished_run)


def test_a_line_that_was_never_finished_is_left_out_of_a_packing(small, command):
    folder, _, known = small
    shard = next((folder / "shards").glob("*.trials.jsonl"))
    shard.write_bytes(shard.read_bytes() + b'{"key":"0123456789abcdef0123456789abcdef","spec":{"proto')
    assert command("pack", folder).code == 0
    assert trials(folder) == known


def test_lines_that_contradict_each_other_are_refused_and_nothing_is_changed(small, command):
    from introspect.checksums import unsealed

    folder, *_ = small
    shard = next((folder / "shards").glob("*.trials.jsonl"))
    line = unsealed(shard.read_bytes().splitlines()[0])
    other = line.replace(b'"reply":"', b'"reply":"Not ')
    assert other != line
    shard.write_bytes(shard.read_bytes() + other + b"\n")
    before = lines(folder)
    done = command("pack", folder)
    assert done.code == 2
    assert "contradict" in done.err
    assert lines(folder) == before
    assert not (folder / "packed").exists()
    assert not list(folder.glob(".packed*"))


@pytest.mark.parametrize("damage", ["no key", "no trial"])
def test_damaged_lines_are_set_aside_and_the_sound_ones_packed(small, command, damage):
    folder, _, known = small
    shard = next((folder / "shards").glob("*.trials.jsonl"))
    wrong = {"no key": b'{"spec": 1}', "no trial": shard.read_bytes()[:40] + b'"}'}[damage]
    shard.write_bytes(shard.read_bytes() + wrong + b"\n")
    done = command("pack", folder)
    assert done.code == 0, done.err
    assert trials(folder) == known
    assert [file.read_bytes() for file in folder.rglob("*.damaged")] == [wrong + b"\n"]


def test_two_halves_of_a_run_are_merged_to_the_whole(small, command, tmp_path):
    folder, before, known = small
    halves = []
    for i, shard in enumerate(sorted((folder / "shards").glob("*.trials.jsonl"))):
        halves.append(tmp_path / f"half{i}")
        (halves[-1] / "shards").mkdir(parents=True)
        for name in ("manifest.json", "prompts.jsonl"):
            shutil.copy(folder / name, halves[-1] / name)
        shutil.copy(shard, halves[-1] / "shards")
    assert command("pack", halves[0]).code == 0, "a packed half is as good as any"
    done = command("merge", *halves, "--out", tmp_path / "both", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["n_trials"] == 900
    assert trials(tmp_path / "both") == known
    assert numbers(tmp_path / "both") == before
    again = command("merge", tmp_path / "both", folder, "--out", tmp_path / "twice")
    assert again.code == 0, again.err
    assert trials(tmp_path / "twice") == known, "what both have is taken once"


def test_runs_that_contradict_each_other_or_are_of_two_plans_are_not_merged(small, command, tmp_path):
    folder, *_ = small
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    shard = next((other / "shards").glob("*.trials.jsonl"))
    text = shard.read_text()
    key = json.loads(text.splitlines()[0])["key"]
    shard.write_text(text.replace('"reply":"', '"reply":"Not ', 1))
    done = command("merge", folder, other, "--out", tmp_path / "both")
    assert done.code == 2
    assert f"disagree on the trial {key}" in " ".join(done.err.split())
    assert not (tmp_path / "both" / "manifest.json").exists()

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["plan"]["samples"] = 7
    (other / "manifest.json").write_text(json.dumps(manifest))
    done = command("merge", folder, other, "--out", tmp_path / "both")
    assert done.code == 2
    assert "samples was 1, is now 7" in " ".join(done.err.split())
    assert command("merge", folder, "--out", tmp_path / "both").code == 2
    assert command("merge", folder, folder, "--out", folder).code == 2


MEASURED = """
import resource, sys, time
from pathlib import Path
begun = time.perf_counter()
from introspect.analysis.analyze import analyze
from introspect.report.build import report_page
analysis = analyze(Path(sys.argv[1]))
seconds, peak = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(analysis.run.trials), seconds, peak, report_page(analysis).stat().st_size)
"""


@pytest.mark.slow
def test_a_million_trials_are_analysed_within_a_minute_and_two_gib_and_fit_a_small_page(tmp_path):
    from introspect.analysis.packing import pack_run

    folder = write_synthetic(tmp_path / "million", 10**6)
    pack_run(folder)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(folder)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    n, seconds, peak, size = map(float, done.stdout.split())
    assert n == 10**6
    assert seconds < 60
    assert peak * 1024 < 2 * 2**30
    assert size < 20e6
