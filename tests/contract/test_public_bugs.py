"""Bugs found in public introspection code or its logs: each has a test that would have caught it here.

The numbers are those of the survey of public repositories that the project began with; the hazards that concern
statistics and graders have their tests there.
"""

import pytest
import tiny
import torch
import witness

from introspect.concepts import Concept, ConceptSet
from introspect.errors import AuditError, InjectionActiveError
from introspect.injector import Injector
from introspect.stimuli import Stimuli
from introspect.vectors.extract import concept_vector, extract


def test_1_the_injection_goes_on_in_every_decoding_step_under_a_cache(subject):
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 2), max_new_tokens=10)
    with witness.Followed(subject) as followed:
        (reply,) = subject.generate([request])
    start, n_prompt = request.prompt.tokens_of("trial")[0], len(request.prompt.ids)
    assert followed.edited(2) == list(range(start, n_prompt + 9))
    assert reply.audit.edited_generated == 9
    assert reply.audit.edited_prompt == n_prompt - start > 0


@pytest.mark.parametrize("survivor", ["neither", "measurement"])
def test_1_a_hook_that_falls_off_after_the_prompt_fails_the_trial(subject, survivor):
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 2))
    block = tiny.blocks(subject.model)[2]
    fallen = []

    def fall_off(module, args, options):
        if options["input_ids"].shape[1] == 1 and not fallen:
            fallen.append(True)
            edit, watch = list(block._forward_hooks)
            for key in (edit,) if survivor == "measurement" else (edit, watch):
                del block._forward_hooks[key]

    handle = subject.model.register_forward_pre_hook(fall_off, with_kwargs=True)
    try:
        with pytest.raises(AuditError, match="reply: planned 7 positions, edited 0"):
            subject.generate([request])
    finally:
        handle.remove()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize(
    "text", ["Go on.{{trial}}\n\nTrial 1: what?", "A word {{trial}}Trial 1", "An injec{{trial}}ted thought"]
)
def test_2_the_span_starts_at_the_marked_character_whether_or_not_the_tokenizer_puts_a_bos(family, text):
    subject = tiny.subject(family)
    request = tiny.request(subject, text, tiny.vector(subject, 1), max_new_tokens=2)
    with witness.Followed(subject) as followed:
        subject.generate([request])
    first, marked = followed.edited(1)[0], text.partition("{{trial}}")
    decode = subject.chat.tokenizer.decode
    before, through = decode(request.prompt.ids[:first]), decode(request.prompt.ids[: first + 1])
    up_to_the_mark = marked[0][-5:] + marked[2][0]
    assert up_to_the_mark in through
    assert up_to_the_mark not in before


def test_3_injecting_into_the_reply_only_is_another_experiment_and_is_recorded_as_such(subject):
    vector = tiny.vector(subject, 1) * 2.0
    modes = ("prompt", "generated", "both")
    requests = [tiny.request(subject), *(tiny.request(subject, tiny.MARKED[0], vector, where=where) for where in modes)]
    with witness.taken(subject) as logits:
        clean, prompt, generated, both = subject.generate(requests)
    first, second = ([logits[row][step] for row in range(4)] for step in (0, 1))
    same = {"atol": 1e-5, "rtol": 0.0}  # experts sum their tokens in an order of their own
    torch.testing.assert_close(first[2], first[0], **same)  # nothing was added before the reply's first token
    torch.testing.assert_close(first[3], first[1], **same)
    assert (first[3] - first[2]).abs().max() > 1e-2
    assert generated.tokens[0] == clean.tokens[0]
    assert (second[2] - second[0]).abs().max() > 1e-2
    n_span = prompt.audit.planned_prompt
    counts = [(reply.audit.edited_prompt, reply.audit.edited_generated) for reply in (prompt, generated, both)]
    assert counts == [(n_span, 0), (0, 7), (n_span, 7)]
    assert generated.audit.prompt_spans == ()
    assert both.audit.prompt_spans == prompt.audit.prompt_spans == (requests[0].prompt.tokens_of("trial"),)


