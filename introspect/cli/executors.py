"""The options of ``introspect run`` that say where trials run."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from introspect.errors import ExecutorError
from introspect.terminal import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from introspect.records import Plan
    from introspect.sweeps.ray_pool import RayExecutor

Where = Literal["local", "ray"]

ExecutorOption = Annotated[
    Where, typer.Option("--executor", help="local, in this process; or ray, on workers with a subject each.")
]
AddressOption = Annotated[
    str | None, typer.Option(help="Of a running Ray cluster, such as auto or host:6379; default: started here.")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Workers on Ray, each with a subject; default 2.")]
GpusOption = Annotated[float | None, typer.Option(min=0, help="GPUs of each worker; default 0, or 1 with --address.")]


def chosen(where: Where, address: str | None, workers: int | None, gpus: float | None) -> "RayExecutor | None":
    """Return where trials run, ``None`` for this process.

    Raises:
        ExecutorError: Options of Ray without it, or Ray is not installed.
    """
    if where == "local":
        given = {"--address": address, "--workers": workers, "--gpus-per-worker": gpus}
        for name, value in given.items():
            if value is not None:
                message = f"{name} {value} is for --executor ray; the local executor runs in this process"
                raise ExecutorError(message)
        return None
    from introspect.sweeps.ray_pool import RayExecutor, ray_module

    ray_module(alone=address is None)
    return RayExecutor(address, workers or 2, gpus if gpus is not None else float(address is not None))


def print_forecasts_of(executor: "RayExecutor", plans: "Sequence[Plan]", max_trials: int | None) -> None:
    """Measure plans on a worker each, one after the other, and print what they will cost with all workers."""
    title = f"{executor.n_workers} workers of {executor.gpus:g} GPUs and {executor.n_cpus} CPUs (dry run)"
    table = Table(title=title, title_justify="left")
    for name in ("plan", "trials", "prefixes", "tokens at most", "memory a worker", "time at most"):
        table.add_column(name, justify="left" if name == "plan" else "right")
    total = 0.0
    with executor:
        for plan in plans:
            found = executor.forecast(plan, max_trials)
            cost, load = found.cost, found.cost.load
            seconds = found.loading + cost.seconds_with(executor.n_workers)
            total += seconds
            tokens = load.prefix_tokens + load.own_tokens + load.reply_tokens
            memory = f"{cost.weights_mib + cost.cache_mib:,.0f} MiB"
            table.add_row(
                plan.name, f"{cost.n_trials:,}", f"{load.n_prefixes:,}", f"{tokens:,}", memory, duration(seconds)
            )
    if len(plans) > 1:
        table.add_row("all", "", "", "", "", duration(total), style="bold")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        Text(
            "Time: measured on one worker, replies of full length, the subject loaded once by all workers at a time; "
            "memory: weights and key-value cache."
        )
    )


def duration(seconds: float) -> str:
    """Say how long something takes, in one unit."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
