"""One subject with another one's vectors, and a chat model in the plain transcript: factors, not accidents."""

import json

import torch

from introspect.vectors.vector import VectorSet, load_vectors


def trials(folder):
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_a_chat_model_in_the_transcript_is_another_subject_that_can_run_with_the_first_one_s_vectors(
    run_folder, plan_file, command, tmp_path
):
    vectors = run_folder / "vectors.safetensors"
    options = ("--set", "format=transcript", "--set", f'vectors="{vectors}"', "--max-trials", 12)
    done = command("run", plan_file, "--out", tmp_path / "out", *options)
    assert done.code == 0, done.err
    mine, theirs = trials(tmp_path / "out"), trials(run_folder)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["subject"]["format"] == "transcript"
    assert {trial["spec"]["subject"] for trial in mine} == {manifest["subject"]["fingerprint"]}
    assert manifest["subject"]["fingerprint"] != theirs[0]["spec"]["subject"]
    assert mine[0]["spec"]["vectors_hash"] != theirs[0]["spec"]["vectors_hash"]
    injected = [trial for trial in mine if trial["spec"]["arm"] == "concept"]
    own = load_vectors(vectors)
    for trial in injected:
        norm = own.vector(trial["spec"]["concept"], trial["spec"]["layer"]).norm
        assert abs(trial["audits"][0]["vector_norm"] - norm) < 1e-4


def test_vectors_of_another_shape_or_without_a_concept_are_refused_with_what_they_are(
    run_folder, plan_file, command, tmp_path
):
    own = load_vectors(run_folder / "vectors.safetensors")
    few = VectorSet({"bread": own.directions["bread"]}, own.provenance)
    few.save(tmp_path / "few.safetensors")
    wide = own.provenance.model_copy(update={"d_model": own.provenance.d_model + 1})
    directions = {name: torch.zeros(wide.n_layers, wide.d_model) for name in own.directions}
    VectorSet(directions, wide).save(tmp_path / "wide.safetensors")
    for name, words in (("few", "have no oceans, silver"), ("wide", f"{wide.d_model}, and")):
        done = command("run", plan_file, "--out", tmp_path / name, "--set", f'vectors="{tmp_path / name}.safetensors"')
        assert done.code == 2
        assert words in done.err
        assert not (tmp_path / name).exists()
