"""Rows that share a prefix answer as they would alone, whatever is beside them, before them, or in their place next."""

import copy
import math
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
import tiny
import torch
import witness

from introspect.errors import AuditError, SubjectError
from introspect.subjects.engine.prefixes import CHUNK, chunk_ends, n_shared
from introspect.subjects.local import LocalSubject

LONG = "I look at what happens inside, and I change it. " * 4
TEXTS = (
    LONG + "Go.{{trial}} Which word?",
    tiny.MARKED[0],
    LONG + "Tell me.{{trial}}\n\nTrial 2: what{{/trial}} is it?",
    LONG + "Go.{{trial}} Which word do you notice now?",
)
"""Three share their first chunks; all are longer than any attention window of the tests."""


def requests_of(subject, lengths, **options):
    """One request for each reply length; texts, layers, strengths, spans and seeds in turn."""
    return [
        tiny.request(
            subject,
            TEXTS[index % len(TEXTS)],
            *([] if index % 5 == 1 else [tiny.vector(subject, index % 4) * (0.5 + index % 3)]),
            where=["both", "prompt", "generated"][index // 2 % 3],
            max_new_tokens=length,
            seed=index,
            **options,
        )
        for index, length in enumerate(lengths)
    ]


@contextmanager
def passes(subject):
    """Rows and columns of every forward pass."""
    assert subject.engine.reason is None
    seen = []
    handle = subject.model.register_forward_pre_hook(
        lambda module, args, options: seen.append(tuple(options["input_ids"].shape)), with_kwargs=True
    )
    try:
        yield seen
    finally:
        handle.remove()


def assert_same(reply, other):
    """The same tokens, the same ending, and the same audits up to the last digits."""
    assert (reply.tokens, reply.finish) == (other.tokens, other.finish)
    for audit, twin in zip(reply.audits, other.audits, strict=True):
        norms = {"delta_norm", "residual_norm", "relative_strength"}
        assert audit.model_dump(exclude=norms) == twin.model_dump(exclude=norms)
        assert audit.model_dump(include=norms) == pytest.approx(twin.model_dump(include=norms), rel=1e-4)


def test_every_family_shares_prefixes(subject):
    assert subject.engine.reason is None
    assert subject.engine.describe()["way"] == "shared prefix"


@pytest.mark.parametrize("where", ["prompt", "generated", "both"])
def test_the_span_and_nothing_else_is_edited_by_exactly_strength_times_vector(subject, where):
    vectors = [tiny.vector(subject, 1) * 2.5, tiny.vector(subject, 3) * 0.5, tiny.vector(subject, 3, seed=1)]
    request = tiny.request(subject, TEXTS[2], *vectors, where=where, max_new_tokens=5)
    with witness.Followed(subject) as followed:
        (reply,) = subject.generate([request])
    n = len(request.prompt.ids) + len(reply.tokens) - 1
    for layer in range(tiny.N_LAYERS):
        assert sorted(followed.before[layer]) == list(range(n))
        for position, before in followed.before[layer].items():
            expected = before
            for injection in request.injections:
                delta = witness.delta_at(injection, position)
                if injection.vector.layer == layer and delta is not None:
                    expected = expected + delta
            assert torch.equal(followed.after[layer][position], expected)


def test_positions_before_the_first_steered_one_are_bitwise_those_of_the_control_at_all_layers(subject):
    followed = []
    for strength in (0.0, 3.0):
        request = tiny.request(subject, TEXTS[0], tiny.vector(subject, 0) * strength, max_new_tokens=2)
        with witness.Followed(subject) as one:
            subject.generate([request])
        followed.append(one)
    start = request.injections[0].span.prompt[0][0]
    clean, steered = followed
    for layer in range(tiny.N_LAYERS):
        assert all(torch.equal(clean.after[layer][i], steered.after[layer][i]) for i in range(start))
        assert not torch.equal(clean.after[layer][start], steered.after[layer][start])


def test_a_mixed_batch_with_more_requests_than_rows_answers_as_the_plain_model(subject):
    requests = requests_of(subject, [3, 9, 5, 1, 7, 9, 2, 6, 4, 8])
    replies = subject.engine.generate(requests, width=4)
    for request, reply in zip(requests, replies, strict=True):
        assert reply.tokens == witness.greedy(subject.model, request)
        assert reply.request is request


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_order_width_and_neighbours_are_nothing_to_a_row(subject, temperature):
    requests = requests_of(subject, [3, 9, 5, 1, 7, 9, 2, 6, 4, 8, 9], temperature=temperature)
    alone = [subject.generate([request])[0] for request in requests]
    for width, order in ((4, range(11)), (8, [*range(5, 11), *range(5)]), (64, range(10, -1, -1))):
        replies = subject.engine.generate([requests[i] for i in order], width)
        for reply, i in zip(replies, order, strict=True):
            assert_same(reply, alone[i])


def test_a_rows_logits_are_those_of_the_row_alone(subject):
    requests = requests_of(subject, [3, 9, 5, 7, 9, 2], temperature=1.0)
    with witness.taken(subject) as together:
        subject.engine.generate(requests, width=4)
    for index, request in enumerate(requests):
        with witness.taken(subject) as alone:
            subject.generate([request])
        torch.testing.assert_close(torch.stack(together[index]), torch.stack(alone[0]), **tiny.close(subject))


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "gpt_neox"])
def test_in_bfloat16_a_row_is_the_same_in_any_batch_and_near_the_plain_model(family):
    subject = tiny.subject(family, "bfloat16")
    requests = requests_of(subject, [3, 9, 5, 7, 9, 2])
    with witness.taken(subject) as logits:
        replies = subject.engine.generate(requests, width=4)
    for index, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        assert_same(reply, subject.generate([request])[0])
        expected = witness.one_pass(subject.model, request, reply.tokens).float()
        off = torch.stack(logits[index]).float() - expected
        assert off.square().mean().sqrt() < 0.1 * expected.std()


