"""A cluster of several nodes on this machine: one of them is lost in the middle, and workers over several GPUs.

The GPUs are Ray's book-keeping: it is told that nodes have some, and hands them out as it would hand out real ones.
"""

import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from clusters import Nodes, cluster_of, parent, thaw, when

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")]

QUICK_TO_MISS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}
"""A node that does not answer is given up after some 16 seconds, in the place of more than a minute."""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch, own_cache):
    """Workers compute as this process does; they inherit its environment, the folder of the cache as well."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def whole_lines(file: Path) -> list[bytes]:
    data = file.read_bytes() if file.is_file() else b""
    return data[: data.rfind(b"\n") + 1].splitlines()


def shards(folder: Path) -> dict[str, list[bytes]]:
    """The whole lines of every worker's file of trials."""
    return {file.name.split(".")[0]: whole_lines(file) for file in (folder / "shards").glob("*.trials.jsonl")}


def all_lines(folder: Path) -> list[bytes]:
    return sorted(line for lines in shards(folder).values() for line in lines)


def worker_on(nodes: Nodes, node: int) -> str | None:
    """The worker of a node, known by the lock that it holds on its shard."""
    for pid in nodes.processes(node):
        try:
            held = [entry.readlink().name for entry in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        found = [name.removesuffix(".lock") for name in held if name.startswith("worker-") and name.endswith(".lock")]
        if found:
            return found[0]
    return None


class FirstWriter:
    """The node whose worker is the first to have written something, and that worker."""

    def __init__(self, nodes: Nodes, started: list[int], folder: Path) -> None:
        self.nodes, self.started, self.folder = nodes, started, folder
        self.node, self.worker = 0, ""

    def found(self) -> bool:
        written = {name for name, lines in shards(self.folder).items() if lines}
        for node in self.started if written else ():
            worker = worker_on(self.nodes, node)
            if worker in written:
                self.node, self.worker = node, str(worker)
        return bool(self.node)


@pytest.mark.parametrize("loss", ["killed", "frozen"])
def test_a_node_that_is_lost_leaves_its_trials_to_the_others_and_each_is_there_once(
    plan_file, finished_run, tmp_path, loss
):
    from introspect.sweeps.ray_pool import RayExecutor
    from introspect.sweeps.reading import read_trials
    from introspect.sweeps.run import sweep

    run = tmp_path / "run"
    with cluster_of([{}, {}], **QUICK_TO_MISS) as (nodes, started), RayExecutor(nodes.address, 2) as executor:
        first = FirstWriter(nodes, started, run)
        lose = nodes.kill if loss == "killed" else nodes.freeze
        losing = when(first.found, lambda: lose(first.node))
        sweep(plan_file, run, executor=executor)
        losing.join(timeout=60)
        by_worker = shards(run)
        thaw(nodes, first.node)
        when_gone = time.monotonic() + 60
        while parent(first.node) and worker_on(nodes, first.node) and time.monotonic() < when_gone:
            time.sleep(0.1)
    assert first.node, "a node was lost"
    assert 0 < len(by_worker[first.worker]) < 54, "in the middle of its work"
    assert len(by_worker) <= 2, "no worker was started where there is no room for one"
    whole = whole_lines(finished_run / "trials.jsonl")
    assert sorted(line for lines in by_worker.values() for line in lines) == sorted(whole), "each once"
    assert len(whole) == 54
    assert set(all_lines(run)) == set(whole), "also once a node that was cut off is back"
    assert {trial.key: trial for trial in read_trials(run)} == {trial.key: trial for trial in read_trials(finished_run)}


def test_a_worker_over_two_gpus_has_both_on_one_node_and_nobody_else_has_them(plan_file, tmp_path, caplog):
    from introspect.sweeps.plans import load_plan
    from introspect.sweeps.pool import Failed
    from introspect.sweeps.ray_pool import RayExecutor, RayPool
    from introspect.sweeps.worker import Begun, Job

    def begun(pool, n, seconds):
        """Who begins until there are so many, or so long."""
        found, until = {}, time.monotonic() + seconds
        while len(found) < n and time.monotonic() < until:
            for shard, event in pool.wait(0.5):
                assert not isinstance(event, Failed), event
                if isinstance(event, Begun):
                    found[shard] = event
        return found

    three = {"num_cpus": 2, "num_gpus": 3}
    with ExitStack() as stack:
        nodes, started = stack.enter_context(cluster_of([three, three]))
        with caplog.at_level("WARNING", logger="introspect"), RayExecutor(nodes.address, 1, gpus=4):
            assert "needs 1 CPUs and 4 GPUs of one node, and nodes here have 0 and 0, 2 and 3; they wait" in caplog.text
        executor = stack.enter_context(RayExecutor(nodes.address, 3, gpus=2))
        plan = executor.spread(load_plan(plan_file))
        assert plan.device_map == "auto"
        with RayPool(executor, Job(plan), tmp_path / "run") as pool:
            assert pool.room()
            for name in ("worker-a", "worker-b", "worker-c"):
                pool.start(name)
            two = begun(pool, 2, 240)
            assert len(two) == 2
            homes = {name: parent(each.place.process) for name, each in two.items()}
            assert set(homes.values()) == set(started), "one on each node"
            assert all(len(set(each.place.devices)) == 2 for each in two.values())
            assert not pool.room(), "two GPUs are left, and not on one node"
            assert begun(pool, 1, 5) == {}, "so the third one waits"
            freed = next(iter(two))
            pool.end(freed)
            third = begun(pool, 1, 120)
            (last,) = third.values()
            assert parent(last.place.process) == homes[freed]
            assert len(set(last.place.devices)) == 2
