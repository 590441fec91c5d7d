"""Every edit acts on its span and nowhere else, in the prompt and in decoding; under ``cache`` the reply is reached
through what is read of earlier positions alone."""

import functools
from dataclasses import replace

import pytest
import tiny
import torch
import witness

from introspect.injection import Injection

TEXT = "I look at what happens inside, and I change it. " * 3 + "Go.{{trial}} Which word?"
INNER = "I look at what happens inside, and I change it. " * 3 + "Tell me.{{trial}}\n\nTrial 2: what{{/trial}} is it?"
KINDS = [*((family, "float32") for family in tiny.FAMILIES), ("llama", "bfloat16")]
EDITS = {0: ("amplify",), 1: ("add",), 2: ("swap", "amplify"), 3: ("swap",)}
"""What is done at each layer; twice at one of them."""


@functools.cache
def edits_of(kind):
    """Every layer's edits, as ``(vector, edit, target)``."""
    subject = tiny.subject(*kind)
    there = subject.read(["Please tell me something about salt."])[0]
    return [
        (tiny.vector(subject, layer, seed) * 0.5, edit, there[layer] if edit == "swap" else None)
        for layer, edits in EDITS.items()
        for seed, edit in enumerate(edits)
    ]


def expected_positions(request, where: str, n_fed: int) -> list[int]:
    start, stop = request.prompt.tokens_of("trial")
    n = len(request.prompt.ids)
    inside = {
        "prompt": range(start, stop),
        "generated": (),
        "both": range(start, stop),
        "cache": range(start, min(stop, n - 1)),
    }[where]
    return [*inside, *(range(n, n + n_fed) if where in ("generated", "both") else ())]


@pytest.mark.parametrize("where", ["prompt", "generated", "both", "cache"])
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_every_edit_acts_on_the_span_and_nowhere_else(kind, where):
    subject = tiny.subject(*kind)
    bare = tiny.request(subject, TEXT if where in ("cache", "both") else INNER, max_new_tokens=3)
    span = bare.prompt.span("trial", where)
    request = replace(bare, injections=tuple(Injection(v, span, edit, target) for v, edit, target in edits_of(kind)))
    with witness.Followed(subject) as followed:
        (reply,) = subject.generate([request])
    positions = expected_positions(request, where, len(reply.tokens) - 1)
    for layer in range(tiny.N_LAYERS):
        assert sorted(followed.before[layer]) == list(range(len(request.prompt.ids) + 2))
        assert followed.edited(layer) == positions
    delta = tiny.vector(subject, 1).direction * 0.5
    for position in positions:
        before = followed.before[1][position]
        assert torch.equal(followed.after[1][position], before + delta.to(before))
    for audit in reply.audits:
        assert audit.edited_prompt + audit.edited_generated == len(positions)


def logits(subject, layer: int, where: str, strength: float):
    """The logits that each of three tokens is chosen from; the reply is the same, whatever they are."""
    vector = tiny.vector(subject, layer) * strength
    request = tiny.request(subject, TEXT, vector, where=where, max_new_tokens=3)
    assert subject.engine.reason is None
    with witness.told(subject, (30, 31, 32)), witness.last_logits(subject.model) as seen:
        subject.generate([request])
    return torch.stack([step[0] for step in seen[-3:]])


def test_under_cache_the_reply_is_reached_though_nothing_is_added_where_it_is_read(subject):
    clean, steered = (logits(subject, 1, "cache", strength) for strength in (0.0, 2.0))
    assert ((clean - steered).abs().max(dim=-1).values > 0.01).all()


def test_under_cache_an_edit_of_the_last_block_reaches_nothing_since_no_layer_reads_it(subject):
    last = tiny.N_LAYERS - 1
    clean, steered, read = (logits(subject, last, *of) for of in (("cache", 0.0), ("cache", 2.0), ("prompt", 2.0)))
    assert torch.equal(clean, steered)
    assert not torch.equal(clean[0], read[0])
    assert torch.equal(clean[1:], read[1:])
