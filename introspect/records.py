"""What is on disk: plans, trials, audits, claims, manifests.

All records are frozen and refuse unknown fields. A trial is data: ``TrialSpec`` holds everything needed to run one
trial again, its key is a hash of it and its seed a function of the key, so that order, batching and resuming cannot
change a result. Nothing here imports torch.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

SCHEMA_VERSION = 3

Family = Literal["concept", "random", "covariance", "shuffled", "negated", "other", "swap", "amplify"]
Info = Literal["none", "accurate", "neutral"]
Match = Literal["norm", "effect"]
Where = Literal["prompt", "generated", "both", "cache"]
Edit = Literal["add", "amplify", "swap"]
Method = Literal["word", "pair_mean", "pair_pca"]
Reading = Literal["yes", "no", "unreadable"]
Backend = Literal["hf", "transformer_lens", "nnsight"]

Side = Literal["development", "report"]
SALT = "introspect-1"
"""Of the split that the project uses; another one is named in every output."""

RUNTIME_FIELDS = frozenset({"device", "device_map", "batch_size"})
"""Plan fields that say where a plan runs, not what it runs; they may change between a run and its resumption."""


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Serialise to the one spelling that hashes are taken of: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Hash a JSON value to 32 hexadecimal digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


LONGEST_NAME = 200
"""Bytes of a name that becomes that of a folder, with room for what is put behind it."""


def _plain(name: str) -> str:
    """Refuse a name that would be a path, or that no folder can have."""
    if name in {"", ".", ".."} or not name.isprintable() or set(name) & set("/\\"):
        message = f"{name!r} cannot be the name of a folder; leave out slashes and control characters"
        raise ValueError(message)
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        message = f"a name of {len(name)} characters is too long for a folder; {LONGEST_NAME} bytes are the most"
        raise ValueError(message)
    return name


FolderName = Annotated[str, AfterValidator(_plain)]
"""A name under which something is put into a folder, and that cannot lead out of it."""


class Record(BaseModel):
    """Base of everything that crosses a file boundary."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Plan(Record):
    """What a sweep runs: a grid of cells crossed with concepts, wordings and samples.

    One of ``layers`` (0-based blocks) and ``depths`` (fractions 0 to 1) is given wherever something is injected.
    ``strengths`` multiply the raw vector. ``concepts`` names a shipped list, a file, or the words themselves.
    ``arms``, ``tasks`` and ``span`` are the protocol's own unless they are named. ``info`` are texts put before the
    conversation, crossed with everything. ``match`` says whether control vectors have a concept vector's norm or its
    effect on neutral text. ``format`` lets a chat model run in the plain transcript of base models; ``vectors`` is a
    vector file of another subject of the same shape, to be used in place of the subject's own. ``n_options`` answers
    are on offer where there is a choice; ``n_items`` of the questions, paragraphs or sentences are used;
    ``questions`` are those of a data set. ``max_new_tokens`` is the task's own unless it is given. ``only`` are those
    of the concepts that get trials, all by default; vectors are read for every one of them. ``side`` draws lead-ins,
    questions and noise from one side of the split alone, ``salt`` splits in another way. ``batch_size`` is how many
    rows run at a time; none lets the engine find out. ``backend`` is the library that carries the subject.
    """

    name: FolderName
    question: str = ""
    protocol: str = "injected_thought"
    subject: str = "smollm2"
    adapter: str | None = None
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    device_map: str | None = None
    trust_remote_code: bool = False
    backend: Backend = "hf"
    format: Literal["auto", "chat", "transcript"] = "auto"
    arms: tuple[str, ...] | None = None
    tasks: tuple[str, ...] = ()
    layers: tuple[int, ...] | None = None
    depths: tuple[float, ...] | None = None
    strengths: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    concepts: str | tuple[str, ...] = "lindsey_concepts"
    n_concepts: int | None = Field(default=None, ge=1)
    only: tuple[str, ...] | None = None
    baseline: str = "lindsey_baseline"
    method: Method = "word"
    vectors: str | None = None
    stimuli: str = "default"
    questions: str | None = None
    wordings: tuple[str, ...] = ()
    span: str | None = None
    where: Where | None = None
    info: tuple[Info, ...] = ("none",)
    match: Match = "norm"
    n_options: int = Field(default=10, ge=2, le=26)
    n_items: int | None = Field(default=None, ge=1)
    samples: int = Field(default=1, ge=1)
    none_samples: int = Field(default=1, ge=1)
    max_new_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=1.0, ge=0)
    batch_size: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    side: Side | None = None
    salt: str = SALT

    @field_validator("strengths")
    @classmethod
    def _not_negative(cls, strengths: tuple[float, ...]) -> tuple[float, ...]:
        for strength in strengths:
            if strength < 0:
                message = f"strength {strength} is negative; strengths multiply the raw vector and start at 0"
                raise ValueError(message)
        return strengths

    @field_validator("depths")
    @classmethod
    def _fractions(cls, depths: tuple[float, ...] | None) -> tuple[float, ...] | None:
        for depth in depths or ():
            if not 0 <= depth <= 1:
                message = f"depth {depth} is not a fraction from 0 to 1"
                raise ValueError(message)
        return depths

    @model_validator(mode="after")
    def _runs_something(self) -> "Plan":
        if self.layers is not None and self.depths is not None:
            message = "give either layers (0-based blocks) or depths (fractions 0 to 1), and not both"
            raise ValueError(message)
        for name, values in (
            ("arms", self.arms),
            ("tasks", self.tasks),
            ("info", self.info),
            ("layers", self.layers),
            ("depths", self.depths),
            ("strengths", self.strengths),
            ("concepts", self.concepts),
            ("only", self.only),
        ):
            if values is None:
                continue
            if not values and name != "tasks":
                message = f"the grid is empty: {name} has no value"
                raise ValueError(message)
            if not isinstance(values, str) and len(set(values)) < len(values):
                message = f"{name} names a value twice: {', '.join(str(value) for value in values)}"
                raise ValueError(message)
        return self

    def identity(self) -> dict[str, Any]:
        """Return what decides the trials: the plan without the fields that only say where it runs.

        A backend of ``hf`` is left out, so that plans from before there were others keep their hash.
        """
        left_out = RUNTIME_FIELDS | ({"backend"} if self.backend == "hf" else set())
        return self.model_dump(mode="json", exclude=set(left_out))


