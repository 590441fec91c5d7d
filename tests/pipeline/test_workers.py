"""Many workers on one run: the trials of a run in one process, whoever is lost, and whoever goes on."""

import sys
import time

import pytest
from inline import InlinePool

WORKERS = 3


@pytest.fixture(scope="module")
def job(plan_file):
    from introspect.sweeps.plans import load_plan
    from introspect.sweeps.worker import Job

    return Job(load_plan(plan_file))


@pytest.fixture(scope="module")
def subject(job, cache_folder):
    """The plan's subject, loaded once for all workers of these tests."""
    from introspect.sweeps.loading import load_plan_subject

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        return load_plan_subject(job.plan)


def lines(folder):
    """Every line of trials in a folder, those of its workers, too."""
    from introspect.sweeps.reading import TRIALS, files_of

    return sorted(line for file in files_of(folder, TRIALS) for line in file.read_bytes().splitlines())


@pytest.fixture
def driven(job, subject):
    """Run the job on workers in this process."""

    def run(out, loses=lambda worker, message: False, room=True):
        from introspect.sweeps.drive import drive

        pool = InlinePool(job, out, subject, loses)
        pool.has_room = room
        try:
            drive(pool, out, WORKERS)
        finally:
            for shard in list(pool.workers):
                pool.end(shard)
        return pool

    return run


def test_workers_give_the_lines_of_a_run_in_one_process_each_once(driven, finished_run, tmp_path):
    from introspect.sweeps.reading import read_prompts

    pool = driven(tmp_path / "run")
    assert lines(tmp_path / "run") == lines(finished_run)
    assert read_prompts(tmp_path / "run") == read_prompts(finished_run)
    assert not (tmp_path / "run" / "trials.jsonl").exists(), "the driver writes no trial"
    assert {worker for worker, method, _ in pool.calls if method == "run"} == {0, 1, 2}
    assert len(list((tmp_path / "run" / "shards").glob("*.trials.jsonl"))) == WORKERS


@pytest.mark.parametrize(
    ("loses", "room"),
    [
        (lambda worker, message: (worker, message) == (0, 1), True),  # before it has its subject
        (lambda worker, message: (worker, message) == (0, 2), False),  # when it has just made the vectors
        (lambda worker, message: (worker, message) == (1, 3), False),  # in a block, some of it written
        (lambda worker, message: worker < 2 and message == 3 + worker, True),  # two of three
    ],
    ids=["loading", "vectors", "block", "two"],
)
def test_a_worker_that_is_lost_changes_no_trial(driven, finished_run, tmp_path, loses, room):
    driven(tmp_path / "run", loses=loses, room=room)
    assert lines(tmp_path / "run") == lines(finished_run)


def test_a_run_begun_by_workers_is_finished_in_one_process_and_the_other_way_round(
    driven, plan_file, finished_run, tmp_path, command
):
    from introspect.errors import ExecutorError

    def all_lost(worker, message):
        return message >= 4

    with pytest.raises(ExecutorError, match=r"workers were lost|no room"):
        driven(tmp_path / "first", loses=all_lost)
    begun = lines(tmp_path / "first")
    assert 0 < len(begun) < 54
    assert command("run", plan_file, "--out", tmp_path / "first").code == 0
    assert lines(tmp_path / "first") == lines(finished_run)

    assert command("run", plan_file, "--out", tmp_path / "second", "--max-trials", 20).code == 0
    driven(tmp_path / "second")
    assert lines(tmp_path / "second") == lines(finished_run)


def test_an_error_in_a_worker_is_raised_as_itself_with_the_key_of_its_trial(driven, tmp_path, monkeypatch):
    from introspect.errors import AuditError
    from introspect.protocols import trials

    def wrong(spec, reply, materials):
        message = "added twice"
        raise AuditError(message)

    monkeypatch.setattr(trials, "answered", wrong)
    with pytest.raises(AuditError, match="added twice") as raised:
        driven(tmp_path / "run")
    assert len(raised.value.__notes__) == 1
    assert raised.value.__notes__[0].startswith("in the trial ")
    assert len(raised.value.__notes__[0].split()[3]) == 32


