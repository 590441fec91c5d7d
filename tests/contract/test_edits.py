"""Amplifying and swapping: what each edit does to an activation, along the engine's every way, and what the audit says.

Where the edits act is in test_spans_in_place.py; what adding does, in test_injection.py and test_shared_prefix.py.
"""

import functools
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import tiny
import torch
import witness
from torch import nn

from introspect import sites as operator
from introspect.errors import AuditError, IntrospectError, ShapeError, UnknownNameError
from introspect.injection import Injection
from introspect.injector import Injector
from introspect.spans import Span
from introspect.subjects.subject import Query
from introspect.vectors.vector import ConceptVector

LONG = "I look at what happens inside, and I change it. " * 3
TEXTS = (LONG + "Go.{{trial}} Which word?", LONG + "Tell me.{{trial}}\n\nTrial 2: what{{/trial}} is it?")
RELATIVE = ("amplify", "swap")
SEVERAL = ["llama", "gemma3_text", "gpt_neox", "qwen3_next", "mamba2"]
"""Plain attention, windows, a block whose two halves stand side by side, linear attention, no attention."""


@functools.cache
def other_prompt(subject):
    """What every layer puts out in the middle of another prompt.

    Its end would not do: the last tokens of two prompts are the same, and their activations so near that the direction
    from one to the other is made of rounding for a good part.
    """
    return whole(subject.model, subject.chat.ask("Please tell me something about salt.").ids, ())[1][:, 8].float()


def made(subject, span, edit: str, layer: int, strength: float) -> Injection:
    target = other_prompt(subject)[layer] if edit == "swap" else None
    return Injection(tiny.vector(subject, layer) * strength, span, edit, target)


def request(subject, text, *edits, where="both", **options):
    """A request with each ``(edit, layer, strength)`` on the span marked ``trial``."""
    bare = tiny.request(subject, text, **options)
    span = bare.prompt.span("trial", where)
    return replace(bare, injections=tuple(made(subject, span, *edit) for edit in edits))


def size_of(injection) -> float:
    return float(injection.vector.direction.double().norm()) * injection.vector.strength


def planned(injection, before):
    """What an activation should become, in double precision."""
    before = before.double()
    if injection.edit == "add":
        return before + injection.vector.direction.double() * injection.vector.strength
    along = before if injection.edit == "amplify" else injection.target.double() - before
    return before + size_of(injection) * along / along.norm()


@contextmanager
def changed(model, injections):
    """Hooks of our own that make the edits in one row that stands alone, its first token at position 0."""

    def changer(injection):
        def hook(module, args, out):
            stream = witness.hidden(out).clone()
            for position in range(stream.shape[1]):
                if witness.delta_at(injection, position) is not None:
                    stream[0, position] = planned(injection, stream[0, position])
            return (stream, *out[1:]) if isinstance(out, tuple) else stream

        return hook

    stack = tiny.blocks(model)
    handles = [stack[one.vector.layer].register_forward_hook(changer(one)) for one in injections]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def whole(model, ids, injections):
    """All logits and every layer's output of one pass over a text, without a cache, under hooks of our own."""
    outputs = {}
    with torch.inference_mode(), changed(model, injections), ExitStack() as stack:
        for layer, block in enumerate(tiny.blocks(model)):
            keep = lambda module, args, out, layer=layer: outputs.update({layer: witness.hidden(out)[0]})  # noqa: E731
            stack.callback(block.register_forward_hook(keep).remove)
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return logits, torch.stack([outputs[layer] for layer in range(tiny.N_LAYERS)])


def edited_activations(subject, edit: str, strength: float):
    """What entered and left an edit, by position in and out of the span, and the request."""
    asked = request(subject, TEXTS[1], (edit, 2, strength), max_new_tokens=3)
    with witness.Followed(subject) as followed:
        subject.generate([asked])
    (injection,) = asked.injections
    before, after = followed.before[2], followed.after[2]
    assert all(torch.equal(before[i], after[i]) for i in before if witness.delta_at(injection, i) is None)
    inside = [i for i in before if witness.delta_at(injection, i) is not None]
    assert len(inside) == injection.span.n_prompt + 2
    return injection, torch.stack([before[i] for i in inside]), torch.stack([after[i] for i in inside])


