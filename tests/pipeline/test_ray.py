"""Ray itself: two workers on this machine, one of which is killed, and a driver that is.

Ray takes some seconds to start, so one session is shared; it is not imported before it is told where to listen. The
driver's own rules are tested without Ray in ``test_workers``, clusters of several nodes in ``test_ray_nodes``.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


KEY = "hf_aKeyThatNobodyMayWriteDown"


@pytest.fixture(scope="module")
def ray_here(cache_folder):
    """Two workers' worth of Ray, started as ``introspect run --executor ray`` starts it."""
    from introspect.sweeps.ray_pool import RayExecutor

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))  # before Ray starts: its workers inherit the environment
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("HF_TOKEN", KEY)
        with RayExecutor(n_workers=2, cpus=1) as executor:
            yield executor


def lines(folder):
    from introspect.sweeps.reading import TRIALS, files_of

    return sorted(line for file in files_of(folder, TRIALS) for line in file.read_bytes().splitlines())


def workers() -> list[int]:
    """The processes of this machine that hold a subject."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes().startswith(b"ray::Worker"):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def once_written(folder, n, then):
    """Do something in a thread once so many trials are on the disk."""

    def watch():
        for _ in range(12000):
            if len(lines(folder)) >= n:
                then()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow  # the test below asks for the same, and more
def test_two_workers_on_ray_give_the_trials_of_a_run_in_one_process(ray_here, plan_file, finished_run, tmp_path):
    from introspect.sweeps.run import sweep

    sweep(plan_file, tmp_path / "run", executor=ray_here)
    assert lines(tmp_path / "run") == lines(finished_run)
    assert not (tmp_path / "run" / "trials.jsonl").exists()


@pytest.fixture(scope="module")
def run_and_killed(ray_here, plan_file, tmp_path_factory):
    """The folder of a run, one worker of which was killed in the middle, and what was killed."""
    from introspect.sweeps.run import sweep

    killed, run = [], tmp_path_factory.mktemp("ray") / "run"

    def kill():
        killed.append(workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    watching = once_written(run, 1, kill)
    sweep(plan_file, run, executor=ray_here)
    watching.join(timeout=10)
    return run, killed


def test_a_worker_that_is_killed_in_the_middle_changes_no_trial(run_and_killed, finished_run):
    run, killed = run_and_killed
    assert killed
    assert lines(run) == lines(finished_run)
    assert not (run / "trials.jsonl").exists()


@pytest.mark.slow
def test_what_is_wrong_with_a_plan_comes_back_from_the_worker_as_it_is(ray_here, plan_file, tmp_path):
    from introspect.errors import LayerError
    from introspect.sweeps.plans import load_plan
    from introspect.sweeps.run import sweep

    wrong = load_plan(plan_file).model_copy(update={"layers": (99,)})
    with pytest.raises(LayerError, match="layer 99 is outside"):
        sweep(wrong, tmp_path / "run", executor=ray_here)


def test_no_key_of_the_environment_is_in_ray_s_logs_or_the_run_folder(run_and_killed):
    logs = Path(tempfile.gettempdir()) / "ray" / "session_latest" / "logs"
    files = [file for folder in (logs, run_and_killed[0]) for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 5
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


def test_ray_listens_on_this_machine_only(ray_here):
    import ray

    assert ray.util.get_node_ip_address() == "127.0.0.1"
    own = {int(entry.parent.name) for entry in Path("/proc").glob("[0-9]*/cmdline") if _of_ray(entry)}
    assert own
    listening = {address for pid in own for address in _listening(pid)}
    assert listening
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def _of_ray(entry: Path) -> bool:
    try:
        text = entry.read_bytes()
    except OSError:
        return False
    return b"/ray/core/" in text or text.startswith(b"ray::")


def _listening(pid: int) -> set[str]:
    """The addresses at which a process listens, from the kernel's tables."""
    sockets = {str(entry.readlink())[8:-1] for entry in Path(f"/proc/{pid}/fd").iterdir() if _is_socket(entry)}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                raw = bytes.fromhex(fields[1].partition(":")[0])
                words = [raw[i : i + 4][::-1] for i in range(0, len(raw), 4)]
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found


def _is_socket(entry: Path) -> bool:
    try:
        return str(entry.readlink()).startswith("socket:")
    except OSError:
        return False


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_whole_trials_and_another_process_goes_on(
    plan_file, finished_run, tmp_path, command
):
    from introspect.errors import RunFolderError
    from introspect.sweeps.drive import refuse_orphans

    run, environment = tmp_path / "run", {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = ["run", plan_file, "--out", run, "--executor", "ray", "--workers", "2"]
    call = "from introspect.cli.app import main; main()"
    driver = subprocess.Popen([sys.executable, "-c", call, *arguments], env=environment)
    once_written(run, 1, driver.kill).join(timeout=240)
    assert driver.wait(timeout=240) == -signal.SIGKILL

    def gone() -> bool:
        try:
            refuse_orphans(run)
        except RunFolderError:
            return False
        return True

    until = time.monotonic() + 60
    while not gone() and time.monotonic() < until:
        time.sleep(0.1)
    assert gone(), "the workers end with their driver"
    assert 0 < len(lines(run)) < 54
    assert command("run", plan_file, "--out", run).code == 0
    assert lines(run) == lines(finished_run)
