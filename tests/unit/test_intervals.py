"""Intervals over concepts: hand calculation, closed forms, what must hold of any data, and the verdict."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from introspect.analysis.crossed import shared_items_variance, with_items, with_left_out_items
from introspect.analysis.exact import exact_bounds
from introspect.analysis.interval import Interval
from introspect.analysis.intervals import all_but_agree, bca, doubtful, over_concepts, verdict

RATES = st.lists(st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]) | st.floats(0, 1), min_size=1, max_size=40)
DIFFERENCE = (-1.0, 1.0)


def ends(interval):
    return interval.low, interval.high


def test_student_s_interval_by_hand():
    # mean 3, variance 2.5 over 5 concepts: standard error √0.5; t of 4 degrees of freedom at 97.5 % is 3.4954
    found = over_concepts([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.value, found.n_units, found.level, found.method) == (3.0, 5, 0.975, "t")
    assert ends(found) == pytest.approx((3 - 3.4954 * math.sqrt(0.5), 3 + 3.4954 * math.sqrt(0.5)), abs=1e-4)


def test_fifty_concepts_without_effect_are_enough_for_not_met():
    none = over_concepts([0.0] * 50, bounds=DIFFERENCE)
    q = 1 - 0.0125 ** (1 / 50)
    assert q == pytest.approx(0.084, abs=5e-4)
    assert (none.value, none.method) == (0.0, "exact")
    assert ends(none) == pytest.approx((-q, q))
    assert verdict(none, 0.10) == "not met"
    assert verdict(over_concepts([0.0] * 20, bounds=DIFFERENCE), 0.10) == "undetermined"


@settings(deadline=None, max_examples=30)
@given(st.floats(-1, 1), st.integers(1, 100), st.floats(0.5, 0.999))
def test_where_all_concepts_agree_the_bounds_are_those_of_the_share_that_may_not(value, n, level):
    found = over_concepts([value] * n, level, DIFFERENCE)
    q = 1 - ((1 - level) / 2) ** (1 / n)
    assert ends(found) == pytest.approx((value - q * (value + 1), value + q * (1 - value)), abs=1e-7)


@pytest.mark.parametrize("n", [1, 2, 7, 50, 200])
def test_of_values_that_are_yes_or_no_the_exact_bounds_are_clopper_and_pearson_s(n):
    for k in {0, 1, n // 3, n - 1, n}:
        low, high = exact_bounds(np.repeat([1.0, 0.0], [k, n - k]), 0.95, (0.0, 1.0))
        assert low == pytest.approx(stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0, abs=1e-7)
        assert high == pytest.approx(stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0, abs=1e-7)


def test_the_exact_bounds_are_quantiles_of_a_mean_with_dirichlet_weights():
    rng = np.random.default_rng(0)
    values = rng.beta(0.3, 0.9, 30)
    weights = rng.dirichlet(np.ones(31), 200_000)
    low, high = exact_bounds(values, 0.95, (0.0, 1.0))
    assert low == pytest.approx(np.quantile(weights @ np.append(values, 0.0), 0.025), abs=2e-3)
    assert high == pytest.approx(np.quantile(weights @ np.append(values, 1.0), 0.975), abs=2e-3)


def test_many_samples_have_the_exact_bounds_that_each_has_alone():
    runs = np.random.default_rng(1).choice([-0.5, 0.0, 0.0, 1.0], (6, 12))
    low, high = exact_bounds(runs, 0.975, DIFFERENCE)
    alone = np.array([exact_bounds(run, 0.975, DIFFERENCE) for run in runs])
    assert np.stack([low, high], axis=1) == pytest.approx(alone, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(RATES, st.sampled_from([0.9, 0.95, 0.975]))
def test_an_interval_of_rates_is_whole_within_bounds_round_its_mean_and_longer_at_a_higher_level(values, level):
    found, longer = over_concepts(values, level, (0.0, 1.0)), over_concepts(values, (1 + level) / 2, (0.0, 1.0))
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert longer.low <= found.low + 1e-7
    assert longer.high >= found.high - 1e-7


@settings(deadline=None, max_examples=30)
@given(RATES)
def test_intervals_turn_with_the_sign_and_do_not_know_the_order_of_concepts(values):
    found, turned = over_concepts(values, bounds=DIFFERENCE), over_concepts([-x for x in values], bounds=DIFFERENCE)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-7)
    assert ends(over_concepts(values[::-1], bounds=DIFFERENCE)) == pytest.approx(ends(found), abs=1e-7)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.booleans(), min_size=2, max_size=30), st.floats(0.01, 0.99))
def test_better_concepts_never_lower_an_exact_bound(chosen, gain):
    values = np.where(chosen, 0.0, 0.4)
    better = np.minimum(1.0, values + np.where(chosen, gain, 0.0))
    before, after = exact_bounds(values, 0.975, (0.0, 1.0)), exact_bounds(better, 0.975, (0.0, 1.0))
    assert after[0] >= before[0] - 1e-7
    assert after[1] >= before[1] - 1e-7


def test_rounding_that_makes_equal_concepts_differ_changes_nothing():
    clean, noisy = [0.1 + 0.2 - 0.3] * 20 + [0.0] * 30, [0.0] * 50
    assert over_concepts(clean, bounds=DIFFERENCE).method == "exact"
    assert ends(over_concepts(clean, bounds=DIFFERENCE)) == pytest.approx(
        ends(over_concepts(noisy, bounds=DIFFERENCE)), abs=1e-7
    )


def test_few_concepts_apart_or_many_skew_ones_leave_student_s_interval_in_doubt():
    symmetric = np.array([1.0, -1.0, 1.0, -1.0] + [0.0] * 96)
    rare = np.repeat([1.0, 0.0], [6, 44])
    plain = np.tile(np.linspace(0, 1, 10), 5)
    assert all_but_agree(symmetric)
    assert not all_but_agree(rare)
    assert [doubtful(x) for x in (symmetric, rare, plain)] == [True, True, False]
    assert over_concepts(rare, bounds=(0.0, 1.0)).method == "exact"
    assert over_concepts(plain, bounds=(0.0, 1.0)).method == "t"


def test_without_bounds_skew_concepts_get_the_farther_of_two_ends():
    values = np.random.default_rng(2).exponential(size=20)
    found, plain = over_concepts(values), bca(values)
    reach = stats.t.ppf(0.9875, 19) * values.std(ddof=1) / math.sqrt(20)
    assert found.method == "bca"
    assert found.low == pytest.approx(min(plain.low, values.mean() - reach))
    assert found.high == pytest.approx(max(plain.high, values.mean() + reach))


def test_what_the_data_do_not_give_is_none_and_goes_into_json():
    assert over_concepts([]) == Interval(None, None, None, 0.975, 0, "none")
    assert over_concepts([2.0]) == Interval(2.0, None, None, 0.975, 1, "none")
    assert over_concepts([2.0] * 5000) == Interval(2.0, None, None, 0.975, 5000, "none")
    assert "null" in json.dumps(asdict(over_concepts([0.5])), allow_nan=False)


@pytest.mark.parametrize(
    ("values", "level", "bounds", "message"),
    [
        ([0.0, math.nan], 0.95, None, "finite"),
        ([0.0, math.inf], 0.95, DIFFERENCE, "finite"),
        ([0.0, 1.2], 0.95, DIFFERENCE, "between -1.0 and 1.0"),
        ([0.0], 0.95, (1.0, 0.0), "between 1.0 and 0.0"),
        ([0.0], 1.0, None, "level"),
    ],
)
def test_what_cannot_be_judged_is_refused(values, level, bounds, message):
    with pytest.raises(ValueError, match=message):
        over_concepts(values, level, bounds)


def test_the_bootstrap_agrees_with_student_where_values_are_normal_and_leans_where_they_are_skew():
    normal = stats.norm.ppf((np.arange(60) + 0.5) / 60)
    plain, student = bca(normal, n_resamples=9999), over_concepts(normal)
    assert student.method == "t"
    assert ends(plain) == pytest.approx(ends(student), abs=0.03)
    skew = stats.expon.ppf((np.arange(60) + 0.5) / 60)
    leaning = bca(skew)
    assert leaning.high - leaning.value > leaning.value - leaning.low


def test_the_bootstrap_takes_any_statistic_and_repeats_itself_under_a_seed():
    values = np.random.default_rng(3).normal(size=40)
    middle = bca(values, np.median, seed=4)
    assert middle.value == pytest.approx(np.median(values))
    assert middle.low <= middle.value <= middle.high
    assert bca(values, np.median, seed=4) == middle


@pytest.mark.filterwarnings("error")
def test_the_bootstrap_says_nothing_where_there_is_nothing_to_resample():
    assert bca([]) == Interval(None, None, None, 0.975, 0, "none")
    assert bca([1.0]) == Interval(1.0, None, None, 0.975, 1, "none")
    assert bca([1.0] * 9) == Interval(1.0, None, None, 0.975, 9, "none")
    assert bca([1.0, 2.0]).method in {"bca", "none"}
    assert bca([0.0, 1.0, 2.0], lambda sample, axis: 0 * sample.mean(axis=axis)).method == "none"


def test_two_ways_by_hand():
    # rows 1 and 3, columns 1 and 3: concepts 1, items 1, nothing peculiar to cells; t of 1 degree of freedom
    cells = np.array([[0.0, 2.0], [2.0, 4.0]])
    found = with_items(cells, 0.95)
    assert (found.value, found.n_units, found.method) == (2.0, 2, "t")
    assert found.high - 2 == pytest.approx(12.7062 * math.sqrt(2.0), abs=1e-3)


def test_an_interval_with_items_is_longer_than_one_over_concepts_where_items_matter_and_else_about_the_same():
    rng = np.random.default_rng(5)
    concepts, noise = rng.normal(size=(50, 1)), 0.1 * rng.normal(size=(50, 60))
    alike, apart = concepts + noise, concepts + noise + rng.normal(size=(1, 60))
    over, same, longer = over_concepts(alike.mean(axis=1)), with_items(alike), with_items(apart)
    assert same.high - same.low == pytest.approx(over.high - over.low, rel=0.02)
    assert longer.high - longer.low > 1.3 * (over.high - over.low)


def test_where_nothing_ever_happens_what_is_subtracted_does_not_make_the_interval_short():
    """No concept of 74 is named; other names are given a little more often for some than for others."""
    rng = np.random.default_rng(9)
    none = -rng.uniform(0, 0.004, 74)
    found, exact = over_concepts(none, bounds=DIFFERENCE), over_concepts(np.zeros(74), bounds=DIFFERENCE)
    assert found.method == "exact"
    assert ends(found) == pytest.approx(ends(exact), abs=0.005)
    few = over_concepts(none[:20], bounds=DIFFERENCE)
    assert verdict(few, 0.10) == "undetermined"  # 0.20 of concepts could still do it
    spread = over_concepts(none * 100, bounds=DIFFERENCE)
    assert spread.method == "t"


def test_cells_that_were_not_tried_are_left_out():
    rng = np.random.default_rng(6)
    cells = rng.normal(size=(12, 9))
    padded = np.full((14, 10), np.nan)
    padded[:12, :9] = cells
    assert with_items(padded) == with_items(cells)
    padded[0, 0] = np.nan
    assert with_items(padded).value == pytest.approx(np.nanmean(padded))


def test_where_all_cells_agree_only_as_many_pairs_are_known_as_there_are_items():
    found = with_items(np.zeros((50, 20)), bounds=DIFFERENCE)
    q = 1 - 0.0125 ** (1 / 20)
    assert ends(found) == pytest.approx((-q, q), abs=1e-7)
    assert (found.method, found.n_units) == ("exact", 50)
    assert with_items(np.zeros((50, 20))).method == "none"


def test_one_concept_or_one_item_is_no_sample():
    assert with_items(np.full((3, 2), np.nan)) == Interval(None, None, None, 0.975, 0, "none")
    assert with_items(np.array([[1.0, 2.0]])) == Interval(1.5, None, None, 0.975, 1, "none")
    assert with_items(np.array([[1.0], [2.0]])).method == "none"


def test_items_that_concepts_share_add_their_variance_and_items_of_one_concept_none():
    rng = np.random.default_rng(8)
    effects = rng.normal(size=30)
    concepts, items = np.divmod(np.arange(40 * 30), 30)
    weights = np.full(40 * 30, 1 / (40 * 30))
    found = shared_items_variance(effects[items], weights, concepts, items)
    assert found == pytest.approx(effects.var(ddof=1) / 30, rel=0.05)
    assert shared_items_variance(rng.normal(size=1200), weights, concepts, np.arange(1200)) == pytest.approx(
        0, abs=1e-12
    )
    assert shared_items_variance(effects[items], weights, concepts, np.zeros(1200, dtype=int)) == 0


def test_items_left_out_one_by_one_add_their_variance():
    rng = np.random.default_rng(7)
    cells = rng.normal(size=(30, 1)) + rng.normal(size=(1, 20))
    values, whole = cells.mean(axis=1), cells.mean()
    without = (whole * 20 - cells.mean(axis=0)) / 19
    assert ends(with_left_out_items(values, without)) == pytest.approx(ends(with_items(cells)))
    assert with_left_out_items([1.0], [1.0, 2.0]).method == "none"
    assert with_left_out_items([], []) == Interval(None, None, None, 0.975, 0, "none")
    assert with_left_out_items([1.0, 1.0], [1.0, 1.0]).method == "none"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.2, 0.05, "not met"),
        (0.01, 0.09, "not met"),
        (0.01, 0.10, "met"),
        (0.2, 0.3, "met"),
        (0.0, 0.3, "undetermined"),
        (-0.1, 0.1, "undetermined"),
        (None, 0.05, "undetermined"),
        (0.2, None, "undetermined"),
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_the_line(low, high, said):
    assert verdict(Interval(0.05, low, high, 0.975, 50, "t"), 0.10) == said


def test_a_smallest_effect_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above zero"):
        verdict(replace(over_concepts([0.0, 1.0])), 0.0)