def test_6_vectors_are_not_extracted_while_an_injection_is_installed(subject):
    bread, baseline = Concept(word="bread"), ConceptSet(words=("stone", "river"))
    clean = extract(subject, ConceptSet(concept=(bread,)), baseline, Stimuli())
    request = tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 3) * 8.0)
    with Injector(subject.blocks, [request.injections]):
        with pytest.raises(InjectionActiveError):
            extract(subject, ConceptSet(concept=(bread,)), baseline, Stimuli())
        with pytest.raises(InjectionActiveError):
            concept_vector(subject, bread, 1)
    again = extract(subject, ConceptSet(concept=(bread,)), baseline, Stimuli())
    assert torch.equal(again.vectors.directions["bread"], clean.vectors.directions["bread"])


@pytest.mark.parametrize("strength", [0.5, 1.0, 4.0])
def test_7_the_units_of_strength_are_recorded_and_mean_what_they_say(subject, strength):
    vector = tiny.vector(subject, 0, norm=2.75)
    request = tiny.request(subject, tiny.MARKED[0], vector * strength, where="prompt")
    with witness.Followed(subject) as followed:
        (reply,) = subject.generate([request])
    inside = range(*request.injections[0].span.prompt[0])
    residual_norm = float(torch.stack([followed.before[0][i] for i in inside]).norm(dim=-1).mean())
    assert reply.audit.vector_norm == pytest.approx(2.75)
    assert reply.audit.delta_norm == pytest.approx(strength * 2.75, rel=1e-4)
    assert reply.audit.residual_norm == pytest.approx(residual_norm, rel=1e-5)
    assert reply.audit.relative_strength == pytest.approx(strength * 2.75 / residual_norm, rel=1e-4)


def test_7_vectors_keep_their_own_norms_when_they_are_injected(subject):
    requests = [tiny.request(subject, tiny.MARKED[0], tiny.vector(subject, 1, norm=norm)) for norm in (1.0, 3.0)]
    weak, strong = (reply.audit for reply in subject.generate(requests))
    assert strong.delta_norm == pytest.approx(3 * weak.delta_norm, rel=1e-3)
    assert (weak.vector_norm, strong.vector_norm) == (pytest.approx(1.0), pytest.approx(3.0))


@pytest.mark.parametrize("layer", range(tiny.N_LAYERS))
def test_10_the_layer_that_was_asked_for_is_the_only_one_that_is_steered(subject, layer):
    request = tiny.request(subject, tiny.MARKED[1], tiny.vector(subject, layer), max_new_tokens=2)
    with witness.Followed(subject) as followed:
        (reply,) = subject.generate([request])
    assert [at for at in range(tiny.N_LAYERS) if followed.edited(at)] == [layer]
    assert reply.audit.layer == layer


def test_11_padding_is_neither_attended_to_nor_counted_as_a_position(padded):
    subject = padded
    long_text = "I look at what happens inside. " * 4 + "Go.{{trial}} Which word?"
    short = tiny.request(subject, tiny.MARKED[1], tiny.vector(subject, 1))
    long = tiny.request(subject, long_text, tiny.vector(subject, 1))
    with witness.last_logits(subject.model) as steps, witness.Tap(subject.model, 1) as tap:
        beside, _ = subject.generate([short, long])
    n_padding = len(long.prompt.ids) - len(short.prompt.ids)
    assert n_padding > 20
    edited = (tap.before[0] != tap.after[0])[0].any(dim=-1).nonzero().flatten()
    assert int(edited.min()) == n_padding + short.injections[0].span.prompt[0][0]
    assert beside.tokens == witness.greedy(subject.model, short)
    logits = witness.one_pass(subject.model, short, beside.tokens)
    torch.testing.assert_close(torch.stack([step[0] for step in steps]), logits, atol=1e-4, rtol=0.0)
