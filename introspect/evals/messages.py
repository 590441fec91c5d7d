"""A trial's conversation as messages of Inspect's."""

from collections.abc import Sequence

from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

from introspect.records import TrialSpec
from introspect.stimuli import MARK, Turn, Wording

KINDS = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}


def plain_turns(spec: TrialSpec, wording: Wording) -> list[Turn]:
    """Return what stands before a trial's reply: slots filled, marks taken out, a reply begun for the subject last."""
    turns = list(wording.conversation(spec.task, spec.fill))
    if spec.said:
        turns.append(Turn(role="assistant", text=spec.said))
    return [Turn(role=turn.role, text=MARK.sub("", turn.text)) for turn in turns]


def messages(turns: Sequence[Turn], name: str) -> list[ChatMessage]:
    """Return turns as messages with ids that are functions of ``name``."""
    return [KINDS[turn.role](content=turn.text, id=f"{name}-{n}", source="input") for n, turn in enumerate(turns)]


def turns_of(given: Sequence[ChatMessage]) -> list[Turn]:
    """Return messages as turns, those of tools as the user's."""
    return [Turn(role="user" if each.role == "tool" else each.role, text=each.text) for each in given]
