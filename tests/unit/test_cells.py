"""From a plan to its trials: every cell whole, controls in one pool, and every beginning of a run balanced."""

from collections import Counter
from itertools import groupby

import lab
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.errors import LayerError, PlanError, UnknownNameError
from introspect.protocols.protocol import FAMILIES
from introspect.records import Plan, SubjectIdentity
from introspect.split import side_of
from introspect.stimuli import load_stimuli
from introspect.subjects.chat import Chat
from introspect.sweeps.cells import cell_of, in_order, layers_of, subset

WORDINGS = load_stimuli().choose(("plain", "instrument", "brief"), "injected_thought")
CONCEPTS = ("bread", "dust", "trees", "silver", "peace")
GRID = {
    "concepts": CONCEPTS, "layers": (1, 3), "strengths": (2.0, 4.0), "tasks": ("report",), "wordings": tuple(WORDINGS),
}  # fmt: skip


def identity(n_layers=4):
    return SubjectIdentity(
        name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=n_layers, d_model=8
    )


def specs_of(n_layers=4, protocol="injected_thought", **changes):
    plan = lab.plan(protocol, **(GRID | changes))
    return lab.grid(plan, Chat(tiny.tokenizer("smollm2"), "toy"), n_layers).specs()


@pytest.fixture(scope="module")
def some():
    return specs_of(none_samples=5)


def arm(specs, name):
    return [spec for spec in specs if spec.arm == name]


def test_the_grid_is_crossed_with_concepts_wordings_and_samples():
    specs = specs_of(samples=2)
    cells = Counter(cell_of(spec) for spec in specs)
    places = [(name, layer, strength) for name in ("concept", "random") for layer in (1, 3) for strength in (2.0, 4.0)]
    assert set(cells) == {("report", "none", *place) for place in (*places, ("none", None, None))}
    assert {cells[cell] for cell in cells if cell[2] != "none"} == {len(CONCEPTS) * len(WORDINGS) * 2}
    crossed = Counter((cell_of(spec), spec.vector.concept, spec.wording, spec.sample) for spec in specs if spec.vector)
    assert set(crossed.values()) == {1}


def test_tasks_and_information_are_crossed_with_everything():
    specs = specs_of(tasks=("report", "choice"), info=("none", "accurate"))
    for name, size in (("concept", 4 * len(CONCEPTS) * len(WORDINGS)), ("none", len(WORDINGS))):
        found = Counter((spec.task, spec.info) for spec in arm(specs, name))
        assert found == {(task, info): size for task in ("report", "choice") for info in ("none", "accurate")}


def test_a_plan_without_tasks_runs_all_that_its_wordings_offer():
    found = {(spec.wording, spec.task) for spec in specs_of(tasks=(), wordings=("plain", "it_open_mind"))}
    plain = {("plain", task) for task in ("report", "choice", "other", "forced", "name")}
    assert found == plain | {("it_open_mind", "open")}


def test_controls_without_injection_are_one_pool_and_not_one_for_every_cell():
    few, many = specs_of(none_samples=7), specs_of(none_samples=7, layers=(0, 1, 2, 3), strengths=(1.0, 2.0, 4.0, 8.0))
    assert arm(few, "none") == arm(many, "none")
    assert Counter(spec.wording for spec in arm(few, "none")) == dict.fromkeys(WORDINGS, 7)
    assert len(arm(many, "concept")) == 4 * len(arm(few, "concept"))


def test_a_trial_without_injection_has_no_vector_no_layer_and_no_strength():
    for spec in specs_of(tasks=()):
        assert {spec.vector is None, spec.layer is None, spec.strength is None} == {spec.arm == "none"}
        assert spec.also == ()


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "concept"])
def test_every_concept_trial_has_its_twin_in_each_family_of_controls(family):
    specs = specs_of(samples=2, arms=("concept", family))

    def places(name):
        return [(cell_of(s)[3:], s.vector.concept, s.wording, s.sample, s.fill) for s in arm(specs, name)]

    assert places("concept") == places(family)
    assert {spec.vector.family for spec in arm(specs, family)} == {family}


def test_every_sample_of_a_drawn_family_draws_another_vector_and_the_concept_arm_none():
    specs = specs_of(samples=3, arms=FAMILIES)
    for name in FAMILIES:
        drawn = name in {"random", "covariance", "shuffled", "swap"}
        wanted = {(sample, sample if drawn else 0) for sample in range(3)}
        assert {(spec.sample, spec.vector.draw) for spec in arm(specs, name)} == wanted


def test_the_direction_of_another_concept_is_another_one_and_changes_from_sample_to_sample():
    specs = arm(specs_of(samples=4, arms=("other",)), "other")
    assert {spec.vector.other for spec in specs} <= set(CONCEPTS)
    assert not [spec for spec in specs if spec.vector.other == spec.vector.concept]
    for concept in CONCEPTS:
        assert len({spec.vector.other for spec in specs if spec.vector.concept == concept}) > 1
    with pytest.raises(PlanError, match="the arm other needs at least two concepts"):
        specs_of(concepts=("bread",), arms=("other",))


