"""One plan on three backends: the same trials with the same tokens, and the folder says what carried the subject."""

import json

import pytest

import introspect

OTHERS = ("transformer_lens", "nnsight")


def content(folder):
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return {trial["key"]: trial for trial in trials}, json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize("backend", OTHERS)
def test_a_plan_runs_through_another_backend_with_the_same_tokens(plan_file, run_folder, command, tmp_path, backend):
    out = tmp_path / backend
    done = command("run", plan_file, "--out", out, "--set", f"backend={backend}", "--max-trials", 12)
    assert done.code == 0, done.err
    (ours, _), (theirs, manifest) = content(run_folder), content(out)
    assert manifest["plan"]["backend"] == manifest["engine"]["backend"] == backend
    assert len(theirs) == 12
    for key, trial in theirs.items():
        assert trial["reply_tokens"] == ours[key]["reply_tokens"]
        assert [audit["edited_prompt"] for audit in trial["audits"]] == [
            audit["edited_prompt"] for audit in ours[key]["audits"]
        ]
    again = command("run", plan_file, "--out", out, "--max-trials", 12)
    assert again.code == 2
    assert f"backend was '{backend}', is now 'hf'" in again.err


def test_a_folder_from_before_there_were_backends_still_opens_and_goes_on(plan_file, run_folder, command):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    del manifest["plan"]["backend"], manifest["check"]  # nor checksums
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    assert command("run", plan_file, "--out", run_folder).code == 0
    assert len(introspect.load_run(run_folder).trials) == len(content(run_folder)[0])
    refused = command("run", plan_file, "--out", run_folder, "--set", "backend=nnsight")
    assert refused.code == 2
    assert "backend was 'hf', is now 'nnsight'" in refused.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("backend=transformerlens",), "'hf', 'transformer_lens' or 'nnsight' (given: 'transformerlens')"),
        (("backend=nnsight", "device_map=auto"), "backend = 'nnsight' runs on one device; leave device_map out"),
        (("device=ndif",), "device = 'ndif' needs backend = 'nnsight'; the plan has 'hf'"),
        (("device=ndif", "backend=nnsight", "adapter=mine"), "as it is deployed there, without adapter"),
    ],
)
def test_what_a_backend_cannot_do_is_refused_before_anything_is_written(plan_file, command, tmp_path, options, words):
    settings = [part for option in options for part in ("--set", option)]
    done = command("run", plan_file, "--out", tmp_path / "out", *settings)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_a_subject_that_is_carried_already_is_not_carried_by_another_library(plan_file, tmp_path):
    from introspect.errors import PlanError
    from introspect.subjects.backends import through

    plan = introspect.load_plan(plan_file)
    subject = through(introspect.load_subject(plan.subject, device="cpu"), "nnsight")
    assert through(subject, "nnsight") is subject
    with pytest.raises(PlanError, match="is run by nnsight here, and the plan says backend = 'hf'"):
        introspect.sweep(plan, tmp_path / "out", subject=subject)
