"""The embedded model on three backends: the same vectors, the same tokens, the same audits, no second copy."""

import gc
import hashlib
from dataclasses import replace

import polars as pl
import pytest
import torch

import introspect
from introspect.subjects.backends import through

WORDS = ["bread", "oceans", "silver"]
BASELINE = ("tables", "rivers", "paper", "sheep", "clocks", "rain", "shoes", "doors")


@pytest.fixture(scope="module", params=["transformer_lens", "nnsight"])
def other(request, smollm2):
    return through(smollm2, request.param)


@pytest.fixture(scope="module")
def requests(smollm2, states):
    vectors = states[:, 20] - smollm2.read(["tables", "rivers"])[:, 20].mean(dim=0)
    prompt = smollm2.chat.ask("Do you notice an injected thought?")
    made = [introspect.Request(prompt, (), 6, 1.0, seed=1)]
    for index, (word, direction) in enumerate(zip(WORDS, vectors, strict=True)):
        vector = introspect.ConceptVector(word, direction, 20, smollm2.identity.fingerprint, "word") * 4.0
        put = introspect.Injection(vector, prompt.everywhere(("both", "prompt", "generated")[index]))
        made.append(introspect.Request(prompt, (put,), 6, float(index % 2), seed=index))
    return made


@pytest.fixture(scope="module")
def expected(smollm2, requests):
    return smollm2.generate(requests)


@pytest.fixture(scope="module")
def states(smollm2):
    return smollm2.read(WORDS)


@pytest.mark.parametrize("backend", ["transformer_lens", "nnsight"])
def test_being_carried_leaves_every_bit_of_the_embedded_model_and_takes_no_memory_to_speak_of(
    smollm2, requests, backend
):
    ids = torch.tensor([requests[0].prompt.ids])

    def state():
        with torch.inference_mode():
            logits = smollm2.model(ids).logits
        weights = hashlib.sha256()
        for name, tensor in smollm2.model.state_dict().items():
            weights.update(name.encode() + tensor.numpy().tobytes())
        return logits, weights.hexdigest(), [type(module) for module in smollm2.model.modules()]

    before, held = state(), storages()
    carried = through(smollm2, backend)
    carried.generate([replace(requests[1], max_new_tokens=2)])
    new = sum(size for place, size in storages().items() if place not in held)
    after = state()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert carried.identity == smollm2.identity
    assert new < 0.1 * smollm2.weight_bytes()


def storages():
    """The bytes of every storage that a tensor of this process stands on."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter)]
    kept = [tensor.untyped_storage() for tensor in found if tensor.layout is torch.strided]
    return {storage.data_ptr(): storage.nbytes() for storage in kept if storage.device.type == "cpu"}


def test_the_embedded_model_says_the_same_tokens_and_has_the_same_audits(other, requests, expected):
    replies = other.generate(requests)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    for ours, theirs in zip(expected[1:], replies[1:], strict=True):
        measured = {
            name: pytest.approx(getattr(ours.audit, name), rel=1e-3)
            for name in ("vector_norm", "delta_norm", "residual_norm", "relative_strength")
        }
        assert theirs.audit.model_dump() == ours.audit.model_dump() | measured


def test_the_embedded_models_vectors_are_the_same_at_every_layer(states, other):
    ours, theirs = states, other.read(WORDS)
    assert torch.cosine_similarity(ours, theirs, dim=-1).min() > 0.9999
    first, second = (read[0] - read[1:].mean(dim=0) for read in (ours, theirs))
    assert torch.cosine_similarity(first, second, dim=-1).min() > 0.9999


def test_strength_zero_is_the_control_on_the_embedded_model(other, requests):
    zeroed = [replace(one.injections[0], vector=one.injections[0].vector * 0.0) for one in requests[1:3]]
    none = [replace(one, injections=(put,)) for one, put in zip(requests[1:3], zeroed, strict=True)]
    clean = [replace(one, injections=()) for one in requests[1:3]]
    assert [reply.tokens for reply in other.generate(none)] == [reply.tokens for reply in other.generate(clean)]


def test_an_injected_word_rises_through_the_lens_at_its_layer_and_at_the_last(smollm2):
    from introspect.subjects.lens import LensSubject
    from introspect.subjects.logit_lens import read_lens

    lens = LensSubject(smollm2)
    words, baseline = introspect.ConceptSet(words=("bread", "oceans")), introspect.ConceptSet(words=BASELINE)
    vectors = introspect.extract(smollm2, words, baseline, introspect.load_stimuli(), "word").vectors
    prompt = smollm2.chat.ask("Do you notice an injected thought? If so, which word is it about?")
    for name in words.names:
        put = introspect.Injection(vectors.vector(name, 20) * 4.0, prompt.everywhere())
        frame = read_lens(lens, prompt, [put], name).frame
        steered, plain = (frame.filter(frame["arm"] == arm) for arm in ("concept", "none"))
        assert (
            steered.filter(steered["layer"] < 20)["rank"].to_list()
            == plain.filter(plain["layer"] < 20)["rank"].to_list()
        )
        for layer in (20, 29):  # between them "bread" sinks behind where it was without an injection
            there, here = (part.row(by_predicate=pl.col("layer") == layer, named=True) for part in (steered, plain))
            assert there["rank"] < here["rank"]
            assert there["margin"] > here["margin"]
            assert there["direct"] > 0
        assert steered["logprob"][-1] > plain["logprob"][-1] + 1
