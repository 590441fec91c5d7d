"""What an experiment is said to show: synthetic trials whose effect is known, and the sentences they lead to."""

import math

import polars as pl
import pytest

from introspect.analysis.effects import PAIRS, effects
from introspect.analysis.findings import findings
from introspect.analysis.findings.pooled import arm_table, cell_table, exceeds
from introspect.analysis.findings.questions import bracketing
from introspect.analysis.findings.special import apology_score, share, with_both
from introspect.analysis.metrics import BY_PROTOCOL, METRICS, PRIMARY, metrics_of
from introspect.analysis.outcomes import SCHEMA
from introspect.analysis.tables import rate_table
from introspect.analysis.verdict import verdict_of
from introspect.protocols.registry import PROTOCOLS

CONCEPTS = ("bread", "dust", "silver", "origami", "snow", "peace")


def frame(rows):
    whole = [{"info": "none", "wording": "w", "sample": 0, "prompt": "p", **row} for row in rows]
    return pl.DataFrame(whole, schema=SCHEMA)


def scored(arm, concept, value, layer=2, strength=4.0, task="detect/words", metric="yes_logodds", **more):
    clean = arm == "none"
    return {
        "protocol": "steer_then_remove", "task": task, "arm": arm, "unit": concept, "concept": concept, metric: value,
        "layer": None if clean else layer, "strength": None if clean else strength,
        "relative": None if clean else 0.5, "prompt": f"p {concept}", **more,
    }  # fmt: skip


def grid(shift, controls=0.0, metric="yes_logodds", task="detect/words", spread=0.1):
    """Six concepts; the concept arm moves each clean value by ``shift`` and a little more, the control by another."""
    rows = []
    for place, concept in enumerate(CONCEPTS):
        clean = float(place)
        jitter = spread * (place - 2.5)
        rows.append(scored("none", concept, clean, metric=metric, task=task))
        for layer in (1, 3):
            rows.append(scored("concept", concept, clean + shift + jitter, layer, metric=metric, task=task))
            rows.append(scored("random", concept, clean + controls - jitter, layer, metric=metric, task=task))
    return frame(rows)


def test_an_effect_is_the_trial_less_its_clean_twin_concept_by_concept():
    found = effects(grid(0.7, spread=0.0), "steer_then_remove", n_layers=5)
    own = found.filter(pl.col("arm") == "concept")
    assert sorted(own["unit"].unique()) == sorted(CONCEPTS)
    assert own["effect"].to_list() == pytest.approx([0.7] * 12)
    assert sorted(own["depth"].unique()) == [0.25, 0.75]
    assert found.filter(pl.col("arm") == "random")["effect"].to_list() == pytest.approx([0.0] * 12, abs=1e-9)


def test_where_a_trial_has_no_clean_twin_the_clean_trials_of_its_wording_stand_in():
    rows = [scored("none", None, value, prompt=f"other {value}") for value in (1.0, 3.0)]
    rows += [scored("concept", "bread", 5.0, prompt="unseen")]
    found = effects(frame(rows), "steer_then_remove", n_layers=5)
    assert found["effect"].to_list() == [3.0]


def test_a_concept_effect_beyond_every_control_is_said_to_be_so_and_its_limit_with_it():
    data = grid(0.7)
    changes = effects(data, "steer_then_remove", 5)
    (found,) = findings("steer_then_remove", data, changes, None)
    assert "concept +0.70 [+" in found.sentence
    assert "change goes beyond no injection and every control" in found.sentence
    assert "does not show by itself that it is about the state" in verdict_of(data, changes).sentence


@pytest.mark.parametrize(("shift", "controls"), [(0.7, 0.7), (0.0, 0.0), (-0.7, 0.0), (0.3, 0.9)])
def test_an_effect_that_a_control_has_as_well_is_no_evidence(shift, controls):
    data = grid(shift, controls)
    changes = effects(data, "steer_then_remove", 5)
    assert not exceeds(arm_table(data, changes))
    assert verdict_of(data, changes).sentence.startswith("In no task does the concept vectors' effect go beyond")


