"""What an injection does to the residual stream, measured by hooks of our own.

All rows of a batch stand side by side here, as they do on the slower path; test_shared_prefix.py asks the same of rows
that share their prefix."""

import copy
from dataclasses import replace

import pytest
import tiny
import torch
import witness
from torch import nn

from introspect.errors import LayerError, VectorMismatchError
from introspect.injection import Injection
from introspect.records import Audit
from introspect.subjects.local import LocalSubject


@pytest.fixture
def subject(padded):
    return padded


def mixed(subject, **options):
    """A batch of rows that differ in everything: clean, layers, strengths, spans, two layers, one layer twice."""
    short, middle, long = tiny.MARKED[1], tiny.MARKED[0], tiny.MARKED[2]
    first, second, third, last = (tiny.vector(subject, layer) for layer in range(4))
    return [
        tiny.request(subject, middle, **options),
        tiny.request(subject, short, first * 0.5, where="both", **options),
        tiny.request(subject, long, second * 2.0, where="prompt", **options),
        tiny.request(subject, middle, third, where="generated", **options),
        tiny.request(subject, short, second * 1.5, last * 3.0, **options),
        tiny.request(subject, middle, third * 0.25, tiny.vector(subject, 2, seed=1), **options),
    ]


def test_strength_zero_is_the_control_bitwise_in_the_same_batch_layout(subject):
    clean = [tiny.request(subject, text) for text in tiny.MARKED]
    zeroed = [
        tiny.request(subject, text, *(tiny.vector(subject, layer) * 0.0 for layer in layers), where=where)
        for text, layers, where in zip(
            tiny.MARKED, [(0, 1), (2,), (3, 3)], ["both", "generated", "prompt"], strict=True
        )
    ]
    with witness.last_logits(subject.model) as control:
        expected = subject.generate(clean)
    with witness.last_logits(subject.model) as treated:
        replies = subject.generate(zeroed)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    assert len(control) == 8
    assert all(torch.equal(a, b) for a, b in zip(control, treated, strict=True))
    for audit in (audit for reply in replies for audit in reply.audits):
        assert audit.edited_prompt == audit.planned_prompt
        assert audit.edited_generated == audit.planned_generated
        assert audit.delta_norm == 0.0
        assert audit.residual_norm > 0.0


@pytest.mark.parametrize("where", ["prompt", "generated", "both", "cache"])
@pytest.mark.parametrize("layer", [0, tiny.N_LAYERS - 1])
def test_only_the_span_is_edited_by_exactly_strength_times_vector(subject, layer, where):
    vector = tiny.vector(subject, layer)
    requests = [tiny.request(subject, text, vector * 2.5, where=where, max_new_tokens=4) for text in tiny.MARKED]
    with witness.taps(subject.model) as taps:
        subject.generate(requests)
    changed = 0
    for step in range(4):
        for at, tap in enumerate(taps):
            assert torch.equal(tap.after[step], witness.edited(tap.before[step], requests, at, step))
        changed += int((taps[layer].after[step] != taps[layer].before[step]).any(dim=-1).sum())
    in_prompt = sum(stop - start for request in requests for start, stop in request.injections[0].span.prompt)
    assert changed == in_prompt + (3 * len(requests) if where in ("generated", "both") else 0)


def test_an_injection_changes_later_positions_and_layers_through_attention(subject):
    requests = [tiny.request(subject, tiny.MARKED[2], where="prompt")]
    with witness.taps(subject.model) as clean, witness.last_logits(subject.model) as control:
        subject.generate(requests)
    injected = [tiny.request(subject, tiny.MARKED[2], tiny.vector(subject, 1), where="prompt")]
    with witness.taps(subject.model) as taps, witness.last_logits(subject.model) as treated:
        subject.generate(injected)
    start, stop = injected[0].injections[0].span.prompt[0]
    moved = (taps[2].before[0] != clean[2].before[0]).any(dim=-1)[0]
    assert torch.equal(taps[1].before[0], clean[1].before[0])
    assert not moved[:start].any()
    assert moved[start:stop].all()
    assert moved[stop:].any()
    assert (control[0] - treated[0]).abs().max() > 0.01


def test_rows_of_one_batch_have_their_own_layers_strengths_vectors_and_spans(subject):
    requests = mixed(subject)
    with witness.taps(subject.model) as taps:
        subject.generate(requests)
    for step in range(8):
        for layer, tap in enumerate(taps):
            assert torch.equal(tap.after[step], witness.edited(tap.before[step], requests, layer, step))


def test_injected_neighbours_leave_a_clean_row_bitwise_as_it_was(subject):
    requests = mixed(subject)
    bare = [tiny.request(subject, text) for text in [tiny.MARKED[i] for i in (0, 1, 2, 0, 1, 0)]]
    with witness.last_logits(subject.model) as control:
        expected = subject.generate(bare)
    with witness.last_logits(subject.model) as treated:
        replies = subject.generate(requests)
    assert replies[0].tokens == expected[0].tokens
    assert all(torch.equal(a[0], b[0]) for a, b in zip(control, treated, strict=True))
    assert not torch.equal(control[0][1], treated[0][1])


