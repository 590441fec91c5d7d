"""What every judge can do, whatever carries it: answer prompts."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge wrote, and how many tokens it read and wrote where that is known."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer, and why; ``again`` says whether asking at another time may help, as after an outage."""

    reason: str
    again: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """How a judge is asked.

    Attributes:
        n_at_once: Requests under way at a time; rows of a batch for a local subject.
        n_tries: How often a request is tried before it is given up for this time.
        seconds: How long one try may take.
        first_pause: Seconds before the second try; every further pause is twice as long, up to a minute.
        max_tokens: Longest answer; a model that thinks aloud first needs more.
        base_url: The server of an OpenAI-compatible judge, if not the one its environment variables name.
        api_key: Its key, likewise.
    """

    n_at_once: int = 8
    n_tries: int = 6
    seconds: int = 120
    first_pause: float = 1.0
    max_tokens: int = 256
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)


@runtime_checkable
class Judge(Protocol):
    """A model that answers prompts at temperature 0."""

    @property
    def name(self) -> str:
        """What claims are signed with."""
        ...

    @property
    def identity(self) -> str:
        """The name with all else that decides an answer, for the cache."""
        ...

    def answers(self, prompts: Sequence[str]) -> AsyncGenerator[tuple[int, Answer | Failure], None]:
        """Answer prompts; give ``(index, answer)`` as they come.

        Raises:
            JudgeError: No prompt can be answered, such as with a wrong key.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what is open, in the loop that opened it."""
        ...
