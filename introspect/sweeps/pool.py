"""What a driver and its workers have between them: who starts workers, carries calls, and says what happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from introspect.sweeps.worker import Message


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker that was lost, with what is known of it."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker whose code raised."""

    error: BaseException


Event = tuple[str, Message | Gone | Failed]


@runtime_checkable
class Pool(Protocol):
    """Starts workers and carries calls and messages; it repeats nothing and revives nobody."""

    def start(self, shard: str) -> None:
        """Ask for a worker and let it begin; it may be long until it does."""
        ...

    def send(self, shard: str, method: str, *arguments: object) -> None:
        """Call a method of a worker that has nothing to do."""
        ...

    def wait(self, seconds: float) -> Iterable[Event]:
        """Return what happened, at the latest after so many seconds."""
        ...

    def room(self) -> bool:
        """Whether there is room for one more worker."""
        ...

    def end(self, shard: str) -> None:
        """Let a worker go, whatever it is doing."""
        ...
