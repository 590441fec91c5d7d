"""One trial: everything needed to run it again, what was really added, what came out, and what it was asked in."""

import hashlib
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from introspect.records.base import Edit, Family, Info, Match, Record, Where, digest


class SubjectIdentity(Record):
    """Which model answered: ``fingerprint`` hashes weights, tokenizer, template and adapter."""

    name: str
    fingerprint: str
    format: Literal["chat", "transcript"]
    dtype: str
    n_layers: int
    d_model: int
    adapter: str | None = None
    revision: str | None = None


class VectorRef(Record):
    """Which direction is added: a concept's own, or control ``draw`` matched to that concept's norm.

    ``other`` is the concept whose direction a vector of the family ``other`` has.
    """

    family: Family
    concept: str
    draw: int = 0
    other: str | None = None


class Also(Record):
    """The same vector once more: on another span, at another strength (relative strength asks for two)."""

    span: str
    strength: float


class TrialSpec(Record):
    """All that is needed to run one trial again.

    ``wording_hash`` and ``vectors_hash`` pin the text and the vector file that the names point into; ``fill`` are the
    texts put into the wording's slots. ``options`` are the answers on offer, ``truth`` the right one where one is
    right, ``concept`` what the trial is about, injected or not. ``layer``, ``strength`` and ``vector`` are ``None``
    together, in the arms without injection. ``said`` is the beginning of a reply that is put into the subject's mouth,
    taken from the trial ``follows``.
    """

    protocol: str
    subject: str
    dtype: str
    arm: str
    task: str
    wording: str
    wording_hash: str
    info: Info = "none"
    fill: dict[str, str] = Field(default_factory=dict)
    options: tuple[str, ...] = ()
    truth: str | None = None
    concept: str | None = None
    vector: VectorRef | None
    vectors_hash: str
    match: Match = "norm"
    layer: int | None
    strength: float | None
    span: str
    where: Where
    also: tuple[Also, ...] = ()
    sample: int
    max_new_tokens: int
    temperature: float
    said: str | None = None
    follows: str | None = None

    @cached_property
    def key(self) -> str:
        """The trial's name: a hash of every field."""
        return digest(self.model_dump(mode="json"))

    @property
    def seed(self) -> int:
        """The sampling seed, 64 bits, a function of the key alone."""
        return int.from_bytes(hashlib.blake2b(self.key.encode(), digest_size=8, person=b"seed").digest(), "big")


class Audit(Record):
    """What was really added, measured where it was added.

    ``prompt_spans`` are the planned half-open token ranges; ``edited_*`` count positions the hook changed.
    ``delta_norm`` is ‖after − before‖ averaged over them, ``vector_norm`` ‖v‖, ``residual_norm`` ‖h‖ before the edit,
    averaged likewise; all in residual-stream units. ``relative_strength`` is delta_norm / residual_norm. ``edit`` is
    what was done: ``add`` a fixed vector, ``amplify`` the activation that is there, or ``swap`` it for another one.
    """

    layer: int | None
    edit: Edit = "add"
    prompt_spans: tuple[tuple[int, int], ...]
    planned_prompt: int
    planned_generated: int
    edited_prompt: int
    edited_generated: int
    vector_norm: float
    delta_norm: float
    residual_norm: float
    relative_strength: float


CLEAN = Audit(
    layer=None,
    prompt_spans=(),
    planned_prompt=0,
    planned_generated=0,
    edited_prompt=0,
    edited_generated=0,
    vector_norm=0.0,
    delta_norm=0.0,
    residual_norm=0.0,
    relative_strength=0.0,
)
"""The audit of a trial without injection."""


class Prompt(Record):
    """One rendered prompt, kept once for all the trials that share it; ``offsets`` are character ranges of tokens."""

    id: str
    text: str
    format: Literal["chat", "transcript"]
    offsets: tuple[tuple[int, int], ...]


class Scores(Record):
    """What was read off one pass, nothing generated.

    ``logprobs`` are natural logarithms, one for each of the specification's options, after the last prompt token;
    ``mass`` is the probability of all options together. ``ranks`` are the best rank of the concept's word (1 is the
    most probable token) after each token of ``positions``. ``surprisal`` is −log p of each token of a text, in nats.
    ``curves`` have one value a layer.
    """

    logprobs: tuple[float, ...] = ()
    mass: float | None = None
    ranks: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    surprisal: tuple[float, ...] = ()
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class Trial(Record):
    """One trial as it ran. Nothing volatile (no times, no machine): two runs of a plan give equal trials.

    ``audits`` has one audit for each injection. ``scale`` is the factor on the strength that gives a control vector the
    concept vectors' effect; 1 where norms are matched.
    """

    key: str
    spec: TrialSpec
    prompt: str
    reply: str = ""
    reply_tokens: tuple[int, ...] = ()
    finish: Literal["stop", "length", "scored"]
    audits: tuple[Audit, ...]
    scores: Scores | None = None
    scale: float = 1.0

    @property
    def audit(self) -> Audit:
        """The first injection's audit, or that of a trial in which nothing was added."""
        return self.audits[0] if self.audits else CLEAN

    @model_validator(mode="after")
    def _key_fits(self) -> "Trial":
        if self.key != self.spec.key:
            message = f"the trial's key {self.key} does not belong to its spec ({self.spec.key})"
            raise ValueError(message)
        return self