def test_effects_are_matched_for_controls_and_a_concept_s_own_vector_stays_as_it_is():
    specs = specs_of(arms=("concept", "random", "amplify", "none"), match="effect")
    assert {(spec.arm, spec.match) for spec in specs} == {
        ("concept", "norm"), ("random", "effect"), ("amplify", "effect"), ("none", "norm"),
    }  # fmt: skip


def test_all_trials_of_a_plan_have_keys_of_their_own():
    specs = specs_of(samples=3, none_samples=4, tasks=())
    assert len({spec.key for spec in specs}) == len({spec.seed for spec in specs}) == len(specs)


def test_where_a_plan_runs_does_not_change_its_trials():
    keys = [spec.key for spec in specs_of()]
    assert [spec.key for spec in specs_of(device="cuda", device_map="auto", batch_size=3)] == keys


def test_the_seed_of_a_plan_decides_what_is_drawn_and_not_what_is_crossed():
    one, other = specs_of(seed=0), specs_of(seed=5)
    assert [cell_of(spec) for spec in one] == [cell_of(spec) for spec in other]
    assert {spec.fill["lead"] for spec in one} != {spec.fill["lead"] for spec in other}


def test_a_trial_pins_the_text_and_the_vector_file_that_its_names_point_into():
    for spec in specs_of():
        assert spec.wording_hash == WORDINGS[spec.wording].digest
        assert spec.vectors_hash == "v" * 32
        assert (spec.subject, spec.dtype) == ("f" * 32, "float32")


def test_arms_that_are_not_asked_for_are_not_run():
    assert {spec.arm for spec in specs_of(arms=("concept",))} == {"concept"}


def test_an_unknown_arm_or_task_is_refused_with_the_near_miss():
    with pytest.raises(UnknownNameError, match="no arm of injected_thought named 'concpet'; did you mean 'concept'"):
        specs_of(arms=("concpet",))
    with pytest.raises(UnknownNameError, match="no task of injected_thought named 'reprot'; did you mean 'report'"):
        specs_of(tasks=("reprot",))


def test_a_plan_whose_wordings_offer_none_of_its_tasks_is_refused():
    with pytest.raises(PlanError, match="has no trials: no wording offers open"):
        specs_of(tasks=("open",))


def test_what_a_plan_does_not_say_is_the_protocol_s_own():
    specs = specs_of(tasks=())
    assert {(spec.span, spec.where, spec.task, spec.max_new_tokens) for spec in specs} == {
        ("trial", "both", "report", 100), ("trial", "both", "choice", 100), ("trial", "both", "other", 100),
        ("trial", "both", "forced", 0), ("trial", "both", "name", 0),
    }  # fmt: skip
    changed = specs_of(span="lead", where="cache", max_new_tokens=7)
    assert {(spec.span, spec.where, spec.max_new_tokens) for spec in changed} == {("lead", "cache", 7)}


def test_a_greedy_trial_is_run_once():
    with pytest.raises(PlanError, match="samples = 2 at temperature 0 would run the same greedy trial 2 times"):
        specs_of(temperature=0.0, samples=2)
    once = specs_of(temperature=0.0, none_samples=9)
    assert len(arm(once, "none")) == len(WORDINGS)


def test_what_is_read_off_a_pass_is_no_greedy_reply_and_may_be_sampled_at_any_temperature():
    specs = specs_of(tasks=("forced",), temperature=0.0, samples=2)
    assert {spec.sample for spec in arm(specs, "concept")} == {0, 1}


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
    below = tuple(layer for layer in layers if layer != n_layers - 1)
    if below:
        assert layers_of(Plan(name="p", depths=depths), identity(n_layers), last=False) == below


def test_only_some_of_the_concepts_get_trials_and_only_they_are_another_concept_s_direction():
    plan = {"samples": 2, "tasks": (), "arms": ("concept", "random", "other", "none")}
    specs = specs_of(only=("Silver", "dust", "peace"), **plan)
    shown = ("dust", "silver", "peace")  # in the order of the list
    assert tuple(dict.fromkeys(spec.concept for spec in specs if spec.concept)) == shown
    assert {spec.vector.other for spec in arm(specs, "other")} <= set(shown)
    assert specs != specs_of(concepts=shown, **plan)  # names on offer are all the plan's
    without = [spec.key for spec in specs if spec.task != "name"]
    assert without == [spec.key for spec in specs_of(concepts=shown, **plan) if spec.task != "name"]


def test_a_concept_that_is_not_in_the_plan_gets_no_trials_and_the_near_miss_is_named():
    with pytest.raises(UnknownNameError, match="no concept named 'sliver'; did you mean 'silver'"):
        specs_of(only=("bread", "sliver"))


DRAWN = ("random", "covariance", "shuffled", "swap")


