"""Damage on the disk is noticed and named, what is sound is kept, and the run's own command makes the rest again."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from sentences import is_one_sentence

pytestmark = pytest.mark.torture

N_TRIALS = 54
SEAL = re.compile(rb',\s*"check":"[0-9a-f]{16}"\}')


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def middle_of_line(data, number):
    """The place in the middle of a line, counted from 0."""
    lines = data.split(b"\n")
    return sum(len(line) + 1 for line in lines[:number]) + len(lines[number]) // 2


def flip_in_a_line(data):
    return flip(data, middle_of_line(data, 7))


def flip_a_line_end(data):
    return flip(data, sum(len(line) + 1 for line in data.split(b"\n")[:4]) - 1)


def zeros_in_the_middle(data):
    at = middle_of_line(data, 5)
    return data[:at] + bytes(4000) + data[at + 4000 :]


def cut_in_a_line(data):
    return data[: middle_of_line(data, 20)]


def cut_between_lines(data):
    return b"".join(line + b"\n" for line in data.split(b"\n")[:20])


def rubbish_behind(data):
    return data + b"\xff\xfe\x00 rubbish\n"


def same_trials(folder, whole):
    """Whether both folders hold the same trials, each once."""
    ours, theirs = ((each / "trials.jsonl").read_bytes().splitlines() for each in (folder, whole))
    assert len(ours) == N_TRIALS
    return sorted(ours) == sorted(theirs)


@pytest.mark.parametrize(
    ("harm", "n_lost", "refused"),
    [
        (flip_in_a_line, 1, "line 8 of"),
        (flip_a_line_end, 2, "line 4 of"),
        (zeros_in_the_middle, None, "line 6 of"),
        (cut_in_a_line, 34, None),
        (cut_between_lines, 34, None),
        (rubbish_behind, 0, "line 55 of"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_damaged_trials_are_named_set_aside_and_run_again(
    command, plan_file, finished_run, run_folder, harm, n_lost, refused
):
    file = run_folder / "trials.jsonl"
    good = file.read_bytes()
    file.write_bytes(harm(good))
    if refused:
        assert is_one_sentence(command("analyze", run_folder), refused, "is damaged", "own command")
    else:
        assert f"{N_TRIALS - n_lost} of {N_TRIALS} planned trials" in command("analyze", run_folder).out
    again = command("run", plan_file, "--out", run_folder, "--quiet")
    assert again.code == 0, again.err
    assert same_trials(run_folder, finished_run)
    assert ("set aside in trials.jsonl.damaged" in again.err) is bool(refused)
    if n_lost is not None:
        kept = set(good.splitlines()) & set(harm(good).splitlines())
        assert len(kept) == N_TRIALS - n_lost
        assert kept <= set(file.read_bytes().splitlines()[: len(kept)])
    assert command("analyze", run_folder).code == 0


def test_a_damaged_prompt_is_written_again_and_no_trial_is_run_for_it(command, plan_file, finished_run, run_folder):
    trials, prompts = (run_folder / "trials.jsonl").read_bytes(), run_folder / "prompts.jsonl"
    prompts.write_bytes(flip(prompts.read_bytes(), 40))
    assert is_one_sentence(command("report", run_folder), "prompts.jsonl is damaged", "checksum")
    assert command("run", plan_file, "--out", run_folder).code == 0
    assert (run_folder / "trials.jsonl").read_bytes() == trials
    whole = (finished_run / "prompts.jsonl").read_bytes()
    assert sorted(prompts.read_bytes().splitlines()) == sorted(whole.splitlines())
    assert command("report", run_folder).code == 0
    prompts.write_bytes(b"".join(line + b"\n" for line in whole.splitlines()[1:]))
    assert is_one_sentence(command("report", run_folder), "have a prompt that is no longer there", "own command")


@pytest.mark.parametrize("harm", ["flipped", "empty", "gone"])
def test_a_lost_manifest_is_written_anew_where_all_trials_are_the_plans(command, plan_file, run_folder, harm):
    manifest, trials = run_folder / "manifest.json", (run_folder / "trials.jsonl").read_bytes()
    before = json.loads(manifest.read_bytes())
    if harm == "gone":
        manifest.unlink()
    else:
        manifest.write_bytes(flip(manifest.read_bytes(), 300) if harm == "flipped" else b"")
    assert is_one_sentence(command("analyze", run_folder), "manifest.json")
    other = command("run", plan_file, "--out", run_folder, "--set", "seed=7")
    assert is_one_sentence(other, "manifest.json")
    again = command("run", plan_file, "--out", run_folder)
    assert again.code == 0, again.err
    assert "is written anew: all 54 trials are this plan's" in again.err
    after = json.loads(manifest.read_bytes())
    assert {key: after[key] for key in ("plan", "subject", "vectors_hash", "n_planned")} == {
        key: before[key] for key in ("plan", "subject", "vectors_hash", "n_planned")
    }
    assert (run_folder / "trials.jsonl").read_bytes() == trials


@pytest.mark.parametrize("harm", ["flipped", "cut"])
def test_damaged_vectors_are_refused_and_made_again_once_they_are_gone(
    command, plan_file, finished_run, run_folder, harm
):
    vectors, trials = run_folder / "vectors.safetensors", run_folder / "trials.jsonl"
    data = vectors.read_bytes()
    vectors.write_bytes(flip(data, len(data) - 33) if harm == "flipped" else data[:-100])
    half = b"".join(line + b"\n" for line in trials.read_bytes().splitlines()[:30])
    trials.write_bytes(half)
    said = "its checksum does not fit its numbers" if harm == "flipped" else "cannot be read"
    assert is_one_sentence(command("run", plan_file, "--out", run_folder), "vectors.safetensors", said, "extract it")
    assert trials.read_bytes() == half
    vectors.unlink()
    assert command("run", plan_file, "--out", run_folder).code == 0
    assert same_trials(run_folder, finished_run)
    assert vectors.read_bytes() == data


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "sums.json"])
def test_a_damaged_cache_entry_is_noticed_and_built_again(gguf_file, tmp_path, monkeypatch, caplog, name):
    from introspect.subjects.gguf import unpacked

    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path))
    folder = unpacked(gguf_file)
    built = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / name).write_bytes(flip(built[name], len(built[name]) // 2))
    assert unpacked(gguf_file) == folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == built
    assert f"is damaged ({name}), and is built again" in caplog.text
    caplog.clear()
    unpacked(gguf_file)
    assert caplog.text == ""


def test_a_cache_entry_that_lost_a_file_is_built_again_and_one_from_before_the_hashes_is_used(tmp_path, monkeypatch):
    from introspect.subjects.cache import SUMS, build_once

    built = []

    def build(draft):
        built.append(draft)
        (draft / "a").write_bytes(b"a")
        (draft / "b").write_bytes(b"b")

    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path))
    folder = build_once(tmp_path / "entry", build)
    (folder / "b").unlink()
    assert (build_once(tmp_path / "entry", build) / "b").read_bytes() == b"b"
    assert len(built) == 2
    (folder / SUMS).unlink()
    (folder / "a").write_bytes(b"changed")
    assert (build_once(tmp_path / "entry", build) / "a").read_bytes() == b"changed"
    assert len(built) == 2


def test_a_remembered_hash_survives_neither_damage_nor_a_clock_that_is_set_back(tmp_path, monkeypatch):
    from introspect.checksums import unsealed
    from introspect.subjects.cache import file_hash

    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "weights"
    file.write_bytes(b"old")
    old = file_hash(file)
    (known,) = (tmp_path / "cache" / "hashes").iterdir()
    known.write_bytes(known.read_bytes().replace(old[:8].encode(), b"00000000"))
    assert file_hash(file) == old
    known.write_bytes(unsealed(known.read_bytes()).replace(old[:8].encode(), b"00000000"))  # its seal is gone, too
    assert file_hash(file) == old
    stat = file.stat()
    file.write_bytes(b"new")  # as long, and dated as the old one was: what a clock that jumps back can do
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_mtime_ns == stat.st_mtime_ns
    assert file_hash(file) != old


def test_a_judges_answer_that_was_damaged_is_asked_for_again(tmp_path):
    import sqlite3
    from contextlib import closing

    from introspect.judges.cache import AnswerCache
    from introspect.judges.model import Answer

    cache = AnswerCache(tmp_path / "judges.sqlite")
    cache.put("k", Answer("noticed: yes", 3, 4))
    assert cache.get("k") == Answer("noticed: yes", 3, 4)
    for change in ("replace(answer, 'yes', 'no')", "substr(answer, 3)", "'[1, 2]'", "'[null, 1, 2]'"):
        with closing(sqlite3.connect(cache.path)) as store, store:
            store.execute(f"UPDATE answers SET answer = {change}")
        assert cache.get("k") is None
        cache.put("k", Answer("noticed: yes", 3, 4))
    with closing(sqlite3.connect(cache.path)) as store, store:
        store.execute("UPDATE answers SET answer = '[\"no\", null, 2]'")  # as it was kept at first
    assert cache.get("k") == Answer("no", None, 2)


def test_a_damaged_claim_is_named_and_set_aside_by_the_next_grading(run_folder):
    from introspect.errors import JudgeError
    from introspect.graders.rules import RuleGrader
    from introspect.judges.grading import grade_by_rules
    from introspect.sweeps.claims import ClaimsFile, Grading, read_claims

    grade_by_rules(run_folder, RuleGrader())
    (file,) = (run_folder / "claims").glob("*.jsonl")
    file.write_bytes(flip(file.read_bytes(), 50))
    with pytest.raises(JudgeError, match=r"line 1 of .* is damaged \(its checksum"):
        read_claims(run_folder, RuleGrader.name)
    with ClaimsFile(run_folder, Grading(grader=RuleGrader.name)) as claims:
        assert len(claims.read()) == N_TRIALS - 1
    assert len(read_claims(run_folder, RuleGrader.name)[1]) == N_TRIALS - 1
    companion = file.with_suffix(".json")
    companion.write_bytes(flip(companion.read_bytes(), 5))
    with pytest.raises(JudgeError, match="is damaged"):
        read_claims(run_folder, RuleGrader.name)


def test_drafts_that_a_killed_process_left_are_gone_after_the_next_start(plan_file, run_folder):
    import introspect

    (run_folder / ".manifest.json.4711").write_bytes(b"{")
    (run_folder / ".vectors.safetensors.4711").write_bytes(b"half")
    (run_folder / ".notes.of.mine").write_bytes(b"kept")
    introspect.sweep(plan_file, run_folder)
    left = {file.name for file in run_folder.iterdir() if file.name.startswith(".")}
    assert left == {".lock", ".notes.of.mine"}


def test_a_run_from_before_there_were_checksums_is_read_and_goes_on(command, plan_file, finished_run, run_folder):
    for name in ("trials.jsonl", "prompts.jsonl", "manifest.json"):
        file = run_folder / name
        file.write_bytes(SEAL.sub(b"}", file.read_bytes()))
        assert b'"check"' not in file.read_bytes()
    trials = run_folder / "trials.jsonl"
    half = b"".join(line + b"\n" for line in trials.read_bytes().splitlines()[:30])
    trials.write_bytes(half)
    assert command("analyze", run_folder).code == 0
    assert command("run", plan_file, "--out", run_folder).code == 0
    assert trials.read_bytes().startswith(half)
    unsealed = [SEAL.sub(b"}", each.read_bytes()).splitlines() for each in (trials, finished_run / "trials.jsonl")]
    assert sorted(unsealed[0]) == sorted(unsealed[1])


@pytest.mark.parametrize("year", [0, 4_000_000_000])
def test_a_run_dated_long_ago_or_in_the_future_goes_on_as_any_other(plan_file, finished_run, run_folder, year):
    import introspect

    trials = run_folder / "trials.jsonl"
    trials.write_bytes(b"".join(line + b"\n" for line in trials.read_bytes().splitlines()[:50]))
    for file in run_folder.iterdir():
        os.utime(file, (year, year))
    introspect.sweep(plan_file, run_folder)
    assert same_trials(run_folder, finished_run)


def test_nothing_is_decided_by_the_clock_on_the_wall():
    """It is read for the date in a manifest and in a log, and nowhere else; durations are monotonic."""
    package = Path(__file__).parents[2] / "introspect"
    clocks = re.compile(r"time\.time\(|datetime\.now\(|utcnow|fromtimestamp|localtime|gmtime")
    readers = {
        str(file.relative_to(package)) for file in package.rglob("*.py") if clocks.search(file.read_text("utf-8"))
    }
    assert readers == {"lab/folder.py", "logs.py", "sweeps/prepare.py"}


def test_a_full_disk_while_claims_are_written_takes_the_last_one_back(run_folder, tmp_path):
    import resource

    from introspect.errors import JudgeError
    from introspect.records import Claim
    from introspect.sweeps.claims import ClaimsFile, Grading

    claim = Claim(grader="g", noticed="yes", coherent=True)
    with ClaimsFile(run_folder, Grading(grader="g")) as claims:
        claims.append("a", claim)
        before = claims.path.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
        try:
            with pytest.raises(JudgeError, match="what was there before is kept"):
                claims.append("b", claim)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert claims.path.read_bytes() == before


@pytest.mark.parametrize("name", ["trials.jsonl", "prompts.jsonl", "vectors.safetensors", "manifest.json", ".lock"])
def test_a_link_out_of_the_run_folder_is_refused_and_what_it_leads_to_is_untouched(
    command, plan_file, run_folder, tmp_path, name
):
    outside = tmp_path / "outside"
    if (run_folder / name).exists():
        shutil.copy(run_folder / name, outside)
    else:
        outside.write_bytes(b"mine")
    before = outside.read_bytes()
    (run_folder / name).unlink(missing_ok=True)
    (run_folder / name).symlink_to(outside)
    assert is_one_sentence(command("run", plan_file, "--out", run_folder), "symbolic link that leads out", str(outside))
    if name.endswith((".jsonl", ".json")):
        assert is_one_sentence(command("analyze", run_folder), "symbolic link that leads out")
    assert outside.read_bytes() == before
