"""``introspect vectors export`` and ``import``: to llama.cpp's format and back, and into a plan."""

import pytest
import torch

from introspect.vectors.control_vector import read_control_vector
from introspect.vectors.vector import load_vectors


@pytest.fixture
def exported(run_folder, command, tmp_path):
    """The vectors of a finished run as control vectors."""
    out = tmp_path / "control"
    done = command("vectors", "export", run_folder / "vectors.safetensors", "--out", out, "--hint", "qwen2")
    assert done.code == 0, done.err
    return out


def test_every_concept_becomes_a_control_vector_with_the_same_numbers(exported, run_folder):
    own = load_vectors(run_folder / "vectors.safetensors")
    assert {file.stem for file in exported.iterdir()} == set(own.directions) == {"bread", "oceans", "silver"}
    for name, rows in own.directions.items():
        found = read_control_vector(exported / f"{name}.gguf")
        assert found.model_hint == "qwen2"
        assert list(found.directions) == [1, 2, 3]
        assert all(torch.equal(row, rows[layer]) for layer, row in found.directions.items())


def test_a_plan_runs_with_control_vectors_of_others_and_not_at_a_layer_that_they_lack(
    exported, run_folder, plan_file, gguf_file, command, tmp_path
):
    files = [exported / f"{name}.gguf" for name in ("bread", "oceans", "silver")]
    done = command("vectors", "import", *files, "--subject", gguf_file, "--out", tmp_path / "theirs")
    assert done.code == 0, done.err
    assert "layers missing: 0" in done.out
    vectors = f'vectors="{tmp_path / "theirs" / "vectors.safetensors"}"'
    done = command("run", plan_file, "--out", tmp_path / "out", "--set", vectors, "--max-trials", 8)
    assert done.code == 0, done.err
    refused = command("run", plan_file, "--out", tmp_path / "no", "--set", vectors, "--set", "layers=[0]")
    assert refused.code == 2
    assert "injects at layers [0], and there are vectors at [1, 2, 3] only" in refused.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--concept", "braed"), "did you mean 'bread'"),
        (("--concept", "bread", "--concept", "nothing of the kind"), "no concept vector named"),
    ],
)
def test_a_concept_that_is_not_in_the_file_is_refused_before_anything_is_written(
    run_folder, command, tmp_path, options, sentence
):
    refused = command("vectors", "export", run_folder / "vectors.safetensors", "--out", tmp_path / "control", *options)
    assert refused.code == 2
    assert sentence in refused.err
    assert not (tmp_path / "control").exists()


def test_a_model_is_no_control_vector_and_names_must_be_as_many_as_files(exported, gguf_file, command, tmp_path):
    out = ("--subject", gguf_file, "--out", tmp_path / "theirs")
    refused = command("vectors", "import", gguf_file, *out)
    assert refused.code == 2
    assert "a GGUF file of 'qwen2', not a control vector" in refused.err
    refused = command("vectors", "import", exported / "bread.gguf", *out, "--concept", "a", "--concept", "b")
    assert refused.code == 2
    assert "1 files need as many different names of concepts" in refused.err
    assert not (tmp_path / "theirs").exists()
