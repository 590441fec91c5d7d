"""The best of many cells is judged on concepts that did not choose it."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.analysis.selection import HeldOut, halves, held_out

UNITS = tuple(f"c{i:02}" for i in range(20))
CELLS = tuple((layer, strength) for layer in (3, 8, 12) for strength in (1.0, 2.0, 4.0))


def trials(rng, means, noise=1.0, units=UNITS):
    """One trial a unit and cell, whose value scatters about the cell's mean."""
    return pl.DataFrame(
        [
            {"unit": unit, "layer": layer, "strength": strength, "value": means.get((layer, strength), 0.0) + e}
            for unit in units
            for (layer, strength), e in zip(CELLS, map(float, rng.normal(0, noise, len(CELLS))), strict=True)
        ]
    )


def mean_value(frame):
    return frame["value"].mean()


@given(st.lists(st.text(max_size=4), max_size=30), st.integers(0, 2**32))
def test_halves_part_the_units_whatever_their_order(units, seed):
    first, second = halves(units, seed)
    assert sorted([*first, *second]) == sorted(set(units))
    assert len(second) - len(first) in (0, 1)
    assert halves(units[::-1] + units, seed) == (first, second)


def test_halves_depend_on_the_seed_and_every_unit_gets_into_either():
    splits = [halves(UNITS, seed)[0] for seed in range(200)]
    assert len(set(splits)) > 150
    share = np.mean([[unit in split for unit in UNITS] for split in splits], axis=0)
    assert (abs(share - 0.5) < 0.15).all()
    assert halves(UNITS, 3) == halves(UNITS, 3)


def test_where_nothing_happens_the_naive_maximum_does_and_the_held_out_score_does_not():
    rng = np.random.default_rng(0)
    found = [held_out(trials(rng, {}), mean_value, seed) for seed in range(60)]
    assert np.mean([each.naive for each in found]) > 0.2
    assert abs(np.mean([each.score for each in found])) < 0.1
    assert all(each.naive > 0 for each in found)


def test_a_cell_that_works_is_chosen_by_both_halves_and_keeps_its_score():
    rng = np.random.default_rng(1)
    found = held_out(trials(rng, {(8, 2.0): 3.0}), mean_value)
    assert found.cells == ((8, 2.0), (8, 2.0))
    assert found.score == pytest.approx(3.0, abs=0.8)
    assert found.score == sum(found.scores) / 2
    turned = held_out(trials(np.random.default_rng(1), {(8, 2.0): 3.0}).reverse(), mean_value)
    assert (turned.cells, turned.scores) == (found.cells, pytest.approx(found.scores))


def test_each_half_is_judged_on_the_other():
    frame = trials(np.random.default_rng(2), {}, noise=0)
    first, second = halves(UNITS, 5)
    liked = {(3, 1.0): first, (12, 4.0): second}
    better = pl.lit(False)
    for (layer, strength), units in liked.items():
        here = (pl.col("layer") == layer) & (pl.col("strength") == strength) & pl.col("unit").is_in(list(units))
        better = better | here
    frame = frame.with_columns(pl.when(better).then(1.0).otherwise(pl.col("value")).alias("value"))
    found = held_out(frame, mean_value, seed=5)
    assert found == HeldOut(cells=((3, 1.0), (12, 4.0)), scores=(0.0, 0.0), score=0.0, naive=0.5)


def test_the_scorer_never_sees_both_halves_of_the_units_while_choosing_or_judging():
    first, second = (set(half) for half in halves(UNITS, 0))
    seen = []

    def scorer(frame):
        seen.append(set(frame["unit"]))
        return 0.0

    held_out(trials(np.random.default_rng(3), {}), scorer)
    assert seen[:18] == [first] * 9 + [second] * 9
    assert seen[18:20] == [second, first]
    assert seen[20:] == [first | second] * 9


def test_of_equal_cells_the_lowest_layer_is_chosen_and_then_the_lowest_strength():
    frame = trials(np.random.default_rng(4), {(12, 1.0): 1.0, (8, 4.0): 1.0, (8, 2.0): 1.0}, noise=0)
    assert held_out(frame.sample(fraction=1, shuffle=True, seed=1), mean_value).cells == ((8, 2.0), (8, 2.0))


def test_trials_without_injection_belong_to_every_cell_and_their_prompts_are_split_too():
    frame = trials(np.random.default_rng(5), {(8, 2.0): 1.0}, noise=0)
    clean = pl.DataFrame(
        [{"unit": f"prompt {i}", "layer": None, "strength": None, "value": 0.25} for i in range(4)], schema=frame.schema
    )
    seen = []

    def difference(here):
        control = here.filter(pl.col("layer").is_null())
        seen.append(sorted(control["unit"]))
        return here.filter(pl.col("layer").is_not_null())["value"].mean() - control["value"].mean()

    found = held_out(pl.concat([frame, clean]), difference)
    assert (found.cells, found.score, found.naive) == (((8, 2.0), (8, 2.0)), 0.75, 0.75)
    assert {len(units) for units in seen[:20]} == {2}
    assert sorted([*seen[0], *seen[9]]) == [f"prompt {i}" for i in range(4)]


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_cells_without_a_score_are_never_chosen(nothing):
    frame = trials(np.random.default_rng(6), {(8, 2.0): 9.0}, noise=0)

    def scorer(here):
        return nothing if (8, 2.0) in here.select("layer", "strength").rows() else here["value"].mean() - 1

    found = held_out(frame, scorer)
    assert (found.cells, found.score, found.naive) == (((3, 1.0), (3, 1.0)), -1.0, -1.0)
    assert held_out(frame, lambda _: nothing) == HeldOut((None, None), (None, None), None, None)
    assert held_out(frame.clear(), mean_value) == HeldOut((None, None), (None, None), None, None)


def test_a_cell_that_the_other_half_never_ran_has_no_score_there():
    first, second = halves(UNITS, 0)
    frame = trials(np.random.default_rng(7), {(8, 2.0): 5.0}, noise=0)
    absent = (pl.col("layer") == 8) & (pl.col("strength") == 2.0) & pl.col("unit").is_in(list(second))
    found = held_out(frame.filter(~absent), mean_value)
    assert found.cells == ((8, 2.0), (3, 1.0))
    assert found.scores == (None, 0.0)
    assert found.score is None
    assert found.naive == 5.0
    assert len(first) == 10
