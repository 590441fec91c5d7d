"""The options of ``introspect run`` that say where trials run."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from introspect.errors import ExecutorError

if TYPE_CHECKING:
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
