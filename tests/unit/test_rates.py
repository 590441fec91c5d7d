"""Intervals that keep what they promise: textbook values, hand calculation, and coverage where trials are alike."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from introspect.analysis.means import t_quantile
from introspect.analysis.rates import Rate, clustered_rate, difference, effective_size, wilson
from introspect.analysis.tables import METRICS, rate_of, rate_table

UNITS = st.lists(
    st.integers(0, 30).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size))), min_size=1, max_size=12
)


def independent(count, n):
    return Rate(count, n, n, float(n), *wilson(count / n, n))


def beta_binomial(rng, k, m, p, rho):
    """Counts of k units of m trials, whose rates scatter so that two trials of a unit correlate by rho."""
    scatter = (1 - rho) / rho
    return [int(count) for count in rng.binomial(m, rng.beta(p * scatter, (1 - p) * scatter, k))]


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_bounds_are_those_of_newcombe_s_table(count, n, low, high):
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3."""
    assert wilson(count / n, n) == pytest.approx((low, high), abs=5e-5)


def test_none_in_a_hundred_still_allows_almost_four_percent():
    low, high = wilson(0.0, 100)
    assert low == 0
    assert high == pytest.approx(0.036993, abs=1e-6)  # z² / (n + z²)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_differences_are_those_of_newcombe_s_table(first, second, low, high):
    """Newcombe (1998), Interval estimation for the difference between independent proportions, table II, method 10."""
    assert difference(independent(*first), independent(*second)) == pytest.approx((low, high), abs=5e-5)


def test_without_trials_nothing_is_known():
    nothing, something = clustered_rate([], []), clustered_rate([1, 2], [4, 4])
    assert math.isnan(nothing.rate)
    assert (nothing.n, nothing.n_units, nothing.n_effective) == (0, 0, 0.0)
    assert (nothing.low, nothing.high) == wilson(0.5, 0) == (0.0, 1.0)
    assert difference(nothing, something) == difference(something, nothing) == (-1.0, 1.0)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.5, 1e6))
def test_wilson_bounds_hold_the_share_and_turn_round_with_it(share, n):
    low, high = wilson(share, n)
    assert 0 <= low <= share <= high <= 1
    assert wilson(1 - share, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.5, 1e5), st.floats(1.01, 10))
def test_more_trials_never_say_less(share, n, factor):
    (low, high), (lower, higher) = wilson(share, n * factor), wilson(share, n)
    assert high - low < higher - lower


@settings(deadline=None)
@given(UNITS)
def test_a_clustered_rate_lies_in_its_bounds_and_its_trials_are_never_worth_more_than_their_number(units):
    counts, sizes = zip(*units, strict=True)
    rate = clustered_rate(counts, sizes)
    assert 0 <= rate.n_effective <= rate.n == sum(sizes)
    assert rate.n_units == sum(size > 0 for size in sizes)
    assume(rate.n)
    assert 0 <= rate.low <= rate.rate <= rate.high <= 1


@settings(deadline=None)
@given(UNITS)
def test_counting_the_opposite_turns_the_interval_round(units):
    counts, sizes = zip(*units, strict=True)
    assume(sum(sizes))
    rate = clustered_rate(counts, sizes)
    opposite = clustered_rate([size - count for count, size in units], sizes)
    assert (opposite.low, opposite.high) == pytest.approx((1 - rate.high, 1 - rate.low), abs=1e-6)


@settings(deadline=None)
@given(UNITS, UNITS)
def test_a_difference_lies_in_its_bounds_and_turns_round_with_the_arms(first, second):
    one, two = (clustered_rate(*zip(*units, strict=True)) for units in (first, second))
    assume(one.n and two.n)
    low, high = difference(one, two)
    assert -1 - 1e-9 <= low <= one.rate - two.rate + 1e-9
    assert one.rate - two.rate - 1e-9 <= high <= 1 + 1e-9
    assert difference(two, one) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("count", [0, 3, 6])
def test_units_that_do_not_differ_count_once_each(count):
    assert effective_size([count] * 5, [6] * 5) == 5


def test_where_trials_of_a_concept_always_agree_only_concepts_count():
    of_ten = (t_quantile(199) / t_quantile(9)) ** 2
    assert effective_size([20, 20, 0, 0, 0, 0, 20, 0, 0, 0], [20] * 10) == pytest.approx(9 * of_ten)  # k - 1


def test_one_concept_counts_as_one_trial_however_often_it_is_asked():
    assert effective_size([40], [100]) == 1
    assert wilson(0.4, 1)[1] - wilson(0.4, 1)[0] > 0.8


def test_concepts_without_trials_do_not_count():
    assert effective_size([3, 0, 1, 0], [6, 0, 4, 0]) == effective_size([3, 1], [6, 4])
    assert clustered_rate([3, 0], [6, 0]).n_units == 1


def test_the_design_effect_by_hand():
    # two of three units of four trials: rates 1, 1/2, 0; variance over units 1/12, of independent trials 1/48
    # Student's t for 11 and 2 degrees of freedom from a printed table: 2.201 and 4.303
    assert effective_size([4, 2, 0], [4, 4, 4]) == pytest.approx(
        12 * (1 / 48) / (1 / 12) * (2.201 / 4.303) ** 2, rel=1e-3
    )


@given(st.lists(st.integers(0, 1), min_size=2, max_size=40))
def test_with_one_trial_a_concept_there_is_nothing_to_correct(counts):
    assert effective_size(counts, [1] * len(counts)) == pytest.approx(len(counts) - (len(set(counts)) > 1), abs=1e-6)


