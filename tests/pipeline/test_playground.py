"""``introspect ask`` and ``introspect vectors extract``, on a small model."""

import json
import re

import pytest
import torch
from safetensors import safe_open

QUESTION = "Do you notice anything?"


def test_asking_shows_which_tokens_were_injected_into_and_the_plain_reply_beside_it(command, gguf_file):
    asked = command("ask", gguf_file, QUESTION, "--concept", "bread", "--layer", 2, "--max-new-tokens", 5)
    assert asked.code == 0, asked.err
    injected, plain = asked.out.split("no injection")
    assert "bread at layer 2, strength 4" in injected
    assert "⟦" in injected
    assert "⟦" not in plain
    assert "relative strength" in injected
    assert "4 generated positions, edited" in injected.replace("\n", " ")  # the last of five is never fed back


@pytest.mark.parametrize("where", ["prompt", "generated", "both"])
def test_the_tokens_shown_are_the_ones_that_were_edited(command, gguf_file, where):
    options = ("--concept", "bread", "--where", where, "--max-new-tokens", 6, "--seed", 3)
    shown = command("ask", gguf_file, QUESTION, *options).out.split("no injection")[0]
    edited = re.search(r"edited\s+(\d+)\s+\+\s+(\d+)", shown)
    in_prompt, in_reply = int(edited[1]), int(edited[2])
    assert (in_prompt > 0, in_reply > 0) == (where != "generated", where != "prompt")
    assert shown.count("⟦") - 1 == in_prompt + in_reply  # the first pair explains the brackets


def test_asking_without_a_concept_asks_plainly_and_a_seed_is_a_reply(command, gguf_file):
    first, again, other = (
        command("ask", gguf_file, QUESTION, "--max-new-tokens", 8, "--seed", seed).out for seed in (1, 1, 2)
    )
    assert first == again != other
    assert "⟦" not in first


def test_own_words_are_asked_about_from_a_file(command, gguf_file, tmp_path):
    (tmp_path / "mine.csv").write_text("word,aliases\nmoonstone,adularia\n")
    options = ("--concept", "moonstone", "--concepts", tmp_path / "mine.csv", "--max-new-tokens", 3)
    assert "moonstone at layer 2" in command("ask", gguf_file, QUESTION, *options).out


def test_the_vector_file_holds_a_tensor_for_every_concept_and_says_where_it_came_from(command, gguf_file, tmp_path):
    (tmp_path / "mine.toml").write_text('words = ["Moonstone", "bread", "silver"]')
    (tmp_path / "base.toml").write_text('words = ["tables", "rivers", "clouds", "letters"]')
    (tmp_path / "stimuli.toml").write_text('extract = "Describe {word} briefly."')
    out = tmp_path / "v"
    lists = ("--concepts", tmp_path / "mine.toml", "--baseline", tmp_path / "base.toml")
    extracted = command(
        "vectors", "extract", gguf_file, "--out", out, *lists, "--stimuli", tmp_path / "stimuli.toml", "--layer", 3
    )
    assert extracted.code == 0, extracted.err
    assert "moonstone" in extracted.out
    with safe_open(out / "vectors.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        provenance = json.loads(file.metadata()["introspect"])
    assert set(tensors) == {"moonstone", "bread", "silver"}
    assert {(tuple(tensor.shape), tensor.dtype) for tensor in tensors.values()} == {((4, 32), torch.float32)}
    assert provenance["extraction_prompt"] == "Describe {word} briefly."
    assert provenance["method"] == "word"
    diagnoses = json.loads((out / "diagnostics.json").read_text())
    assert [each["layer"] for each in diagnoses] == [3, 3, 3]
    assert all(len(each["norm"]) == 4 and len(each["nearest"]) == 2 for each in diagnoses)


@pytest.mark.parametrize("method", ["pair_mean", "pair_pca"])
def test_contrastive_pairs_make_vectors_too(command, gguf_file, tmp_path, method):
    options = ("--concepts", "example_pairs", "--method", method, "--out", tmp_path / method)
    extracted = command("vectors", "extract", gguf_file, *options)
    assert extracted.code == 0, extracted.err
    diagnoses = json.loads((tmp_path / method / "diagnostics.json").read_text())
    assert all(min(each["norm"]) > 0 and each["split_half"] is None for each in diagnoses)


def test_words_without_pairs_cannot_be_extracted_from_pairs(command, gguf_file, tmp_path):
    refused = command("vectors", "extract", gguf_file, "--method", "pair_mean", "--out", tmp_path / "v")
    assert refused.code == 2
    assert "contrastive pairs" in refused.err
    assert not (tmp_path / "v").exists()


def test_help_teaches_every_verb_with_examples(command):
    for verb in (["ask"], ["run"], ["analyze"], ["figures"], ["report"], ["vectors", "extract"]):
        helped = command(*verb, "--help")
        assert helped.code == 0
        assert helped.out.count(f"introspect {' '.join(verb)}") >= 2
