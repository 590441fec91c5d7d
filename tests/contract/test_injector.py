"""The injector as a guest on the model: it enters, acts, and leaves nothing behind."""

from contextlib import ExitStack

import pytest
import tiny
import torch
import witness

from introspect.errors import AuditError, InjectionActiveError, ShapeError
from introspect.injector import Injector, is_active


def run(subject, ids, injectors=()):
    """One forward pass over one row; returns all its logits."""
    positions = torch.arange(len(ids))[None]
    for injector in injectors:
        injector.at(positions)
    with torch.inference_mode():
        return subject.model(input_ids=torch.tensor([ids]), use_cache=False).logits


def injector_of(subject, *requests):
    return Injector(subject.blocks, [request.injections for request in requests], "tiny")


def explode(model, at_pass: int):
    """Raise in the last block of the given forward pass; returns the hook's handle."""
    passes = []

    def hook(module, args, out):
        passes.append(1)
        if len(passes) == at_pass:
            message = "out of memory, say"
            raise RuntimeError(message)

    return tiny.blocks(model)[-1].register_forward_hook(hook)


def test_nothing_is_left_on_the_model_after_generation(subject):
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 1), tiny.vector(subject, 3))
    before = run(subject, request.prompt.ids)
    subject.generate([request])
    assert witness.n_hooks(subject.model) == 0
    assert not is_active(subject.blocks)
    assert torch.equal(run(subject, request.prompt.ids), before)


@pytest.mark.parametrize("at_pass", [1, 3], ids=["prefill", "decode"])
def test_nothing_is_left_on_the_model_when_generation_raises(subject, at_pass):
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 1), tiny.vector(subject, 3))
    before = run(subject, request.prompt.ids)
    bomb = explode(subject.model, at_pass)
    try:
        with pytest.raises(RuntimeError, match="out of memory, say"):
            subject.generate([request])
        assert witness.n_hooks(subject.model) == 1
    finally:
        bomb.remove()
    assert not is_active(subject.blocks)
    assert torch.equal(run(subject, request.prompt.ids), before)


def test_entering_an_injector_again_changes_nothing_and_the_last_exit_removes_it(subject):
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 1))
    clean = run(subject, request.prompt.ids)
    with injector_of(subject, request) as injector:
        once, n_hooks = run(subject, request.prompt.ids, [injector]), witness.n_hooks(subject.model)
        with injector as same:
            assert same is injector
            assert witness.n_hooks(subject.model) == n_hooks > 0
            assert torch.equal(run(subject, request.prompt.ids, [injector]), once)
        assert is_active(subject.blocks)
        assert torch.equal(run(subject, request.prompt.ids, [injector]), once)
    assert not is_active(subject.blocks)
    assert not torch.equal(once, clean)
    assert torch.equal(run(subject, request.prompt.ids), clean)


def test_nested_injectors_both_act_and_leave_one_by_one(subject):
    outer, inner = tiny.vector(subject, 1), tiny.vector(subject, 1, seed=1)
    deeper = tiny.vector(subject, 2)
    wanted = [
        tiny.request(subject, tiny.MARKED[0], *vectors)
        for vectors in [(outer,), (inner, deeper), (outer, inner, deeper)]
    ]
    alone, _, together = wanted
    ids = alone.prompt.ids
    with injector_of(subject, together) as both:
        expected = run(subject, ids, [both])
    with injector_of(subject, alone) as first:
        only_first = run(subject, ids, [first])
        with injector_of(subject, wanted[1]) as second:
            assert torch.equal(run(subject, ids, [first, second]), expected)
        assert is_active(subject.blocks)
        assert torch.equal(run(subject, ids, [first]), only_first)
    assert not is_active(subject.blocks)
    assert not torch.equal(only_first, expected)


