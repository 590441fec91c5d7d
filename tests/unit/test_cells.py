"""From a plan to its trials: every cell whole, controls in one pool, and every beginning of a run balanced."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.errors import LayerError, PlanError
from introspect.records import Plan, SubjectIdentity
from introspect.stimuli import load_stimuli
from introspect.sweeps.cells import cell_of, layers_of, subset, trial_specs

WORDINGS = load_stimuli().wording
CONCEPTS = ("bread", "dust", "trees", "silver", "peace")
GRID = {"name": "grid", "layers": (1, 3), "strengths": (2.0, 4.0)}


def identity(n_layers=4):
    return SubjectIdentity(
        name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=n_layers, d_model=8
    )


def specs_of(n_layers=4, **changes):
    return trial_specs(Plan(**(GRID | changes)), identity(n_layers), WORDINGS, CONCEPTS, "v" * 32)


def arm(specs, name):
    return [spec for spec in specs if spec.arm == name]


def test_the_grid_is_crossed_with_concepts_wordings_and_samples():
    specs = specs_of(samples=2)
    cells = Counter(cell_of(spec) for spec in specs)
    assert set(cells) == {
        *((name, layer, strength) for name in ("concept", "random") for layer in (1, 3) for strength in (2.0, 4.0)),
        ("none", None, None),
    }
    assert {cells[cell] for cell in cells if cell[0] != "none"} == {len(CONCEPTS) * len(WORDINGS) * 2}
    crossed = Counter((cell_of(spec), spec.vector.concept, spec.wording, spec.sample) for spec in specs if spec.vector)
    assert set(crossed.values()) == {1}


def test_controls_without_injection_are_one_pool_and_not_one_for_every_cell():
    few, many = specs_of(none_samples=7), specs_of(none_samples=7, layers=(0, 1, 2, 3), strengths=(1.0, 2.0, 4.0, 8.0))
    assert arm(few, "none") == arm(many, "none")
    assert Counter(spec.wording for spec in arm(few, "none")) == dict.fromkeys(WORDINGS, 7)
    assert len(arm(many, "concept")) == 4 * len(arm(few, "concept"))


def test_a_trial_without_injection_has_no_vector_no_layer_and_no_strength():
    for spec in specs_of():
        assert {spec.vector is None, spec.layer is None, spec.strength is None} == {spec.arm == "none"}


def test_every_concept_trial_has_its_random_twin_of_the_same_norm():
    specs = specs_of(samples=2)

    def places(name):
        return [(cell_of(s)[1:], s.vector.concept, s.wording, s.sample) for s in arm(specs, name)]

    assert places("concept") == places("random")


def test_every_sample_of_the_random_arm_draws_another_vector_and_the_concept_arm_none():
    specs = specs_of(samples=3)
    assert {(spec.sample, spec.vector.draw) for spec in arm(specs, "random")} == {(0, 0), (1, 1), (2, 2)}
    assert {spec.vector.draw for spec in arm(specs, "concept")} == {0}
    for name in ("concept", "random"):
        assert {spec.vector.family for spec in arm(specs, name)} == {name}


def test_all_trials_of_a_plan_have_keys_of_their_own():
    specs = specs_of(samples=3, none_samples=4)
    assert len({spec.key for spec in specs}) == len({spec.seed for spec in specs}) == len(specs)


def test_where_a_plan_runs_does_not_change_its_trials():
    keys = [spec.key for spec in specs_of()]
    assert [spec.key for spec in specs_of(device="cuda", device_map="auto", batch_size=3)] == keys
    assert [spec.key for spec in specs_of(seed=5)] == keys


def test_a_trial_pins_the_text_and_the_vector_file_that_its_names_point_into():
    for spec in specs_of():
        assert spec.wording_hash == WORDINGS[spec.wording].digest
        assert spec.vectors_hash == "v" * 32
        assert (spec.subject, spec.dtype) == ("f" * 32, "float32")


def test_arms_that_are_not_asked_for_are_not_run():
    assert {spec.arm for spec in specs_of(arms=("concept",))} == {"concept"}


def test_a_greedy_trial_is_run_once():
    with pytest.raises(PlanError, match="samples = 2 at temperature 0 would run the same greedy trial 2 times"):
        specs_of(temperature=0.0, samples=2)
    once = specs_of(temperature=0.0, none_samples=9)
    assert len(arm(once, "none")) == len(WORDINGS)


@pytest.mark.parametrize(
    ("depths", "n_layers", "layers"),
    [
        ((0.0, 0.5, 1.0), 31, (0, 15, 30)),
        ((0.33, 0.5, 0.67), 30, (10, 14, 19)),
        ((0.33, 0.5, 0.67), 13, (4, 6, 8)),
        ((0.0, 1.0), 1, (0,)),
        ((0.0, 0.1, 0.9, 1.0), 4, (0, 3)),
    ],
)
def test_a_depth_is_the_nearest_layer_and_each_layer_stands_once(depths, n_layers, layers):
    assert layers_of(Plan(name="p", depths=depths), identity(n_layers)) == layers


def test_depths_that_meet_in_one_layer_do_not_run_it_twice():
    specs = specs_of(layers=None, depths=(0.3, 0.35), n_layers=4)
    assert {spec.layer for spec in arm(specs, "concept")} == {1}
    assert len({spec.key for spec in specs}) == len(specs)


@pytest.mark.parametrize("layer", [4, -1, 99])
def test_a_layer_that_the_subject_does_not_have_is_refused(layer):
    with pytest.raises(LayerError, match=rf"layer {layer} is outside toy, which has layers 0\.\.3"):
        specs_of(layers=(1, layer))


@settings(deadline=None, max_examples=30)
@given(shorter=st.integers(1, 135), longer=st.integers(1, 200), seed=st.integers(0, 9))
def test_a_longer_subset_begins_with_the_shorter_one(shorter, longer, seed):
    specs = specs_of(none_samples=5)
    shorter, longer = sorted((shorter, longer))
    assert subset(specs, longer, seed)[:shorter] == subset(specs, shorter, seed)
    assert len(subset(specs, longer, seed)) == min(longer, len(specs))


def test_the_whole_plan_is_run_and_nothing_twice():
    specs = specs_of()
    ordered = subset(specs, None, 0)
    assert Counter(spec.key for spec in ordered) == Counter(spec.key for spec in specs)
    assert ordered == subset(specs, len(specs) + 1, 0)


def test_the_order_follows_the_seed():
    specs = specs_of()
    assert subset(specs, None, 3) == subset(specs, None, 3)
    assert len({subset(specs, 10, seed)[0].key for seed in range(10)}) > 1


@pytest.mark.parametrize("seed", range(5))
def test_every_beginning_has_its_share_of_every_cell(seed):
    specs = specs_of(none_samples=12)
    whole = Counter(cell_of(spec) for spec in specs)
    so_far = Counter()
    for n, spec in enumerate(subset(specs, None, seed), start=1):
        so_far[cell_of(spec)] += 1
        assert all(abs(so_far[cell] - n * size / len(specs)) < 2 for cell, size in whole.items())


@pytest.mark.parametrize("seed", range(5))
def test_in_every_beginning_the_concepts_of_a_cell_are_level(seed):
    so_far = {}
    for spec in subset(specs_of(samples=2, none_samples=6), None, seed):
        turns = WORDINGS if spec.arm == "none" else CONCEPTS
        counts = so_far.setdefault(cell_of(spec), dict.fromkeys(turns, 0))
        counts[spec.vector.concept if spec.vector else spec.wording] += 1
        assert max(counts.values()) - min(counts.values()) <= 1


def test_concepts_with_fewer_trials_take_their_turns_first_and_the_rest_follow():
    specs = [s for s in arm(specs_of(), "concept") if cell_of(s)[1:] == (1, 2.0)]
    few = [s for s in specs if s.vector.concept == "bread" or s.wording == "plain"]
    ordered = [spec.vector.concept for spec in subset(few, None, 0)]
    assert set(ordered[:5]) == set(CONCEPTS)
    assert ordered[5:] == ["bread", "bread"]


def test_a_short_beginning_already_compares_concept_with_control():
    beginning = Counter(spec.arm for spec in subset(specs_of(none_samples=20), 18, seed=0))
    assert set(beginning) == {"concept", "random", "none"}
    assert set(beginning.values()) <= {5, 6, 7}


@pytest.mark.parametrize("n", [0, -1])
def test_a_subset_of_nothing_is_refused(n):
    with pytest.raises(PlanError, match=f"--max-trials {n} would run nothing"):
        subset(specs_of(), n, 0)
