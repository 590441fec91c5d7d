"""Where in depth an effect sits: shifts are found, and none is made up where profiles are the same."""

import json
import math
import time
from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from introspect.analysis.means import standardised_effect
from introspect.analysis.profile import centre_of_mass, compare, profiles

DEPTHS = tuple(round(0.1 * step, 1) for step in range(1, 10))
EFFECTS = st.lists(st.tuples(st.floats(0, 1), st.floats(-5, 5)), min_size=1, max_size=12)


def bump(peak, height, width=0.15):
    return [height * math.exp(-0.5 * ((depth - peak) / width) ** 2) for depth in DEPTHS]


def effects(rng, experiment, profile, k=25, scale=1.0, own=0.0):
    """A concept's effects scatter by 1 about the profile: half of it its own level, half at every depth anew."""
    noise = rng.normal(0, math.sqrt(0.5), (k, 1)) + rng.normal(0, math.sqrt(0.5), (k, len(DEPTHS)))
    table = scale * (np.array(profile) + noise) + own
    return [
        {"experiment": experiment, "unit": f"c{u:02}", "depth": depth, "effect": float(table[u, d])}
        for u in range(k)
        for d, depth in enumerate(DEPTHS)
    ]


def two(rng, first, second, k=25, scale=1.0):
    return pl.DataFrame([*effects(rng, "a", first, k), *effects(rng, "b", second, k, scale)])


def test_the_centre_of_mass_by_hand_leaves_out_what_is_negative():
    assert centre_of_mass([0.2, 0.4, 0.9], [1.0, 3.0, -8.0]) == pytest.approx(0.35)
    assert centre_of_mass([0.2, 0.4], [0.0, -1.0]) is None
    assert centre_of_mass([], []) is None
    with pytest.raises(ValueError, match="shorter"):
        centre_of_mass([0.1, 0.2], [1.0])


@given(EFFECTS, st.floats(0.1, 10))
def test_the_centre_lies_among_the_positive_depths_and_does_not_depend_on_the_unit(pairs, scale):
    depths, sizes = zip(*pairs, strict=True)
    assume(sum(max(size, 0) for size in sizes) > 1e-6)
    centre = centre_of_mass(depths, sizes)
    positive = [depth for depth, size in pairs if size > 0]
    assert min(positive) - 1e-9 <= centre <= max(positive) + 1e-9
    assert centre_of_mass(depths, [scale * size for size in sizes]) == pytest.approx(centre)


def test_a_profile_is_the_mean_over_the_spread_at_every_depth():
    frame = two(np.random.default_rng(0), bump(0.6, 1.0), bump(0.4, 1.0), scale=1000)
    found = profiles(frame.sample(fraction=1, shuffle=True, seed=1))
    assert found.select("experiment", "depth").rows() == [(name, depth) for name in "ab" for depth in DEPTHS]
    for row in found.iter_rows(named=True):
        here = frame.filter((pl.col("experiment") == row["experiment"]) & (pl.col("depth") == row["depth"]))
        values = here.sort("unit")["effect"]
        assert row["effect"] == pytest.approx(values.mean() / values.std())
        wanted = standardised_effect(values.to_list())
        assert (row["low"], row["high"]) == pytest.approx((wanted.low, wanted.high))
        assert row["n_units"] == 25


def test_rows_of_a_concept_are_averaged_and_missing_ones_left_out():
    rows = [
        ("a", "x", 0.5, 1.0),
        ("a", "x", 0.5, 3.0),
        ("a", "y", 0.5, 4.0),
        ("a", "z", 0.5, None),
        ("a", "x", 0.7, 1.0),
    ]
    frame = pl.DataFrame(rows, schema=["experiment", "unit", "depth", "effect"], orient="row")
    found = profiles(frame)
    assert found["effect"].to_list() == [pytest.approx(3 / math.sqrt(2)), None]
    assert found["n_units"].to_list() == [2, 1]
    assert profiles(frame.clear()).is_empty()
    assert profiles(frame.clear()).schema == found.schema


def test_an_experiment_that_sits_deeper_is_found_to_sit_deeper_on_any_scale():
    frame = two(np.random.default_rng(1), bump(0.65, 1.0), bump(0.45, 1.0), scale=30)
    found = compare(frame, "a", "b")
    assert found.shift.low > 0
    assert found.shift.low < 0.2 < found.shift.high + 0.05
    assert found.p < 0.01
    assert found.centres[0] - found.centres[1] == found.shift.value
    table = profiles(frame).filter(pl.col("experiment") == "a")
    assert found.centres[0] == pytest.approx(centre_of_mass(table["depth"].to_list(), table["effect"].to_list()))
    turned = compare(frame, "b", "a")
    assert turned.shift.value == pytest.approx(-found.shift.value)
    assert (turned.shift.low, turned.shift.high) == pytest.approx((-found.shift.high, -found.shift.low))
    assert (turned.interaction, turned.p) == (pytest.approx(found.interaction), found.p)


@pytest.mark.parametrize(("height", "second"), [(0.0, 0.5), (1.0, 0.5), (2.5, 0.5)])
def test_where_the_profiles_are_the_same_no_shift_and_no_interaction_is_made_up(height, second):
    """Also at large effects, where taking the spread as known would find an interaction every second time."""
    rng = np.random.default_rng(2)
    drawn = (two(rng, bump(0.5, height), bump(second, height), scale=7) for _ in range(120))
    found = [compare(frame, "a", "b", seed=seed, n_resamples=199) for seed, frame in enumerate(drawn)]
    p = np.array([each.p for each in found])
    assert (p <= 0.05).mean() <= 0.10
    assert 0.4 <= p.mean() <= 0.7
    given_bounds = [each.shift for each in found if each.shift.low is not None]
    assert sum(each.low <= 0 <= each.high for each in given_bounds) >= 0.92 * len(given_bounds)


