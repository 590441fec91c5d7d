"""nnsight: a subject that is read, asked and injected into through traces, here or on another machine.

The traces (``trace_passes``) stand on a twin that shares the subject's tensors, since nnsight takes over the module
that it wraps.

``remote`` is handed to nnsight: ``False`` runs here; ``True`` sends the trace to NDIF, with the key in the environment
variable ``NDIF_API_KEY``; ``"local"`` is nnsight's dry run of that path, which serialises the trace, reads it back
with our modules hidden, and runs it here.
"""

from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, ClassVar, Literal

import nnsight
import torch
from jaxtyping import Float
from nnsight.modeling.transformers import TransformersModel
from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig

from introspect.errors import SubjectError
from introspect.records import Backend, SubjectIdentity, digest
from introspect.subjects.chat import Chat, Encoded
from introspect.subjects.engine.batch import by_length, left_pad
from introspect.subjects.engine.engine import Engine
from introspect.subjects.engine.readouts import TOKENS_AT_ONCE
from introspect.subjects.fingerprint import fingerprint
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Query, Readout
from introspect.subjects.trace_passes import Remote, Traces
from introspect.subjects.twin import twin

LIBRARY, KEY = "nnsight", "NDIF_API_KEY"


def traced(subject: LocalSubject) -> TransformersModel:
    """Return an nnsight model over the subject's own weights; the subject's module is left as it is."""
    return TransformersModel(twin(subject.model), tokenizer=subject.chat.tokenizer, task="text-generation")


def remote_subject(
    name: str,
    *,
    revision: str | None = None,
    form: Literal["auto", "chat", "transcript"] = "auto",
    remote: Remote = True,
) -> "TraceSubject":
    """Return a subject whose weights are on another machine: here are its tokenizer, its configuration and its shape.

    Its fingerprint is of the name, the revision and the tokenizer, since the weights are not seen.

    Args:
        name: A hub id.
        revision: Branch, tag or commit.
        form: ``transcript`` lets a chat model run in the plain transcript of base models.
        remote: ``True`` for NDIF; ``"local"`` for the dry run, which loads the weights here at the first trace.

    Raises:
        SubjectError: No configuration of that name, or no key for NDIF.
    """
    if remote is True and not nnsight.CONFIG.API.APIKEY:
        message = f"{name} is to run on NDIF, which wants a key: set {KEY}"
        raise SubjectError(message)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or "main")
        model = TransformersModel(name, revision=revision, tokenizer=tokenizer, task="text-generation")
    except (OSError, ValueError) as error:
        message = f"{name} cannot be described for traces: {str(error).strip().splitlines()[0][:160]}"
        raise SubjectError(message) from error
    module: Any = model._module
    with suppress(OSError):
        module.generation_config = GenerationConfig.from_pretrained(name, revision=revision or "main")
    chat, config = Chat(tokenizer, name, form), module.config.get_text_config()
    there = digest([name, revision, form if form == "transcript" else "auto", fingerprint((), chat.tokenizer)])
    identity = SubjectIdentity(
        name=name,
        fingerprint=there,
        format=chat.format,
        dtype=str(module.dtype).removeprefix("torch."),
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        revision=revision,
    )
    return TraceSubject(LocalSubject(module, chat, identity, "full prefill"), remote, model)


class TraceEngine(Engine):
    """The engine's surface with traces behind it: rows of a batch side by side, every prompt run whole."""

    def __init__(self, subject: LocalSubject, model: TransformersModel, remote: Remote) -> None:
        ending, name = subject.engine.ending, subject.identity.name
        super().__init__(subject.model, subject.blocks, subject.chat, ending.stop, name, "full prefill")
        self.full = self.traces = Traces(subject, model, remote)

    def describe(self) -> dict[str, str]:
        """Say what goes into the record of a run."""
        where = {False: "here", "local": "here, as if sent"}.get(self.traces.remote, "NDIF")
        said = {"way": str(self.way), "products": "the model's own", "backend": LIBRARY, "version": version(LIBRARY)}
        return {**said, "traces": where}

    @torch.inference_mode()
    def score(self, queries: Sequence[Query]) -> list[Readout]:
        """Answer queries, in order; those whose prompts are equally long run together."""
        found: dict[int, Readout] = {}
        for indices in by_length([len(query.prompt.ids) for query in queries], TOKENS_AT_ONCE):
            found.update(zip(indices, self.traces.score([queries[i] for i in indices]), strict=True))
        return [found[i] for i in range(len(queries))]


class TraceSubject(LocalSubject):
    """A subject that is read, asked and injected into through nnsight.

    Args:
        subject: The subject; it is left as it was and may be used beside this one.
        remote: Where traces run: here, on NDIF, or here by way of the dry run.
        model: nnsight's model, where it is there already.
    """

    backend: ClassVar[Backend] = "nnsight"

    def __init__(self, subject: LocalSubject, remote: Remote = False, model: TransformersModel | None = None) -> None:
        super().__init__(subject.model, subject.chat, subject.identity, "full prefill")
        self.traced = model or traced(subject)
        engine = TraceEngine(subject, self.traced, remote)
        self.engine, self._traces = engine, engine.traces

    def _read_batch(self, rows: Sequence[Encoded]) -> Float[Tensor, "row n_layers d_model"]:
        return self._traces.read(left_pad([row.ids for row in rows], self._traces.filler))

    def top_tokens(self, direction: Float[Tensor, " d_model"], n: int = 8) -> list[str]:
        """Return the tokens whose unembedding a direction points to most; none where the weights are not here."""
        return [] if self.model.device.type == "meta" else super().top_tokens(direction, n)
