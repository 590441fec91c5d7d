"""An autoencoder is trained offline on what a subject writes, and is a source of concepts like any other."""

import copy
import json
import shutil

import lab
import pytest
import torch
import witness

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

SAMPLING = Sampling(n_tokens=800, max_new_tokens=24, per_round=16, at_once=8)
RECIPE = Recipe(d_sae=64, k=8, n_passes=30, batch=128, lr=2e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("sae") / "trained"
    return out, train_sae(lab.subject(), 2, out, SAMPLING, RECIPE)


def test_the_card_says_what_was_done_and_how_good_it_came_out(trained):
    out, card = trained
    assert json.loads((out / "card.json").read_text()) == card.model_dump(mode="json")
    assert (card.layer, card.hook) == (2, "model.layers.2")
    assert card.n_tokens >= 800
    assert card.n_texts * 24 >= card.n_tokens
    assert "self-generated" in card.text
    assert 0 < card.trained_on.l0 <= 8 + 1e-6
    assert card.trained_on.explained_variance > 0.3
    assert card.held_out.n_tokens < card.n_read
    assert not list(out.glob("unfinished*"))


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
    out, card = trained
    lines = (out / "texts.jsonl").read_bytes().split(b"\n")
    (tmp_path / "texts.jsonl").write_bytes(b"\n".join(lines[:23]) + b"\n" + lines[23][:20])
    seen = []
    again = sample_texts(lab.subject(), tmp_path / "texts.jsonl", SAMPLING, lambda done, note="": seen.append(done))
    whole = sample_texts(lab.subject(), out / "texts.jsonl", SAMPLING)
    assert again == whole
    assert [each.index for each in whole] == list(range(card.n_texts))
    assert 0 < sum(seen) < sum(each.n_tokens for each in whole)


def test_a_text_is_not_longer_than_its_last_round_needs(trained):
    _, card = trained
    assert 800 <= card.n_tokens < 800 + 16 * 24


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(trained, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from introspect.vectors import sae_training

    out, card = trained
    shutil.copy(out / "texts.jsonl", tmp_path / "texts.jsonl")
    one_pass = sae_training.one_pass

    def stopped(activations, recipe, number):
        if number == 11:
            raise KeyboardInterrupt
        return one_pass(activations, recipe, number)

    monkeypatch.setattr(sae_training, "one_pass", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_sae(lab.subject(), 2, tmp_path, SAMPLING, RECIPE)
    (work,) = tmp_path.glob("unfinished-*")
    assert sae_training.passes_done(work) == 11
    assert sorted(path.name for path in work.iterdir()) == ["outputs.safetensors", "pass_11"]
    monkeypatch.setattr(sae_training, "one_pass", one_pass)
    monkeypatch.setattr("introspect.subjects.train_sae.read_tokens", None)  # what was read is there already
    assert train_sae(lab.subject(), 2, tmp_path, SAMPLING, RECIPE) == card
    first, second = (load_file(folder / "sae_weights.safetensors") for folder in (out, tmp_path))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_text_of_another_sampling_is_not_gone_on_with(trained):
    out, _ = trained
    with pytest.raises(StimulusError, match="was begun by another subject or with another sampling"):
        sample_texts(lab.subject(), out / "texts.jsonl", Sampling(n_tokens=5000, seed=1))


def test_a_subject_that_says_nothing_is_refused(tmp_path, monkeypatch):
    subject = lab.subject()
    monkeypatch.setattr(subject.engine.ending, "stop", frozenset(range(lab.N_TOKENS)))
    with pytest.raises(StimulusError, match="gave 16 empty replies on end"):
        sample_texts(subject, tmp_path / "texts.jsonl", SAMPLING)


def test_every_word_is_asked_about_before_any_twice_and_no_question_is_asked_twice():
    n = len(words())
    asked = [question(index) for index in range(n * len(QUESTIONS))]
    assert len(set(asked)) == len(asked) > 2500
    assert all(word in text for word, text in zip(words(), asked[:n], strict=True))


def test_tokens_are_read_from_the_question_on_at_the_block_that_was_asked_for():
    subject = lab.subject()
    texts = [
        Conversation(index=0, question="What is bread?", reply="A loaf.", n_tokens=0),
        Conversation(index=1, question="What is dust?", reply="Nothing. {{word}} and {{word}}", n_tokens=0),
        Conversation(index=2, question="What is bread?", reply="A loaf!", n_tokens=0),
    ]
    prompts = [conversation(subject, each) for each in texts]
    begins = [prompt.tokens_of("question")[0] for prompt in prompts]
    assert len({prompt.ids[: begins[0]] for prompt in prompts}) == 1
    another = copy.deepcopy(subject.model)  # once asked for its states, a model of transformers keeps hooks for them
    expected = []
    for prompt, begin in zip(prompts, begins, strict=True):
        with torch.no_grad():
            states = another(torch.tensor([prompt.ids]), output_hidden_states=True).hidden_states
        expected.append(states[2][0, begin:])
    n_hooks = witness.n_hooks(subject.model)
    rows = read_tokens(subject, 1, texts)
    torch.testing.assert_close(rows, torch.cat(expected), atol=1e-4, rtol=1e-4)
    assert witness.n_hooks(subject.model) == n_hooks


def test_quality_counts_what_it_says(trained):
    dictionary = load_dictionary(str(trained[0]))
    rows = torch.randn(50, dictionary.d_model, generator=torch.Generator().manual_seed(0))
    found = quality(dictionary, rows, at_once=7)
    lit = dictionary.encode(rows) > 0
    error = (dictionary.rebuild(rows) - rows).square().sum() / (rows - rows.mean(dim=0)).square().sum()
    assert found.l0 == pytest.approx(float(lit.sum(dim=1).float().mean()))
    assert found.dead == int((~lit.any(dim=0)).sum())
    assert found.explained_variance == pytest.approx(1 - float(error), abs=1e-4)
