"""A feature of a sparse autoencoder is a concept: its decoder row, at the layer it was trained on, at a stated norm."""

import json

import pytest
import tiny
import torch
from sae_files import N_FEATURES, WIDTH, sae_lens, write_sae

from introspect.concepts import Concept, ConceptSet, find_concept, load_concepts
from introspect.errors import LayerError, ShapeError, StimulusError, UnknownNameError
from introspect.stimuli import load_stimuli
from introspect.vectors.diagnose import diagnose
from introspect.vectors.extract import concept_vector, extract, recipe
from introspect.vectors.sae import layer_of, load_dictionary, typical_norm

BASELINE = ConceptSet(words=("tables", "rivers", "clouds", "letters", "doors"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sae(tmp_path_factory.mktemp("sae") / "small")


@pytest.fixture(scope="module")
def subject():
    return tiny.subject("llama")


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "sae_weights.safetensors")


def test_the_direction_is_the_decoder_row_and_has_no_norm_of_its_own(folder):
    dictionary = load_dictionary(str(folder))
    rows = weights(folder)["W_dec"]
    assert (dictionary.layer, dictionary.n_features, dictionary.d_model) == (2, N_FEATURES, WIDTH)
    torch.testing.assert_close(dictionary.direction(5), rows[5] / rows[5].norm())


def test_what_it_encodes_is_what_its_weights_say(folder):
    own, dictionary = weights(folder), load_dictionary(str(folder))
    activations = torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(1))
    wanted = torch.relu((activations - own["b_dec"]) @ own["W_enc"] + own["b_enc"])
    torch.testing.assert_close(dictionary.encode(activations), wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        dictionary.rebuild(activations), wanted @ own["W_dec"] + own["b_dec"], atol=1e-5, rtol=1e-5
    )
    with pytest.raises(ShapeError, match="wanted shape"):
        dictionary.encode(torch.ones(2, WIDTH + 1))


def test_a_feature_s_vector_has_the_norm_of_a_usual_concept_vector_at_its_layer(folder, subject):
    concepts = ConceptSet(concept=(*load_concepts(("bread",)).members, find_concept(f"sae:{folder}#5=silver|ag")))
    extraction = extract(subject, concepts, BASELINE, load_stimuli())
    vectors = extraction.vectors
    found = vectors.vector("silver", 2)
    own = extraction.baseline[:, 2] - extraction.baseline[:, 2].mean(dim=0)
    assert found.norm == pytest.approx(float(own.norm(dim=-1).median()), rel=1e-5)
    cosine = torch.cosine_similarity(found.direction, weights(folder)["W_dec"][5], dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-5)
    alone = extract(subject, load_concepts(("bread",)), BASELINE, load_stimuli()).vectors
    torch.testing.assert_close(vectors.vector("bread", 2).direction, alone.vector("bread", 2).direction)
    assert vectors.provenance.digest == recipe(subject.identity, concepts, BASELINE, load_stimuli(), "word").digest
    assert vectors.provenance.digest != alone.provenance.digest


def test_one_feature_can_be_asked_for_alone_and_only_at_its_layer(folder, subject):
    vector = concept_vector(subject, f"sae:{folder}#5=silver", layer=2)
    assert (vector.concept, vector.layer) == ("silver", 2)
    with pytest.raises(StimulusError, match="no vector of 'silver' at layer 1: features of .* has layers 2"):
        concept_vector(subject, f"sae:{folder}#5=silver", layer=1)


def test_diagnoses_of_features_are_taken_at_their_layer_and_have_no_halves(folder, subject):
    concepts = ConceptSet(concept=tuple(find_concept(f"sae:{folder}#{n}") for n in (4, 5)))
    found = diagnose(extract(subject, concepts, BASELINE, load_stimuli()), subject)
    assert [each.layer for each in found] == [2, 2]
    assert all(each.split_half is None and each.norm[2] > 0 and each.norm[1] == 0 for each in found)


def test_the_norm_is_the_median_distance_from_the_mean():
    rows = torch.tensor([[0.0, 0], [0, 2], [0, 4], [0, 6], [0, 28]])
    assert typical_norm(rows) == 6  # the mean is 8: 8, 6, 4, 2 and 20


@pytest.mark.parametrize(
    ("text", "word", "aliases", "unnamed"),
    [
        ("sae:gpt2-small-res-jb/blocks.8.hook_resid_pre#123=Bread|loaf", "Bread", ("loaf",), False),
        ("sae:path/to/folder#45", "sae:path/to/folder#45", (), True),
        ("sae:./a folder/with = in it#4=dry bread", "dry bread", (), False),
    ],
)
def test_a_feature_is_written_as_a_source_an_index_and_what_names_it(text, word, aliases, unnamed):
    concept = load_concepts((text,)).members[0]
    assert (concept.word, concept.aliases, concept.unnamed) == (word, aliases, unnamed)
    assert concept.forms == (() if unnamed else (word.lower(), *aliases))
    assert load_concepts(text).members == (concept,)