class Tupled(nn.Module):
    """A block as older model code has it: it returns the residual stream first of a tuple."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, stream, *args, **options):
        if isinstance(stream, tuple):
            stream, rest = stream
            assert rest == "kept"
        return self.inner(stream, *args, **options), "kept"


def relative(subject):
    """A row whose activations are amplified and swapped at layers at which others are added to."""
    bare, target = tiny.request(subject, tiny.MARKED[0]), torch.linspace(-9.0, 9.0, tiny.D_MODEL)
    span = bare.prompt.span("trial", "both")
    amplified = Injection(tiny.vector(subject, 1), span, "amplify")
    return replace(bare, injections=(amplified, Injection(tiny.vector(subject, 2), span, "swap", target)))


def test_blocks_that_return_a_tuple_are_edited_like_those_that_return_a_tensor(subject):
    requests = [*mixed(subject), relative(subject)]
    expected = subject.generate(requests)
    model = copy.deepcopy(subject.model)
    _, path, _ = tiny.FAMILIES[model.config.model_type]
    stack = model.get_submodule(path)
    for index, block in enumerate(list(stack)):
        stack[index] = Tupled(block)
    norm = model.get_submodule(witness.FINAL_NORM[path])
    norm.register_forward_pre_hook(lambda module, args: (witness.hidden(args[0]), *args[1:]))
    twin = LocalSubject(model, subject.chat, subject.identity, "full prefill")
    with witness.taps(model) as taps:
        replies = twin.generate(requests)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]
    assert [reply.audits for reply in replies] == [reply.audits for reply in expected]
    for layer, tap in enumerate(taps):
        assert torch.equal(tap.after[3][:-1], witness.edited(tap.before[3], requests, layer, 3)[:-1])
    assert not torch.equal(taps[1].after[3][-1], taps[1].before[3][-1])


def test_the_audit_equals_an_independent_measurement(subject):
    requests = mixed(subject)
    with witness.taps(subject.model) as taps:
        replies = subject.generate(requests)
    assert replies[0].audits == ()
    for row in (1, 2, 3, 4):
        for injection, audit in zip(requests[row].injections, replies[row].audits, strict=True):
            assert audit == measured(requests, row, injection, taps[injection.vector.layer])


def measured(requests, row, injection, tap) -> Audit:
    """The audit of a row's only injection at its layer, from what the tap saw."""
    n_prompt, deltas, residuals, counts = len(requests[row].prompt.ids), [], [], [0, 0]
    for step, (before, after) in enumerate(zip(tap.before, tap.after, strict=True)):
        for column in range(before.shape[1]):
            if torch.equal(before[row, column], after[row, column]):
                continue
            counts[witness.position_of(requests, row, step, column) >= n_prompt] += 1
            deltas.append(float((after[row, column] - before[row, column]).norm()))
            residuals.append(float(before[row, column].norm()))
    planned = {i for start, stop in injection.span.prompt for i in range(start, stop)}
    return Audit.model_construct(
        layer=injection.vector.layer,
        prompt_spans=injection.span.prompt,
        planned_prompt=len(planned),
        planned_generated=7 if injection.span.generated else 0,
        edited_prompt=counts[0],
        edited_generated=counts[1],
        vector_norm=pytest.approx(float(injection.vector.direction.norm()), rel=1e-6),
        delta_norm=pytest.approx(sum(deltas) / len(deltas), rel=1e-5),
        residual_norm=pytest.approx(sum(residuals) / len(residuals), rel=1e-5),
        relative_strength=pytest.approx(sum(deltas) / sum(residuals), rel=1e-5),
    )


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_a_bfloat16_residual_stream_is_edited_in_bfloat16_and_passes_the_audit(family):
    subject = tiny.subject(family, "bfloat16", way="full prefill")
    requests = mixed(subject)
    with witness.taps(subject.model) as taps:
        replies = subject.generate(requests)
    assert taps[1].after[0].dtype == torch.bfloat16
    for step in (0, 1, 7):
        for layer, tap in enumerate(taps):
            assert torch.equal(tap.after[step], witness.edited(tap.before[step], requests, layer, step))
    assert replies[2].audit.delta_norm == pytest.approx(2.0 * replies[2].audit.vector_norm, rel=0.01)


def test_a_vector_read_from_another_subject_is_refused(llama):
    other = tiny.subject("mistral")
    with pytest.raises(VectorMismatchError, match=r"'random 0' was read from the subject .*; extract it again here"):
        llama.generate([tiny.request(llama), tiny.request(llama, tiny.MARKED[0], tiny.vector(other, 1))])


@pytest.mark.parametrize("layer", [-1, 4])
def test_a_layer_that_the_subject_does_not_have_is_refused(llama, layer):
    with pytest.raises(LayerError) as refusal:
        llama.generate([tiny.request(llama, tiny.MARKED[0], tiny.vector(llama, layer))])
    name = tiny.folder("llama")
    assert str(refusal.value) == f"layer {layer} is outside {name}, which has layers 0..3 (0 is the first block)"