def test_one_control_of_two_is_enough_to_take_it_away():
    both = pl.concat([grid(0.7), grid(0.7, 0.7).filter(pl.col("arm") == "random").with_columns(arm=pl.lit("shuffled"))])
    changes = effects(both, "steer_then_remove", 5)
    table = arm_table(both, changes)
    assert table["arm"].to_list() == ["concept", "random", "shuffled"]
    assert not exceeds(table)
    assert exceeds(table.filter(pl.col("arm") != "shuffled"))


def test_more_than_a_control_is_not_enough_where_nothing_rises_above_no_injection():
    data = grid(0.0, controls=-0.9)
    assert not exceeds(arm_table(data, effects(data, "steer_then_remove", 5)))


def test_where_less_is_the_claim_less_is_what_counts():
    falls = grid(-0.7, metric="meant_logodds", task="choose")
    rises = grid(0.7, metric="meant_logodds", task="choose")
    written = [data.rename({"meant_logodds": "x", "written_logodds": "meant_logodds"}).rename({"x": "written_logodds"})
               for data in (falls, rises)]  # fmt: skip
    tables = [
        arm_table(data, effects(data.with_columns(task=pl.lit("source")), "input_or_activation", 5)) for data in written
    ]
    assert [exceeds(table) for table in tables] == [True, False]


def test_shares_are_compared_with_the_clean_trials_own_uncertainty():
    rows = [
        scored("none", None, False, metric="noticed", prompt=f"p{i}") | {"noticed": "no", "unit": f"lead {i}"}
        for i in range(3)
    ]
    for concept in CONCEPTS:
        rows.append(scored("concept", concept, True) | {"noticed": "yes"})
        rows.append(scored("random", concept, True) | {"noticed": "no"})
    data = frame([{**row, "protocol": "injected_thought", "task": "report", "yes_logodds": None} for row in rows])
    changes = effects(data, "injected_thought", 5)
    row = arm_table(data, changes).row(0, named=True)
    assert (row["arm"], row["effect"]) == ("concept", 1.0)
    assert 0 < row["low"] < 0.6, "three clean trials cannot make this certain"


def test_the_cells_table_has_one_row_a_cell_with_its_relative_strength():
    table = cell_table(effects(grid(0.7), "steer_then_remove", 5))
    assert table.select("arm", "layer", "strength", "relative").rows() == [
        ("concept", 1, 4.0, 0.5), ("random", 1, 4.0, 0.5), ("concept", 3, 4.0, 0.5), ("random", 3, 4.0, 0.5),
    ]  # fmt: skip


def test_both_needs_the_word_and_the_sentence_of_the_same_pair():
    base = {"protocol": "thought_vs_text", "arm": "concept", "layer": 1, "strength": 2.0}
    rows = []
    for concept, picked, repeated in (("bread", True, True), ("dust", True, False), ("snow", False, True)):
        about = base | {"unit": concept, "concept": concept}
        rows += [about | {"task": "think", "picked": picked}, about | {"task": "repeat", "repeated": repeated}]
    found = with_both(frame(rows))
    assert found.filter(pl.col("task") == "think").select("concept", "both").rows() == [
        ("bread", True), ("dust", False), ("snow", False),
    ]  # fmt: skip
    assert found.filter(pl.col("task") == "repeat")["both"].null_count() == 3
    assert share(found, "both").count == 1


def prefilled(arm, concept, apologised, layer=1):
    return {
        "protocol": "intended_or_prefilled", "task": "explain", "arm": arm, "unit": concept, "concept": concept,
        "apologised": apologised, "readable": True, "layer": None if arm == "none" else layer,
        "strength": None if arm == "none" else 2.0,
    }  # fmt: skip


def test_the_apology_score_is_the_drop_below_the_smaller_of_the_two_controls():
    rows = [prefilled("none", concept, True) for concept in CONCEPTS]
    rows += [prefilled("other", concept, place < 3) for place, concept in enumerate(CONCEPTS)]
    rows += [prefilled("concept", concept, place < 1) for place, concept in enumerate(CONCEPTS)]
    assert apology_score(frame(rows)) == pytest.approx(0.5 - 1 / 6)
    assert apology_score(frame(rows).filter(pl.col("arm") != "other")) is None


