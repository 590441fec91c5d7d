"""Rates with a judge's errors taken out: right on average, and in an interval that holds."""

import math

import numpy as np
import pytest

from introspect.analysis.judging import Errors, corrected, corrected_difference, rogan_gladen
from introspect.analysis.rates import clustered_rate

RUNS = 300
N_DRAWS = 500


def read_by(random, true, tpr, tnr):
    """A judge's verdicts on replies that are so or not."""
    return np.where(true, random.random(true.size) < tpr, random.random(true.size) >= tnr)


def calibrated(random, tpr, tnr, n):
    found, passed = random.binomial(n, tpr), random.binomial(n, tnr)
    return Errors(int(found), int(n - found), int(passed), int(n - passed))


def rate(said, units):
    said = said.reshape(units, -1)
    return clustered_rate([int(row.sum()) for row in said], [said.shape[1]] * units)


def test_a_rate_read_with_known_errors_is_solved_for_the_truth():
    for truth in (0.0, 0.1, 0.5, 1.0):
        read = truth * 0.8 + (1 - truth) * (1 - 0.9)
        assert rogan_gladen(read, 0.8, 0.9) == pytest.approx(truth)
    assert rogan_gladen(0.05, 0.8, 0.9) == 0.0  # fewer than the false alarms alone would be
    assert rogan_gladen(0.95, 0.8, 0.9) == 1.0
    assert rogan_gladen(0.3, 1.0, 1.0) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="must be above 1"):
        rogan_gladen(0.3, 0.5, 0.5)


@pytest.mark.parametrize(
    ("truth", "tpr", "tnr"), [(0.1, 0.85, 0.9), (0.02, 0.8, 0.95), (0.6, 0.75, 0.8), (0.0, 0.9, 0.9)]
)
def test_the_corrected_interval_holds_the_truth_at_a_known_error_and_the_uncorrected_does_not(truth, tpr, tnr):
    random = np.random.default_rng(int(1000 * truth) + int(100 * tpr))
    held = raw = 0
    for seed in range(RUNS):
        said = read_by(random, random.random(300) < truth, tpr, tnr)
        judged = rate(said, 300)
        found = corrected(judged, calibrated(random, tpr, tnr, 100), seed, N_DRAWS)
        assert found is not None
        held += found.low <= truth <= found.high
        raw += judged.low <= truth <= judged.high
    assert held / RUNS > 0.912  # 0.95 less three standard errors of the simulation
    assert raw / RUNS < 0.8


def test_it_holds_where_replies_of_one_concept_are_alike():
    random, truth, held = np.random.default_rng(5), 0.4, 0
    for seed in range(RUNS):
        of_concept = np.repeat(random.beta(2, 3, 30), 10)  # mean 0.4
        said = read_by(random, random.random(300) < of_concept, 0.85, 0.9)
        found = corrected(rate(said, 30), calibrated(random, 0.85, 0.9, 80), seed, N_DRAWS)
        assert found is not None
        held += found.low <= truth <= found.high
    assert held / RUNS > 0.912


def test_a_difference_is_carried_with_the_errors_that_both_arms_share():
    random, held = np.random.default_rng(6), 0
    for seed in range(RUNS):
        errors = calibrated(random, 0.8, 0.9, 60)
        rates = [rate(read_by(random, random.random(200) < truth, 0.8, 0.9), 200) for truth in (0.5, 0.2)]
        found = corrected_difference((rates[0], errors), (rates[1], errors), seed, N_DRAWS)
        assert found is not None
        held += found.low <= 0.3 <= found.high
    assert held / RUNS > 0.912


def test_an_arm_in_which_the_judge_errs_more_is_no_effect_once_its_own_errors_are_taken_out():
    one, two = rate(np.arange(400) % 10 < 3, 400), rate(np.arange(400) % 10 < 1, 400)  # 30 % and 10 % as judged
    errs_more, errs_less = Errors(90, 10, 70, 30), Errors(90, 10, 90, 10)
    found = corrected_difference((one, errs_more), (two, errs_less))
    assert found.low < 0 < found.high
    naive = corrected_difference((one, errs_less), (two, errs_less))
    assert naive.low > 0


def test_more_labels_and_more_trials_make_the_interval_shorter():
    def width(n_labels, n_trials):
        errors = Errors(8 * n_labels, 2 * n_labels, 9 * n_labels, n_labels)
        found = corrected(rate(np.arange(n_trials) % 2 == 0, n_trials), errors)
        return found.high - found.low

    assert width(4, 400) > width(40, 400) > width(400, 400)
    assert width(40, 40) > width(40, 4000)


def test_no_error_among_few_labels_is_not_taken_for_a_judge_that_never_errs():
    judged = rate(np.zeros(200, dtype=bool), 200)
    found = corrected(judged, Errors(20, 0, 20, 0))
    assert found.value == found.low == 0.0
    assert 0.005 < found.high < 0.1


@pytest.mark.parametrize(
    ("errors", "informative"),
    [
        (Errors(50, 50, 50, 50), False),  # a coin
        (Errors(100, 0, 0, 100), False),  # always yes
        (Errors(3, 1, 4, 0), False),  # good, but on eight replies
        (Errors(0, 0, 50, 0), False),  # nothing of one kind was labelled
        (Errors(60, 40, 60, 40), False),  # the bound is 0.06
        (Errors(65, 35, 70, 30), True),
        (Errors(95, 5, 98, 2), True),
    ],
)
def test_a_judge_that_may_be_as_good_as_nothing_gets_no_corrected_rate(errors, informative):
    assert errors.informative is informative
    judged = rate(np.arange(100) % 3 == 0, 100)
    assert (corrected(judged, errors) is not None) is informative
    assert (corrected_difference((judged, errors), (judged, errors)) is not None) is informative


def test_the_figures_of_a_judge_are_what_they_are_called():
    errors = Errors(8, 2, 27, 3)
    assert errors.tpr.value == 0.8
    assert errors.tnr.value == 0.9
    assert (round(errors.tpr.low, 3), round(errors.tpr.high, 3)) == (0.444, 0.975)  # Clopper & Pearson
    assert errors.youden.value == pytest.approx(0.7)
    assert errors.youden.low == pytest.approx(0.7 - math.hypot(0.8 - errors.tpr.low, 0.9 - errors.tnr.low))
    assert math.isnan(Errors(0, 0, 1, 0).tpr.value)


def test_the_same_seed_draws_the_same_interval():
    judged, errors = rate(np.arange(100) % 3 == 0, 100), Errors(80, 20, 90, 10)
    assert corrected(judged, errors, 1) == corrected(judged, errors, 1)
