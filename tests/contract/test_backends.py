"""The three backends give the same tokens, the same vectors and the same audits, and leave nothing behind."""

from dataclasses import replace

import pytest
import tiny
import torch
import witness

from introspect.injection import Injection
from introspect.subjects.lens import LensSubject
from introspect.subjects.subject import Query, Subject
from introspect.subjects.trace import TraceSubject
from introspect.vectors.extract import mean_difference

FAMILIES = ["llama", "gpt2", "gemma3_text", "mamba2"]
OTHERS = {"transformer_lens": LensSubject, "nnsight": TraceSubject}
PROMPTS = ["bread", "the ocean, and whatever else is large and wet", "peace", "Yes!"]
_made = {}


def carried(family, backend):
    """The session's subject of a family, as a backend runs it."""
    if (family, backend) not in _made:
        _made[family, backend] = OTHERS[backend](tiny.subject(family))
    return _made[family, backend]


@pytest.fixture(params=FAMILIES)
def plain(request):
    subject = tiny.subject(request.param)
    yield subject
    assert witness.n_hooks(subject.model) == 0


@pytest.fixture(params=list(OTHERS))
def other(request, plain):
    return carried(plain.model.config.model_type, request.param)


@pytest.fixture(params=list(OTHERS))
def llama(request):
    return carried("llama", request.param)


def module_of(subject):
    """The module that a backend really runs."""
    return subject.bridge.original_model if isinstance(subject, LensSubject) else subject.traced._module


def mixed(subject, seed=7):
    """Rows that differ in everything: clean, layers, strengths, spans, lengths, seeds, two injections at one layer."""
    first, second, third, last = (tiny.vector(subject, layer) for layer in range(4))
    warm = {"temperature": 1.0, "seed": seed}
    bare = tiny.request(subject, tiny.MARKED[0], max_new_tokens=6)
    target = torch.linspace(-9.0, 9.0, tiny.D_MODEL)
    span = bare.prompt.span("trial", "both")
    return [
        tiny.request(subject, tiny.MARKED[0], **warm),
        tiny.request(subject, tiny.MARKED[1], first * 0.5),
        tiny.request(subject, tiny.MARKED[2], second * 1.5, where="prompt", max_new_tokens=5, **warm),
        tiny.request(subject, tiny.MARKED[0], third * 2.0, where="generated", **warm),
        tiny.request(subject, tiny.MARKED[1], second, last * 4.0, max_new_tokens=3),
        tiny.request(subject, tiny.MARKED[1], third, tiny.vector(subject, 2, seed=1), where="cache"),
        replace(bare, injections=(Injection(second, span, "amplify"), Injection(third, span, "swap", target))),
    ]


def same(audits, others):
    """Whether audits say the same: the same counts, and norms within rounding."""
    assert len(audits) == len(others)
    for one, another in zip(audits, others, strict=True):
        ours, theirs = one.model_dump(), another.model_dump()
        for name, value in ours.items():
            assert theirs[name] == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value)


def test_it_is_a_subject(llama):
    assert isinstance(llama, Subject)
    assert llama.identity == tiny.subject("llama").identity


def test_the_tokens_and_the_audits_are_the_engines(plain, other):
    expected, replies = plain.generate(mixed(plain)), other.generate(mixed(plain))
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    assert [reply.finish for reply in replies] == [reply.finish for reply in expected]
    assert len({reply.tokens for reply in replies}) > 4
    for reply, one in zip(replies, expected, strict=True):
        same(reply.audits, one.audits)


def test_what_is_read_and_the_vectors_made_of_it_are_the_same(plain, other):
    ours, theirs = plain.read(PROMPTS), other.read(PROMPTS)
    assert torch.cosine_similarity(ours, theirs, dim=-1).min() > 0.9999
    first, second = (mean_difference(read[:1], read[1:]) for read in (ours, theirs))
    assert torch.cosine_similarity(first, second, dim=-1).min() > 0.9999
    torch.testing.assert_close(ours, theirs, **tiny.close(plain))


def test_what_is_scored_is_the_same(plain, other):
    queries = [
        Query(
            request.prompt, request.injections, options=((5, 6), (9,)), words=(11, 12), positions=(1, -2),
            layers=(0, 3), next_token=True, whole=True,
        )
        for request in mixed(plain)
    ]  # fmt: skip
    for query, ours, theirs in zip(queries, plain.score(queries), other.score(queries), strict=True):
        assert theirs.query is query
        for name in ("option_logprobs", "logprobs", "activations", "next_logprobs", "distribution"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), **tiny.close(plain))
        same(theirs.audits, ours.audits)