def test_the_score_s_cell_is_chosen_on_other_concepts_than_it_is_scored_on():
    rows = []
    for place, concept in enumerate(CONCEPTS):
        rows.append(prefilled("none", concept, True))
        for layer in range(8):  # noise: in every layer another single concept does not apologise
            rows.append(prefilled("other", concept, True, layer))
            rows.append(prefilled("concept", concept, place != layer % len(CONCEPTS), layer))
    data = frame(rows)
    sentence = findings("intended_or_prefilled", data, effects(data, "intended_or_prefilled", 9), None)[0].sentence
    assert "both ways: +0.00" in sentence, "no cell holds up on concepts that did not choose it"
    assert "would be +0.17" in sentence


def test_intentional_control_pairs_every_task_with_its_counterpart_at_every_layer():
    rows = []
    for place, concept in enumerate(CONCEPTS):
        for layer in range(4):
            base = {
                "protocol": "intentional_control", "arm": "forced", "unit": concept, "concept": concept,
                "layer": layer, "prompt": f"{concept} {layer}",
            }  # fmt: skip
            rows.append(base | {"task": "think", "above": 0.1 * layer + 0.01 * place})
            rows.append(base | {"task": "dont_think", "above": 0.05 * layer})
            rows.append(base | {"task": "exists", "above": 0.3})
            rows.append(base | {"task": "exists_not", "above": 0.3})
    data = frame(rows)
    found = effects(data, "intentional_control", 4)
    assert found["task"].unique(maintain_order=True).to_list() == ["think − dont_think", "exists − exists_not"]
    gap = found.filter((pl.col("task") == "think − dont_think") & (pl.col("layer") == 3))
    assert gap["effect"].to_list() == pytest.approx([0.15 + 0.01 * place for place in range(6)])
    said = findings("intentional_control", data, found, None)
    assert "at the last layer" in said[0].sentence
    assert "The neutral controls' gap is +0.0000" in said[0].sentence
    trace = next(each for each in said if each.name.startswith("trace under think"))
    assert "peaks at layer 3" in trace.sentence
    assert "at the last layer it is still there" in trace.sentence


def test_the_pairs_of_intentional_control_are_those_of_its_protocol():
    from introspect.protocols import intentional_control

    assert PAIRS == intentional_control.PAIRS


def identified(arm, place, answer, sample=0):
    truth = CONCEPTS[place]
    return {
        "protocol": "identification", "task": "letters", "arm": arm, "unit": truth, "concept": truth, "truth": truth,
        "answer": answer, "chosen": answer == truth, "truth_logit": 0.0, "layer": 1, "strength": 2.0,
        "prompt": f"order {sample}", "sample": sample,
    }  # fmt: skip


