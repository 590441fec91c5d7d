"""Our engine as a model of Inspect's: trials of a plan with their injections, and plain conversations without any.

A message of a trial carries the trial's key. The plan was adopted before, so the key leads to the specification and its
vectors, and the trial is run by the functions that run it in a sweep: the same prompt, injection, seed and audit. What
comes back has the whole trial in its metadata.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from introspect.errors import PlanError, SubjectError, UnknownNameError
from introspect.evals.batches import QUIET, Batches
from introspect.evals.messages import plain_turns, turns_of
from introspect.evals.refusal import plainly
from introspect.evals.samples import STOP
from introspect.protocols.materials import Materials
from introspect.protocols.trials import answered, request
from introspect.records import TrialSpec, digest
from introspect.subjects.load import load_subject
from introspect.subjects.subject import Reply, Request

KEY = "introspect"
"""Where a message's metadata has the trial's key."""
LOADING = ("adapter", "device", "dtype", "device_map", "revision", "trust_remote_code", "form")
"""Model arguments that are ``load_subject``'s."""
ROWS = 64
LENGTH = 256
"""Tokens of a reply to a plain conversation where nothing is said."""
PLANNED = ("temperature", "max_tokens", "seed")
REFUSED = ("top_p", "top_k", "stop_seqs", "num_choices", "logprobs", "response_schema")
"""What the engine does not do; a setting is refused rather than ignored."""


class IntrospectAPI(ModelAPI):
    """A subject of the laboratory, answering concurrent samples in batches.

    Args:
        model_name: What ``load_subject`` takes: ``smollm2``, a hub id, a folder, a ``.gguf`` file.
        base_url: Not used.
        api_key: Not used.
        config: Generation settings.
        model_args: Those of ``load_subject``; ``rows``, how many trials at a time; ``quiet``, how many seconds a batch
            that is not full waits for more.

    Raises:
        RefusalError: The subject cannot be loaded, or an argument is unknown.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 - the signature that Inspect calls
        **model_args: Any,  # noqa: ANN401 - whatever -M was given
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        self.rows, quiet = int(model_args.pop("rows", ROWS)), float(model_args.pop("quiet", QUIET))
        with plainly():
            for name in model_args:
                if name not in LOADING:
                    raise UnknownNameError("model argument", name, [*LOADING, "rows", "quiet"])
            self.subject = load_subject(model_name, **model_args)
        self.batches = Batches(self._generate, quiet)
        self._trials: dict[str, tuple[TrialSpec, Materials]] = {}
        self._asked = Counter[str]()

    def adopt(self, specs: Sequence[TrialSpec], materials: Materials) -> None:
        """Make trials known, so that their keys are enough to run them."""
        self._trials |= {spec.key: (spec, materials) for spec in specs}

    def max_connections(self) -> int:
        """Return how many samples run at a time where nothing is said: as many as the engine takes rows."""
        return self.rows

    def max_tokens(self) -> int | None:
        """Return nothing: a trial's length is its plan's."""
        return None

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer a conversation, with the injection of its trial if it is one's.

        Raises:
            SubjectError: The engine does not do what is asked, or there is no room for the reply.
            PlanError: The trial is unknown, or something about it was changed on the way.
        """
        for name in REFUSED:
            if getattr(config, name, None) is not None:
                message = f"the model introspect/{self.model_name} has no setting {name}; leave it out"
                raise SubjectError(message)
        if tools:
            message = f"the model introspect/{self.model_name} calls no tools, and it was given {len(tools)}"
            raise SubjectError(message)
        key = next((each.metadata[KEY] for each in input if each.metadata and KEY in each.metadata), None)
        most = config.max_connections or self.rows
        if key is None:
            return self._output(await self._ask(self._plain(input, config), most))
        spec, materials = self._trial(str(key), input, config)
        reply = await self._ask(request(spec, materials), most)
        return self._output(reply, {"trial": answered(spec, reply, materials).model_dump(mode="json")})

    async def _ask(self, wanted: Request, most: int) -> Reply:
        self.subject.check_room(len(wanted.prompt.ids), wanted.max_new_tokens)  # before others wait for it
        return await self.batches.ask(wanted, most)

    def _generate(self, requests: Sequence[Request]) -> list[Reply]:
        replies = dict(self.subject.stream(requests, self.rows))
        return [replies[index] for index in range(len(requests))]

    def _trial(self, key: str, given: Sequence[ChatMessage], config: GenerateConfig) -> tuple[TrialSpec, Materials]:
        if key not in self._trials:
            message = f"no plan with a trial {key} was prepared for {self.model_name}; run it by a task of introspect's"
            raise PlanError(message)
        spec, materials = self._trials[key]
        if turns_of(given) != plain_turns(spec, materials.wordings[spec.wording]):
            message = (
                f"the conversation of the trial {key} was changed on its way here; take out the solver that did it"
            )
            raise PlanError(message)
        own = {"temperature": spec.temperature, "max_tokens": spec.max_new_tokens}
        for name in PLANNED:
            value = getattr(config, name)
            if value is not None and value != own.get(name):
                message = f"{name} = {value} is not the trial's: the plan says how trials run; change it there"
                raise PlanError(message)
        return spec, materials

    def _plain(self, given: Sequence[ChatMessage], config: GenerateConfig) -> Request:
        """Return a request without injection; unless it has a seed, asking again samples another reply."""
        prompt = self.subject.chat.encode(turns_of(given))
        self._asked[prompt.text] += 1
        drawn = int(digest([prompt.text, self._asked[prompt.text]])[:16], 16)
        seed = drawn if config.seed is None else config.seed
        temperature = 1.0 if config.temperature is None else config.temperature
        return Request(prompt, (), config.max_tokens or LENGTH, temperature, seed)

    def _output(self, reply: Reply, metadata: dict[str, Any] | None = None) -> ModelOutput:
        n_asked, n_said = len(reply.request.prompt.ids), len(reply.tokens)
        message = ChatMessageAssistant(content=reply.text, model=self.model_name, source="generate")
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason=STOP[reply.finish])],  # pyright: ignore
            usage=ModelUsage(input_tokens=n_asked, output_tokens=n_said, total_tokens=n_asked + n_said),
            metadata=metadata,
        )
