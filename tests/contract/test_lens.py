"""TransformerLens over a subject's weights: the subject stays as it was, nothing is copied, injections are hooks."""

import gc

import pytest
import tiny
import torch
import witness

from introspect.errors import AuditError, InjectionActiveError, SubjectError
from introspect.subjects.bridge import Injected, activations, bridge, residual_name
from introspect.subjects.lens import LensSubject
from introspect.vectors.extract import mean_difference

SHARED = ["llama", "gpt2", "qwen3", "gemma3_text", "gpt_oss"]
"""gpt_neox is not among them: its joint projection is copied, three parts of it, a quarter of the weights."""
PROMPTS = ["bread", "the ocean, and whatever else is large and wet", "peace", "Yes!"]


@pytest.fixture(scope="module")
def lens():
    return LensSubject(tiny.subject("llama"))


def tokens(subject, text=tiny.MARKED[0]):
    return torch.tensor([tiny.request(subject, text).prompt.ids])


def sizes(tensors) -> dict[int, int]:
    """The bytes of every storage that these tensors stand on."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def every_tensor() -> list:
    """All tensors of this process that have a storage; weights that the engine packed have none."""
    gc.collect()
    found = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter)]
    return [tensor for tensor in found if tensor.layout is torch.strided]


def held(module) -> list:
    """All parameters and buffers of a module."""
    return [*module.parameters(), *module.buffers()]


def test_booting_leaves_the_subject_bitwise_as_it_was():
    subject = tiny.load("llama")
    ids = tokens(subject)

    def state():
        with torch.inference_mode():
            logits = subject.model(ids).logits
        config = subject.model.config.to_dict() | {"attention": subject.model.config._attn_implementation}
        return logits, [(key, value.data_ptr()) for key, value in subject.model.state_dict().items()], config

    before, kinds = state(), [type(module) for module in subject.model.modules()]
    lens = LensSubject(subject)
    (reply,) = lens.generate([tiny.request(lens, tiny.MARKED[0], tiny.vector(subject, 1))])
    after = state()
    assert len(reply.tokens) == 8
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert [type(module) for module in subject.model.modules()] == kinds
    assert lens.identity == subject.identity
    assert witness.n_hooks(subject.model) == 0


def test_booting_makes_no_tensors_but_small_ones():
    subject = tiny.subject("llama")
    before = sizes(every_tensor())
    lens = bridge(subject)
    new = sum(size for place, size in sizes(every_tensor()).items() if place not in before)
    assert lens.cfg.n_layers == tiny.N_LAYERS
    assert new < 0.1 * subject.weight_bytes()


@pytest.mark.parametrize("family", SHARED)
def test_no_weight_is_copied(family):
    subject = tiny.subject(family)
    before, twin = sizes(held(subject.model)), bridge(subject).original_model
    ours = {parameter.data_ptr() for parameter in subject.model.parameters()}
    assert ours <= {parameter.data_ptr() for parameter in twin.parameters()}
    assert sum(size for place, size in sizes(held(twin)).items() if place not in before) < 0.1 * subject.weight_bytes()


def test_an_architecture_that_the_library_does_not_know_is_refused_in_one_sentence():
    subject = tiny.subject("kimi_linear")
    with pytest.raises(SubjectError, match=r"TransformerLens cannot bridge .*\(KimiLinearForCausalLM\)") as refusal:
        LensSubject(subject)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["hook_out", "hook_resid_post"])
def test_an_injection_as_hooks_edits_its_span_by_exactly_strength_times_vector(lens, name):
    request = tiny.request(lens, tiny.MARKED[2], tiny.vector(lens, 1) * 1.5, where="prompt")
    ids, (start, stop) = torch.tensor([request.prompt.ids]), request.injections[0].span.prompt[0]
    kept = {f"blocks.{layer}.{name}": [] for layer in range(tiny.N_LAYERS)}

    def keep(activation, hook):
        kept[f"{hook.name.rpartition('.')[0]}.{name}"].append(activation.clone())

    hooks = [(point, keep) for point in kept]
    injected = Injected(lens.bridge, [request.injections])
    with torch.inference_mode():
        clean = lens.bridge.run_with_hooks(ids, fwd_hooks=hooks)
        steered = lens.bridge.run_with_hooks(ids, fwd_hooks=[*hooks, *injected.fwd_hooks, *hooks])
    before, into, out = kept[f"blocks.1.{name}"]
    span = torch.arange(ids.shape[1])
    span = (span >= start) & (span < stop)
    assert torch.equal(before, into)
    assert torch.equal(into[0, ~span], out[0, ~span])
    assert torch.equal(out[0, span], into[0, span] + 1.5 * tiny.vector(lens, 1).direction)
    assert not torch.equal(clean, steered)
    assert injected.audits([0]) == [reading.audits for reading in lens.score([scored(request)])]


def scored(request):
    from introspect.subjects.subject import Query

    return Query(request.prompt, request.injections)


def test_hooks_follow_the_bridges_own_generation_with_padding_and_cache(lens):
    requests = [
        tiny.request(lens, tiny.MARKED[0], tiny.vector(lens, 2) * 2.0),
        tiny.request(lens, tiny.MARKED[1], tiny.vector(lens, 0), where="generated"),
    ]
    for request in requests:
        (expected,) = tiny.subject("llama").generate([request])
        injected = Injected(lens.bridge, [request.injections])
        with lens.bridge.hooks(fwd_hooks=injected.fwd_hooks):
            said = lens.bridge.generate(
                torch.tensor([request.prompt.ids]),
                max_new_tokens=8,
                do_sample=False,
                stop_at_eos=False,
                return_type="tokens",
                verbose=False,
            )
        assert tuple(said[0, -8:].tolist()) == expected.tokens
        (audits,) = injected.audits([8])
        assert [audit.edited_generated for audit in audits] == [7]
        assert audits[0].edited_prompt == expected.audit.edited_prompt


def test_padding_has_no_position_to_inject_at(lens):
    request = tiny.request(lens, tiny.MARKED[0], tiny.vector(lens, 1), where="prompt")
    padded = torch.tensor([[0, 0, 0, *request.prompt.ids]])
    mask = (torch.arange(padded.shape[1]) >= 3).long()[None]
    injected = Injected(lens.bridge, [request.injections], padding=[3])
    with torch.inference_mode():
        logits = lens.bridge.run_with_hooks(padded, fwd_hooks=injected.fwd_hooks, attention_mask=mask)
    (alone,) = lens.generate([request])
    assert logits[0, -1].argmax() == alone.tokens[0]
    audits = injected.audits([0])[0]
    assert audits[0].edited_prompt == audits[0].planned_prompt
    wrong = Injected(lens.bridge, [request.injections], padding=[60])
    with torch.inference_mode():
        lens.bridge.run_with_hooks(padded, fwd_hooks=wrong.fwd_hooks, attention_mask=mask)
    with pytest.raises(AuditError, match="prompt: planned"):
        wrong.audits([0])


def test_a_bridges_cache_feeds_the_extraction(lens):
    subject = tiny.subject("llama")
    rows = []
    for prompt in PROMPTS:
        ids = torch.tensor([subject.chat.ask(prompt).ids])
        with torch.inference_mode():
            rows.append(activations(lens.bridge.run_with_cache(ids)[1]))
    theirs, ours = torch.cat(rows), subject.read(PROMPTS)
    assert theirs.shape == ours.shape == (4, tiny.N_LAYERS, tiny.D_MODEL)
    first, second = (mean_difference(read[:1], read[1:]) for read in (theirs, ours))
    assert torch.cosine_similarity(first, second, dim=-1).min() > 0.9999


def test_a_cache_without_every_block_is_refused(lens):
    _, cache = lens.bridge.run_with_cache(tokens(lens), names_filter=[residual_name(2)])
    with pytest.raises(SubjectError, match=r"the cache has no blocks\.0\.hook_out, blocks\.1\.hook_out, blocks\.3"):
        activations(cache)


def test_reading_under_installed_injections_is_refused(lens):
    request = tiny.request(lens, tiny.MARKED[0], tiny.vector(lens, 1))
    injected = Injected(lens.bridge, [request.injections])
    with lens.bridge.hooks(fwd_hooks=injected.fwd_hooks), pytest.raises(InjectionActiveError):
        lens.read(PROMPTS)
    assert lens.read(PROMPTS).shape[0] == 4