def test_choices_that_follow_the_injection_carry_bits_and_choices_that_do_not_carry_none():
    right = [identified("concept", i % 6, CONCEPTS[i % 6], i // 6) for i in range(60)]
    stuck = [identified("random", i % 6, "bread", i // 6) for i in range(60)]
    data = frame(right + stuck)
    (found,) = (
        each
        for each in findings("identification", data, effects(data, "identification", 5), None)
        if each.name == "information"
    )
    concept, random = found.table.sort("arm").iter_rows(named=True)
    assert concept["bits"] == pytest.approx(math.log2(6))
    assert (concept["p"], concept["n"]) == (pytest.approx(1 / 1001), 60)
    assert random["bits"] == pytest.approx(0.0)
    assert random["p"] == 1.0
    assert "letters, concept: 2.58 bits" in found.sentence


def test_choices_that_follow_the_prompt_alone_are_what_the_null_gives():
    rows = [identified("concept", i % 6, CONCEPTS[i // 6 % 6], i // 6) for i in range(60)]
    data = frame(rows)
    (found,) = (
        each
        for each in findings("identification", data, effects(data, "identification", 5), None)
        if each.name == "information"
    )
    row = found.table.row(0, named=True)
    assert row["bits"] == pytest.approx(row["null"])
    assert row["p"] == 1.0


def asked(task, arm, item, value):
    return {
        "protocol": "yes_no", "task": task, "arm": arm, "unit": "bread", "concept": "bread", "item": item,
        "prompt": item, "yes_logodds": value, "layer": None if arm == "none" else 1,
        "strength": None if arm == "none" else 2.0,
    }  # fmt: skip


def test_control_questions_are_those_whose_clean_odds_lie_nearest_on_both_sides():
    rows = [asked("question/words", "none", f"q{level}", float(level)) for level in range(-10, 10)]
    chosen, below, over = bracketing(frame(rows), 0.5, n=2)
    assert set(chosen) == {"q0", "q-1", "q1", "q2"}
    assert (below, over) == (11, 9)


def test_a_shift_that_all_questions_share_leaves_nothing_for_the_detection_question():
    rows = []
    for concept in CONCEPTS:
        own = {"unit": concept, "concept": concept}
        rows.append(asked("detection/words", "none", "d", -1.0) | own)
        rows.append(asked("detection/words", "concept", "d", 1.0) | own)
        for level in (-2, -1, 0, 1):
            rows.append(asked("question/words", "none", f"q{level}", float(level)) | own)
            rows.append(asked("question/words", "concept", f"q{level}", level + 2.0) | own)
    data = frame(rows)
    said = findings("yes_no", data, effects(data, "yes_no", 5), None)[0]
    assert "concept +2.00 against +2.00" in said.sentence
    assert said.table["difference"].to_list() == pytest.approx([0.0])


def test_questions_on_one_side_only_are_called_a_weak_comparison():
    rows = [asked("detection/words", arm, "d", -5.0) for arm in ("none", "concept")]
    rows += [asked("question/words", arm, "q", 3.0) for arm in ("none", "concept")]
    data = frame(rows)
    assert "the comparison is weak" in findings("yes_no", data, effects(data, "yes_no", 5), None)[0].sentence


def test_a_digit_that_follows_the_strength_has_a_slope_and_one_that_does_not_has_none():
    rows = []
    for concept in CONCEPTS:
        for power in range(4):
            base = {
                "protocol": "strength", "task": "rate", "unit": concept, "concept": concept, "layer": 1,
                "strength": 2.0**power,
            }  # fmt: skip
            rows.append(base | {"arm": "concept", "digit": 1.0 + 0.5 * power + 0.01 * len(concept)})
            rows.append(base | {"arm": "random", "digit": 4.0})
    data = frame(rows)
    said = {each.name: each.sentence for each in findings("strength", data, effects(data, "strength", 5), None)}
    assert "by +0.50" in said["dose–response, concept"]
    assert "by +0.00" in said["dose–response, random"]


def test_every_experiment_has_measures_and_every_task_of_it_a_primary_one():
    assert set(BY_PROTOCOL) == set(PROTOCOLS)
    for name, protocol in PROTOCOLS.items():
        assert all(metric.definition for metric in metrics_of(name))
        if protocol.injects:
            assert set(PRIMARY[name]) == set(protocol.readings)
            assert set(PRIMARY[name].values()) <= set(BY_PROTOCOL[name])


def test_a_table_has_means_with_their_bounds_and_nothing_where_no_trial_has_the_measure():
    table = rate_table(grid(0.7), ("task", "arm"), ("yes_logodds", "chosen"))
    row = table.filter(pl.col("arm") == "concept").row(0, named=True)
    assert row["yes_logodds_rate"] == pytest.approx(2.5 + 0.7)
    assert row["yes_logodds_low"] < row["yes_logodds_rate"] < row["yes_logodds_high"]
    assert (row["yes_logodds_count"], row["chosen_n"], row["chosen_rate"]) == (None, 0, None)
    assert METRICS["yes_logodds"].kind == "mean"
