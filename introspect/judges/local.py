"""A subject of this laboratory as the judge: ``local:smollm2``, a hub id, a folder or a .gguf file."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

from introspect.errors import SubjectError
from introspect.judges.model import Answer, Failure, Settings
from introspect.subjects.load import load_subject
from introspect.subjects.subject import Request


class LocalJudge:
    """A model on this machine, asked greedily, a batch of rows at a time.

    Args:
        name: ``local:`` and what ``load_subject`` takes.
        settings: How many rows at a time, and how long an answer may be.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.settings = settings
        self._subject = load_subject(name.partition(":")[2])
        self.name = f"{name}@{self._subject.identity.fingerprint[:8]}"  # other weights are another judge

    @property
    def identity(self) -> str:
        """The fingerprint and number format, and the longest answer."""
        identity = self._subject.identity
        return json.dumps([self.name, identity.fingerprint, identity.dtype, self.settings.max_tokens])

    async def answers(self, prompts: Sequence[str]) -> AsyncGenerator[tuple[int, Answer | Failure], None]:
        """Answer prompts as they finish; one that has no room in the context fails alone."""
        fitting: list[int] = []
        requests: list[Request] = []
        for index, prompt in enumerate(prompts):
            encoded = self._subject.chat.ask(prompt)
            try:
                self._subject.check_room(len(encoded.ids), self.settings.max_tokens)
            except SubjectError as error:
                yield index, Failure(str(error), again=False)
                continue
            fitting.append(index)
            requests.append(Request(encoded, (), self.settings.max_tokens, 0.0))
        for at, reply in self._subject.stream(requests, self.settings.n_at_once):
            yield fitting[at], Answer(reply.text, len(requests[at].prompt.ids), len(reply.tokens))
            await asyncio.sleep(0)  # here Ctrl-C is heard

    async def aclose(self) -> None:
        """Nothing is open."""