@pytest.fixture(params=["llama", "gpt2"])
def family(request):
    return request.param


@pytest.fixture(params=list(OTHERS))
def backed(request, family):
    return carried(family, request.param)


def test_strength_zero_is_the_control_bitwise(backed):
    requests = [tiny.request(backed, text) for text in tiny.MARKED]
    zeroed = [tiny.request(backed, text, tiny.vector(backed, 1) * 0.0) for text in tiny.MARKED]
    replies = backed.generate(zeroed)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in backed.generate(requests)]
    assert {reply.audit.delta_norm for reply in replies} == {0.0}
    assert all(reply.audit.edited_prompt == reply.audit.planned_prompt > 0 for reply in replies)
    clean, none = (backed.score([Query(one.prompt, one.injections, whole=True)])[0] for one in (requests[0], zeroed[0]))
    assert torch.equal(clean.distribution, none.distribution)


@pytest.mark.parametrize("layer", [0, tiny.N_LAYERS - 1])
def test_only_the_span_is_edited_by_exactly_strength_times_vector(backed, layer):
    request = tiny.request(backed, tiny.MARKED[2], tiny.vector(backed, layer) * 2.5, where="prompt")
    everywhere = tuple(range(len(request.prompt.ids)))
    (start, stop), *rest = request.injections[0].span.prompt
    queries = [Query(request.prompt, put, positions=everywhere, layers=(layer,)) for put in ((), request.injections)]
    clean, steered = (backed.score([query])[0].activations[0] for query in queries)
    inside = torch.tensor([start <= position < stop for position in everywhere])
    assert rest == []
    assert torch.equal(clean[~inside], steered[~inside])
    assert torch.equal(clean[inside] + tiny.vector(backed, layer).direction * 2.5, steered[inside])


def test_a_reply_ends_at_a_stop_token_and_its_audit_counts_what_was_fed(llama, monkeypatch):
    plain = tiny.subject("llama")
    requests = [tiny.request(plain, tiny.MARKED[0], tiny.vector(plain, 1)), tiny.request(plain, tiny.MARKED[1])]
    (whole, _) = plain.generate(requests)
    monkeypatch.setattr(plain.engine.ending, "stop", frozenset({whole.tokens[3]}))
    expected, replies = plain.generate(requests), llama.generate(requests)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    assert (replies[0].finish, replies[0].audit.edited_generated) == ("stop", len(replies[0].tokens))
    same(replies[0].audits, expected[0].audits)


def test_nothing_is_left_on_the_model_when_generation_raises(llama):
    request, clean = tiny.request(llama, tiny.MARKED[0], tiny.vector(llama, 1)), tiny.request(llama, tiny.MARKED[0])
    (before,) = llama.generate([clean])
    block = module_of(llama).get_submodule("model.layers.2")
    n_hooks = witness.n_hooks(module_of(llama))

    def fail(module, args):
        raise RuntimeError("the third block fails")

    handle = block.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="the third block fails"):
        llama.generate([request])
    with pytest.raises(RuntimeError, match="the third block fails"):
        llama.score([Query(request.prompt, request.injections)])
    handle.remove()
    assert witness.n_hooks(module_of(llama)) == n_hooks
    (after,) = llama.generate([clean])
    assert after.tokens == before.tokens
    assert after.audits == ()
    assert witness.n_hooks(llama.model) == 0


def test_replies_stream_in_batches_of_the_width(llama):
    requests = mixed(llama)
    expected = llama.generate(requests)
    streamed = dict(llama.stream(requests, 3))
    assert [streamed[index].tokens for index in range(len(requests))] == [reply.tokens for reply in expected]


def test_a_bfloat16_model_is_edited_in_bfloat16_and_passes_the_audit():
    plain = tiny.subject("llama", "bfloat16")
    requests = [one for one in mixed(plain) if one.injections]
    for kind in OTHERS.values():
        replies = kind(plain).generate(requests)
        assert [len(reply.audits) for reply in replies] == [len(request.injections) for request in requests]
        assert replies[1].audit.delta_norm == pytest.approx(1.5 * replies[1].audit.vector_norm, rel=0.01)
