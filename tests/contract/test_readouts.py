"""Read-outs that start at the injected layer equal those of the whole text in one pass, with hooks of our own."""

import pytest
import tiny
import torch
import witness

from introspect.errors import LayerError, SpanError, VectorMismatchError
from introspect.subjects.subject import Query

LONG = "I look at what happens inside, and I change it. " * 4 + "Go.{{trial}} Which word do you notice?"
OPTIONS = ((20, 21), (22,), (23, 24, 25))


def queries_of(subject, **options):
    """Clean, every layer, several spans, two layers at once, texts of different lengths."""
    vectors = [tiny.vector(subject, layer) * (1.0 + layer) for layer in range(tiny.N_LAYERS)]
    chosen = [(), *[(vector,) for vector in vectors], (vectors[1], vectors[2]), (vectors[3],), (vectors[0],)]
    texts = [LONG] * 6 + [tiny.MARKED[2], tiny.MARKED[0]]
    requests = [
        tiny.request(subject, text, *injected, where=["both", "prompt"][index % 2])
        for index, (text, injected) in enumerate(zip(texts, chosen, strict=True))
    ]
    return [Query(request.prompt, request.injections, **options) for request in requests]


def expected(subject, query):
    """Log-probabilities at every position, and every layer's output, from one pass over the whole text."""
    outputs, stack = {}, tiny.blocks(subject.model)
    with torch.inference_mode(), witness.added(subject.model, query.injections):
        handles = [
            block.register_forward_hook(lambda m, a, out, layer=layer: outputs.update({layer: witness.hidden(out)[0]}))
            for layer, block in enumerate(stack)
        ]
        try:
            logits = subject.model(input_ids=torch.tensor([query.prompt.ids]), use_cache=False).logits[0]
        finally:
            for handle in handles:
                handle.remove()
    return torch.log_softmax(logits, dim=-1), outputs


def test_options_are_scored_after_the_last_token(subject):
    queries = queries_of(subject, options=OPTIONS)
    for query, readout in zip(queries, subject.score(queries), strict=True):
        logs = expected(subject, query)[0][-1]
        wanted = torch.stack([logs[list(tokens)].exp().sum().log() for tokens in OPTIONS])
        torch.testing.assert_close(readout.option_logprobs, wanted, **tiny.close(subject))
        assert readout.option_mass == pytest.approx(float(wanted.exp().sum()), abs=1e-5)
        assert readout.query is query


def test_ranks_and_activations_at_positions_and_layers(subject):
    layers = tuple(range(tiny.N_LAYERS))
    queries = queries_of(subject, words=(30, 31), positions=(-1, -3, -2), layers=layers)
    for query, readout in zip(queries, subject.score(queries), strict=True):
        logs, outputs = expected(subject, query)
        at = [len(query.prompt.ids) + position for position in query.positions]
        torch.testing.assert_close(readout.logprobs, logs[at][:, [30, 31]].T, **tiny.close(subject))
        for word, ranks in zip((30, 31), readout.ranks, strict=True):
            for position, rank in zip(at, ranks.tolist(), strict=True):
                above = int((logs[position] > logs[position][word] + 1e-3).sum())
                below = int((logs[position] > logs[position][word] - 1e-3).sum())
                assert above < rank <= below + 1
        wanted = torch.stack([outputs[layer][at] for layer in layers])
        torch.testing.assert_close(readout.activations, wanted, **tiny.close(subject))


def test_positions_before_the_injection_are_read_as_they_are(llama):
    subject = llama
    query = queries_of(llama)[2]
    early = Query(query.prompt, query.injections, words=(30,), positions=(0, 5, -1), layers=(0, 3))
    (readout,) = llama.score([early])
    logs, outputs = expected(llama, early)
    at = [0, 5, len(early.prompt.ids) - 1]
    torch.testing.assert_close(readout.logprobs[0], logs[at][:, 30], **tiny.close(subject))
    torch.testing.assert_close(
        readout.activations, torch.stack([outputs[layer][at] for layer in (0, 3)]), **tiny.close(subject)
    )


def test_the_slower_path_reads_the_same(padded):
    subject = padded
    queries = queries_of(padded, options=OPTIONS, words=(30,), layers=(1, 3))
    shared = tiny.subject(padded.model.config.model_type).score(queries)
    for one, other in zip(padded.score(queries), shared, strict=True):
        torch.testing.assert_close(one.option_logprobs, other.option_logprobs, **tiny.close(subject))
        torch.testing.assert_close(one.activations, other.activations, **tiny.close(subject))
        assert [audit.edited_prompt for audit in one.audits] == [audit.edited_prompt for audit in other.audits]


def test_every_injection_of_a_readout_is_audited(subject):
    for query, readout in zip(queries := queries_of(subject), subject.score(queries), strict=True):
        assert len(readout.audits) == len(query.injections)
        for injection, audit in zip(query.injections, readout.audits, strict=True):
            assert audit.edited_prompt == injection.span.n_prompt > 0
            assert (audit.planned_generated, audit.edited_generated) == (0, 0)
            assert audit.delta_norm == pytest.approx(float(injection.vector.delta.norm()), rel=1e-3)


def test_a_trial_costs_the_layers_above_its_own_and_the_tokens_behind_its_prefix(llama):
    subject = tiny.load("llama")
    queries = [query for query in queries_of(subject, options=OPTIONS)[:5] if query.injections]
    subject.score(queries)
    before = subject.engine.readouts.evaluated
    subject.score(queries)
    own = len(queries[0].prompt.ids) - queries[0].prompt.tokens_of("trial")[0]
    assert subject.engine.readouts.evaluated - before == own * (3 + 2 + 1 + 0)
    assert own * 6 < len(queries[0].prompt.ids) * 4 * tiny.N_LAYERS / 10
    assert llama is not subject


def test_nothing_is_left_on_the_model(subject):
    subject.score(queries_of(subject, options=OPTIONS, layers=(0,)))
    assert witness.n_hooks(subject.model) == 0
    assert not any("forward" in vars(module) for module in subject.model.modules())


def test_a_query_that_does_not_fit_is_refused(llama):
    clean = queries_of(llama)[0]
    with pytest.raises(SpanError, match="position 9999 is outside the prompt, which has "):
        llama.score([Query(clean.prompt, words=(1,), positions=(9999,))])
    with pytest.raises(LayerError, match="layer 4 is outside"):
        llama.score([Query(clean.prompt, layers=(4,))])
    foreign = tiny.request(llama, LONG, tiny.vector(tiny.subject("mistral"), 1))
    with pytest.raises(VectorMismatchError):
        llama.score([Query(foreign.prompt, foreign.injections)])
