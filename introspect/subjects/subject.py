"""What every subject can do, whatever carries it: be read, and answer requests under injection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from introspect.errors import SpanError
from introspect.injection import Injection
from introspect.progress import Advance, silent
from introspect.records import CLEAN, Audit, SubjectIdentity
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


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What to read off one prompt in one pass, with or without injections; nothing is generated.

    ``options`` are answers, each a set of tokens that all count as it, scored after the last token of the prompt.
    ``words`` are tokens whose rank and log-probability are taken after each of ``positions`` (absolute; a negative one
    counts from the end). ``layers`` are blocks whose output, injections included, is read at the same positions.
    ``next_token`` asks for the log-probability of the prompt's own next token after each of them, ``whole`` for the
    whole distribution; ``reference`` is such a distribution, from which the divergence is taken.
    """

    prompt: Encoded
    injections: tuple[Injection, ...] = ()
    options: tuple[tuple[int, ...], ...] = ()
    words: tuple[int, ...] = ()
    positions: tuple[int, ...] = (-1,)
    layers: tuple[int, ...] = ()
    next_token: bool = False
    whole: bool = False
    reference: Float[Tensor, "position vocabulary"] | None = None

    @property
    def reads_positions(self) -> bool:
        """Whether anything is read at the positions."""
        return bool(self.words or self.layers or self.next_token or self.whole or self.reference is not None)

    @property
    def at(self) -> tuple[int, ...]:
        """The positions, counted from the start.

        Raises:
            SpanError: A position outside the prompt.
        """
        n = len(self.prompt.ids)
        if self.next_token and (n - 1 in self.positions or -1 in self.positions):
            message = "there is no next token after the last one; ask for the positions before it"
            raise SpanError(message)
        for position in self.positions:
            if not -n <= position < n:
                message = f"position {position} is outside the prompt, which has {n} tokens"
                raise SpanError(message)
        return tuple(position % n for position in self.positions)


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """What was read: all of it float32 on the CPU, in the order of the query.

    ``option_logprobs`` is ``[option]``, and ``option_mass`` the probability of all options together: where it is
    small, their ratio says little. ``ranks`` (1 is the most probable token) and ``logprobs`` are ``[word,
    position]``; ``activations`` is ``[layer, position, d_model]``; ``next_logprobs`` has one value a position;
    ``distribution`` holds log-probabilities, ``divergence`` the Kullback–Leibler divergence of this distribution from
    the reference, in nats.
    """

    query: Query
    option_logprobs: Float[Tensor, " option"]
    option_mass: float
    ranks: Int[Tensor, "word position"]
    logprobs: Float[Tensor, "word position"]
    activations: Float[Tensor, "layer position d_model"]
    next_logprobs: Float[Tensor, " next"]
    distribution: Float[Tensor, "position vocabulary"] | None
    divergence: Float[Tensor, " position"] | None
    audits: tuple[Audit, ...]


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

    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Read logits and activations off prompts, in order; one pass each, nothing is generated."""
        ...

    def stream(self, requests: Sequence[Request], width: int | None = None) -> Iterator[tuple[int, Reply]]:
        """Answer requests; yield ``(index, reply)`` as they finish, at most ``width`` rows at a time."""
        ...