def test_a_true_shift_is_found_and_rather_understated_than_overstated():
    rng = np.random.default_rng(3)
    first, second = bump(0.65, 1.0), bump(0.45, 1.0)
    truth = centre_of_mass(DEPTHS, first) - centre_of_mass(DEPTHS, second)
    found = [compare(two(rng, first, second, k=40), "a", "b", n_resamples=500).shift for _ in range(200)]
    assert sum(each.low <= truth <= each.high for each in found) / 200 >= 0.88
    assert sum(each.low > truth for each in found) / 200 <= 0.025  # where it misses, it understates
    assert sum(each.low > 0 for each in found) / 200 > 0.95


def test_a_level_is_no_interaction_and_a_shape_is():
    rng = np.random.default_rng(4)
    flat, high, slope = [0.0] * 9, [1.5] * 9, [0.2 * step for step in range(9)]
    assert compare(two(rng, flat, high), "a", "b").p > 0.05
    assert compare(two(rng, flat, slope), "a", "b").p < 0.01


def test_concepts_are_resampled_alike_in_both_experiments():
    """What a concept does to both experiments alike cancels in the difference of their centres."""
    rng = np.random.default_rng(5)
    late, early = np.array(bump(0.8, 1.0)), np.array(bump(0.2, 1.0))
    weights = rng.normal(0, 1, (30, 1))
    table = 1.0 + weights * (late - early) + rng.normal(0, 0.2, (2, 30, 9))
    rows = [
        {"experiment": "ab"[e], "unit": f"c{u:02}", "depth": depth, "effect": float(table[e, u, d])}
        for e in range(2)
        for u in range(30)
        for d, depth in enumerate(DEPTHS)
    ]
    paired = compare(pl.DataFrame(rows), "a", "b").shift
    for row in rows:
        if row["experiment"] == "b":
            row["unit"] = f"c{(int(row['unit'][1:]) + 7) % 30:02}"
    mismatched = compare(pl.DataFrame(rows), "a", "b").shift
    assert mismatched.value == pytest.approx(paired.value)
    assert paired.high - paired.low < 0.7 * (mismatched.high - mismatched.low)


def test_only_depths_and_concepts_of_both_experiments_are_compared():
    rng = np.random.default_rng(6)
    frame = two(rng, bump(0.6, 1.0), bump(0.5, 1.0))
    fewer = frame.filter(
        ~((pl.col("experiment") == "b") & ((pl.col("depth") == 0.9) | (pl.col("unit") == "c03")))
        & ~((pl.col("experiment") == "a") & (pl.col("unit") == "c05") & (pl.col("depth") == 0.3))
    )
    found = compare(fewer, "a", "b")
    assert (found.n_units, found.n_depths) == (23, 8)
    both = frame.filter((pl.col("depth") < 0.85) & ~pl.col("unit").is_in(["c03", "c05"]))
    assert found == compare(both, "a", "b")


def test_what_cannot_be_said_is_none_and_goes_into_json():
    rng = np.random.default_rng(7)
    nothing = compare(two(rng, [-9.0] * 9, bump(0.5, 1.0)), "a", "b")
    assert nothing.centres[0] is None
    assert nothing.centres[1] is not None
    assert (nothing.shift.value, nothing.shift.low) == (None, None)
    assert nothing.p is not None
    alone = compare(two(rng, bump(0.5, 1.0), bump(0.5, 1.0), k=1), "a", "b")
    assert (alone.centres, alone.shift.value, alone.interaction, alone.p) == ((None, None), None, None, None)
    apart = pl.DataFrame([*effects(rng, "a", bump(0.5, 1.0)), {**effects(rng, "b", bump(0.5, 1.0))[0], "depth": 0.95}])
    assert compare(apart, "a", "b").n_depths == 0
    constant = two(rng, [1.0] * 9, [1.0] * 9).with_columns(pl.lit(2.0).alias("effect"))
    assert compare(constant, "a", "b").p is None
    for found in (nothing, alone, compare(apart, "a", "b"), compare(constant, "a", "b")):
        assert json.dumps(asdict(found), allow_nan=False)


def test_an_experiment_that_is_not_there_and_an_effect_that_is_no_number_are_refused():
    frame = two(np.random.default_rng(8), bump(0.5, 1.0), bump(0.5, 1.0))
    with pytest.raises(ValueError, match="no effects of experiment 'c'; known: a, b"):
        compare(frame, "a", "c")
    with pytest.raises(ValueError, match="not finite"):
        profiles(frame.with_columns(pl.lit(math.nan).alias("effect")))


def test_a_comparison_is_seeded_and_takes_well_under_a_second():
    frame = two(np.random.default_rng(9), bump(0.6, 1.0), bump(0.4, 1.0), k=50)
    begin = time.perf_counter()
    found = compare(frame, "a", "b", seed=11, n_resamples=2000)
    assert time.perf_counter() - begin < 1
    assert found == compare(frame.reverse(), "a", "b", seed=11, n_resamples=2000)
    assert found.shift != compare(frame, "a", "b", seed=12, n_resamples=2000).shift
