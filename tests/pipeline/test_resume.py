"""A run that is stopped, whatever stops it, goes on to the same trials."""

import signal
import subprocess
import sys
import time

N_TRIALS = 16
COMMAND = [sys.executable, "-c", "from introspect.cli.app import main; main()", "run"]


def run(plan, folder, stop=None, after=0):
    """Run the command in a process of its own; send a signal once the folder has so many trials."""
    arguments = [*COMMAND, str(plan), "--out", str(folder), "--set", "max_new_tokens=24", "--set", "batch_size=2"]
    arguments += ["--max-trials", str(N_TRIALS)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        while stop is not None and process.poll() is None:
            trials = folder / "trials.jsonl"
            if trials.exists() and trials.read_bytes().count(b"\n") >= after:
                process.send_signal(stop)
                break
            time.sleep(0.005)
        message = process.communicate(timeout=300)[1]
    return process.returncode, message


def test_a_run_killed_and_interrupted_gives_the_trials_of_an_unbroken_one(plan_file, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run(plan_file, whole)[0] == 0
    trials = broken / "trials.jsonl"

    code, _ = run(plan_file, broken, signal.SIGKILL, after=3)
    assert code == -signal.SIGKILL
    after_kill = trials.read_bytes()
    with trials.open("ab") as file:
        file.write(b'{"key": "cut off in the mid')  # what a kill in the middle of a write leaves

    code, message = run(plan_file, broken, signal.SIGINT, after=after_kill.count(b"\n") + 3)
    assert code == 130
    assert "same command goes on" in message
    after_interrupt = trials.read_bytes()
    assert after_interrupt.startswith(after_kill)

    assert run(plan_file, broken)[0] == 0
    assert trials.read_bytes().startswith(after_interrupt)
    assert sorted(trials.read_bytes().splitlines()) == sorted((whole / "trials.jsonl").read_bytes().splitlines())
    assert trials.read_bytes().count(b"\n") == N_TRIALS
