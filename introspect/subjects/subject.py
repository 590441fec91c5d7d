"""What every subject can do, whatever carries it: be read, and answer requests under injection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from introspect.audit import CLEAN
from introspect.injection import Injection
from introspect.progress import Advance, silent
from introspect.records import Audit, SubjectIdentity
from introspect.subjects.chat import Chat, Encoded


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One trial as the engine sees it: a prompt, what to inject, and how to continue.

    ``temperature`` 0 is greedy; otherwise the reply is a function of the logits and of ``seed`` alone.
    """

    prompt: Encoded
    injections: tuple[Injection, ...] = ()
    max_new_tokens: int = 100
    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What came back: ``tokens`` with the stop token cut off, and one audit for each injection."""

    request: Request
    tokens: tuple[int, ...]
    text: str
    finish: Literal["stop", "length"]
    audits: tuple[Audit, ...]

    @property
    def audit(self) -> Audit:
        """The audit of a trial with at most one injection."""
        return self.audits[0] if self.audits else CLEAN


@runtime_checkable
class Subject(Protocol):
    """A model in the laboratory."""

    @property
    def identity(self) -> SubjectIdentity:
        """Which model this is."""
        ...

    @property
    def chat(self) -> Chat:
        """Its tokenizer and template."""
        ...

    def read(self, prompts: Sequence[str], progress: Advance = silent) -> Float[Tensor, "n_prompts n_layers d_model"]:
        """Read every block's output at the last token of each prompt; float32 on the CPU."""
        ...

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer requests, in order."""
        ...

    def stream(self, requests: Sequence[Request], width: int | None = None) -> Iterator[tuple[int, Reply]]:
        """Answer requests; yield ``(index, reply)`` as they finish, at most ``width`` rows at a time."""
        ...
