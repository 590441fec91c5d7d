"""Progress for anything over two seconds: a bar with an ETA on a terminal, a plain line now and then in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from introspect.terminal import Console

SECONDS_BETWEEN_LINES = 15.0


@runtime_checkable
class Advance(Protocol):
    """What a long task calls when it has got further."""

    def __call__(self, done: int = 1, note: str = "") -> None:
        """Count ``done`` more units; ``note`` replaces the text behind the bar."""
        ...


def silent(done: int = 1, note: str = "") -> None:
    """Report nothing: the default of library calls."""


@contextmanager
def track(label: str, total: int, already: int = 0) -> Iterator[Advance]:
    """Show progress of ``total`` units on standard error, ``already`` of them done before; nothing when hushed."""
    console = Console(stderr=True)
    if console.quiet:
        yield silent
        return
    if console.is_terminal:
        with _bar(console) as progress:
            task = progress.add_task(label, total=total, completed=already, note="")

            def advance(done: int = 1, note: str = "") -> None:
                progress.update(task, advance=done, note=note)

            yield advance
        return
    yield _Lines(console, label, total, already)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=console,
    )


class _Lines:
    """A line every quarter of a minute, for logs."""

    def __init__(self, console: Console, label: str, total: int, already: int) -> None:
        self.console, self.label, self.total, self.already = console, label, total, already
        self.done = already
        self.begun = self.last = time.monotonic()

    def __call__(self, done: int = 1, note: str = "") -> None:
        self.done += done
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES:
            self.last = now
            rate = (self.done - self.already) / (now - self.begun)
            eta = f"{(self.total - self.done) / rate:.0f} s left" if rate else "ETA not known yet"
            self.console.print(f"{self.label}: {self.done}/{self.total}, {eta} {note}", highlight=False)
