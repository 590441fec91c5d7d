"""Stopping on request: Ctrl-C or SIGTERM lets what is under way finish, a second one ends at once.

Signals belong to the process, and so does the request: whoever hands out work asks ``requested`` before the next piece.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SENTENCE = "stopping once the trials under way are finished and written; once more stops at once"

_asked: list[int] = []


def requested() -> bool:
    """Whether nothing new should be begun."""
    return bool(_asked)


@contextmanager
def finishing() -> Iterator[None]:
    """Let the block end by itself after a signal, and stop behind it.

    A second signal stops at once. Off the main thread, where Python gives no signals, nothing changes.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
        SystemExit: SIGTERM came; the code is 143.
    """
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, _ask) for number in SIGNALS}
    try:
        yield
        if _asked:
            _stop(_asked[0])
    finally:
        _asked.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that drafts are removed and locks given back."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: _stop(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ask(number: int, frame: FrameType | None) -> None:
    if _asked:
        _stop(number)
    _asked.append(number)
    sys.stderr.write(f"\nintrospect: {SENTENCE}\n")
    sys.stderr.flush()


def _stop(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(TERMINATED)