def test_a_row_that_is_finished_is_replaced_at_once(llama):
    requests = requests_of(llama, [2, 9, 2, 9, 2, 9, 2, 2])
    with passes(llama) as seen:
        replies = llama.engine.generate(requests, width=4)
    steps = [rows for rows, columns in seen if columns == 1]
    n_fed = sum(len(reply.tokens) - 1 for reply in replies)
    assert [len(reply.tokens) for reply in replies] == [2, 9, 2, 9, 2, 9, 2, 2]
    assert set(steps) == {4}
    assert len(steps) <= 12 < n_fed / 2  # a batch of four that waits for its longest twice would take 16


def test_a_prefix_is_computed_once_for_all_rows_and_once_for_all_wordings_where_they_agree(llama):
    subject = tiny.load("llama")
    assert subject.engine.reason is None
    subject.engine.prefixes.clear()
    requests = [request for request in requests_of(subject, [3] * 24) if request.injections]
    before = subject.engine.prefixes.n_computed
    subject.engine.generate(requests, width=8)
    prefixes = {request.prompt.ids[: n_shared(request)] for request in requests}
    chunks = {ids[:end]: end - begin for ids in prefixes for begin, end in pairwise([0, *chunk_ends(len(ids))])}
    n_chunked = subject.engine.prefixes.n_computed - before
    assert len(prefixes) == 3
    assert len(chunks) < sum(len(list(chunk_ends(len(ids)))) for ids in prefixes)
    assert n_chunked == sum(chunks.values()) < sum(len(ids) for ids in prefixes)
    subject.engine.generate(requests, width=8)
    assert subject.engine.prefixes.n_computed - before == n_chunked
    assert llama.engine.prefixes is not subject.engine.prefixes


def test_a_rows_buffer_holds_its_own_tokens_and_not_the_prefix(llama):
    sizes = []
    for text in (TEXTS[0], "Look. " * 8 + TEXTS[0]):
        requests = [tiny.request(llama, text, tiny.vector(llama, 1), max_new_tokens=4, seed=i) for i in range(8)]
        caches, make = [], llama.engine.runner.cache

        def kept(*args, caches=caches, make=make):
            caches.append(make(*args))
            return caches[-1]

        llama.engine.runner.cache = kept
        try:
            llama.generate(requests)
        finally:
            del llama.engine.runner.cache
        sizes.append(sum(part.nbytes for cache in caches if cache.width for part in cache.keys.values()))
    assert sizes[0] == sizes[1] > 0


def test_a_control_is_cut_where_the_steered_trials_of_its_wording_are(subject):
    steered = tiny.request(subject, TEXTS[0], tiny.vector(subject, 1))
    clean, start = tiny.request(subject, TEXTS[0]), steered.prompt.tokens_of("trial")[0]
    reply_only = tiny.request(subject, TEXTS[0], tiny.vector(subject, 1), where="generated")
    assert n_shared(steered) == n_shared(clean) == n_shared(reply_only) == start
    unmarked = replace(clean, prompt=subject.chat.ask("Which word do you notice? Please say it now."))
    assert n_shared(unmarked) == len(unmarked.prompt.ids) - 2
    everywhere = tiny.request(subject, "{{trial}}" + tiny.MARKED[1].replace("{{trial}}", ""), tiny.vector(subject, 1))
    assert n_shared(everywhere) <= everywhere.prompt.tokens_of("trial")[0]


@pytest.mark.parametrize("length", [1, 2, CHUNK, CHUNK + 1, CHUNK + 2, 2 * CHUNK + 1, 5 * CHUNK + 9])
def test_chunks_cover_a_prefix_and_none_but_the_first_is_one_token(length):
    ends = list(chunk_ends(length))
    sizes = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    assert ends[-1] == length
    assert min(sizes) > 1 or length == 1
    assert max(sizes) <= CHUNK + 1


