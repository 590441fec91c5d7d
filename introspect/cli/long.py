"""Options of every verb that runs long: a log for machines, and how much is said to the person who waits."""

import functools
import inspect
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from introspect.logs import speaking

LogOption = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help="Append what happens as JSON lines.", show_default=False)
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only results, warnings and errors.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Also say what is being done.")]
OPTIONS = {"log": (LogOption, None), "quiet": (QuietOption, False), "verbose": (VerboseOption, False)}

logger = logging.getLogger(__name__)


def long(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options ``--log``, ``--quiet`` and ``--verbose``."""

    @functools.wraps(verb)
    def spoken(*args: Any, log: Path | None, quiet: bool, verbose: bool, **options: Any) -> None:  # noqa: ANN401
        with speaking(log, quiet=quiet, verbose=verbose):
            begun = time.monotonic()
            logger.info("%s begins", verb.__name__, extra={"fields": {"verb": verb.__name__}})
            try:
                verb(*args, **options)
            except BaseException as error:
                said = f"{type(error).__name__}: {error}".strip().removesuffix(":")
                logger.info("%s ended: %s", verb.__name__, said, extra={"fields": {"error": type(error).__name__}})
                raise
            seconds = round(time.monotonic() - begun, 3)
            logger.info("%s done in %.1f s", verb.__name__, seconds, extra={"fields": {"seconds": seconds}})

    own = inspect.signature(verb, eval_str=True)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    vars(spoken)["__signature__"] = own.replace(parameters=[*own.parameters.values(), *more])
    spoken.__annotations__ = {**verb.__annotations__, **{name: kind for name, (kind, _) in OPTIONS.items()}}
    return spoken
