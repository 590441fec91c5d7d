"""The embedded model through the engine: the same bits in any batch, and the tokens of plain transformers."""

import pytest
import torch

import introspect
from introspect.subjects.engine.sampling import BLOCK, gumbels

LAYERS = (5, 12, 20, 26)


@pytest.fixture(scope="module")
def requests(smollm2):
    """Mixed layers, strengths, spans, wordings and lengths; random directions about as long as concept vectors."""
    wordings = list(introspect.load_stimuli().choose(("plain", "instrument", "brief"), "injected_thought").values())
    made = []
    for index in range(8):
        turns = wordings[index % len(wordings)].conversation("report", {"lead": "Here is the next part."})
        prompt = smollm2.chat.encode(turns)
        noise = torch.randn(576, generator=torch.Generator().manual_seed(index))
        vector = introspect.ConceptVector(
            "noise", noise * 20 / noise.norm(), LAYERS[index % 4], smollm2.identity.fingerprint, "drawn"
        )
        span = prompt.span("trial", ["both", "prompt", "generated"][index % 3])
        injections = () if index == 7 else (introspect.Injection(vector, span),)
        made.append(introspect.Request(prompt, injections, 4 + 2 * index, float(index % 2), index))
    return made


def recorded(subject, requests, width):
    """Replies, and the logits that each token was chosen from."""
    ending, seen = subject.engine.ending, {}
    choose = ending.take

    def take(rows, logits):
        for row, line in zip(rows, logits, strict=True):
            seen.setdefault(row.index, []).append(line.clone())
        return choose(rows, logits)

    ending.take = take
    try:
        return subject.engine.generate(requests, width), seen
    finally:
        del ending.take


def test_the_embedded_model_is_carried_by_shared_prefixes(smollm2):
    assert smollm2.engine.describe()["way"] == "shared prefix"


def test_a_rows_logits_have_the_same_bits_alone_and_in_any_batch(smollm2, requests):
    if not smollm2.engine.runner.products.packed:
        pytest.skip("products are not packed here: their bits depend on the number of rows")
    replies, together = recorded(smollm2, requests, 4)
    for index in (0, 3, 5, 7):
        (alone,), logits = recorded(smollm2, [requests[index]], 64)
        assert alone.tokens == replies[index].tokens
        assert torch.equal(torch.stack(together[index]), torch.stack(logits[0]))
        assert alone.audits == replies[index].audits


def test_tokens_are_those_of_plain_transformers_with_a_hook(smollm2, requests):
    replies = smollm2.engine.generate(requests, 8)
    for index in (0, 1, 2, 7):
        request, reply = requests[index], replies[index]
        assert reply.tokens == plain(smollm2.model, request, len(reply.tokens))


def plain(model, request, n):
    """One row, no cache, the whole text again for every token; our own hook and our own draw."""
    ids = list(request.prompt.ids)

    def hook(module, args, out):
        out = out.clone()
        for injection in request.injections:
            for start, stop in injection.span.ranges:
                out[0, start:stop] += injection.vector.direction * injection.vector.strength
        return out

    layer = request.injections[0].vector.layer if request.injections else 0
    handle = model.model.layers[layer].register_forward_hook(hook)
    try:
        for step in range(n):
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            if request.temperature:
                numbers = gumbels(request.seed, len(logits), step)[0]
                blocks = torch.softmax(logits / request.temperature, dim=-1).view(-1, BLOCK)
                block = int((blocks.sum(dim=-1).log() + numbers[:-BLOCK]).argmax())
                ids.append(block * BLOCK + int((blocks[block].log() + numbers[-BLOCK:]).argmax()))
            else:
                ids.append(int(logits.argmax()))
    finally:
        handle.remove()
    return tuple(ids[len(request.prompt.ids) :])
