"""What a sweep runs: the plan that a file holds, and that a run keeps."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from introspect.records.base import SALT, Backend, FolderName, Info, Match, Method, Record, Side, Where

RUNTIME_FIELDS = frozenset({"device", "device_map", "batch_size"})
"""Plan fields that say where a plan runs, not what it runs; they may change between a run and its resumption."""


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