class Rules(Record):
    """What a study fixes before it runs, so that a verdict can be earned.

    ``choose`` is the experiment whose trials, all of the development half, choose one layer and strength for all the
    others, by the statistic ``choose_by``. ``rate`` and ``logodds`` are the smallest effects that count, the second in
    nats; ``level`` is that of the two-sided intervals. The experiments of ``explore`` run on the same half on
    their whole grids, and decide nothing. Concepts whose vectors have a cosine of ``neighbours`` or more stay on one
    side of the split.
    """

    choose: FolderName = "choose"
    explore: tuple[FolderName, ...] = ()
    choose_by: Literal["success", "named", "noticed"] = "success"
    rate: float = Field(default=0.10, gt=0, lt=1)
    logodds: float = Field(default=0.5, gt=0)
    level: float = Field(default=0.975, gt=0.5, lt=1)
    neighbours: float = Field(default=0.8, gt=0, le=1)

    @property
    def on_grid(self) -> frozenset[str]:
        """The experiments that run on the half that chooses, on their whole grids."""
        return frozenset({self.choose, *self.explore})


class Candidate(Record):
    """A layer and strength, with what the development half says of it: ``score`` is a share of ``n`` trials."""

    layer: int
    strength: float
    score: float
    n: int


class Study(Record):
    """How a study went about its choice: the sides of the split, and the cell that was chosen.

    ``sides`` holds every concept. ``candidates`` are all cells of the grid, ``layer`` and ``strength`` those chosen.
    """

    schema_version: int
    rules: Rules
    salt: str
    sides: dict[str, Side]
    groups: tuple[tuple[str, ...], ...] = ()
    experiments: tuple[FolderName, ...]
    candidates: tuple[Candidate, ...] = ()
    layer: int | None = None
    strength: float | None = None


