"""The logit lens and the attribution of an injection: sums that must come out, and a word that must rise."""

import pytest
import tiny
import torch

from introspect.errors import SubjectError
from introspect.subjects.lens import LensSubject
from introspect.subjects.logit_lens import LENS, FrozenNorm, read_lens
from introspect.subjects.subject import Query

WORD = "bread"


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma2", "gemma3_text"])
def lens(request):
    return LensSubject(tiny.subject(request.param))


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_what_the_last_block_gives_is_seen_as_the_models_own_logits_whatever_norm_it_has(family):
    subject = tiny.subject(family)
    request = tiny.request(subject)
    last = subject.n_layers - 1
    (readout,) = subject.score([Query(request.prompt, layers=(last,))])
    with torch.inference_mode():
        logits = subject.model(input_ids=torch.tensor([request.prompt.ids])).logits[0, -1].float()
    cap = getattr(subject.model.config.get_text_config(), "final_logit_softcapping", None)
    seen = subject.lens(readout.activations[0, :1], range(len(logits)))[0]
    torch.testing.assert_close(torch.tanh(seen / cap) * cap if cap else seen, logits, atol=1e-4, rtol=1e-4)


def reading(lens, strength=1.0, layer=1, **options):
    request = tiny.request(lens, tiny.MARKED[1], tiny.vector(lens, layer) * strength)
    return read_lens(lens, request.prompt, request.injections, WORD, **options), request


def arm(found, name):
    return found.frame.filter(found.frame["arm"] == name)


def test_at_the_last_layer_the_lens_gives_the_models_own_logits(lens):
    found, request = reading(lens)
    assert dict(found.frame.schema) == LENS
    for name, injections in (("concept", request.injections), ("none", ())):
        ((one,), _) = lens.residuals(request.prompt, [injections])
        torch.testing.assert_close(lens.unembedded(one.outputs[-1:])[0], one.logits, atol=1e-4, rtol=1e-4)
        logs = torch.log_softmax(one.logits, dim=-1)
        word, last = logs[list(found.tokens)], arm(found, name).row(-1, named=True)
        assert last["layer"] == tiny.N_LAYERS - 1
        assert last["logprob"] == pytest.approx(float(word.logsumexp(dim=0)), abs=1e-3)
        assert last["rank"] == 1 + int((logs > word.max()).sum())


@pytest.mark.parametrize("others", [None, (7, 9, 40)])
def test_the_attributions_of_all_summands_sum_to_the_logit_less_the_others(lens, others):
    found, request = reading(lens, others=others)
    head = lens.model.get_output_embeddings()
    for name, injections in (("concept", request.injections), ("none", ())):
        ((one,), _) = lens.residuals(request.prompt, [injections])
        with torch.inference_mode():
            raw = head(lens.normed(one.outputs[-1:]))[0]  # before a cap
        rest = [i for i in (others or range(len(raw))) if i not in found.tokens]
        wanted = float(raw[list(found.tokens)].mean() - raw[rest].mean())
        rows = arm(found, name)
        assert rows["block"].sum() + rows["injected"].sum() == pytest.approx(wanted, abs=1e-3)
        assert rows.row(-1, named=True)["margin"] == pytest.approx(wanted, abs=1e-3)


def test_strength_zero_changes_nothing_and_what_is_injected_acts_from_its_layer_on(lens):
    zero, _ = reading(lens, strength=0.0)
    assert arm(zero, "concept").drop("arm").equals(arm(zero, "none").drop("arm"))
    assert set(zero.frame["injected"].drop_nulls()) == set(zero.frame["direct"].drop_nulls()) == {0.0}
    found, _ = reading(lens, strength=2.0, layer=2)
    steered, plain = arm(found, "concept"), arm(found, "none")
    assert steered.filter(steered["layer"].is_in([0, 1]))["margin"].to_list() == pytest.approx(
        plain.filter(plain["layer"].is_in([0, 1]))["margin"].to_list(), abs=1e-4
    )
    assert [value != 0 for value in steered["injected"].drop_nulls()] == [False, False, True, False]
    assert [value != 0 for value in steered["direct"].drop_nulls()] == [False, False, True, True]
    assert found.audits[0].delta_norm == pytest.approx(2.0 * found.audits[0].vector_norm, rel=1e-3)


def test_what_the_vector_says_itself_is_twice_as_much_at_the_same_scale(lens):
    (once, _), (twice, _) = reading(lens, 1.0, layer=3), reading(lens, 2.0, layer=3)
    ratio = []
    for found, n in ((once, 1), (twice, 2)):
        request = tiny.request(lens, tiny.MARKED[1], tiny.vector(lens, 3) * float(n))
        ((one,), _) = lens.residuals(request.prompt, [request.injections])
        norm = FrozenNorm.of(lens.normed, tiny.D_MODEL)
        scale = float(norm.scale(one.outputs[-1:], lens.normed(one.outputs[-1:])))
        ratio.append(arm(found, "concept").row(-1, named=True)["injected"] * scale)
    assert ratio[1] == pytest.approx(2 * ratio[0], rel=1e-3)


def test_a_final_norm_is_found_out_by_what_it_does():
    rows = torch.randn(5, 32, generator=torch.Generator().manual_seed(0)) + 3
    for kind in (torch.nn.LayerNorm, torch.nn.RMSNorm):
        norm = kind(32)
        with torch.no_grad():
            for weight in norm.parameters():
                weight.copy_(torch.randn(32, generator=torch.Generator().manual_seed(1)))
            found, normed = FrozenNorm.of(norm, 32), norm(rows)
        assert found.centres == (kind is torch.nn.LayerNorm)
        expected = (rows - rows.mean(dim=1, keepdim=True) if found.centres else rows).square().mean(dim=1).sqrt()
        torch.testing.assert_close(found.scale(rows, normed), expected, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(found.numerator(rows) / expected[:, None] + found.bias, normed, atol=1e-3, rtol=1e-3)


def test_a_model_that_does_more_behind_its_last_block_is_refused(monkeypatch):
    lens = LensSubject(tiny.subject("llama"))
    monkeypatch.setattr(lens, "unembedded", lambda rows: torch.zeros(len(rows), 8))
    monkeypatch.setattr(lens, "residuals", _scaled(lens.residuals))
    with pytest.raises(SubjectError, match="does more behind its last block than a norm and an unembedding"):
        reading(lens)


def _scaled(residuals):
    def changed(*arguments):
        from dataclasses import replace

        found, audits = residuals(*arguments)
        return [replace(one, logits=one.logits[:8] * 3) for one in found], audits

    return changed
