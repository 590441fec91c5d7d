"""A cluster of several nodes on this machine, whose nodes a test can lose.

Each node is a raylet of its own with workers of its own, as on several machines; what they share is the clock, the
disk and the processors.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

SLOW_START = {
    "RAY_gcs_server_port_wait_time_s": "120",  # 30 otherwise
    "RAY_py_gcs_connect_timeout_s": "120",  # 30
    "RAY_gcs_rpc_server_connect_timeout_s": "60",  # 5
    "RAY_raylet_start_wait_time_s": "60",
    "RAY_worker_register_timeout_seconds": "300",  # 60
}
"""Ray's limits on its own start, longer: several nodes start on the processors of one machine, which may be busy."""
SIZE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_log_monitor": False}
PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
"""A node that is told these need not wait for its helpers to choose them."""
TRIES = 3
"""A node gives its helper 15 seconds to say that it is there, which no setting lengthens; then it is started again."""


def free_ports() -> dict[str, int]:
    """Ports that nobody has, each for one of a node's helpers."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    chosen = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return dict(zip(PORTS, chosen, strict=True))


class Nodes:
    """A cluster of a head that holds no worker, and of nodes that do.

    Args:
        cluster: Ray's.
    """

    def __init__(self, cluster) -> None:
        self._cluster = cluster
        self.address = cluster.address

    def add(self, **size: int) -> int:
        """Start a node; return its process."""
        node = started(lambda: self._cluster.add_node(wait=False, **{**SIZE, **free_ports(), **size}))
        self._cluster.wait_for_nodes(timeout=120)
        return _raylet(node)

    def processes(self, node: int) -> list[int]:
        """The processes of a node, itself first."""
        return [node, *(pid for pid in map(_number, Path("/proc").glob("[0-9]*")) if parent(pid) == node)]

    def kill(self, node: int) -> None:
        """Lose a node: all its processes at once, without a word to anybody."""
        there = [each for each in self._cluster.worker_nodes if _raylet(each) == node]
        self._cluster.remove_node(there[0], allow_graceful=False)

    def freeze(self, node: int) -> None:
        """Let nothing be heard of a node, though its connections stay open, as if its cable were pulled."""
        for pid in self.processes(node):
            os.kill(pid, signal.SIGSTOP)


def started(start: Callable[[], Any]) -> Any:
    """Start what may be too slow to start on a busy machine, again if need be."""
    for tried in range(TRIES):
        try:
            return start()
        except Exception:
            if tried == TRIES - 1:
                raise
    return None


def _raylet(node) -> int:
    return node.all_processes["raylet"][0].process.pid


def _number(entry: Path) -> int:
    return int(entry.name)


def parent(pid: int) -> int:
    """The process that started another one; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def cluster_of(sizes: list[dict[str, int]], **settings: str) -> Iterator[tuple[Nodes, list[int]]]:
    """Start a head and so many nodes; give their processes; end what is left of them.

    Args:
        sizes: Resources of each node, beside one processor.
        settings: What Ray is to be told by its environment.
    """
    from introspect.sweeps.ray_pool import HERE, ray_module

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**HERE, **SLOW_START, **settings}.items():
            patch.setenv(name, value)
        ray = ray_module()
        from ray.cluster_utils import Cluster

        if ray.is_initialized():
            ray.shutdown()
        head = {**SIZE, "num_cpus": 0, "include_dashboard": False, "no_monitor": True}
        cluster = started(lambda: Cluster(initialize_head=True, head_node_args={**head, **free_ports()}))
        nodes, running = Nodes(cluster), []
        try:
            running += [nodes.add(**size) for size in sizes]
            yield nodes, running
        finally:
            for node in running:
                thaw(nodes, node)
            ray.shutdown()
            cluster.shutdown()


def thaw(nodes: Nodes, node: int) -> None:
    """Let a frozen node go on."""
    for pid in nodes.processes(node):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def when(happened: Callable[[], bool], then: Callable[[], None], seconds: float = 240.0) -> Thread:
    """Do something, in a thread, as soon as something has happened."""

    def watch() -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if happened():
                then()
                return
            time.sleep(0.01)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    return thread