class Reader(Record):
    """What a reader that knows the vectors makes of one trial: the nearest concept, and its cosine."""

    key: str
    arm: str
    concept: str | None
    named: str
    score: float


class Readers(Record):
    """All trials that the reader read, at one layer."""

    layer: int
    rows: tuple[Reader, ...]


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

    @property
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


Scales = Mapping[tuple[str, int, float], float]
"""Factors on the strength by family, layer and strength."""

TOLERANCE = 0.15
"""Largest share by which an effect may miss its target and still count as matched."""


class Effect(Record):
    """One match: at ``scale`` times the strength a family's divergence is ``reached``, and ``wanted`` was asked for.

    Both are in nats a token.
    """

    family: Family
    layer: int
    strength: float
    scale: float
    reached: float
    wanted: float

    @property
    def matched(self) -> bool:
        """Whether the effect is the concept vectors', within the tolerance."""
        return abs(self.reached - self.wanted) <= TOLERANCE * self.wanted + 1e-6


class Effects(Record):
    """All matches of a run, and on how much they rest."""

    n_texts: int
    concepts: tuple[str, ...]
    effects: tuple[Effect, ...]

    @property
    def scales(self) -> Scales:
        """The factors, by family, layer and strength."""
        return {(effect.family, effect.layer, effect.strength): effect.scale for effect in self.effects}


class Projection(Record):
    """A trial's residual stream under every token, projected on the direction that was injected (or would have been).

    ``tokens`` are the texts of the prompt's tokens, then of the reply's; ``n_prompt`` says where the reply begins, and
    ``injected`` which positions were added to. ``values`` has a row a layer of ``layers``, in residual-stream units,
    read at the output of the block, injections included.
    """

    key: str
    direction: str
    tokens: tuple[str, ...]
    n_prompt: int
    injected: tuple[int, ...]
    layers: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]


class Evidence(Record):
    """A stretch of the reply, by character offsets, and the rule that picked it."""

    rule: str
    start: int
    stop: int
    text: str


class Claim(Record):
    """What a reply says, read by a grader that does not know the concept, the layer, the strength or the arm.

    ``noticed`` is whether the reply claims an injected or unusual thought; ``named`` are the things it names as that
    thought's content; ``order`` is whether the noticing stands before the first naming. ``refuses`` marks a denial of
    having inner states at all. A judge that is a model may also say which of the words ``offered`` is named
    (``matched``; none is an answer) and what ``details`` are claimed; ``unscored`` says why it gave no verdict, and
    then nothing is claimed.
    """

    grader: str
    noticed: Reading
    named: tuple[Evidence, ...] = ()
    order: Literal["noticed_first", "named_first"] | None = None
    coherent: bool
    incoherent_because: str | None = None
    refuses: bool = False
    evidence: tuple[Evidence, ...] = ()
    details: tuple[Literal["checkable", "uncheckable"], ...] = ()
    offered: tuple[str, ...] = ()
    matched: str | None = None
    unscored: str | None = None


class Manifest(Record):
    """What a run folder is: the plan, the subject, hashes of everything the trials depend on, and the machine.

    ``frequency`` is the concepts' Zipf frequency where it is known. ``engine`` says how the subject was run (a shared
    prefix or not, and why not) and how many rows at a time.
    """

    schema_version: int
    introspect_version: str
    created: str
    plan: Plan
    subject: SubjectIdentity
    n_planned: int
    vectors_hash: str
    wordings: dict[str, str]
    concepts: dict[str, tuple[str, ...]]
    frequency: dict[str, float] = Field(default_factory=dict)
    machine: dict[str, str]
    packages: dict[str, str]
    engine: dict[str, str] = Field(default_factory=dict)