def test_noise_of_one_side_is_never_drawn_on_the_other_and_all_that_is_drawn_changes_with_the_salt():
    changes = {"samples": 4, "arms": DRAWN, "concepts": CONCEPTS[:2]}
    draws = {
        side: {spec.vector.draw for spec in specs_of(side=side, **changes)} for side in ("development", "report", None)
    }
    assert draws[None] == set(range(4))
    assert not draws["development"] & draws["report"]
    assert len(draws["development"]) == len(draws["report"]) == 4
    other = specs_of(side="report", salt="another", **changes)
    assert {spec.vector.draw for spec in other} != draws["report"]


def test_without_a_side_the_salt_changes_nothing():
    assert specs_of(tasks=()) == specs_of(tasks=(), salt="another")


def leads(specs):
    return [spec.fill["lead"] for spec in specs]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("side", ["development", "report"])
def test_a_side_s_clean_replies_have_the_lead_ins_of_the_injected_ones_each_a_prompt_of_its_own(side, temperature):
    changes = {"side": side, "temperature": temperature, "concepts": "lindsey_concepts", "layers": (1,)}
    specs = specs_of(strengths=(2.0,), only=None, **changes)
    for wording in WORDINGS:
        clean, injected = (
            [spec for spec in arm(specs, name) if spec.wording == wording] for name in ("none", "concept")
        )
        assert len(set(leads(clean))) == len(clean) == 50
        assert set(leads(clean)) == set(leads(injected))


def test_clean_replies_are_at_most_as_many_as_there_are_lead_ins_times_samples():
    here = load_stimuli().texts("lead_ins")
    n = sum(side_of(text, "lead") == "report" for text in here)
    many = lab.concepts("lindsey_concepts", "lindsey_control_words").names[: n + 5]
    changes = {"concepts": many, "side": "report", "wordings": ("plain",), "arms": ("concept", "none")}
    greedy = arm(specs_of(temperature=0.0, **changes), "none")
    assert len(set(leads(greedy))) == len(greedy) == n
    sampled = specs_of(samples=2, **changes)
    assert Counter(Counter(leads(arm(sampled, "none"))).values()) == {2: n}
    assert set(leads(arm(sampled, "none"))) == set(leads(arm(sampled, "concept")))


def test_a_few_concepts_may_have_more_clean_lead_ins_by_the_number_of_clean_samples():
    changes = {"side": "report", "wordings": ("plain",), "none_samples": 10}
    for temperature in (0.0, 1.0):
        clean = arm(specs_of(temperature=temperature, **changes), "none")
        assert len(set(leads(clean))) == len(clean) == 10 * len(CONCEPTS)


def test_a_wording_without_a_lead_in_has_its_clean_replies_as_before():
    changes = {"side": "report", "wordings": ("it_open_mind",), "tasks": ("open",), "none_samples": 3}
    assert len(arm(specs_of(**changes), "none")) == 3
    assert len(arm(specs_of(temperature=0.0, **changes), "none")) == 1


def test_depths_that_meet_in_one_layer_do_not_run_it_twice():
    specs = specs_of(layers=None, depths=(0.3, 0.35), n_layers=4)
    assert {spec.layer for spec in arm(specs, "concept")} == {1}
    assert len({spec.key for spec in specs}) == len(specs)


@pytest.mark.parametrize("layer", [4, -1, 99])
def test_a_layer_that_the_subject_does_not_have_is_refused(layer):
    with pytest.raises(LayerError, match=rf"layer {layer} is outside toy, which has layers 0\.\.3"):
        specs_of(layers=(1, layer))


def test_a_plan_that_injects_needs_layers_and_one_that_does_not_needs_none():
    with pytest.raises(PlanError, match="gives no layers; give layers .* or depths"):
        specs_of(layers=None)
    assert {spec.arm for spec in specs_of(layers=None, arms=("none",))} == {"none"}


@settings(deadline=None, max_examples=30)
@given(shorter=st.integers(1, 135), longer=st.integers(1, 200), seed=st.integers(0, 9))
def test_a_longer_subset_begins_with_the_shorter_one(some, shorter, longer, seed):
    specs = some
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
    specs = specs_of(none_samples=12, tasks=("report", "forced"))
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
    specs = [s for s in arm(specs_of(), "concept") if cell_of(s)[3:] == (1, 2.0)]
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


def test_replies_run_in_their_order_and_what_is_read_comes_prompt_by_prompt():
    chosen = subset(specs_of(tasks=("report", "forced")), None, 0)
    ordered = in_order(chosen, [spec.task == "report" for spec in chosen])
    said = [spec for spec in chosen if spec.task == "report"]
    assert ordered[: len(said)] == said
    read = [(spec.wording, spec.fill["lead"]) for spec in ordered[len(said) :]]
    assert len([prompt for prompt, _ in groupby(read)]) == len(set(read)) == len(WORDINGS) * len(CONCEPTS)
    assert Counter(spec.key for spec in ordered) == Counter(spec.key for spec in chosen)


def test_injecting_into_the_reply_of_a_task_that_has_none_is_refused():
    with pytest.raises(PlanError, match="where = 'generated' injects nothing in the task 'forced'"):
        specs_of(tasks=("forced",), where="generated")
