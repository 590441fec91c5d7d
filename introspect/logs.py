"""What happened, as it happens: warnings as sentences on standard error, and on request JSON lines in a file.

Every module logs under its own name below ``introspect``; fields that a machine wants stand in ``extra`` as ``fields``.
A line of the file is one JSON object: ``time`` (UTC), ``level``, ``where``, ``message``, and the fields. Keys of the
environment are taken out of it.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from introspect.errors import LogError
from introspect.redaction import redacted
from introspect.terminal import Console, hushed

ROOT = "introspect"


class JsonLines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "where": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return redacted(json.dumps(line, ensure_ascii=True, default=str))


class Sentences(logging.Handler):
    """Warnings, and with ``--verbose`` what is done, for the person at the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; warnings also when everything else is hushed."""
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        out = Console(stderr=True, soft_wrap=True, quiet=False)
        out.print(Text.assemble((f"{ROOT}: ", style), redacted(record.getMessage())))


@contextmanager
def speaking(file: Path | None = None, *, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Send records where a person asked for them.

    Args:
        file: Gets every record as a JSON line, appended.
        quiet: Nothing but warnings and errors on standard error.
        verbose: Also say what is being done.

    Raises:
        LogError: The file cannot be written.
    """
    logger = logging.getLogger(ROOT)
    level, propagate = logger.level, logger.propagate
    sentences = Sentences(logging.INFO if verbose and not quiet else logging.WARNING)
    handlers: list[logging.Handler] = [sentences] if file is None else [sentences, _to_file(file)]
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if file else sentences.level)
    logger.propagate = False
    try:
        with hushed(quiet):
            yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagate
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def _to_file(file: Path) -> logging.FileHandler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as error:
        message = f"the log {file} cannot be written ({error.strerror or error}); choose another --log"
        raise LogError(message) from error
    handler.setFormatter(JsonLines())
    return handler
