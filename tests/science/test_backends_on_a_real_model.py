"""The embedded model on three backends: the same vectors, the same tokens, the same audits, no second copy."""

from dataclasses import replace

import pytest
import torch

import introspect

WORDS = ["bread", "oceans", "silver"]


@pytest.fixture(scope="module", params=["transformer_lens", "nnsight"])
def other(request, smollm2):
    from introspect.subjects.backends import through

    return through(smollm2, request.param)


@pytest.fixture(scope="module")
def requests(smollm2):
    vectors = smollm2.read(WORDS)[:, 20] - smollm2.read(["tables", "rivers"])[:, 20].mean(dim=0)
    prompt = smollm2.chat.ask("Do you notice an injected thought?")
    made = [introspect.Request(prompt, (), 6, 1.0, seed=1)]
    for index, (word, direction) in enumerate(zip(WORDS, vectors, strict=True)):
        vector = introspect.ConceptVector(word, direction, 20, smollm2.identity.fingerprint, "word") * 4.0
        put = introspect.Injection(vector, prompt.everywhere(("both", "prompt", "generated")[index]))
        made.append(introspect.Request(prompt, (put,), 6, float(index % 2), seed=index))
    return made


def test_the_embedded_model_says_the_same_tokens_and_has_the_same_audits(smollm2, other, requests):
    expected, replies = smollm2.generate(requests), other.generate(requests)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    for ours, theirs in zip(expected[1:], replies[1:], strict=True):
        measured = {
            name: pytest.approx(getattr(ours.audit, name), rel=1e-3)
            for name in ("vector_norm", "delta_norm", "residual_norm", "relative_strength")
        }
        assert theirs.audit.model_dump() == ours.audit.model_dump() | measured


def test_the_embedded_models_vectors_are_the_same_at_every_layer(smollm2, other):
    ours, theirs = smollm2.read(WORDS), other.read(WORDS)
    assert torch.cosine_similarity(ours, theirs, dim=-1).min() > 0.9999
    first, second = (read[0] - read[1:].mean(dim=0) for read in (ours, theirs))
    assert torch.cosine_similarity(first, second, dim=-1).min() > 0.9999


def test_strength_zero_is_the_control_on_the_embedded_model(other, requests):
    zeroed = [replace(one.injections[0], vector=one.injections[0].vector * 0.0) for one in requests[1:]]
    none = [replace(one, injections=(put,)) for one, put in zip(requests[1:], zeroed, strict=True)]
    clean = [replace(one, injections=()) for one in requests[1:]]
    assert [reply.tokens for reply in other.generate(none)] == [reply.tokens for reply in other.generate(clean)]
