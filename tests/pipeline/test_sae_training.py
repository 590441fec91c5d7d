"""An autoencoder is trained offline on what a subject writes, and is a source of concepts like any other."""

import json

import lab
import pytest
import torch

import introspect
from introspect.errors import StimulusError
from introspect.subjects.sampled_texts import (
    QUESTIONS,
    Conversation,
    Sampling,
    conversation,
    question,
    sample_texts,
    words,
)
from introspect.subjects.train_sae import read_tokens, train_sae
from introspect.vectors.sae import load_dictionary
from introspect.vectors.sae_training import Recipe, quality

SAMPLING = Sampling(n_tokens=1500, max_new_tokens=24, at_once=16)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("sae") / "trained"
    recipe = Recipe(d_sae=64, k=8, n_passes=30, batch=128, lr=2e-3)
    return out, train_sae(lab.subject(), 2, out, SAMPLING, recipe)


def test_the_card_says_what_was_done_and_how_good_it_came_out(trained):
    out, card = trained
    assert json.loads((out / "card.json").read_text()) == card.model_dump(mode="json")
    assert (card.layer, card.hook) == (2, "model.layers.2")
    assert card.n_tokens >= 1500
    assert 0 < card.trained_on.l0 <= 8 + 1e-6
    assert card.trained_on.explained_variance > 0.3
    assert card.held_out.n_tokens < card.n_tokens


def test_what_was_trained_is_better_than_what_it_began_as_and_reads_raw_activations(trained, tmp_path):
    out, card = trained
    begun = train_sae(
        lab.subject(), 2, tmp_path / "begun", SAMPLING, Recipe(d_sae=64, k=8, n_passes=1, batch=128, lr=1e-9)
    )
    assert card.held_out.explained_variance > begun.held_out.explained_variance + 0.2
    assert load_dictionary(str(out)).sae.cfg.normalize_activations == "none"


def test_its_features_are_concepts(trained):
    out, _ = trained
    vector = introspect.concept_vector(lab.subject(), f"sae:{out}#3=bread", layer=2)
    assert (vector.concept, vector.layer) == ("bread", 2)
    assert vector.norm > 0


def test_text_that_was_cut_off_goes_on_as_it_would_have_been(trained, tmp_path):
    out, _ = trained
    whole = (out / "texts.jsonl").read_bytes()
    lines = whole.split(b"\n")
    (tmp_path / "texts.jsonl").write_bytes(b"\n".join(lines[:17]) + b"\n" + lines[17][:20])
    sample_texts(lab.subject(), tmp_path / "texts.jsonl", SAMPLING)
    assert (tmp_path / "texts.jsonl").read_bytes() == whole


def test_text_of_another_sampling_is_not_gone_on_with(trained):
    out, _ = trained
    with pytest.raises(StimulusError, match="was begun by another subject or with another sampling"):
        sample_texts(lab.subject(), out / "texts.jsonl", Sampling(n_tokens=5000, seed=1))


def test_every_word_is_asked_about_before_any_twice_and_no_question_is_asked_twice():
    n = len(words())
    asked = [question(index) for index in range(n * len(QUESTIONS))]
    assert len(set(asked)) == len(asked) > 2500
    assert all(word in text for word, text in zip(words(), asked[:n], strict=True))


def test_every_token_but_the_first_is_read_at_the_block_that_was_asked_for():
    subject = lab.subject()
    each = Conversation(index=0, question="What is bread?", reply="A loaf.", n_tokens=0)
    rows = read_tokens(subject, 1, [each])
    prompt = conversation(subject, each)
    assert len(rows) == len(prompt.ids) - 1
    with torch.no_grad():
        states = subject.model(torch.tensor([prompt.ids]), output_hidden_states=True).hidden_states
    torch.testing.assert_close(rows, states[2][0, 1:], atol=1e-4, rtol=1e-4)


def test_quality_counts_what_it_says(trained):
    dictionary = load_dictionary(str(trained[0]))
    rows = torch.randn(50, dictionary.d_model, generator=torch.Generator().manual_seed(0))
    found = quality(dictionary, rows, at_once=7)
    lit = dictionary.encode(rows) > 0
    error = (dictionary.rebuild(rows) - rows).square().sum() / (rows - rows.mean(dim=0)).square().sum()
    assert found.l0 == pytest.approx(float(lit.sum(dim=1).float().mean()))
    assert found.dead == int((~lit.any(dim=0)).sum())
    assert found.explained_variance == pytest.approx(1 - float(error), abs=1e-4)
