"""A full disk and a read-only folder: one sentence, nothing half-written, and the run goes on once there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 2**20


@contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory, or skip with the reason."""
    folder.mkdir(exist_ok=True)
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def refused(finished, *parts):
    assert finished.code == 2, finished
    assert "Traceback" not in finished.err
    sentence = finished.err.strip().splitlines()[-1]
    assert all(part in sentence for part in parts), finished.err
    return True


def fill(folder, leave):
    """Take all the room but so many bytes."""
    room = shutil.disk_usage(folder).free
    (folder / "filler").write_bytes(b"x" * (room - leave))


def test_a_read_only_folder_is_refused_before_the_model_answers_anything(command, plan_file, run_folder, tmp_path):
    with tmpfs(tmp_path / "fixed", "size=4m") as folder:
        shutil.copytree(run_folder, folder / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (folder / "plain").write_text("x")
        assert refused(command("run", plan_file, "--out", folder / "new"), "cannot be written", "Read-only")
        assert refused(command("run", plan_file, "--out", folder / "run"), "cannot be written", "Read-only")
        assert refused(command("report", folder / "run"), "Read-only")
        assert refused(command("figures", folder / "run", "--out", folder / "f"), "Read-only")
        assert command("analyze", folder / "run").code == 0
        assert not (folder / "new").exists()


def test_a_disk_that_fills_up_keeps_whole_trials_and_the_run_goes_on_later(command, plan_file, finished_run, tmp_path):
    with tmpfs(tmp_path / "small", "size=1m") as folder:
        out = folder / "run"
        assert command("run", plan_file, "--out", out, "--max-trials", 8).code == 0
        fill(folder, leave=2 * 4096)
        assert refused(command("run", plan_file, "--out", out), "cannot be written", "No space left")
        kept = (out / "trials.jsonl").read_bytes()
        assert 8 <= kept.count(b"\n") < 54
        assert kept.endswith(b"\n")
        assert not [file for file in out.iterdir() if file.suffix not in {".json", ".jsonl", ".safetensors", ""}]
        (folder / "filler").unlink()
        assert command("run", plan_file, "--out", out).code == 0
        trials = (out / "trials.jsonl").read_bytes()
        assert trials.startswith(kept)
        assert sorted(trials.splitlines()) == sorted((finished_run / "trials.jsonl").read_bytes().splitlines())


def test_a_page_and_figures_that_do_not_fit_leave_nothing_half_written(command, run_folder, tmp_path):
    with tmpfs(tmp_path / "tiny", "size=1m") as folder:
        (folder / "page.html").write_text("an older page")
        assert refused(command("report", run_folder, "--out", folder / "page.html"), "No space left")
        assert (folder / "page.html").read_text() == "an older page"
        assert refused(command("figures", run_folder, "--out", folder / "figures"), "No space left")
        assert all(file.stat().st_size for file in (folder / "figures").rglob("*"))


def test_vectors_that_do_not_fit_leave_nothing_half_written(command, gguf_file, tmp_path):
    with tmpfs(tmp_path / "tiny", "size=1m") as folder:
        fill(folder, leave=4096)
        finished = command("vectors", "extract", gguf_file, "--out", folder / "v")
        assert refused(finished, "No space left")
        assert not (folder / "v" / "vectors.safetensors").exists()
        assert not list((folder / "v").glob(".*"))


def test_a_cache_that_does_not_fit_is_named_and_left_clean(command, gguf_file, tmp_path, monkeypatch):
    with tmpfs(tmp_path / "cache", "size=1m") as folder:
        fill(folder, leave=8192)
        monkeypatch.setenv("INTROSPECT_CACHE", str(folder))
        assert refused(command("ask", gguf_file, "Hello?"), "cache folder", "INTROSPECT_CACHE")
        assert not [entry for entry in (folder / "gguf").iterdir() if entry.is_dir()]