def test_independent_trials_count_in_full():
    rng = np.random.default_rng(0)
    sizes = [int(size) for size in rng.integers(5, 20, 4000)]
    counts = [int(rng.binomial(size, 0.3)) for size in sizes]
    assert effective_size(counts, sizes) / sum(sizes) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("m", "rho"), [(5, 0.1), (10, 0.2), (20, 0.5)])
def test_the_design_effect_is_kish_s(m, rho):
    """Kish (1965): units of m trials that correlate by rho make the variance 1 + (m - 1) rho times as large."""
    counts = beta_binomial(np.random.default_rng(1), 20_000, m, 0.3, rho)
    design_effect = 20_000 * m / effective_size(counts, [m] * 20_000)
    assert design_effect == pytest.approx(1 + (m - 1) * rho, rel=0.05)


def test_the_effective_size_is_that_of_a_bootstrap_over_unequal_units():
    rng = np.random.default_rng(2)
    sizes = rng.integers(2, 30, 200)
    counts = rng.binomial(sizes, rng.beta(1.2, 2.8, 200))
    drawn = rng.integers(0, 200, (4000, 200))
    resampled = counts[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    share = counts.sum() / sizes.sum()
    by_bootstrap = share * (1 - share) / resampled.var()
    assert effective_size(counts.tolist(), sizes.tolist()) == pytest.approx(by_bootstrap, rel=0.1)


@pytest.mark.parametrize(("k", "m", "p", "rho"), [(20, 12, 0.5, 0.3), (50, 12, 0.3, 0.2), (50, 30, 0.1, 0.1)])
def test_the_interval_covers_where_the_naive_one_does_not(k, m, p, rho):
    rng = np.random.default_rng(3)
    covered = naively = 0
    for _ in range(1500):
        rate = clustered_rate(beta_binomial(rng, k, m, p, rho), [m] * k)
        low, high = wilson(rate.rate, rate.n)
        covered += rate.low <= p <= rate.high
        naively += low <= p <= high
    assert covered / 1500 >= 0.92
    assert naively / 1500 < 0.8


@pytest.mark.parametrize(("k", "m", "p", "rho"), [(5, 20, 0.3, 0.3), (5, 40, 0.3, 0.1), (10, 20, 0.3, 0.3)])
def test_the_interval_covers_with_few_concepts_only_by_korn_and_graubard_s_factor(k, m, p, rho):
    rng = np.random.default_rng(4)
    covered = without = 0
    for _ in range(1500):
        rate = clustered_rate(beta_binomial(rng, k, m, p, rho), [m] * k)
        low, high = wilson(rate.rate, rate.n_effective / (t_quantile(k * m - 1) / t_quantile(k - 1)) ** 2)
        covered += rate.low <= p <= rate.high
        without += low <= p <= high
    assert covered / 1500 >= 0.93
    assert without / 1500 < 0.915


def outcome(arm, unit, noticed, named=False, layer=None, strength=None):
    return {
        "arm": arm, "unit": unit, "concept": None if arm == "none" else unit, "layer": layer, "strength": strength,
        "noticed": noticed, "named": named, "coherent": True, "success": named, "readable": noticed != "unreadable",
    }  # fmt: skip


@pytest.fixture
def frame():
    rows = [
        outcome("none", "p1", "unreadable"),
        outcome("random", "dust", "no", layer=20, strength=2.0),
        outcome("concept", "dust", "yes", True, layer=20, strength=10.0),
        outcome("concept", "bread", "unreadable", layer=20, strength=10.0),
        outcome("concept", "bread", "yes", layer=20, strength=10.0),
        outcome("concept", "bread", "no", layer=20, strength=2.0),
        outcome("concept", "bread", "no", layer=3, strength=2.0),
    ]
    return pl.DataFrame(rows, schema_overrides={"layer": pl.Int64, "strength": pl.Float64})


def test_a_table_of_rates_counts_every_trial_of_a_cell(frame):
    row = rate_table(frame, ("arm", "layer", "strength")).row(2, named=True)
    assert (row["arm"], row["layer"], row["strength"], row["n"], row["n_units"]) == ("concept", 20, 10.0, 3, 2)
    assert [row[f"{metric}_count"] for metric in METRICS] == [2, 1, 3, 1, 2]
    expected = clustered_rate([1, 1], [1, 2])
    assert (row["noticed_rate"], row["noticed_low"], row["noticed_high"]) == (2 / 3, expected.low, expected.high)


def test_a_table_of_rates_stands_in_order_of_arms_layers_and_strengths_as_numbers(frame):
    cells = rate_table(frame, ("arm", "layer", "strength")).select("arm", "layer", "strength").rows()
    assert cells == [
        ("concept", 3, 2.0), ("concept", 20, 2.0), ("concept", 20, 10.0), ("random", 20, 2.0), ("none", None, None),
    ]  # fmt: skip
    concepts = rate_table(frame, ("arm", "concept")).select("arm", "concept").rows()
    assert concepts == [("concept", "bread"), ("concept", "dust"), ("random", "dust"), ("none", None)]


def test_a_table_of_no_trials_has_its_columns_and_no_rows(frame):
    by = ("arm", "layer", "strength")
    assert rate_table(frame.clear(), by).schema == rate_table(frame, by).schema
    assert rate_table(frame.clear(), by).is_empty()


def test_unreadable_replies_stay_in_the_denominator_whichever_way_they_count(frame):
    against, favour = (rate_of(frame, "concept", "noticed", readings) for readings in (("yes",), ("yes", "unreadable")))
    assert (against.count, against.n, favour.count, favour.n) == (2, 5, 3, 5)
    assert rate_of(frame, "concept", "named").count == 1
    assert rate_of(frame.filter(pl.col("arm") == "none"), "concept", "noticed").n == 0
