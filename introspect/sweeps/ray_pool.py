"""Workers as Ray actors: the only module that knows Ray.

Each worker is one actor that holds one subject. Ray is told to repeat nothing and to revive nobody (``max_restarts=0``,
``max_task_retries=0``): a killed node would use up finite retries, and infinite ones hang. Messages come as a stream,
with few of them under way at a time.

There are no placement groups. Ray takes all processors and accelerators of an actor from one node, or leaves the actor
waiting, and that is what a packed group of one bundle would promise; a group is for several actors that have to start
together, and here each worker is one. What is asked before another worker is started is whether one node has room:
what is free on the whole cluster may lie in pieces that are too small.

Without an address Ray is started here, for this process alone, on localhost, and is gone with it. What travels between
processes is this package's own code and records, by cloudpickle, between processes of one user. Nothing of the
environment is handed over but the path of the package: keys have to be in the environment of the machines themselves,
and so never reach Ray's logs.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from introspect.errors import ExecutorError
from introspect.records import Plan, TrialSpec
from introspect.sweeps.drive import drive, forecast
from introspect.sweeps.pool import Event, Failed, Gone
from introspect.sweeps.worker import Forecast, Job, Worker

log = logging.getLogger(__name__)

STORE_BYTES = 128 * 2**20
"""Shared memory for objects; only small messages travel."""
UNREAD = 16
"""Messages of a worker that may wait to be read; then it waits."""
HERE = {
    "RAY_worker_niceness": "0",  # Ray's own choice is 15, and on a machine with other work that is next to nothing
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as on those systems: Ray's ports on localhost, nobody else can join
    "RAY_agent_register_timeout_ms": "180000",  # a busy machine is slow to start Ray's helpers
}
"""What Ray, which reads it as it is imported, is told where it is started for this process alone."""
LOOPBACK = "127.0.0.1"


def ray_module(alone: bool = False) -> ModuleType:
    """Return Ray, which sends nobody any statistics of its use.

    Args:
        alone: Whether it is to be started for this process alone.

    Raises:
        ExecutorError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if alone:
        os.environ.update(HERE)
    try:
        import ray
    except ImportError as error:
        message = "the executor ray needs Ray, which is not installed here; pip install 'introspect[ray]'"
        raise ExecutorError(message) from error
    return ray


