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


AHEAD = (3, -4, -2)
"""Positions with a next token, one of them far before any injection."""


def test_next_tokens_distributions_and_divergences_are_those_of_plain_passes(subject):
    some = queries_of(subject)[:4] + queries_of(subject)[6:7]
    clean = [Query(query.prompt, positions=AHEAD, whole=True) for query in some]
    references = [readout.distribution for readout in subject.score(clean)]
    queries = [
        Query(query.prompt, query.injections, positions=AHEAD, next_token=True, whole=True, reference=reference)
        for query, reference in zip(some, references, strict=True)
    ]
    plain = {query.prompt.ids: expected(subject, query)[0] for query in clean}
    for query, readout in zip(queries, subject.score(queries), strict=True):
        logs, ids, at = expected(subject, query)[0], query.prompt.ids, list(query.at)
        assert at == [3, len(ids) - 4, len(ids) - 2]
        wanted = torch.stack([logs[position, ids[position + 1]] for position in at])
        torch.testing.assert_close(readout.next_logprobs, wanted, **tiny.close(subject))
        torch.testing.assert_close(readout.distribution, logs[at], **tiny.close(subject))
        divergence = torch.nn.functional.kl_div(logs, plain[ids], log_target=True, reduction="none").sum(dim=-1)[at]
        torch.testing.assert_close(readout.divergence, divergence, **tiny.close(subject))
        torch.testing.assert_close(readout.divergence[0], torch.tensor(0.0), **tiny.close(subject))
        if not query.injections:
            torch.testing.assert_close(readout.divergence, torch.zeros(3), **tiny.close(subject))
        elif query.prompt.ids == some[0].prompt.ids:  # injected up to its end
            assert readout.divergence[-1] > 0.01


def test_what_is_not_asked_for_is_not_there(llama):
    (readout,) = llama.score([Query(queries_of(llama)[0].prompt)])
    assert (readout.distribution, readout.divergence) == (None, None)
    assert [len(part) for part in (readout.next_logprobs, readout.option_logprobs, readout.ranks)] == [0, 0, 0]


def test_a_divergence_is_taken_from_the_reference_and_not_towards_it(llama):
    clean, injected = (queries_of(llama)[index] for index in (0, 2))
    (reference,) = llama.score([Query(clean.prompt, whole=True)])
    (readout,) = llama.score([Query(clean.prompt, injected.injections, reference=reference.distribution, whole=True)])
    one, other = reference.distribution[0], readout.distribution[0]
    assert float(readout.divergence) == pytest.approx(float((one.exp() * (one - other)).sum()), rel=1e-4)
    assert float(readout.divergence) != pytest.approx(float((other.exp() * (other - one)).sum()), rel=1e-2)


def test_a_query_alone_and_one_among_others_of_its_prompt_read_the_same(subject):
    """Alone it runs from its prefix on; among others it starts at its layer, from the clean outputs."""
    queries = [query for query in queries_of(subject, options=OPTIONS, words=(30,), layers=(1, 3)) if query.injections]
    subject.engine.readouts.clear()
    together, before = subject.score(queries), subject.engine.readouts.evaluated
    for query, shared in list(zip(queries, together, strict=True))[1:3]:
        subject.engine.readouts.clear()
        (alone,) = subject.score([query])
        torch.testing.assert_close(alone.option_logprobs, shared.option_logprobs, **tiny.close(subject))
        torch.testing.assert_close(alone.activations, shared.activations, **tiny.close(subject))
        torch.testing.assert_close(alone.logprobs, shared.logprobs, **tiny.close(subject))
        assert alone.audits == shared.audits
    assert subject.engine.readouts.evaluated > before


def test_a_query_alone_costs_every_layer_once_and_no_clean_pass(llama):
    subject = tiny.load("llama")
    query = queries_of(subject, options=OPTIONS)[3]
    subject.score([query])
    own = len(query.prompt.ids) - query.prompt.tokens_of("trial")[0]
    assert subject.engine.readouts.evaluated == own * tiny.N_LAYERS
    assert llama is not subject