def test_a_run_on_which_a_worker_still_writes_is_not_gone_on_with(driven, tmp_path):
    from filelock import FileLock

    from introspect.errors import RunFolderError

    (tmp_path / "run" / "shards").mkdir(parents=True)
    with (
        FileLock(tmp_path / "run" / "shards" / "worker-1.lock"),
        pytest.raises(RunFolderError, match="still writing"),
    ):
        driven(tmp_path / "run")


def test_options_of_ray_without_ray_are_refused_in_one_sentence(command, plan_file, monkeypatch):
    done = command("run", plan_file, "--workers", 4)
    assert done.code == 2
    assert "--workers 4 is for --executor ray" in " ".join(done.err.split())
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    done = command("run", plan_file, "--executor", "ray")
    assert done.code == 2
    assert "pip install 'introspect[ray]'" in " ".join(done.err.split())


def test_a_plan_is_measured_on_a_worker_and_nothing_is_written(job, subject, tmp_path):
    from introspect.sweeps.drive import forecast

    cost = forecast(InlinePool(job, tmp_path / "none", subject)).cost
    assert (cost.n_trials, cost.load.reply_tokens) == (54, 54 * 8)
    assert 0 < cost.load.n_prefixes < 54
    assert cost.load.prefix_tokens >= 8 * cost.load.n_prefixes
    assert cost.seconds_with(1) == pytest.approx(cost.seconds)
    assert cost.seconds_with(10**6) == pytest.approx(cost.seconds / cost.n_blocks)
    assert not (tmp_path / "none").exists()


@pytest.fixture
def processor_time(monkeypatch):
    """Let the package's stopwatches count the time of this process's processors, and not that of its neighbours.

    What is promised is that a probe of a few tokens foretells the whole run, on a machine that is as it was. Whether it
    stays so is nobody's to promise, and the clock on the wall would measure that: a step that is not interrupted takes
    what a step takes, while a run of half a minute is interrupted by whatever else is there.
    """
    patched = [
        monkeypatch.setattr(module, "perf_counter", time.process_time)
        for name, module in list(sys.modules.items())
        if name.startswith("introspect.") and hasattr(module, "perf_counter")
    ]
    assert patched
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    return time.process_time


@pytest.mark.slow
@pytest.mark.usefixtures("processor_time")
def test_a_run_takes_as_long_as_was_said_to_a_quarter(job, subject, tmp_path):
    from introspect.sweeps.drive import drive, forecast

    longer = {"max_new_tokens": 32, "batch_size": 32, "samples": 8, "none_samples": 8}
    long = type(job)(job.plan.model_copy(update=longer))
    said = [forecast(InlinePool(long, tmp_path / "none", subject)).cost]
    pool, begun = InlinePool(long, tmp_path / "run", subject), []
    send = pool.send

    def timed(shard, method, *arguments):
        if method == "run" and not begun:
            begun.append(time.process_time())
        send(shard, method, *arguments)

    pool.send = timed
    drive(pool, tmp_path / "run", 1)
    took = time.process_time() - begun[0]
    said.append(forecast(InlinePool(long, tmp_path / "none", subject)).cost)
    tokens = sum(len(trial.reply_tokens) for trial in _trials(tmp_path / "run"))
    assert tokens > 0.9 * said[0].load.reply_tokens, "replies of full length, which is what is estimated"
    before, after = (cost.seconds for cost in said)
    assert (before + after) / 2 == pytest.approx(took, rel=0.25), f"said {before:.1f} s, and afterwards {after:.1f} s"


def _trials(folder):
    from introspect.sweeps.reading import read_trials

    return read_trials(folder)