@dataclass(frozen=True)
class RayExecutor:
    """Runs plans on Ray; as a context it joins the cluster, or starts it, once for several plans.

    Attributes:
        address: Of a running cluster, such as ``auto`` or ``host:6379``; without one Ray is started here.
        n_workers: Subjects that are held at a time.
        gpus: Accelerators of each worker.
        cpus: Processors of each worker; by default an equal part of this machine's, or one on a cluster.
    """

    address: str | None = None
    n_workers: int = 2
    gpus: float = 0.0
    cpus: int | None = None

    def __enter__(self) -> "RayExecutor":
        self._stack.enter_context(connected(self))
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    @cached_property
    def _stack(self) -> ExitStack:
        return ExitStack()

    def run(self, plan: Plan, out: Path, max_trials: int | None = None) -> None:
        """Run a plan into a folder, or go on with it; the subject is not needed in this process."""
        self._run(Job(self.spread(plan), max_trials), out)

    def run_specs(self, plan: Plan, specs: Sequence[TrialSpec], out: Path) -> None:
        """Run these trials, of a plan's subject and with its vectors, into a folder."""
        self._run(Job(self.spread(plan), specs=tuple(specs)), out)

    def forecast(self, plan: Plan, max_trials: int | None = None) -> Forecast:
        """Return what a plan will cost, measured on one worker; nothing is written."""
        with connected(self), RayPool(self, Job(self.spread(plan), max_trials), Path.cwd()) as pool:
            return forecast(pool)

    @property
    def n_cpus(self) -> int:
        """Processors of each worker."""
        shared = max(1, (os.cpu_count() or 1) // self.n_workers)
        return self.cpus or (1 if self.address else shared)

    def fits(self, free: Mapping[str, float]) -> bool:
        """Whether a worker finds its processors and accelerators in what one node has."""
        return free.get("CPU", 0) >= self.n_cpus and free.get("GPU", 0) >= self.gpus

    def spread(self, plan: Plan) -> Plan:
        """Let a subject use all accelerators of its worker."""
        if self.gpus > 1 and plan.device_map is None and plan.device == "auto":
            return plan.model_copy(update={"device_map": "auto"})
        return plan

    def _run(self, job: Job, out: Path) -> None:
        with connected(self), RayPool(self, job, out.absolute()) as pool:
            drive(pool, out, self.n_workers)


@contextmanager
def connected(executor: RayExecutor) -> Iterator[None]:
    """Join a cluster or start one, unless this process is in one already; leave it as it was.

    Raises:
        ExecutorError: There is no such cluster, it cannot be started, or this machine has too few accelerators.
    """
    ray = ray_module(alone=executor.address is None)
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if executor.address is None:
        n_cpus = executor.n_workers * executor.n_cpus
        options |= {"include_dashboard": False, "object_store_memory": STORE_BYTES, "num_cpus": n_cpus}
    try:
        ray.init(address=executor.address or "local", **options)
    except Exception as error:
        where = f"join the cluster at {executor.address}" if executor.address else "be started on this machine"
        message = f"Ray could not {where}: {str(error).splitlines()[0]}"
        raise ExecutorError(message) from error
    try:
        _check(ray, executor)
        yield
    finally:
        ray.shutdown()


def _check(ray: ModuleType, executor: RayExecutor) -> None:
    if executor.address is None and (at := ray.util.get_node_ip_address()) != LOOPBACK:
        message = (
            f"Ray was imported before introspect could tell it to stay on this machine, and would listen at {at}; "
            "import it later, or start it yourself and give its --address"
        )
        raise ExecutorError(message)
    here = ray.cluster_resources().get("GPU", 0.0)
    if executor.address is None and executor.gpus * executor.n_workers > here:
        message = (
            f"{executor.n_workers} workers with {executor.gpus:g} GPUs each need {executor.gpus * executor.n_workers:g}"
            f", and this machine has {here:g}; lower --workers or --gpus-per-worker, or give the --address of a cluster"
        )
        raise ExecutorError(message)
    sizes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(executor.fits(size) for size in sizes):
        log.warning(
            "each worker needs %d CPUs and %g GPUs of one node, and nodes here have %s; they wait for a node that does",
            executor.n_cpus,
            executor.gpus,
            ", ".join(sorted({f"{size.get('CPU', 0):g} and {size.get('GPU', 0):g}" for size in sizes})),
        )


class RayPool:
    """A pool of actors, each of which holds a worker.

    Args:
        executor: How many, and of what size.
        job: What they run.
        out: The run folder.
    """

    def __init__(self, executor: RayExecutor, job: Job, out: Path) -> None:
        self._ray, self._executor = ray_module(), executor
        self._arguments = self._ray.put(job), str(out)
        self._actors: dict[str, Any] = {}
        self._streams: dict[Any, str] = {}

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *raised: object) -> None:
        for shard in list(self._actors):
            self.end(shard)

    def start(self, shard: str) -> None:
        """Ask for a worker and let it begin; it may be long until it does."""
        executor = self._executor
        actor = self._ray.remote(Worker).options(
            num_cpus=executor.n_cpus,
            num_gpus=executor.gpus,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": {"PYTHONPATH": _package_path()}},
        )
        job, out = self._arguments
        self._actors[shard] = actor.remote(job, out, shard, str(Path.cwd()))
        self.send(shard, "begin")

    def send(self, shard: str, method: str, *arguments: object) -> None:
        """Call a method of a worker that has nothing to do."""
        call = getattr(self._actors[shard], method).options(
            num_returns="streaming", _generator_backpressure_num_objects=UNREAD
        )
        self._streams[call.remote(*arguments)] = shard

    def wait(self, seconds: float) -> Iterable[Event]:
        """Return what happened, at the latest after so many seconds."""
        streams = list(self._streams)
        if not streams:
            return []
        ready, _ = self._ray.wait(streams, num_returns=1, timeout=seconds)
        events = [(self._streams[stream], self._next(stream)) for stream in ready if stream in self._streams]
        return [(shard, event) for shard, event in events if event is not None]

    def room(self) -> bool:
        """Whether there is room for one more worker, all of it on one node."""
        free = self._ray._private.state.available_resources_per_node()  # its public sibling adds the nodes up
        return any(self._executor.fits(each) for each in free.values())

    def end(self, shard: str) -> None:
        """Let a worker go, whatever it is doing."""
        actor = self._actors.pop(shard, None)
        if actor is not None:
            self._ray.kill(actor, no_restart=True)

    def _next(self, stream: Any) -> Any:  # noqa: ANN401 - Ray has no types for it
        """Return the next message of a stream, what became of its worker, or ``None`` at its end."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(next(stream))
        except StopIteration:
            self._streams.pop(stream)
            return None
        except errors.RayTaskError as error:
            self._streams.pop(stream)
            return Failed(error.cause if isinstance(error.cause, BaseException) else error)
        except errors.RayError as error:  # ActorDiedError and ActorUnavailableError, and what a lost node takes along
            shard = self._streams[stream]
            self._streams = {each: name for each, name in self._streams.items() if name != shard}
            self.end(shard)
            return Gone(_first_line(error))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def _package_path() -> str:
    """Return where this package is, before whatever else is looked through for packages."""
    own = str(Path(__file__).parents[2])
    return os.pathsep.join(dict.fromkeys([own, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])).strip(os.pathsep)