def test_amplifying_leaves_the_direction_and_adds_exactly_the_size_to_the_norm(subject):
    injection, before, after = edited_activations(subject, "amplify", 0.5)
    assert torch.cosine_similarity(before.double(), after.double(), dim=-1).min() > 0.9999
    grown = after.double().norm(dim=-1) - before.double().norm(dim=-1)
    torch.testing.assert_close(grown, torch.full_like(grown, size_of(injection)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("strength", [0.25, 40.0], ids=["short of the target", "past the target"])
def test_swapping_moves_straight_towards_the_other_prompts_activation_by_exactly_the_size(subject, strength):
    injection, before, after = edited_activations(subject, "swap", strength)
    target, size = injection.target.double(), size_of(injection)
    away, left = target - before.double(), target - after.double()
    assert (away.norm(dim=-1) > size).all() if strength < 1 else (away.norm(dim=-1) < size).all()
    moved = (after.double() - before.double()).norm(dim=-1)
    torch.testing.assert_close(moved, torch.full_like(moved, size), rtol=1e-5, atol=1e-5)
    expected = away * (1 - size / away.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(left, expected, rtol=0, atol=1e-5 * size + 1e-5)


@pytest.mark.parametrize("edit", RELATIVE)
def test_in_bfloat16_an_edit_is_computed_in_float32_and_rounded_once(edit):
    injection, before, after = edited_activations(tiny.subject("llama", "bfloat16"), edit, 0.5)
    assert after.dtype == torch.bfloat16
    exact = torch.stack([planned(injection, line) for line in before])
    assert ((after.double() - exact).abs() <= 2**-8 * exact.abs() * (1 + 1e-3)).all()


def test_positions_before_the_first_one_edited_are_bitwise_those_of_the_control_at_all_layers(subject):
    followed = []
    for strength in (0.0, 1.0):
        asked = request(subject, TEXTS[0], ("amplify", 0, strength), ("swap", 1, strength), max_new_tokens=2)
        with witness.Followed(subject) as one:
            subject.generate([asked])
        followed.append(one)
    (start, _), *_ = asked.injections[0].span.prompt
    control, treated = followed
    for layer in range(tiny.N_LAYERS):
        assert all(torch.equal(control.after[layer][i], treated.after[layer][i]) for i in range(start))
        assert not torch.equal(control.after[layer][start], treated.after[layer][start])


@pytest.mark.parametrize("family", SEVERAL)
def test_size_zero_is_the_control_bitwise_and_its_audit_is_whole(family):
    subject = tiny.subject(family)
    asked = [tiny.request(subject, text, max_new_tokens=4) for text in TEXTS]
    zeroed = [request(subject, text, ("amplify", 1, 0.0), ("swap", 2, 0.0), max_new_tokens=4) for text in TEXTS]
    with witness.taken(subject) as control:
        subject.generate(asked)
    with witness.taken(subject) as treated:
        replies = subject.generate(zeroed)
    for index in control:
        assert all(torch.equal(a, b) for a, b in zip(control[index], treated[index], strict=True))
    for audit in (audit for reply in replies for audit in reply.audits):
        assert audit.edited_prompt == audit.planned_prompt > 0
        assert audit.edited_generated == audit.planned_generated == 3
        assert audit.delta_norm == 0.0 < audit.vector_norm


def rows_of_all_kinds(subject, **options):
    """A batch in which rows differ in everything, also in what is done at one layer."""
    return [
        tiny.request(subject, TEXTS[0], **options),
        request(subject, TEXTS[1], ("amplify", 1, 0.5), **options),
        request(subject, TEXTS[0], ("swap", 1, 0.5), where="prompt", **options),
        tiny.request(subject, TEXTS[1], tiny.vector(subject, 1) * 0.75, **options),
        request(subject, TEXTS[0], ("amplify", 0, 1.0), ("swap", 0, 0.3), ("add", 2, 0.5), where="cache", **options),
        request(subject, TEXTS[0], ("swap", 2, 0.5), ("amplify", 3, 2.0), where="generated", **options),
    ]


@pytest.mark.parametrize("family", ["llama", "gemma3_text", "gpt_neox"])
def test_rows_that_are_added_to_keep_their_bits_beside_rows_that_are_amplified_or_swapped(family):
    subject = tiny.subject(family, way="full prefill")
    requests = rows_of_all_kinds(subject)
    bare = [one if index in (0, 3) else replace(one, injections=()) for index, one in enumerate(requests)]
    with witness.taps(subject.model) as alone, witness.last_logits(subject.model) as control:
        subject.generate(bare)
    with witness.taps(subject.model) as taps, witness.last_logits(subject.model) as treated:
        subject.generate(requests)
    assert all(torch.equal(a[[0, 3]], b[[0, 3]]) for a, b in zip(control, treated, strict=True))
    for layer in range(tiny.N_LAYERS):
        for step, (mine, theirs) in enumerate(zip(taps[layer].after, alone[layer].after, strict=True)):
            assert torch.equal(mine[[0, 3]], theirs[[0, 3]])
            assert torch.equal(mine[3], witness.edited(taps[layer].before[step], requests, layer, step)[3])


@pytest.mark.parametrize("way", ["auto", "full prefill"])
@pytest.mark.parametrize("family", SEVERAL)
def test_every_way_of_the_engine_answers_as_the_plain_model_does_under_hooks_of_our_own(family, way):
    subject = tiny.subject(family, way=way)
    requests = rows_of_all_kinds(subject, max_new_tokens=4)
    with witness.taken(subject) as logits:
        replies = subject.engine.generate(requests, width=4)
    for index, (asked, reply) in enumerate(zip(requests, replies, strict=True)):
        expected, _ = whole(subject.model, (*asked.prompt.ids, *reply.tokens[:-1]), asked.injections)
        seen = torch.stack(logits[index]) if way == "auto" else None
        expected = expected[-len(reply.tokens) :]
        assert expected.argmax(dim=-1).tolist() == list(reply.tokens)
        if seen is not None:
            torch.testing.assert_close(seen, expected, **tiny.close(subject))


@pytest.mark.parametrize("way", ["auto", "full prefill"])
@pytest.mark.parametrize("family", SEVERAL)
def test_read_outs_that_start_at_the_edited_layer_equal_those_of_the_whole_text(family, way):
    subject, layers = tiny.subject(family, way=way), tuple(range(tiny.N_LAYERS))
    queries = [
        Query(one.prompt, one.injections, options=((20, 21), (22,)), positions=(-1, -3), layers=layers)
        for one in rows_of_all_kinds(subject)[:5]
    ]
    for query, readout in zip(queries, subject.score(queries), strict=True):
        logits, outputs = whole(subject.model, query.prompt.ids, query.injections)
        logs = torch.log_softmax(logits[-1], dim=-1)
        wanted = torch.stack([logs[list(tokens)].exp().sum().log() for tokens in query.options])
        torch.testing.assert_close(readout.option_logprobs, wanted, **tiny.close(subject))
        torch.testing.assert_close(readout.activations, outputs[:, list(query.at)], **tiny.close(subject))
        assert [audit.edit for audit in readout.audits] == [injection.edit for injection in query.injections]


@pytest.mark.parametrize("family", SEVERAL)
def test_the_audit_says_which_edit_was_made_and_how_much_it_changed(family):
    subject = tiny.subject(family)
    requests = rows_of_all_kinds(subject, max_new_tokens=4)
    for asked, reply in zip(requests, subject.generate(requests), strict=True):
        for injection, audit in zip(asked.injections, reply.audits, strict=True):
            assert audit.edit == injection.edit
            assert audit.vector_norm == pytest.approx(injection.vector.norm, rel=1e-6)
            assert audit.delta_norm == pytest.approx(size_of(injection), rel=1e-5)
            assert audit.relative_strength == pytest.approx(audit.delta_norm / audit.residual_norm, rel=1e-6)
            assert (audit.edited_prompt, audit.edited_generated) == (audit.planned_prompt, audit.planned_generated)


def sabotaged(size: float, turn: float):
    """The edit with another size, and with a part of another direction."""
    push = operator.push

    def wrong(residual, sizes, target, swap, mask):
        out = push(residual, size * sizes, target, swap, mask)
        return torch.where(mask[..., None], out + turn * out.roll(1, dims=-1), out)

    return wrong


@pytest.mark.parametrize("edit", RELATIVE)
@pytest.mark.parametrize(("size", "turn"), [(1.01, 0.0), (0.0, 0.0), (2.0, 0.0), (1.0, 0.01), (-1.0, 0.0)])
def test_an_edit_of_another_size_or_direction_is_no_data(llama, monkeypatch, edit, size, turn):
    asked = request(llama, TEXTS[0], (edit, 1, 0.5), max_new_tokens=2)
    monkeypatch.setattr(operator, "push", sabotaged(size, turn))
    with pytest.raises(AuditError, match="the injection at layer 1 is not the planned one"):
        llama.generate([asked])


@pytest.mark.parametrize("edit", RELATIVE)
def test_a_swap_in_place_of_an_amplification_is_no_data(llama, monkeypatch, edit):
    push = operator.push
    monkeypatch.setattr(
        operator, "push", lambda residual, size, target, swap, mask: push(residual, size, target, ~swap, mask)
    )
    with pytest.raises(AuditError, match=r"the change is off by "):
        llama.generate([request(llama, TEXTS[0], (edit, 1, 0.5), max_new_tokens=2)])


class Bare:
    """One block that returns what it is given, with injections on the first rows."""

    def __init__(self, *injections) -> None:
        self.block = nn.Identity()
        self.injector = Injector([self.block], [[one] for one in injections])

    def __call__(self, stream, reply_length: int = 0):
        n = stream.shape[1]
        with self.injector:
            self.injector.at(torch.arange(n).expand(len(stream), -1))
            out = self.block(stream)
        return out, self.injector.audits([reply_length] * len(stream))


def bare(edit: str, d_model: int, size: float, target=None, n: int = 3) -> Injection:
    direction = torch.zeros(d_model)
    direction[0] = size
    vector = ConceptVector("bread", direction, 0, "a subject", "drawn by a test")
    return Injection(vector, Span(((0, n),), generated=False, prompt_length=n), edit, target)


def test_where_there_is_no_direction_nothing_changes():
    target = torch.tensor([1.0, -2.0, 0.0, 3.0])
    stream = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    stream[0, 1], stream[1, 2] = torch.tensor([0.0, -0.0, 0.0, -0.0]), target
    out, audits = Bare(bare("amplify", 4, 2.0), bare("swap", 4, 2.0, target))(stream)
    assert torch.equal(out[0, 1].view(torch.int32), stream[0, 1].view(torch.int32))
    assert torch.equal(out[1, 2].view(torch.int32), target.view(torch.int32))
    moved = (out - stream).norm(dim=-1)
    torch.testing.assert_close(moved, torch.tensor([[2.0, 0.0, 2.0], [2.0, 2.0, 0.0]]))
    assert [audit.edited_prompt for (audit,) in audits] == [3, 3]


@pytest.mark.parametrize("edit", RELATIVE)
def test_size_zero_keeps_even_the_sign_of_a_zero(edit):
    stream = torch.tensor([[[-0.0, 0.0, 1.0, -2.0]]])
    out, _ = Bare(bare(edit, 4, 0.0, torch.ones(4) if edit == "swap" else None, n=1))(stream)
    assert torch.equal(out.view(torch.int32), stream.view(torch.int32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("edit", RELATIVE)
def test_norms_are_taken_in_float32_whatever_the_models_precision(edit, dtype):
    generator = torch.Generator().manual_seed(0)
    stream = (100.0 * torch.randn(1, 3, 4096, generator=generator)).to(dtype)  # its squares overflow float16
    target = 100.0 * torch.randn(4096, generator=generator) if edit == "swap" else None
    out, (audits,) = Bare(one := bare(edit, 4096, 2500.0, target))(stream)
    exact = torch.stack([planned(one, line) for line in stream[0]])
    error = (out[0].double() - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert out.dtype == dtype
    assert error.max() < torch.finfo(dtype).eps
    assert audits[0].delta_norm == pytest.approx(2500.0, rel=2 * torch.finfo(dtype).eps + 1e-5)


def test_amplifying_an_attention_sink_by_less_than_its_precision_passes_the_audit():
    stream = torch.randn(1, 3, 512, generator=torch.Generator().manual_seed(0)).bfloat16()
    stream[0, 0] = 1000.0
    out, ((audit,),) = Bare(bare("amplify", 512, 5.0))(stream)
    assert torch.equal(out[0, 0], stream[0, 0])
    assert (out[0, 1:] != stream[0, 1:]).any(dim=-1).all()
    assert audit.edited_prompt == audit.planned_prompt == 3


def test_a_swap_needs_a_target_of_the_vectors_shape_and_no_other_edit_has_one(llama):
    vector, span = tiny.vector(llama, 1), Span(((0, 2),), generated=False, prompt_length=2)
    for target, given in ((None, "None"), (torch.zeros(31), r"\(31,\)")):
        with pytest.raises(ShapeError, match=rf"that a swap moves towards: wanted shape \(32,\), was given {given}$"):
            Injection(vector, span, "swap", target)
    for edit in ("add", "amplify"):
        with pytest.raises(
            IntrospectError, match=f"with the edit '{edit}' has no target; only 'swap' moves towards one"
        ):
            Injection(vector, span, edit, torch.zeros(32))
    with pytest.raises(UnknownNameError, match="there is no edit named 'swapp'; did you mean 'swap'"):
        Injection.__post_init__(SimpleNamespace(edit="swapp"))  # the constructor's types are checked in the tests
