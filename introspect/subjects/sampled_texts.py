"""Text that a subject writes itself, to read its activations on: neutral questions, its own replies, all seeded.

The conversations go to a file as they are finished, one JSON line each, and the same call goes on where it stopped.
Which question comes when, and the seed of its reply, depend on the number of the conversation alone. They are asked for
in rounds, whose size depends on the replies of the rounds before, so that a text that was stopped ends where it would
have ended.
"""

import functools
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from introspect.checksums import sealed, unsealed
from introspect.concepts import load_concepts
from introspect.errors import StimulusError
from introspect.progress import Advance, silent
from introspect.records import Record, digest
from introspect.stimuli import Turn
from introspect.subjects.chat import Encoded
from introspect.subjects.local import LocalSubject
from introspect.subjects.subject import Request

QUESTIONS = (
    "Please tell me something about {word}.",
    "What comes to mind first when you hear the word {word}?",
    "Write a short scene in which {word} matters.",
    "Explain {word} to a child.",
    "Give three facts that have to do with {word}.",
    "How would a poet speak of {word}?",
    "Why might somebody care about {word}?",
    "Continue: Yesterday the talk was of {word}, and",
    "Compare {word} with something else of your choice.",
    "Write a letter to a friend about {word}.",
)
"""None of them speaks of thoughts, injections or the subject itself."""
LISTS = (
    "lindsey_control_words",
    "category_concrete_nouns",
    "category_abstract_nouns",
    "category_countries",
    "category_verbs",
)
QUESTION, REPLY = "question", "reply"
"""The marks around a question and around a reply. What stands before the question is the same in all conversations: the
engine computes it once, since rows share what comes before the first mark."""


class Conversation(Record):
    """One question and the reply; ``n_tokens`` counts the tokens of the reply, which the subject drew."""

    index: int
    question: str
    reply: str
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How texts are drawn; the file belongs to one of them and to one subject.

    ``n_tokens`` counts tokens of replies. At most ``per_round`` conversations are asked for at once, and ``at_once`` of
    them run beside each other.
    """

    n_tokens: int = 300_000
    seed: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 160
    per_round: int = 512
    at_once: int = 128


@functools.cache
def words() -> tuple[str, ...]:
    """Return what the questions are about, each word once."""
    return tuple(dict.fromkeys(name for title in LISTS for name in load_concepts(title).names))


def question(index: int) -> str:
    """Return the question of a conversation: every word with one wording before any has a second one."""
    turn, place = divmod(index, len(words()))
    return QUESTIONS[(turn + place) % len(QUESTIONS)].format(word=words()[place])


def sample_texts(
    subject: LocalSubject, path: Path, sampling: Sampling, progress: Advance = silent
) -> list[Conversation]:
    """Sample conversations until their replies have so many tokens, or go on with a file of them.

    Args:
        subject: Who writes.
        path: A file of JSON lines; a line that was cut off is written again.
        sampling: How many tokens, the seed, and the rest.
        progress: Told of new tokens.

    Returns:
        The conversations, by number.

    Raises:
        StimulusError: The file was begun by another subject or with another sampling, or the subject says nothing.
    """
    found = {each.index: each for each in begun(subject, path, sampling)}
    kept: list[Conversation] = []
    with path.open("a", encoding="utf-8") as file:
        while n_new := _round(sampling, kept):
            indices = range(len(kept), len(kept) + n_new)
            for each in _sampled(subject, sampling, [index for index in indices if index not in found]):
                file.write(sealed(each.model_dump_json().encode()).decode() + "\n")
                file.flush()
                found[each.index] = each
                progress(each.n_tokens)
            kept += [found[index] for index in indices]
            if not any(each.n_tokens for each in kept[-n_new:]):
                message = f"{subject.identity.name} gave {n_new} empty replies on end, so it writes no text to read"
                raise StimulusError(message)
    return kept


def begun(subject: LocalSubject, path: Path, sampling: Sampling) -> list[Conversation]:
    """Return the conversations of a file that was begun for such texts; begin one otherwise."""
    head: Mapping[str, str | int] = {
        "subject": subject.identity.fingerprint,
        "sampling": digest([sampling.seed, sampling.temperature]),
        "max_new_tokens": sampling.max_new_tokens,
    }
    return whole_lines(path, head)


def whole_lines(path: Path, head: Mapping[str, str | int]) -> list[Conversation]:
    """Return the conversations of a file, in any order, without a line that was cut off; begin the file otherwise.

    Raises:
        StimulusError: The file was begun by another subject or with another sampling, or is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    if not lines:
        path.write_text(json.dumps(head) + "\n", "utf-8")
        return []
    try:
        first = json.loads(lines[0])
        found = [Conversation.model_validate_json(unsealed(line)) for line in lines[1:]]
    except (ValueError, RecursionError) as error:
        message = f"{path} is damaged ({str(error).splitlines()[0]}); remove it to draw the texts again"
        raise StimulusError(message) from error
    if first != head:
        message = f"{path} was begun by another subject or with another sampling; remove it, or use another folder"
        raise StimulusError(message)
    whole = sum(len(line) + 1 for line in lines)
    if path.stat().st_size > whole:
        os.truncate(path, whole)
    return found


def conversation(subject: LocalSubject, each: Conversation) -> Encoded:
    """Return a conversation in tokens, with the marks ``question`` and ``reply``."""
    turns = (_asked(each.question), Turn(role="assistant", text=_marked(REPLY, each.reply)))
    return subject.chat.encode(turns)


def _round(sampling: Sampling, kept: Sequence[Conversation]) -> int:
    """Return how many conversations to ask for next, 0 if there are tokens enough."""
    missing = sampling.n_tokens - sum(each.n_tokens for each in kept)
    length = (sampling.n_tokens - missing) / len(kept) if kept else sampling.max_new_tokens
    return min(sampling.per_round, max(math.ceil(missing / max(length, 1)), 0))


def _sampled(subject: LocalSubject, sampling: Sampling, indices: Sequence[int]) -> Iterator[Conversation]:
    requests = [
        Request(
            subject.chat.encode([_asked(question(index))]),
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            seed=(sampling.seed << 32) + index,
        )
        for index in indices
    ]
    for place, reply in subject.stream(requests, sampling.at_once):
        index = indices[place]
        yield Conversation(index=index, question=question(index), reply=reply.text, n_tokens=len(reply.tokens))


def _asked(text: str) -> Turn:
    return Turn(role="user", text=_marked(QUESTION, text))


def _marked(name: str, text: str) -> str:
    text = text.replace("{{", "{ {")  # a reply may have braces of its own, which are no mark
    return f"{{{{{name}}}}}{text}{{{{/{name}}}}}"
