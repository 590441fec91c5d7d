"""The simulation itself: its truths are those of its draws, its short cut changes nothing, and it repeats itself."""

import numpy as np
import pytest

from introspect.analysis.coverage import BOUNDS, Setting, draw, full, grid, summary, true_mean
from introspect.analysis.intervals import over_concepts
from introspect.analysis.means import generator

ONE_OF_EACH = [
    Setting("rate", "skewed", 0.2, 20),
    Setting("rate", "few", 1.0, 20),
    Setting("difference", "few", 0.5, 20),
    Setting("log-odds", "skewed", 1.0, 20),
    Setting("log-odds", "mixture", 0.0, 20),
    Setting("crossed", "few", 0.2, 20, 20),
    Setting("sparse", "skewed", 0.2, 20, 20),
]


@pytest.mark.parametrize("setting", ONE_OF_EACH, ids=str)
def test_the_truth_is_the_mean_of_very_many_draws(setting):
    means = np.nanmean(draw(setting, 3000, generator(7)).reshape(3000, -1), axis=1)
    assert means.mean() == pytest.approx(true_mean(setting), abs=5 * means.std() / np.sqrt(3000) + 2e-3)


@pytest.mark.parametrize("setting", ONE_OF_EACH, ids=str)
def test_draws_lie_within_the_bounds_that_the_intervals_are_told(setting):
    drawn = draw(setting, 50, generator(8))
    low, high = BOUNDS[setting.measure] or (-np.inf, np.inf)
    given = drawn[~np.isnan(drawn)]
    assert given.min() >= low
    assert given.max() <= high
    assert np.isnan(drawn).any() == (setting.measure == "sparse")


def test_nothing_and_everything_are_among_the_truths():
    assert true_mean(Setting("rate", "few", 0.0, 20)) == 0.0
    assert true_mean(Setting("rate", "skewed", 1.0, 20)) == 1.0
    assert {setting.n_concepts for setting in grid()} == {20, 50, 100}
    assert len(grid()) == len(set(grid()))


def test_the_short_cut_to_exact_bounds_gives_what_the_public_function_gives():
    setting = Setting("difference", "few", 0.1, 20)
    runs = draw(setting, 60, generator(9))
    bounds = BOUNDS["difference"]
    alone = [over_concepts(run, 0.95, bounds) for run in runs]
    assert {interval.method for interval in alone} == {"t", "exact"}
    from introspect.analysis.coverage import _found

    for method, found in _found(setting, runs, 0.95):
        if method == "over_concepts":
            assert [i.method for i in found] == [i.method for i in alone]
            assert [(i.low, i.high) for i in found] == [pytest.approx((i.low, i.high), abs=1e-7) for i in alone]


def test_a_seed_repeats_its_figures_and_shares_add_up():
    settings = [Setting("rate", "skewed", 0.1, 20), Setting("log-odds", "few", 0.0, 20)]
    frame = full(20, 3, settings)
    assert frame.equals(full(20, 3, settings))
    assert not frame.equals(full(20, 4, settings))
    for row in frame.iter_rows(named=True):
        assert row["covered"] + row["low_miss"] + row["high_miss"] == pytest.approx(1.0)
        assert row["met"] + row["not_met"] + row["undetermined"] == pytest.approx(1.0)
    short = summary(frame)
    assert short["settings"].sum() == len(frame)
    assert (short["worst"] <= short["mean"]).all()


def test_runs_without_an_interval_are_counted_as_missing_and_not_as_covered():
    (row,) = full(10, 0, [Setting("rate", "few", 0.0, 20)]).filter(method="bca", nominal=0.95).iter_rows(named=True)
    assert row["missing"] == 1.0
    assert np.isnan(row["covered"])
    assert row["undetermined"] == 1.0
