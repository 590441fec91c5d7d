"""Text that a subject writes itself, to read its activations on: neutral questions, its own replies, all seeded.

The conversations go to a file as they come, one JSON line each, and the same call goes on where it stopped. Which
question comes when, and the seed of its reply, depend on the number of the conversation alone.
"""

import functools
import json
import os
from collections.abc import Iterator, Mapping
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
REPLY = "reply"
"""The mark around a reply."""


class Conversation(Record):
    """One question and the reply; ``n_tokens`` counts both, with the template's own."""

    index: int
    question: str
    reply: str
    n_tokens: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """How texts are drawn; the file belongs to one of them and to one subject."""

    n_tokens: int = 400_000
    seed: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 160
    at_once: int = 64


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
    """Sample conversations until they have so many tokens, or go on with a file of them.

    Args:
        subject: Who writes.
        path: A file of JSON lines; a line that was cut off is written again.
        sampling: How many tokens, the seed, and the rest.
        progress: Told of new tokens.

    Raises:
        StimulusError: The file was begun by another subject or with another sampling, or is damaged.
    """
    head = {"subject": subject.identity.fingerprint, "sampling": digest([sampling.seed, sampling.temperature])}
    head |= {"max_new_tokens": sampling.max_new_tokens}
    found = begun(path, head)
    with path.open("a", encoding="utf-8") as file:
        while sum(each.n_tokens for each in found) < sampling.n_tokens:
            new = list(_next(subject, sampling, len(found)))
            file.writelines(sealed(each.model_dump_json().encode()).decode() + "\n" for each in new)
            file.flush()
            found += new
            progress(sum(each.n_tokens for each in new))
    return found


def conversation(subject: LocalSubject, each: Conversation) -> Encoded:
    """Return a conversation in tokens, its reply under the mark ``reply``."""
    turns = (
        Turn(role="user", text=each.question),
        Turn(role="assistant", text=f"{{{{{REPLY}}}}}{each.reply}{{{{/{REPLY}}}}}"),
    )
    return subject.chat.encode(turns)


def _next(subject: LocalSubject, sampling: Sampling, start: int) -> Iterator[Conversation]:
    indices = range(start, start + sampling.at_once)
    requests = [
        Request(
            subject.chat.ask(question(index)),
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            seed=(sampling.seed << 32) + index,
        )
        for index in indices
    ]
    for index, reply in zip(indices, subject.generate(requests), strict=True):
        n_tokens = len(reply.request.prompt.ids) + len(reply.tokens)
        yield Conversation(index=index, question=question(index), reply=reply.text, n_tokens=n_tokens)


def begun(path: Path, head: Mapping[str, str | int]) -> list[Conversation]:
    """Return the conversations of a file that was begun, without a last line that was cut off; begin one otherwise."""
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
