"""A plan run by processes that are killed at random moments, again and again, until it is whole.

The model is loaded once; every run is a forked process of its own that gets a real SIGKILL after a random time, or
dies inside a write: its files may grow by so many bytes and no further, and the kernel's signal for that ends it with
the write half done. Others get a SIGINT or SIGTERM and are to end tidily. None of them may unpickle anything. Run as a
script, it prints what happened as JSON.
"""

import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

WAYS = (signal.SIGKILL, signal.SIGKILL, signal.SIGXFSZ, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM)
STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM}


@dataclass
class Found:
    """What killing a plan came to: moments by kind, runs made whole, and what was wrong with any of them."""

    seconds_unbroken: float = 0.0
    n_trials: int = 0
    moments: dict[str, int] = field(default_factory=dict)
    trials_at_kill: list[int] = field(default_factory=list)
    torn_lines: int = 0
    drafts_left: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def begin(plan, out, subject, n_bytes=None):
    """Fork a process that runs the plan; with ``n_bytes`` the kernel ends it where a file would grow beyond."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if n_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
        from introspect.stopping import terminable
        from introspect.sweeps.run import sweep

        with terminable():
            sweep(plan, out, subject=subject)
        status = 0
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except SystemExit as stopped:
        status = stopped.code
    finally:
        os._exit(status)


def ended(child, after=None, by=signal.SIGKILL):
    """Wait for a process, or send it a signal after so many seconds; return how it ended, negative for a signal."""
    deadline = None if after is None else time.monotonic() + after
    while True:
        done, status = os.waitpid(child, os.WNOHANG if deadline else 0)
        if done:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() >= deadline:
            os.kill(child, by)
            deadline = None
        time.sleep(0.001)


def refuse_pickles(event, arguments):
    """Raise wherever something is unpickled; from here on, in this process and all that it begets."""
    if event == "pickle.find_class":
        message = f"something was unpickled: {arguments}"
        raise RuntimeError(message)


def lines(folder, name):
    """The lines of a file that were finished, sorted."""
    file = folder / name
    return sorted(file.read_bytes().split(b"\n")[:-1]) if file.exists() else []


def size(folder):
    return (folder / "trials.jsonl").stat().st_size if (folder / "trials.jsonl").exists() else 0


def differences(broken, whole):
    """Say in what a run differs from an unbroken one."""
    trials = lines(broken, "trials.jsonl")
    keys = Counter(json.loads(line)["key"] for line in trials)
    told = [
        f"{name} differs" for name in ("trials.jsonl", "prompts.jsonl") if lines(broken, name) != lines(whole, name)
    ]
    told += [f"the trial {key} stands there {n} times" for key, n in keys.items() if n > 1]
    told += [f"{file.name} was left" for file in broken.iterdir() if file.name.startswith(".") and file.name != ".lock"]
    told += [f"{file.name} was set aside" for file in broken.glob("*.damaged")]
    return told


def kill_until_whole(plan, folder, subject, n_moments, seed):
    """Kill ``n_moments`` processes in all, and let the last run of every folder end by itself."""
    draw, found, whole = random.Random(seed), Found(), folder / "whole"
    import introspect.sweeps.run  # noqa: F401 - here once, and not in every fork

    begun = time.monotonic()
    assert ended(begin(plan, whole, subject)) == 0
    found.seconds_unbroken = round(time.monotonic() - begun, 3)
    found.n_trials, n_bytes = len(lines(whole, "trials.jsonl")), size(whole)
    moments = Counter()
    while sum(moments.values()) < n_moments or not found.runs:
        broken = folder / f"broken-{found.runs}"
        code = 1
        while code:
            before = set.union(*untidy(broken))
            kind = draw.choice(WAYS) if sum(moments.values()) < n_moments else None
            if kind is None:
                code = ended(begin(plan, broken, subject))
            elif kind is signal.SIGXFSZ:
                more = draw.randrange(1, max(2, n_bytes - size(broken)))
                code = ended(begin(plan, broken, subject, size(broken) + more))
            else:
                code = ended(begin(plan, broken, subject), draw.uniform(0, found.seconds_unbroken), kind)
            if code and code not in {-signal.SIGKILL, -signal.SIGXFSZ, *STOPPED}:
                found.wrong.append(f"a run ended with {code}")
                break
            if code:
                moments[signal.Signals(abs(code) % 128).name] += 1
                _look(found, broken, before, stopped=code > 0)
        found.wrong += [f"run {found.runs}: {each}" for each in differences(broken, whole)]
        found.runs += 1
    found.moments = dict(moments)
    return found


def _look(found, broken, before, stopped):
    """Note what the killed process left behind; one that was asked to stop leaves nothing half-done that was not."""
    found.trials_at_kill.append(len(lines(broken, "trials.jsonl")))
    torn, drafts = untidy(broken)
    found.torn_lines, found.drafts_left = found.torn_lines + len(torn), found.drafts_left + len(drafts)
    if stopped and (torn | drafts) - before:
        found.wrong.append(f"a run that was asked to stop left {(torn | drafts) - before} half-written")


def untidy(folder):
    """The files whose last line was never finished, and the drafts."""
    torn = set()
    for name in ("trials.jsonl", "prompts.jsonl"):
        data = (folder / name).read_bytes() if (folder / name).exists() else b""
        torn |= {name} if data and not data.endswith(b"\n") else set()
    names = {file.name for file in folder.iterdir()} if folder.exists() else set()
    return torn, {name for name in names if name.startswith(".") and name != ".lock"}


def main():
    plan, folder, n_moments, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    import torch

    torch.set_num_threads(1)
    from introspect.subjects.load import load_subject
    from introspect.sweeps.plans import load_plan

    loaded = load_plan(plan)
    sys.addaudithook(refuse_pickles)
    subject = load_subject(loaded.subject, device="cpu")
    sys.stdout.write(json.dumps(asdict(kill_until_whole(loaded, folder, subject, n_moments, seed))) + "\n")


if __name__ == "__main__":
    main()