@pytest.mark.parametrize("text", ["sae:folder", "sae:folder#x", "sae:#3", "sae:folder#3=", "sae:folder#3=a||b"])
def test_what_is_no_feature_is_refused_with_the_form_it_should_have(text):
    with pytest.raises(StimulusError, match=r"names no feature; it takes sae:RELEASE/ID#123"):
        load_concepts((text,))


def test_a_word_and_a_feature_of_the_same_name_cannot_be_in_one_plan_and_a_feature_changes_the_hash():
    plain, feature = Concept(word="bread"), Concept(word="bread", feature="a/b/c#1")
    with pytest.raises(StimulusError, match="twice: bread"):
        ConceptSet(concept=(plain, feature)).unique()
    assert ConceptSet(concept=(plain,)).digest != ConceptSet(concept=(feature,)).digest


@pytest.mark.parametrize(
    ("hook", "layer"),
    [
        ("model.layers.10", 10),
        ("transformer.h.3", 3),
        ("gpt_neox.layers.0", 0),
        ("model.language_model.layers.7", 7),
        ("blocks.10.hook_resid_post", 10),
        ("blocks.10.hook_resid_pre", 9),
    ],
)
def test_a_hook_is_mapped_to_the_block_whose_output_it_reads(hook, layer):
    assert layer_of(hook, "one") == layer


@pytest.mark.parametrize("hook", ["", "blocks.0.hook_resid_pre", "blocks.3.hook_mlp_out", "model.layers.3.mlp"])
def test_a_place_within_a_block_is_refused(hook):
    with pytest.raises(StimulusError, match="which is no block's output"):
        layer_of(hook, "one")


def test_another_model_s_features_are_refused_by_width_and_depth(tmp_path, subject):
    for name, changes, error, words in (
        ("wide", {"d_in": 40}, ShapeError, "wanted shape 32, was given 40"),
        ("deep", {"hook": "model.layers.9"}, LayerError, "layer 9 is outside"),
    ):
        folder = write_sae(tmp_path / name, **changes)
        with pytest.raises(error, match=words):
            concept_vector(subject, f"sae:{folder}#5", layer=2)


def test_features_of_two_layers_do_not_go_together_and_pairs_have_no_norm_for_them(tmp_path, folder, subject):
    other = write_sae(tmp_path / "other", hook="model.layers.1")
    both = load_concepts((f"sae:{folder}#1", f"sae:{other}#1"))
    with pytest.raises(StimulusError, match=r"of layers \[1, 2\]; give each layer a plan of its own"):
        recipe(subject.identity, both, BASELINE, load_stimuli(), "word")
    with pytest.raises(StimulusError, match="need method = 'word'"):
        recipe(subject.identity, load_concepts((f"sae:{folder}#1",)), BASELINE, load_stimuli(), "pair_mean")


def test_a_feature_that_is_not_there_or_is_dead_is_refused(folder):
    dictionary = load_dictionary(str(folder))
    with pytest.raises(StimulusError, match="has features 0 to 47, and no 48"):
        dictionary.direction(48)
    with pytest.raises(StimulusError, match="feature 7 of .* has no direction"):
        dictionary.direction(7)


def test_a_folder_or_release_that_is_not_there_is_refused_with_the_near_miss(tmp_path):
    with pytest.raises(StimulusError, match="is no folder of a sparse autoencoder"):
        load_dictionary(str(tmp_path))
    with pytest.raises(UnknownNameError, match="did you mean 'gpt2-small-res-jb'"):
        load_dictionary("gpt2-small-res-jbb/blocks.8.hook_resid_pre")
    with pytest.raises(UnknownNameError, match=r"did you mean 'blocks\.8\.hook_resid_pre'"):
        load_dictionary("gpt2-small-res-jb/blocks.8.hook_resid_pr")


def test_a_damaged_or_unusable_autoencoder_is_refused_in_one_sentence(tmp_path):
    cut = write_sae(tmp_path / "cut")
    (cut / "sae_weights.safetensors").write_bytes((cut / "sae_weights.safetensors").read_bytes()[:1000])
    with pytest.raises(StimulusError, match="cannot be loaded"):
        load_dictionary(str(cut))
    scaled = write_sae(tmp_path / "scaled", normalize_activations="expected_average_only_in")
    with pytest.raises(StimulusError, match="wants its input scaled"):
        load_dictionary(str(scaled))
    odd = write_sae(tmp_path / "odd")
    content = json.loads((odd / "cfg.json").read_text())
    (odd / "cfg.json").write_text(json.dumps(content | {"architecture": "nobody's"}))
    with pytest.raises(StimulusError, match="cannot be loaded"):
        load_dictionary(str(odd))


def test_a_transcoder_is_refused(tmp_path):
    library = sae_lens()
    metadata = library.saes.sae.SAEMetadata(hook_name="model.layers.2", hook_name_out="model.layers.3")
    config = library.TranscoderConfig(d_in=8, d_sae=16, d_out=8, apply_b_dec_to_input=False, metadata=metadata)
    library.Transcoder(config).save_model(tmp_path / "t")
    with pytest.raises(StimulusError, match="is a transcoder"):
        load_dictionary(str(tmp_path / "t"))
