"""Power: printed tables, simulation, and the way back from an answer to the question."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from introspect.analysis.intervals import over_concepts, verdict
from introspect.analysis.power import concepts_to_decide, minimum_detectable, spread_of_rates


def test_the_smallest_detectable_effect_is_that_of_the_printed_tables():
    # Cohen (1988): 34 pairs find d = 0.5 with a two-sided 5 % test four times out of five
    assert minimum_detectable(34, 1.0, level=0.95) == pytest.approx(0.5, abs=0.005)
    assert minimum_detectable(34, 0.2, level=0.95) == pytest.approx(0.1, abs=0.001)


def test_an_effect_of_that_size_is_found_as_often_as_promised():
    effect = minimum_detectable(50, 0.3)
    runs = np.random.default_rng(0).normal(effect, 0.3, (3000, 50))
    reach = 2.3133 * runs.std(axis=1, ddof=1) / math.sqrt(50)
    assert (runs.mean(axis=1) - reach > 0).mean() == pytest.approx(0.8, abs=0.025)


def test_where_another_sample_is_smaller_it_sets_the_degrees_of_freedom():
    """300 concepts and 24 questions: the interval is Student's on 23 degrees of freedom."""
    effect = minimum_detectable(300, 0.3, fewest=24)
    free, level = 23, 0.975
    reach = stats.t.ppf((1 + level) / 2, free)
    assert stats.nct.sf(reach, free, effect / 0.3 * math.sqrt(300)) == pytest.approx(0.8, abs=0.001)
    enough = concepts_to_decide(0.2, 0.6, 0.1, share=0.1)
    assert enough > concepts_to_decide(0.2, 0.6, 0.1)


def test_where_concepts_would_not_differ_the_exact_bound_decides():
    effect = minimum_detectable(50, 0.0, bounds=(-1.0, 1.0))
    assert over_concepts([effect + 1e-6] * 50, bounds=(-1.0, 1.0)).low > 0
    assert over_concepts([effect - 1e-6] * 50, bounds=(-1.0, 1.0)).low < 0


def test_there_is_no_answer_where_nothing_could_be_detected():
    assert minimum_detectable(1, 0.3) is None
    assert minimum_detectable(50, 0.0) is None
    assert minimum_detectable(2, 0.5, bounds=(-1.0, 1.0)) is None


@given(st.floats(0, 1), st.integers(1, 12))
def test_the_spread_of_rates_lies_between_that_of_single_replies_and_of_independent_ones(rate, n):
    single = math.sqrt(rate * (1 - rate))
    assert spread_of_rates(rate, n, 1.0) == pytest.approx(single)
    assert spread_of_rates(rate, n, 0.0) == pytest.approx(single / math.sqrt(n))


@settings(deadline=None)
@given(st.floats(-0.5, 0.8), st.floats(0.01, 0.6), st.sampled_from([0.95, 0.975]))
def test_so_many_concepts_decide_and_one_fewer_does_not(mean, spread, level):
    n = concepts_to_decide(mean, spread, 0.1, level)
    assert said(mean, spread, n, level) != "undetermined"
    assert n == 2 or said(mean, spread, n - 1, level) == "undetermined"


def said(mean, spread, n, level):
    """The verdict on n values with just this mean and standard deviation."""
    values = np.linspace(-1.0, 1.0, n)
    return verdict(over_concepts(mean + spread * values / values.std(ddof=1), level), 0.1)


def test_without_spread_the_exact_bound_says_how_many_decide():
    n = concepts_to_decide(0.0, 0.0, 0.1, bounds=(-1.0, 1.0))
    assert n == 42
    assert verdict(over_concepts([0.0] * n, bounds=(-1.0, 1.0)), 0.1) == "not met"
    assert verdict(over_concepts([0.0] * (n - 1), bounds=(-1.0, 1.0)), 0.1) == "undetermined"
    assert concepts_to_decide(0.3, 0.0, 0.1, bounds=(-1.0, 1.0)) == 17
    assert concepts_to_decide(0.3, 0.0, 0.1) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: minimum_detectable(50, -0.1),
        lambda: minimum_detectable(50, 0.1, level=1.0),
        lambda: minimum_detectable(50, 0.1, power=1.0),
        lambda: spread_of_rates(1.2, 3, 0.5),
        lambda: spread_of_rates(0.2, 0, 0.5),
        lambda: concepts_to_decide(0.1, 0.1, 0.0),
        lambda: concepts_to_decide(math.nan, 0.1, 0.1),
        lambda: concepts_to_decide(0.1, math.nan, 0.1),
        lambda: concepts_to_decide(1.5, 0.1, 0.1, bounds=(-1.0, 1.0)),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(call):
    with pytest.raises(ValueError, match=r"needs|power|outside the bounds"):
        call()
