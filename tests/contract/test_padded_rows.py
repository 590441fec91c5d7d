"""A row of a padded batch is a trial of its own: its neighbours, the padding and its place are nothing to it."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import tiny
import torch
import witness

from introspect.spans import PADDING
from introspect.subjects.engine.batch import left_pad

CLOSE = {"atol": 1e-4, "rtol": 0.0}


@pytest.fixture
def subject(padded):
    return padded


@contextmanager
def widths(model):
    """How many rows each forward pass had."""
    seen = []
    handle = model.register_forward_pre_hook(
        lambda module, args, options: seen.append(len(options["input_ids"])), with_kwargs=True
    )
    try:
        yield seen
    finally:
        handle.remove()


def requests_of(subject, lengths, **options):
    """One request for each reply length; texts, layers, strengths and seeds in turn."""
    return [
        tiny.request(
            subject,
            tiny.MARKED[index % 3],
            *([] if index == 1 else [tiny.vector(subject, index % 4) * (0.5 + index)]),
            where=["both", "prompt", "generated"][index // 2 % 3],
            max_new_tokens=length,
            seed=index,
            **options,
        )
        for index, length in enumerate(lengths)
    ]


def assert_same(reply, other):
    """The same tokens, the same ending, and the same audits up to the last digits."""
    assert (reply.tokens, reply.finish) == (other.tokens, other.finish)
    for audit, twin in zip(reply.audits, other.audits, strict=True):
        norms = {"delta_norm", "residual_norm", "relative_strength"}
        assert audit.model_dump(exclude=norms) == twin.model_dump(exclude=norms)
        assert audit.model_dump(include=norms) == pytest.approx(twin.model_dump(include=norms), rel=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_in_a_batch_equals_the_row_alone(subject, temperature):
    requests = requests_of(subject, [8] * 5, temperature=temperature)
    with witness.last_logits(subject.model) as batch:
        replies = subject.generate(requests)
    for row, request in enumerate(requests):
        with witness.last_logits(subject.model) as single:
            (alone,) = subject.generate([request])
        assert_same(replies[row], alone)
        torch.testing.assert_close(torch.stack([step[row] for step in batch]), torch.cat(single), **CLOSE)


def test_a_sampled_reply_is_a_function_of_its_seed_and_not_of_its_neighbours(subject):
    requests = requests_of(subject, [6] * 4, temperature=1.0)
    others = requests_of(subject, [6, 9, 2], temperature=1.3)
    replies = [reply.tokens for reply in subject.generate(requests)]
    backwards = [reply.tokens for reply in subject.generate(requests[::-1])][::-1]
    among_others = [reply.tokens for reply in subject.generate([others[0], *requests, *others[1:]])][1:5]
    assert replies == backwards == among_others
    same_question = [replace(requests[0], seed=seed) for seed in (0, 1, 2, 0)]
    first, second, third, again = (reply.tokens for reply in subject.generate(same_question))
    assert first == again == replies[0]
    assert len({first, second, third}) == 3


def test_a_longer_reply_begins_with_the_shorter_one_of_the_same_seed(subject):
    short, long = requests_of(subject, [4], temperature=1.0), requests_of(subject, [9], temperature=1.0)
    (brief,), (whole,) = subject.generate(short), subject.generate(long)
    assert len(brief.tokens) == 4
    assert whole.tokens[:4] == brief.tokens


def test_a_finished_row_that_stays_as_ballast_is_not_injected_into(subject):
    requests = requests_of(subject, [7, 7, 7, 3])
    requests[3] = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 2), max_new_tokens=3)
    with widths(subject.model) as seen, witness.Tap(subject.model, 2) as tap:
        replies = subject.generate(requests)
    assert seen == [4] * 7
    edited = [not torch.equal(tap.before[step][3], tap.after[step][3]) for step in range(7)]
    assert edited == [True, True, True, False, False, False, False]
    assert replies[3].audit.edited_generated == replies[3].audit.planned_generated == 2


def test_padding_is_not_attended_to_whatever_token_stands_there(subject):
    short, long = (tiny.request(subject, text) for text in (tiny.MARKED[1], tiny.MARKED[2]))
    decoder = subject.engine.full
    rows = [short.prompt.ids, long.prompt.ids]
    with torch.inference_mode():
        logits = [decoder.forward(left_pad(rows, filler), None)[0] for filler in (0, 77)]
        alone = subject.model(input_ids=torch.tensor([rows[0]]), use_cache=False).logits[0, -1]
    assert torch.equal(*logits)
    torch.testing.assert_close(logits[0][0], alone, **CLOSE)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "qwen3"])
def test_a_padding_token_inside_the_prompt_is_a_token_like_any_other(family):
    subject = tiny.subject(family, way="full prefill")
    words = subject.chat.tokenizer
    requests = [tiny.request(subject, text, tiny.vector(subject, 1)) for text in tiny.MARKED]
    pad, n_long = words.pad_token_id, len(requests[2].prompt.ids)
    with witness.Tap(subject.model, 1) as tap:
        replies = subject.generate(requests)
    assert pad == words.eos_token_id
    edited = (tap.before[0] != tap.after[0]).any(dim=-1)
    for row in (0, 1):
        ids, (start, _) = requests[row].prompt.ids, requests[row].injections[0].span.prompt[0]
        n_padding = n_long - len(ids)
        assert pad in ids[:start]
        assert pad in ids[start:]
        assert n_padding > 0
        assert edited[row].tolist() == [False] * (n_padding + start) + [True] * (len(ids) - start)
        assert replies[row].tokens == witness.greedy(subject.model, requests[row])


def test_left_padding_has_no_position_and_tokens_count_from_zero():
    batch = left_pad([[5, 5], [7, 5, 5, 8]], filler=5)
    assert batch.ids.tolist() == [[5, 5, 5, 5], [7, 5, 5, 8]]
    assert batch.mask.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert batch.positions.tolist() == [[PADDING, PADDING, 0, 1], [0, 1, 2, 3]]
    assert batch.position_ids.min() == 0


def test_replies_come_in_the_order_of_the_requests(subject):
    requests = requests_of(subject, [3, 5, 1, 4])
    assert [reply.request for reply in subject.generate(requests)] == requests
    assert [len(reply.tokens) for reply in subject.generate(requests)] == [3, 5, 1, 4]
    assert subject.generate([]) == []
