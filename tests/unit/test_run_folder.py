"""A run folder loses nothing and holds nothing half-written, whatever happens to the process or the disk."""

import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from introspect.analysis.runs import load_run
from introspect.errors import RunFolderError
from introspect.records import SCHEMA_VERSION, Manifest, Plan, Prompt, SubjectIdentity, Trial, TrialSpec
from introspect.sweeps.folder import RunFolder
from introspect.sweeps.reading import MANIFEST, PROMPTS, TRIALS, read_manifest, read_prompts, read_trials

SUBJECT = SubjectIdentity(name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=4, d_model=8)
PLAN = Plan(name="p", layers=(1,), strengths=(2.0,), seed=0)
HOLDER = """
import sys
from pathlib import Path
from introspect.sweeps.folder import RunFolder
with RunFolder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def make_trial(sample, reply="No, nothing unusual."):
    spec = TrialSpec(
        protocol="injected_thought", subject="f" * 32, dtype="float32", arm="none", task="report", wording="plain",
        wording_hash="w", vector=None, vectors_hash="v", layer=None, strength=None, span="trial", where="both",
        sample=sample, max_new_tokens=60, temperature=1.0,
    )  # fmt: skip
    return Trial(key=spec.key, spec=spec, prompt="p", reply=reply, reply_tokens=(1,), finish="stop", audits=())


def make_prompt(name="p"):
    return Prompt(id=name, text="Trial 1", format="chat", offsets=((0, 5), (5, 7)))


def make_manifest(plan=PLAN, **changes):
    fields = {
        "schema_version": SCHEMA_VERSION, "introspect_version": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00", "plan": plan,
        "subject": SUBJECT, "n_planned": 10, "vectors_hash": "v", "wordings": {"plain": "w"},
        "concepts": {"bread": ("bread", "loaf")}, "machine": {}, "packages": {},
    }  # fmt: skip
    return Manifest(**(fields | changes))


def begin(path, trials=()):
    with RunFolder(path) as folder:
        folder.adopt(make_manifest())
        folder.append(trials)
    return path


def everything_in(path):
    return {file.name: file.read_bytes() for file in path.iterdir() if file.name in {MANIFEST, TRIALS, PROMPTS}}


@pytest.fixture
def run(tmp_path):
    return begin(tmp_path / "run", [make_trial(0), make_trial(1, "two\nlines \u2028 é 😀")])


@contextmanager
def files_at_most(n_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one MiB of its own, where this machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("this machine has no mount command")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk, leaving):
    (disk / "spare").write_bytes(bytes(leaving))
    with pytest.raises(OSError, match="No space left"):
        (disk / "filler").write_bytes(bytes(2**21))
    (disk / "spare").unlink()


def test_what_was_appended_is_read_back_equal_and_in_order(run):
    with RunFolder(run) as folder:
        folder.append([make_trial(2)])
        trials = [make_trial(0), make_trial(1, "two\nlines \u2028 é 😀"), make_trial(2)]
        assert folder.recover() == {trial.key: trial.prompt for trial in trials}
    assert read_trials(run) == trials


def test_a_folder_without_trials_has_none(tmp_path):
    run = begin(tmp_path / "deep" / "run")
    (run / TRIALS).unlink()
    with RunFolder(run) as folder:
        assert folder.recover() == {}
    assert load_run(run).trials == ()
    assert read_prompts(run) == {}


def test_a_batch_that_does_not_fit_is_taken_back_to_the_byte(run):
    before = everything_in(run)
    batch = [make_trial(sample) for sample in range(2, 40)]
    with RunFolder(run) as folder:
        with files_at_most(len(before[TRIALS]) + 2500), pytest.raises(RunFolderError, match="what was there before"):
            folder.append(batch)
        assert everything_in(run) == before
        folder.append(batch)
    assert len(read_trials(run)) == 40


def test_a_first_batch_that_does_not_fit_leaves_no_trial(tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        folder.adopt(make_manifest())
        with files_at_most(700), pytest.raises(RunFolderError, match="File too large"):
            folder.append([make_trial(sample) for sample in range(9)])
        assert folder.recover() == {}


def test_a_file_that_cannot_be_replaced_whole_stays_as_it_was(run):
    with RunFolder(run) as folder:
        folder.write(PROMPTS, b"old\n")
        with files_at_most(100), pytest.raises(RunFolderError, match="cannot be written"):
            folder.write(PROMPTS, b"new" * 1000)
    assert (run / PROMPTS).read_bytes() == b"old\n"
    assert {file.name for file in run.iterdir()} - {".lock"} == {MANIFEST, PROMPTS, TRIALS}


def test_on_a_full_disk_a_batch_is_refused_whole_and_goes_in_once_there_is_room(small_disk):
    run = begin(small_disk / "run", [make_trial(0)])
    before = everything_in(run)
    batch = [make_trial(sample) for sample in range(1, 100)]
    with RunFolder(run) as folder:
        fill(small_disk, leaving=8192)
        with pytest.raises(RunFolderError, match="No space left on device"):
            folder.append(batch)
        with pytest.raises(RunFolderError, match="Free some space or choose another --out"):
            folder.write(PROMPTS, bytes(50_000))
        assert everything_in(run) == before
        (small_disk / "filler").unlink()
        folder.append(batch)
    assert len(read_trials(run)) == 100


def test_on_a_full_disk_no_run_begins_and_none_is_harmed(small_disk):
    run = begin(small_disk / "run", [make_trial(0)])
    before = everything_in(run)
    fill(small_disk, leaving=0)
    with pytest.raises(RunFolderError, match="No space left on device"):
        begin(run, [make_trial(1)])
    assert everything_in(run) == before
    assert load_run(run).trials == (make_trial(0),)


def test_a_read_only_disk_is_refused_for_writing_and_can_still_be_read(small_disk):
    run = begin(small_disk / "run", [make_trial(0)])
    before = everything_in(run)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OSError, match="Read-only file system"):
        (run / "plain").write_bytes(b"x")
    for path in (run, small_disk / "another"):
        with pytest.raises(RunFolderError, match="Read-only file system"):
            begin(path, [make_trial(1)])
    with pytest.raises(RunFolderError, match="Read-only file system"):
        RunFolder(small_disk).append([make_trial(1)])  # a disk that turned read-only on the way
    assert everything_in(run) == before
    assert load_run(run).trials == (make_trial(0),)


@pytest.mark.parametrize("kept", [0, 1, 250, -2, -1])
def test_a_line_that_a_killed_process_left_unfinished_is_cut_off_at_the_next_start(run, kept):
    whole = (run / TRIALS).read_bytes()
    unfinished = make_trial(2).model_dump_json().encode()
    torn = whole + unfinished[: kept if kept >= 0 else len(unfinished) + kept + 1]
    (run / TRIALS).write_bytes(torn)
    assert len(load_run(run).trials) == 2
    assert (run / TRIALS).read_bytes() == torn  # who only reads changes nothing
    with RunFolder(run) as folder:
        assert len(folder.recover()) == 2
        assert (run / TRIALS).read_bytes() == whole
        folder.append([make_trial(2)])
    assert read_trials(run)[2] == make_trial(2)


def test_a_prompt_that_a_killed_process_left_unfinished_is_cut_off_and_written_again(run):
    whole = make_prompt("p").model_dump_json().encode() + b"\n"
    (run / PROMPTS).write_bytes(whole + make_prompt("q").model_dump_json().encode()[:-5])
    with RunFolder(run) as folder:
        assert len(folder.recover()) == 2
        assert (run / PROMPTS).read_bytes() == whole
        folder.append([make_trial(2)], [make_prompt("q")])
    assert read_prompts(run) == {"p": make_prompt("p"), "q": make_prompt("q")}
    assert read_trials(run)[-1] == make_trial(2)


def test_no_trial_stands_on_the_disk_without_its_prompt(run):
    before = everything_in(run)
    batch = [make_trial(sample) for sample in range(2, 40)]
    with RunFolder(run) as folder, files_at_most(len(before[TRIALS]) + 2500), pytest.raises(RunFolderError):
        folder.append(batch, [make_prompt()])
    assert read_prompts(run) == {"p": make_prompt()}
    assert (run / TRIALS).read_bytes() == before[TRIALS]
    with RunFolder(run) as folder, files_at_most(40), pytest.raises(RunFolderError, match="File too large"):
        folder.append([make_trial(2)], [make_prompt("q")])
    assert (run / TRIALS).read_bytes() == before[TRIALS]
    assert read_prompts(run) == {"p": make_prompt()}


def test_one_prompt_may_stand_twice_and_is_read_once(run):
    with RunFolder(run) as folder:
        folder.append([make_trial(2)], [make_prompt()])
        folder.append([make_trial(3)], [make_prompt()])
    assert read_prompts(run) == {"p": make_prompt()}


def test_a_run_is_taken_up_again_under_its_old_manifest(run):
    later = make_manifest(PLAN.model_copy(update={"device": "cuda", "batch_size": 3}), created="later", n_planned=25)
    with RunFolder(run) as folder:
        folder.adopt(later)
        assert read_manifest(run) == make_manifest(n_planned=25)
        folder.adopt(make_manifest(n_planned=5))
    assert read_manifest(run) == make_manifest(n_planned=25)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"plan": PLAN.model_copy(update={"seed": 1})}, "seed was 0, is now 1"),
        ({"plan": PLAN.model_copy(update={"layers": (1, 2)})}, r"layers was \[1\], is now \[1, 2\]"),
        ({"subject": SUBJECT.model_copy(update={"fingerprint": "e" * 32})}, "subject was f{12} .* is now e{12} in fl"),
        ({"subject": SUBJECT.model_copy(update={"dtype": "bfloat16"})}, "in float32, is now f{12} in bfloat16"),
        ({"wordings": {"plain": "x"}}, "the wordings are not the same"),
        ({"concepts": {"bread": ("bread",)}}, "the concepts are not the same"),
        ({"vectors_hash": "u"}, "the vectors hash are not the same"),
        ({"schema_version": 2}, "its format is version 3, this one writes version 2"),
    ],
)
def test_another_run_is_refused_with_the_difference_and_nothing_changes(run, changes, sentence):
    before = everything_in(run)
    with RunFolder(run) as folder, pytest.raises(RunFolderError, match=f"holds another run.*{sentence}"):
        folder.adopt(make_manifest(**changes))
    assert everything_in(run) == before


def test_trials_without_a_manifest_are_not_taken_for_a_run(run):
    (run / MANIFEST).unlink()
    with RunFolder(run) as folder, pytest.raises(RunFolderError, match=f"has trials but no {MANIFEST}"):
        folder.adopt(make_manifest())
    with pytest.raises(RunFolderError, match=f"is not a run folder: it has no {MANIFEST}"):
        load_run(run)


@pytest.mark.parametrize(
    ("old", "version"),
    [('{"schema_version": 7}', 7), ('{"schema_version": "7", "plan": null}', 7), ('{"schema_version": 1}', 1)],
)
def test_a_run_of_another_version_is_refused_by_its_version(run, old, version):
    (run / MANIFEST).write_text(old, "utf-8")
    with pytest.raises(
        RunFolderError, match=f"was written in version {version} of the run format, and this is version 3"
    ):
        read_manifest(run)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"schema_version": 3}', b'{"schema_version": []}'])
def test_a_damaged_manifest_is_refused(run, content):
    (run / MANIFEST).write_bytes(content)
    with pytest.raises(RunFolderError, match=f"{MANIFEST} is damaged"):
        read_manifest(run)


def test_a_damaged_line_is_named_by_its_number_and_skipped_by_no_reader(run):
    good = (run / TRIALS).read_bytes()
    unchecked = b"".join(line[: line.rindex(b',"check"')] + b"}\n" for line in good.splitlines())
    for bad, sentence in (
        (good.replace(b'"sample":1', b'"sample":7'), "checksum does not fit"),
        (unchecked.replace(b'"sample":1', b'"sample":7'), "does not belong"),
        (good + b"{]\n", "JSON"),
    ):
        (run / TRIALS).write_bytes(bad)
        number = bad.count(b"\n")
        with pytest.raises(RunFolderError, match=f"line {number} of .* is damaged .*{sentence}.*run.* trials again"):
            load_run(run)


def test_damaged_lines_are_set_aside_at_the_next_start_and_the_sound_ones_stay_to_the_byte(run, caplog):
    good = (run / TRIALS).read_bytes()
    (run / TRIALS).write_bytes(b"{]\n" + good + b"\x00\xff\n" + good.splitlines()[0][:-9] + b"\n" + b"unfinished")
    with RunFolder(run) as folder:
        assert len(folder.recover()) == 2
    assert (run / TRIALS).read_bytes() == good
    assert (run / f"{TRIALS}.damaged").read_bytes().splitlines()[:2] == [b"{]", b"\x00\xff"]
    assert "3 lines of" in caplog.text
    assert "set aside in trials.jsonl.damaged" in caplog.text


def test_one_trial_may_stand_twice_but_not_with_two_replies(run):
    with RunFolder(run) as folder:
        folder.append([make_trial(0)])
        assert len(folder.recover()) == 2
        folder.append([make_trial(0, "Yes, I notice something.")])
    with pytest.raises(RunFolderError, match=f"line 4 .* contradicts an earlier line .* {make_trial(0).key}"):
        read_trials(run)


def test_prompts_are_found_by_their_id_and_damaged_ones_are_refused(run):
    prompt = make_prompt()
    (run / PROMPTS).write_text(prompt.model_dump_json() + "\n", "utf-8")
    assert load_run(run).prompts == {"p": prompt}
    (run / PROMPTS).write_text('{"id": "p"}\n', "utf-8")
    with pytest.raises(RunFolderError, match=f"line 1 of .*{PROMPTS} is damaged .Field required"):
        load_run(run)


def test_what_is_no_file_cannot_be_read_as_one(run, tmp_path):
    (run / TRIALS).unlink()
    (run / TRIALS).mkdir()
    with pytest.raises(RunFolderError, match=f"{TRIALS} cannot be read: Is a directory"):
        load_run(run)
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(RunFolderError, match="File exists"):
        begin(tmp_path / "file")


def test_two_processes_do_not_write_to_one_run(run):
    before = everything_in(run)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, run], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunFolderError, match=r"another process is writing to .*; wait for it"):
            begin(run, [make_trial(9)])
        assert everything_in(run) == before
        assert len(load_run(run).trials) == 2
        holder.stdin.close()
    assert holder.returncode == 0
    assert len(read_trials(begin(run, [make_trial(9)]))) == 3


def test_a_worker_leaves_the_drafts_of_the_others_alone(tmp_path):
    from introspect.sweeps.folder import RunFolder

    with RunFolder(tmp_path):
        draft = tmp_path / f".vectors.safetensors.{os.getpid() + 1}"
        draft.write_bytes(b"being written")
        with RunFolder(tmp_path, "worker-1"):
            assert draft.exists()
    with RunFolder(tmp_path):
        assert not draft.exists()


def test_a_worker_writes_nothing_through_a_link_out_of_the_folder(tmp_path):
    from introspect.errors import RunFolderError
    from introspect.sweeps.folder import RunFolder

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "shards").symlink_to(elsewhere)
    with pytest.raises(RunFolderError, match="leads out of the run folder"), RunFolder(tmp_path / "run", "worker-1"):
        pass
    assert list(elsewhere.iterdir()) == []


def test_the_disk_is_waited_for_now_and_then_and_at_the_end_for_both_files(tmp_path, monkeypatch):
    waited = []
    really = os.fsync

    def noted(handle):
        waited.append(os.fstat(handle).st_ino)
        really(handle)

    run = begin(tmp_path / "run")
    monkeypatch.setattr(os, "fsync", noted)
    with RunFolder(run) as folder:
        for sample in range(40):
            folder.append([make_trial(sample)], [make_prompt(f"p{sample}")])
    assert waited[-2:] == [(run / name).stat().st_ino for name in (PROMPTS, TRIALS)]
    assert len(waited) < 40
