"""Features of a sparse autoencoder as concepts of a plan, from the vectors to the analysis."""

import json

import lab
import pytest
from sae_files import write_sae

import introspect
from introspect.errors import PlanError
from introspect.vectors.vector import load_vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sae(tmp_path_factory.mktemp("sae") / "small")


def plan(*concepts, protocol="injected_thought", **changes):
    fields = {"layers": (2,), "wordings": ("plain",), "tasks": ("report",), "max_new_tokens": 6, "none_samples": 2}
    return lab.plan(protocol, concepts=concepts, strengths=(2.0,), baseline="lindsey_baseline", **(fields | changes))


def test_features_run_beside_words_at_a_usual_vector_s_norm_and_one_without_a_word_is_not_graded_for_naming(
    folder, tmp_path
):
    mine = plan("bread", f"sae:{folder}#5=silver|ag", f"sae:{folder}#9")
    out = introspect.sweep(mine, tmp_path / "run", subject=lab.subject())
    run = introspect.load_run(out)
    unnamed = f"sae:{folder}#9".lower()
    own = run.manifest.concepts
    assert (own["bread"][:2], own["silver"], own[unnamed]) == (("bread", "loaf"), ("silver", "ag"), ())
    vectors = load_vectors(out / "vectors.safetensors")
    assert vectors.provenance.digest == run.manifest.vectors_hash
    injected = [trial for trial in run.trials if trial.spec.vector and trial.spec.vector.family == "concept"]
    assert {trial.spec.concept for trial in injected} == {"bread", "silver", unnamed}
    for trial in injected:
        wanted = vectors.vector(trial.spec.concept, 2).norm
        assert trial.audit.vector_norm == pytest.approx(wanted, rel=1e-4)
    outcomes = introspect.analyze(out).outcomes
    named = {row["concept"]: row["named"] for row in outcomes.iter_rows(named=True) if row["arm"] == "concept"}
    assert named[unnamed] is None
    assert named["bread"] is not None
    assert named["silver"] is not None
    noticed = {row["concept"]: row["noticed"] for row in outcomes.iter_rows(named=True) if row["arm"] == "concept"}
    assert noticed[unnamed] is not None


def test_a_plan_of_features_without_words_alone_is_analysed_and_drawn(folder, tmp_path):
    mine = plan(f"sae:{folder}#5", f"sae:{folder}#9", arms=("concept", "none"))
    out = introspect.sweep(mine, tmp_path / "run", subject=lab.subject())
    analysis = introspect.analyze(out)
    injected = analysis.outcomes.filter(analysis.outcomes["arm"] == "concept")
    assert len(injected) == injected["named"].null_count() == injected["success"].null_count() == 2
    assert injected["noticed"].null_count() == 0
    assert introspect.report_page(analysis).is_file()


def test_a_run_is_read_through_features_from_the_command_line(folder, command, tmp_path):
    mine = plan("bread", "silver", f"sae:{folder}#5", subject=str(lab.folder()), device="cpu", dtype="float32")
    out = introspect.sweep(mine, tmp_path / "run", subject=lab.subject())
    done = command("sae", "read", out, "--sae", folder, "--out", tmp_path / "f", "--n", 6, "--strength", 2)
    assert done.code == 0, done.err
    content = json.loads((tmp_path / "f" / "read.json").read_text())
    assert [row["n"] for row in content["features"]] == [3] * 6
    changes = [abs(row["change"]) for row in content["features"]]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 0
    assert (tmp_path / "f" / "features.html").is_file()
    refused = command("sae", "read", out, "--sae", folder, "--out", tmp_path / "no", "--strength", 3)
    assert refused.code == 2
    assert "no reply under a concept vector at strength 3" in refused.err
    earlier = write_sae(tmp_path / "earlier", hook="model.layers.1")
    refused = command("sae", "read", out, "--sae", earlier, "--out", tmp_path / "no")
    assert refused.code == 2
    assert "an injection at layer 2 cannot be seen at layer 1" in refused.err
    assert not (tmp_path / "no").exists()
    told = command("sae", "decompose", out / "vectors.safetensors", "--sae", folder, "--n", 2, "--concept", "bread")
    assert told.code == 0, told.err
    assert "bread" in told.out


def test_a_plan_at_another_layer_than_the_feature_s_is_refused_before_anything_is_written(folder, tmp_path):
    with pytest.raises(PlanError, match=r"injects at layers \[1\], and there are vectors at \[2\] only \(features of"):
        introspect.sweep(plan(f"sae:{folder}#5", layers=(1, 2)), tmp_path / "run", subject=lab.subject())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        ("injected_thought", {"tasks": ("name",), "wordings": ("brief",)}),
        ("injected_thought", {"tasks": ("forced",), "wordings": ("plain",)}),
        ("identification", {"tasks": (), "wordings": ()}),
    ],
)
def test_a_task_that_needs_a_word_is_refused_for_a_feature_without_one(folder, protocol, changes, tmp_path):
    with pytest.raises(PlanError, match=r"needs a word for every concept, and sae:.* has none; give one, as in sae:"):
        introspect.sweep(
            plan("bread", f"sae:{folder}#5", protocol=protocol, **changes), tmp_path / "run", subject=lab.subject()
        )


def test_what_injects_nothing_has_no_use_for_a_feature(folder, tmp_path):
    with pytest.raises(PlanError, match="injects nothing; features cannot be its concepts"):
        introspect.sweep(
            lab.plan("intentional_control", concepts=(f"sae:{folder}#5",)), tmp_path / "run", subject=lab.subject()
        )