def test_nested_injectors_each_pass_their_own_audit(llama):
    requests = [tiny.request(llama, tiny.MARKED[0], tiny.vector(llama, 1, seed=seed)) for seed in (0, 1)]
    with injector_of(llama, requests[0]) as first, injector_of(llama, requests[1]) as second:
        run(llama, requests[0].prompt.ids, [first, second])
        (((outer,),), ((inner,),)) = first.audits([1]), second.audits([1])
    assert outer.edited_prompt == inner.edited_prompt == outer.planned_prompt > 0
    assert outer.residual_norm != inner.residual_norm  # the inner one adds to what the outer one has added to


def test_activations_for_vectors_are_not_read_while_an_injection_is_installed(llama):
    expected = llama.read(["bread", "the ocean"])
    request = tiny.request(llama, tiny.MARKED[0], tiny.vector(llama, 1) * 0.0)
    with injector_of(llama, request):
        with pytest.raises(InjectionActiveError, match="leave it before reading activations"):
            llama.read(["bread", "the ocean"])
        with ExitStack() as stack:
            stack.enter_context(injector_of(llama, request))
        with pytest.raises(InjectionActiveError):
            llama.read(["bread", "the ocean"])
    assert torch.equal(llama.read(["bread", "the ocean"]), expected)


def test_a_forward_pass_that_was_not_announced_is_refused(llama):
    request = tiny.request(llama, tiny.MARKED[0], tiny.vector(llama, 1))
    ids = request.prompt.ids
    with injector_of(llama, request) as injector, pytest.raises(ShapeError, match="was given None"):
        run(llama, ids)
    with injector_of(llama, request) as injector:
        run(llama, ids, [injector])
        with pytest.raises(ShapeError, match="positions announced for this forward pass"):
            run(llama, ids[:-1])
        with pytest.raises(ShapeError, match="positions of the next forward pass"):
            injector.at(torch.zeros(2, len(ids), dtype=torch.long))


def meddled(subject, change, strength: float = 1.0) -> tuple[str, int]:
    """What the audit says of a pass in which foreign code changed the stream between edit and measurement.

    Returns:
        The complaint, and how many positions the span has.
    """
    request = tiny.request(subject, tiny.MARKED[2], tiny.vector(subject, 1) * strength, where="prompt")
    start, stop = request.injections[0].span.prompt[0]
    block = tiny.blocks(subject.model)[1]

    def foreign(module, args, out):
        out = out.clone()
        change(out[0], tap.before[0][0], start, stop)
        return out

    with witness.Tap(subject.model, 1) as tap, injector_of(subject, request) as injector:
        watcher = list(block._forward_hooks)[-1]
        handle = block.register_forward_hook(foreign)
        block._forward_hooks.move_to_end(watcher)
        try:
            run(subject, request.prompt.ids, [injector])
        finally:
            handle.remove()
        with pytest.raises(AuditError, match=r"^the injection at layer 1 is not the planned one") as complaint:
            injector.audits([1])
    return str(complaint.value), stop - start


def test_a_trial_whose_injection_was_rescaled_by_foreign_code_is_no_data(subject):
    def rescale(out, before, start, stop):
        out[start:stop] += 0.01 * (out[start:stop] - before[start:stop])

    complaint, _ = meddled(subject, rescale)
    assert "planned one (the change is off by 0.06 " in complaint


@pytest.mark.parametrize("strength", [1.0, 0.0], ids=["trial", "control"])
def test_a_trial_with_a_change_outside_its_span_is_no_data(subject, strength):
    def spill(out, before, start, stop):
        out[stop] += 0.1
        out[start - 1] += 0.1

    complaint, _ = meddled(subject, spill, strength)
    assert complaint.endswith("(2 positions outside the span changed)")


def test_a_trial_whose_injection_was_undone_at_one_position_is_no_data(subject):
    def undo(out, before, start, stop):
        out[start] = before[start]

    complaint, planned = meddled(subject, undo)
    assert f"(prompt: planned {planned} positions, edited {planned - 1}; the change is off by " in complaint


def test_a_control_trial_whose_span_was_changed_by_foreign_code_is_no_data(subject):
    def disturb(out, before, start, stop):
        out[start:stop] += 0.001

    complaint, _ = meddled(subject, disturb, strength=0.0)
    assert "planned one (the change is off by 0.00" in complaint
