"""Two runs of one plan side by side: what came out alike, trial by trial, and whose effects are larger."""

import json
from dataclasses import replace

import polars as pl
import pytest
from handmade import write_run

from introspect.analysis.analyze import analyze
from introspect.analysis.compare import at_relative, common_relative, compare_effects, compare_trials, side_by_side
from introspect.cli.compare import compare as compare_runs
from introspect.errors import RunFolderError
from introspect.records import SALT, Audit, Plan, Scores, Trial, TrialSpec, VectorRef

CONCEPTS = ("bread", "dust", "silver", "origami")
PLAN = Plan(name="demo", protocol="steer_then_remove", layers=(1, 3), strengths=(2.0, 4.0))


def trial(concept, yes, subject="a", layer=1, strength=2.0, relative=0.5):
    clean = layer is None
    spec = TrialSpec(
        protocol="steer_then_remove", subject=subject * 32, dtype="float32", arm="none" if clean else "concept",
        task="detect/words", wording="w", wording_hash="w", fill={"lead": concept}, options=("yes", "no"),
        truth="no" if clean else "yes", concept=concept,
        vector=None if clean else VectorRef(family="concept", concept=concept), vectors_hash=subject, layer=layer,
        strength=None if clean else strength, span="earlier", where="prompt", sample=0, max_new_tokens=0,
        temperature=0.0,
    )  # fmt: skip
    audit = Audit(
        layer=layer, prompt_spans=((0, 1),), planned_prompt=1, planned_generated=0, edited_prompt=1,
        edited_generated=0, vector_norm=1.0, delta_norm=1.0, residual_norm=1 / relative, relative_strength=relative,
    )  # fmt: skip
    return Trial(
        key=spec.key, spec=spec, prompt=concept, finish="scored", audits=() if clean else (audit,),
        scores=Scores(logprobs=(yes, -1.0), mass=0.9),
    )  # fmt: skip


def run(path, shift, subject="a", layers=(1, 3), relative=0.5, concepts=CONCEPTS):
    trials = []
    for place, concept in enumerate(concepts):
        trials.append(trial(concept, -1.0, subject, layer=None))
        for layer in layers:
            for strength in (2.0, 4.0):
                value = -1.0 + shift * strength + 0.01 * place
                trials.append(trial(concept, value, subject, layer, strength, relative * strength / 2))
    return analyze(write_run(path, trials, PLAN, {name: (name,) for name in CONCEPTS}))


def test_runs_that_came_out_alike_are_said_to_be_alike(tmp_path):
    found = compare_trials(run(tmp_path / "a", 0.1), run(tmp_path / "b", 0.1, "b"))
    assert (found.n_paired, found.n_unpaired, found.choices, found.largest) == (20, 0, (20, 20), 0.0)
    assert "20 of 20 choices equal" in found.sentence


def test_runs_without_a_concept_in_common_have_no_effects_to_compare(tmp_path, capsys):
    one, two = run(tmp_path / "a", 0.1, concepts=CONCEPTS[:2]), run(tmp_path / "b", 0.1, "b", concepts=CONCEPTS[2:])
    assert compare_effects(one, two).is_empty()
    compare_runs([tmp_path / "a", tmp_path / "b"], as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["equal_multiples"], found["salts"]) == ([], [SALT, SALT])


def test_a_run_is_not_compared_with_itself(tmp_path):
    run(tmp_path / "a", 0.1)
    with pytest.raises(RunFolderError, match="is given twice"):
        compare_runs([tmp_path / "a", tmp_path / "a"])


def test_trials_are_paired_across_models_of_different_depth_by_the_place_of_the_layer(tmp_path):
    found = compare_trials(run(tmp_path / "a", 0.1), run(tmp_path / "b", 0.1, "b", layers=(5, 20)))
    assert (found.n_paired, found.n_unpaired) == (20, 0)


def test_a_choice_that_turned_over_is_counted_and_the_largest_difference_said(tmp_path):
    found = compare_trials(run(tmp_path / "a", 0.1), run(tmp_path / "b", -0.1, "b"))
    assert found.choices == (4, 20) or found.choices[0] < 20
    assert found.largest == pytest.approx(0.8)


def test_the_difference_of_effects_is_paired_over_concepts(tmp_path):
    (row,) = compare_effects(run(tmp_path / "a", 0.3), run(tmp_path / "b", 0.1, "b")).iter_rows(named=True)
    assert row["first"] == pytest.approx(0.9 + 0.015)
    assert row["second"] == pytest.approx(0.3 + 0.015)
    assert (row["difference"], row["low"]) == (pytest.approx(0.6), pytest.approx(0.6))
    assert row["n_units"] == 4


def test_the_means_beside_a_paired_difference_are_those_of_the_concepts_of_both(tmp_path):
    one, two = run(tmp_path / "a", 0.3), run(tmp_path / "b", 0.1, "b")
    fewer = replace(two, effects=two.effects.filter(pl.col("unit") == "bread"))
    (row,) = compare_effects(one, fewer).iter_rows(named=True)
    assert row["first"] - row["second"] == pytest.approx(row["difference"])
    assert row["n_units"] == 1


def test_at_equal_share_of_the_residual_a_model_with_shorter_vectors_is_compared_at_its_larger_multiple(tmp_path):
    one, two = run(tmp_path / "a", 0.1, relative=0.5), run(tmp_path / "b", 0.1, "b", relative=0.25)
    assert common_relative([one, two]) == pytest.approx(0.5)
    assert set(at_relative(one.effects, 0.5)["strength"]) == {2.0}
    assert set(at_relative(two.effects, 0.5)["strength"]) == {4.0}
    (row,) = compare_effects(one, two, 0.5).iter_rows(named=True)
    assert row["difference"] == pytest.approx(-0.2)


def test_side_by_side_every_run_has_its_effect_over_its_spread(tmp_path):
    frame = side_by_side({"base": run(tmp_path / "a", 0.0), "tuned": run(tmp_path / "b", 0.1, "b")})
    assert frame["subject"].to_list() == ["base", "tuned"]
    low, high = frame["effect"].to_list()
    assert high > low > 0
    assert frame.filter(pl.col("low") > pl.col("effect")).is_empty()
