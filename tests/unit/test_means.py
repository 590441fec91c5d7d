"""Means of clustered measures: tables, hand calculation, and intervals that cover as often as they promise."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.analysis.means import (
    Mean,
    clustered_mean,
    generator,
    paired_difference,
    percentile_bounds,
    resamples,
    standardised_effect,
    t_quantile,
)

NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3))
TRIALS = st.lists(st.tuples(NUMBERS, st.sampled_from("abcdef")), min_size=1, max_size=40)


def clustered(rng, sizes, truth, between=1.0, within=1.0):
    """Trials of units that lie around the truth, each with trials around itself."""
    units = [unit for unit, size in enumerate(sizes) for _ in range(size)]
    own = truth + rng.normal(0, between, len(sizes))
    return [float(own[unit] + rng.normal(0, within)) for unit in units], units


@pytest.mark.parametrize(
    ("df", "share", "t"),
    [(1, 0.95, 12.706), (2, 0.95, 4.303), (4, 0.95, 2.776), (9, 0.95, 2.262), (49, 0.95, 2.010), (100, 0.99, 2.626)],
)
def test_student_s_quantiles_are_those_of_the_printed_tables(df, share, t):
    assert t_quantile(df, share) == pytest.approx(t, abs=5e-4)


def test_student_s_quantiles_agree_with_scipy_where_it_is_installed():
    stats = pytest.importorskip("scipy.stats")
    for df in (*range(1, 40), 99, 500, 5000):
        for share in (0.5, 0.8, 0.95, 0.999):
            assert t_quantile(df, share) == pytest.approx(stats.t.ppf((1 + share) / 2, df), rel=1e-9)


@pytest.mark.parametrize(("df", "share"), [(0, 0.95), (3, 0.0), (3, 1.0)])
def test_there_is_no_quantile_without_degrees_of_freedom_or_outside_a_share(df, share):
    with pytest.raises(ValueError, match="Student's t needs"):
        t_quantile(df, share)


def test_the_clustered_interval_by_hand():
    # totals 4 of 2 and 5 of 1 about the mean 3: deviations -2 and 2, variance 2/1 · 8/9, standard error 4/3
    mean = clustered_mean([1.0, 3.0, 5.0], ["a", "a", "b"])
    reach = 4 / 3 * t_quantile(1)
    assert (mean.value, mean.n, mean.n_units) == (3.0, 3, 2)
    assert (mean.low, mean.high) == pytest.approx((3 - reach, 3 + reach))


def test_with_one_trial_a_unit_the_interval_is_student_s():
    values = [0.1, 0.5, 0.2, 0.9, 0.4]
    mean = clustered_mean(values, list("abcde"))
    reach = t_quantile(4) * np.std(values, ddof=1) / math.sqrt(5)
    assert (mean.low, mean.high) == pytest.approx((0.42 - reach, 0.42 + reach))


def test_asking_the_same_concepts_again_brings_no_certainty_where_their_trials_agree():
    once = clustered_mean([0.0, 1.0, 4.0], ["a", "b", "c"])
    often = clustered_mean([0.0, 1.0, 4.0] * 20, ["a", "b", "c"] * 20)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert (often.n, often.n_units) == (60, 3)


def test_what_the_data_do_not_give_is_none_and_goes_into_json():
    assert clustered_mean([], []) == Mean(None, None, None, 0, 0)
    assert clustered_mean([1.0, 2.0], ["a", "a"]) == Mean(1.5, None, None, 2, 1)
    assert paired_difference({"a": [1.0]}, {"b": [1.0]}) == Mean(None, None, None, 0, 0)
    assert standardised_effect([]) == Mean(None, None, None, 0, 0)
    assert standardised_effect([1.0]) == Mean(None, None, None, 1, 1)
    assert standardised_effect([0.3] * 9) == Mean(None, None, None, 9, 9)
    assert "null" in json.dumps(asdict(clustered_mean([1.0], ["a"])), allow_nan=False)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        clustered_mean([0.0, bad], ["a", "b"])
    with pytest.raises(ValueError, match="finite"):
        paired_difference({"a": [bad]}, {"a": [0.0]})
    with pytest.raises(ValueError, match="finite"):
        standardised_effect([0.0, bad])


def test_every_value_needs_a_unit():
    with pytest.raises(ValueError, match="shorter"):
        clustered_mean([0.0, 1.0], ["a"])


@settings(deadline=None)
@given(TRIALS, NUMBERS, st.floats(0.1, 10))
def test_another_zero_another_scale_and_another_order_change_nothing_but_the_scale(trials, zero, scale):
    values, units = zip(*trials, strict=True)
    mean = clustered_mean(list(values), list(units))
    moved = clustered_mean([zero + scale * value for value in values[::-1]], list(units[::-1]))
    assert moved.value == pytest.approx(zero + scale * mean.value, abs=1e-6)
    assert (moved.low is None) == (mean.low is None) == (len(set(units)) < 2)
    if mean.low is not None:
        assert mean.low <= mean.value <= mean.high
        assert moved.high - moved.low == pytest.approx(scale * (mean.high - mean.low), abs=1e-5)


@pytest.mark.parametrize("sizes", [[10] * 8, [10] * 30, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20] * 2])
def test_the_clustered_interval_covers_where_the_naive_one_does_not(sizes):
    rng = np.random.default_rng(0)
    covered = naively = 0
    for _ in range(400):
        values, units = clustered(rng, sizes, truth=2.0)
        mean, naive = clustered_mean(values, units), clustered_mean(values, list(range(len(values))))
        covered += mean.low <= 2.0 <= mean.high
        naively += naive.low <= 2.0 <= naive.high
    assert 0.90 <= covered / 400 <= 0.985
    assert naively / 400 < 0.75


def test_the_clustered_variance_is_that_of_a_bootstrap_over_unequal_units():
    rng = np.random.default_rng(1)
    sizes = rng.integers(2, 30, 200)
    values, units = clustered(rng, sizes, truth=0.0)
    totals = np.bincount(units, weights=values)
    weights = resamples(200, seed=3, n_resamples=4000)
    by_bootstrap = ((weights @ totals) / (weights @ sizes)).std()
    mean = clustered_mean(values, units)
    assert (mean.high - mean.low) / 2 / t_quantile(199) == pytest.approx(by_bootstrap, rel=0.1)


def test_a_paired_difference_by_hand_weighs_concepts_alike_and_leaves_the_unpaired_out():
    first = {"a": [1.0, 3.0], "b": [5.0], "c": [9.0], "d": []}
    second = {"a": [1.0], "b": [1.0, 1.0, 4.0], "d": [7.0], "e": [7.0]}
    gaps = paired_difference(first, second)  # 2 - 1 and 5 - 2
    assert (gaps.value, gaps.n, gaps.n_units) == (2.0, 7, 2)
    assert (gaps.low, gaps.high) == pytest.approx((2 - t_quantile(1), 2 + t_quantile(1)))  # sd √2, error 1


def test_pairing_takes_out_what_concepts_have_in_common():
    rng = np.random.default_rng(2)
    own = {f"c{i}": float(rng.normal(0, 10)) for i in range(30)}
    first = {unit: [value + 1 + float(rng.normal(0, 0.3))] for unit, value in own.items()}
    second = {unit: [value + float(rng.normal(0, 0.3))] for unit, value in own.items()}
    gaps = paired_difference(first, second)
    assert 0.5 < gaps.low <= gaps.value <= gaps.high < 1.5
    assert paired_difference(second, first).low == pytest.approx(-gaps.high)


@pytest.mark.parametrize("k", [5, 20])
def test_the_paired_interval_covers(k):
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        own = rng.normal(0, 5, k)
        first = {i: [float(x) for x in own[i] + 0.7 + rng.normal(0, 1, 3)] for i in range(k)}
        second = {i: [float(x) for x in own[i] + rng.normal(0, 1, 2)] for i in range(k)}
        gaps = paired_difference(first, second)
        covered += gaps.low <= 0.7 <= gaps.high
    assert 0.92 <= covered / 400 <= 0.98


def test_a_standardised_effect_is_the_mean_over_the_standard_deviation():
    effect = standardised_effect([1.0, 2.0, 3.0, 6.0])
    assert effect.value == pytest.approx(3 / math.sqrt(14 / 3))
    assert effect.low < effect.value < effect.high
    assert (effect.n, effect.n_units) == (4, 4)


def test_a_standardised_effect_has_no_unit_and_turns_round_with_the_sign():
    values = [float(x) for x in np.random.default_rng(4).normal(0.5, 1, 15)]
    effect, large, turned = (standardised_effect([factor * value for value in values]) for factor in (1, 1e6, -1))
    assert (large.value, large.low, large.high) == pytest.approx((effect.value, effect.low, effect.high))
    assert (turned.value, turned.low, turned.high) == pytest.approx((-effect.value, -effect.high, -effect.low))


def test_the_interval_of_a_large_effect_in_few_concepts_reaches_further_down_since_such_effects_are_overstated():
    effect = standardised_effect([1.1, 2.4, 0.3, 1.9, 2.8, 1.4, 0.9, 2.0])
    low, value, high = (math.asinh(number / math.sqrt(2)) for number in (effect.low, effect.value, effect.high))
    assert effect.value > 1.5
    assert value - low > high - value + 0.1


def test_resampling_is_seeded():
    values = [0.1, 0.4, 0.2, 0.9, 0.5, 0.3]
    assert standardised_effect(values, seed=1) == standardised_effect(values, seed=1)
    assert standardised_effect(values, seed=1) != standardised_effect(values, seed=2)
    assert generator(5).random() == generator(5).random() != generator(6).random()


@pytest.mark.parametrize(("k", "effect"), [(12, 0.0), (20, 0.6), (20, 1.5), (50, 1.0)])
def test_the_interval_of_a_standardised_effect_covers_also_where_the_effect_is_large(k, effect):
    rng = np.random.default_rng(5)
    found = [standardised_effect([float(x) for x in rng.normal(effect, 1, k)]) for _ in range(400)]
    assert 0.92 <= sum(each.low <= effect <= each.high for each in found) / 400 <= 0.99


def test_the_interval_of_a_standardised_effect_covers_heavy_tails():
    rng = np.random.default_rng(6)
    drawn = (0.8 + rng.standard_t(5, 25) / math.sqrt(5 / 3) for _ in range(400))
    found = [standardised_effect([float(x) for x in sample]) for sample in drawn]
    assert sum(each.low <= 0.8 <= each.high for each in found) / 400 >= 0.90


def test_every_resample_draws_as_many_units_as_there_are_and_cannot_be_changed():
    weights = resamples(7, seed=0, n_resamples=100)
    assert weights.shape == (100, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean() == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 1


def test_percentile_bounds_of_a_mean_of_few_units_are_about_student_s():
    values = np.random.default_rng(7).normal(0, 1, 10)
    means = resamples(10, seed=0, n_resamples=20_000) @ values / 10
    low, high = percentile_bounds(means, 10)
    plain = np.quantile(means, [0.025, 0.975])
    student = clustered_mean([float(x) for x in values], list(range(10)))
    assert low < plain[0] < plain[1] < high
    assert high - low == pytest.approx(student.high - student.low, rel=0.06)


def test_there_are_no_percentile_bounds_of_one_unit_or_of_resamples_without_a_value():
    draws = np.arange(100.0)
    assert percentile_bounds(draws, 1) == (None, None)
    assert percentile_bounds(draws[:0], 10) == (None, None)
    draws[:5] = math.nan
    assert None not in percentile_bounds(draws, 10)
    draws[5] = math.inf
    assert percentile_bounds(draws, 10) == (None, None)