def test_the_slower_path_reads_the_same(padded):
    subject = padded
    queries = queries_of(padded, options=OPTIONS, words=(30,), layers=(1, 3), positions=(4, -2), next_token=True)
    shared = tiny.subject(padded.model.config.model_type).score(queries)
    for one, other in zip(padded.score(queries), shared, strict=True):
        torch.testing.assert_close(one.option_logprobs, other.option_logprobs, **tiny.close(subject))
        torch.testing.assert_close(one.activations, other.activations, **tiny.close(subject))
        torch.testing.assert_close(one.next_logprobs, other.next_logprobs, **tiny.close(subject))
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


def test_a_clean_query_beside_injected_ones_of_its_prompt_is_read_off_their_twin(llama):
    subject = tiny.load("llama")
    queries = queries_of(subject, options=OPTIONS)[:5]
    own = len(queries[0].prompt.ids) - queries[0].prompt.tokens_of("trial")[0]
    together = subject.score(queries)
    assert subject.engine.readouts.evaluated == own * (tiny.N_LAYERS + 3 + 2 + 1 + 0 + 0)
    subject.engine.readouts.clear()
    (alone,) = subject.score(queries[:1])
    torch.testing.assert_close(together[0].option_logprobs, alone.option_logprobs, **tiny.close(subject))
    assert together[0].audits == ()
    assert llama is not subject


def test_clean_prompts_are_kept_within_bounds_and_read_the_same_when_computed_again(llama, monkeypatch):
    from introspect.subjects.engine import readouts

    subject = tiny.load("llama")
    queries = [query for text in (LONG, *tiny.MARKED[:3]) for query in pair(subject, text)]
    kept = subject.score(queries)
    before = subject.engine.readouts.evaluated
    subject.score(queries)
    again = subject.engine.readouts.evaluated - before
    monkeypatch.setattr(readouts, "CLEAN_BYTES_KEPT", 0)
    subject.score(queries)
    before = subject.engine.readouts.evaluated
    found = subject.score(queries)
    assert subject.engine.readouts.evaluated - before > again  # nothing was there any more
    for one, other in zip(kept, found, strict=True):
        torch.testing.assert_close(one.option_logprobs, other.option_logprobs, **tiny.close(subject))
    assert llama is not subject


def pair(subject, text):
    """Two queries at a late layer, which share their clean prompt."""
    vector = tiny.vector(subject, tiny.N_LAYERS - 1)
    requests = [tiny.request(subject, text, vector * strength) for strength in (1.0, 2.0)]
    return [Query(request.prompt, request.injections, options=OPTIONS) for request in requests]


def test_an_early_layer_does_not_resume_where_that_costs_more(llama):
    """Two trials at the first of four layers: a clean pass and three layers of each are more than both as a whole."""
    subject = tiny.load("llama")
    first = queries_of(subject, options=OPTIONS)[1]
    subject.score([first, first])
    own = len(first.prompt.ids) - first.prompt.tokens_of("trial")[0]
    assert subject.engine.readouts.evaluated == own * 2 * tiny.N_LAYERS
    assert llama is not subject


def test_nothing_is_left_on_the_model(subject):
    subject.score(queries_of(subject, options=OPTIONS, layers=(0,)))
    assert witness.n_hooks(subject.model) == 0
    assert not any("forward" in vars(module) for module in subject.model.modules())


def test_a_query_that_does_not_fit_is_refused(llama):
    clean = queries_of(llama)[0]
    with pytest.raises(SpanError, match="position 9999 is outside the prompt, which has "):
        llama.score([Query(clean.prompt, words=(1,), positions=(9999,))])
    for last in (-1, len(clean.prompt.ids) - 1):
        with pytest.raises(SpanError, match="there is no next token after the last one"):
            llama.score([Query(clean.prompt, positions=(0, last), next_token=True)])
    with pytest.raises(LayerError, match="layer 4 is outside"):
        llama.score([Query(clean.prompt, layers=(4,))])
    foreign = tiny.request(llama, LONG, tiny.vector(tiny.subject("mistral"), 1))
    with pytest.raises(VectorMismatchError):
        llama.score([Query(foreign.prompt, foreign.injections)])
