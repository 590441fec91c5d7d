"""From replies to claims: prompts are asked once each, from the cache where they are known.

A reply gets its six questions; one that names something in a trial about a concept is then asked which of ten words
that is. Claims come as they are finished, in any order. A failure that another try may cure is no claim: the reply is
left for the next time, and after a few in a row the judge is taken to be down.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from introspect.errors import JudgeError
from introspect.graders.answers import grader_name, read_answer, read_choice, unscored
from introspect.graders.rubric import choice_prompt, prompt
from introspect.judges.cache import AnswerCache
from introspect.judges.model import Answer, Failure, Judge
from introspect.records import Claim

DOWN = 3
"""Replies in a row without an answer, each tried as often as the settings say, after which the judge is down."""


@dataclass(frozen=True, slots=True)
class Item:
    """A reply to be judged: its key, and the words among which the named thing is looked for, if any."""

    key: str
    reply: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """A reply that got no answer this time, and why."""

    reason: str


async def judged(
    judge: Judge, items: Sequence[Item], cache: AnswerCache
) -> AsyncGenerator[tuple[Item, Claim | Left], None]:
    """Yield every item with its claim, or with why it has none yet.

    Raises:
        JudgeError: The judge refuses, or is down.
    """
    grader = grader_name(judge.name)
    first = [prompt(item.reply) for item in items]
    waiting: list[tuple[Item, Claim]] = []
    async with aclosing(_asked(judge, first, cache)) as answers:
        async for index, answer in answers:
            item = items[index]
            claim = _claim(answer, lambda text, reply=item.reply: read_answer(reply, text, grader), grader)
            if isinstance(claim, Claim) and claim.named and item.words:
                waiting.append((item, claim))
            else:
                yield item, claim
    second = [choice_prompt(item.reply, item.words) for item, _ in waiting]
    async with aclosing(_asked(judge, second, cache)) as answers:
        async for index, answer in answers:
            item, found = waiting[index]
            yield item, _claim(answer, lambda text, c=found, words=item.words: read_choice(c, text, words), grader)


def _claim(answer: Answer | Failure, read: Callable[[str], Claim], grader: str) -> Claim | Left:
    if isinstance(answer, Answer):
        return read(answer.text)
    return Left(answer.reason) if answer.again else unscored(grader, answer.reason)


async def _asked(
    judge: Judge, prompts: Sequence[str], cache: AnswerCache
) -> AsyncGenerator[tuple[int, Answer | Failure], None]:
    """Answer prompts; equal ones are asked once, and known ones not at all."""
    places: dict[str, list[int]] = {}
    for index, text in enumerate(prompts):
        places.setdefault(text, []).append(index)
    known = {text: answer for text in places if (answer := cache.get(cache.key(judge.identity, text))) is not None}
    for text, answer in known.items():
        for index in places[text]:
            yield index, answer
    unknown = [text for text in places if text not in known]
    async with aclosing(_asked_anew(judge, unknown, cache)) as answers:
        async for at, answer in answers:
            for index in places[unknown[at]]:
                yield index, answer


async def _asked_anew(
    judge: Judge, prompts: Sequence[str], cache: AnswerCache
) -> AsyncGenerator[tuple[int, Answer | Failure], None]:
    """Ask, and keep what is answered.

    What a judge will not read is held back to the end: one that refuses whatever it is asked is set up wrongly.

    Raises:
        JudgeError: The judge is down, or refuses whatever it is asked.
    """
    in_a_row, held, has_answered = 0, list[tuple[int, Failure]](), False
    async with aclosing(judge.answers(prompts)) as answers:
        async for at, answer in answers:
            if isinstance(answer, Answer):
                cache.put(cache.key(judge.identity, prompts[at]), answer)
                in_a_row, has_answered = 0, True
                yield at, answer
                continue
            in_a_row += answer.again or not has_answered
            if answer.again:
                yield at, answer
            else:
                held.append((at, answer))
            if in_a_row >= DOWN:
                message = f"the judge {judge.name!r} gives no answers ({answer.reason}); claims so far are kept"
                raise JudgeError(message)
    for failed in held:
        yield failed
