"""Requests of concurrent tasks run together, one batch at a time, and each gets its own reply or its own error."""

import time

import anyio
import pytest
import tiny


@pytest.fixture(scope="module")
def requests():
    subject = tiny.subject("llama")
    return [tiny.request(subject, tiny.MARKED[n % 3], max_new_tokens=1 + n % 3) for n in range(10)]


def answering(batches, requests, most):
    """What each of the requests got, asked at once."""
    got = {}

    async def one(index):
        try:
            got[index] = await batches.ask(requests[index], most)
        except RuntimeError as error:
            got[index] = error

    async def all_of_them():
        async with anyio.create_task_group() as group:
            for index in range(len(requests)):
                group.start_soon(one, index)

    anyio.run(all_of_them)
    return [got[index] for index in range(len(requests))]


def test_concurrent_requests_are_full_batches_and_every_one_gets_its_own_reply(requests):
    from introspect.evals.batches import Batches

    subject = tiny.subject("llama")
    batches = Batches(subject.generate, quiet=0.5)
    replies = answering(batches, requests, 4)
    assert batches.sizes == [4, 4, 2]
    assert [reply.request for reply in replies] == requests
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in subject.generate(requests)]


def test_batches_go_on_in_another_event_loop(requests):
    from introspect.evals.batches import Batches

    batches = Batches(tiny.subject("llama").generate, quiet=0.05)
    for _ in range(2):
        assert len(answering(batches, requests[:3], 3)) == 3
    assert batches.sizes == [3, 3]


def test_an_error_reaches_all_of_its_batch_and_none_of_the_next(requests):
    from introspect.evals.batches import Batches

    subject, calls = tiny.subject("llama"), []

    def run(batch):
        calls.append(len(batch))
        if len(calls) == 1:
            message = "the first batch fails"
            raise RuntimeError(message)
        return subject.generate(batch)

    results = answering(Batches(run, quiet=0.5), requests, 5)
    assert [isinstance(result, RuntimeError) for result in results] == [True] * 5 + [False] * 5


def test_a_request_that_is_given_up_before_its_turn_is_not_run(requests):
    from introspect.evals.batches import Batches

    subject, ran = tiny.subject("llama"), []

    def slow(batch):
        ran.extend(batch)
        time.sleep(0.3)
        return subject.generate(batch)

    batches = Batches(slow, quiet=0.01)

    async def give_up():
        async with anyio.create_task_group() as group:
            group.start_soon(batches.ask, requests[0], 1)
            await anyio.sleep(0.05)
            with anyio.move_on_after(0.05):
                await batches.ask(requests[1], 1)

    anyio.run(give_up)
    assert ran == [requests[0]]