def test_a_row_full_of_nan_leaves_nothing_to_the_next_one_in_its_place(llama):
    bad = [tiny.request(llama, TEXTS[1], max_new_tokens=2)] * 4
    good = [tiny.request(llama, TEXTS[1], tiny.vector(llama, i % 4), max_new_tokens=6) for i in range(5)]
    expected = [llama.generate([request])[0].tokens for request in good]

    def poison(module, args, out):
        return out * math.nan

    llama.engine.prefixes.get(bad[0].prompt.ids[: n_shared(bad[0])])  # it is there before the poison, and stays whole
    handle, replies = tiny.blocks(llama.model)[0].register_forward_hook(poison), {}
    try:
        for index, reply in llama.engine.stream([*bad, *good], width=4):
            handle.remove()
            replies[index] = reply.tokens
    finally:
        handle.remove()
    assert [replies[index] for index in range(4, 9)] == expected


def test_an_injection_that_overflows_is_no_data(llama):
    huge = tiny.vector(llama, 1)
    huge = replace(huge, direction=huge.direction * 1e20)
    with pytest.raises(AuditError, match="overflowed: its size or the residual stream is not finite"):
        llama.generate([tiny.request(llama, TEXTS[0], huge)])


def test_running_out_of_memory_halves_the_rows_and_goes_on(llama):
    requests = requests_of(llama, [4] * 20)
    expected = [reply.tokens for reply in llama.generate(requests)]
    width, seen = llama.engine.width, []

    def full(module, args, options):
        seen.append(len(options["input_ids"]))
        if seen[-1] > 6:
            message = "CUDA out of memory. Tried to allocate 2.00 GiB."
            raise torch.OutOfMemoryError(message)

    handle = llama.model.register_forward_pre_hook(full, with_kwargs=True)
    try:
        replies = llama.engine.generate(requests, width=16)
    finally:
        handle.remove()
        llama.engine.width = width
    assert [reply.tokens for reply in replies] == expected
    assert max(seen) > 6 >= seen[-1]


def test_a_model_too_large_for_one_row_is_told_so(llama):
    width = llama.engine.width

    def full(module, args):
        message = "DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."
        raise RuntimeError(message)

    handle = tiny.blocks(llama.model)[0].register_forward_pre_hook(full)
    try:
        with pytest.raises(SubjectError, match="not enough memory for one row on "):
            llama.generate([tiny.request(llama)])
    finally:
        handle.remove()
        llama.engine.width = width


def test_nothing_of_the_engine_is_left_on_the_model(subject):
    before = subject.model.config._attn_implementation
    subject.generate(requests_of(subject, [2, 3]))
    assert subject.model.config._attn_implementation == before
    assert not any("forward" in module.__dict__ for module in subject.model.modules())


def test_weights_that_change_are_packed_again():
    subject = tiny.load("llama")
    request = tiny.request(subject, TEXTS[0], tiny.vector(subject, 1))
    before = subject.generate([request])[0].tokens
    with torch.no_grad():
        for block in tiny.blocks(subject.model):
            block.mlp.down_proj.weight.mul_(-1.0)
    subject.engine.prefixes.clear()
    after = subject.generate([request])[0].tokens
    assert after == witness.greedy(subject.model, request)
    assert after != before


def keeping_to_itself(attention):
    """An attention that does not go through transformers' interface, as older model code has it."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb, repeat_kv

    def forward(hidden_states, position_embeddings, past_key_values=None, **_):
        shape = (*hidden_states.shape[:-1], -1, attention.head_dim)
        query, key, value = (
            project(hidden_states).view(shape).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, attention.layer_idx)
        key, value = (repeat_kv(part, attention.num_key_value_groups) for part in (key, value))
        scores = query @ key.transpose(2, 3) * attention.scaling
        late = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(scores.shape[-1] - scores.shape[-2] + 1)
        out = torch.softmax(scores.masked_fill(late, -torch.inf), dim=-1) @ value
        return attention.o_proj(out.transpose(1, 2).reshape(*shape[:-2], -1)), None

    return forward


def test_a_model_that_keeps_its_attention_to_itself_takes_the_slower_path_and_says_why():
    one = tiny.subject("llama")
    model = copy.deepcopy(one.model)
    for block in tiny.blocks(model):
        block.self_attn.forward = keeping_to_itself(block.self_attn)
    subject = LocalSubject(model, one.chat, one.identity)
    requests = [tiny.request(subject, TEXTS[0], tiny.vector(subject, layer), max_new_tokens=3) for layer in (0, 2)]
    said = subject.engine.describe()
    assert said["way"] == "full prefill"
    assert said["reason"].startswith("its logits come out different there, by ")
    assert [reply.tokens for reply in subject.generate(requests)] == [
        witness.greedy(one.model, request) for request in requests
    ]
