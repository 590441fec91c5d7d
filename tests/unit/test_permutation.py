"""Permutation tests: by hand, against brute force, and p that are as rare as they say where nothing is there."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.analysis.permutation import benjamini_hochberg, holm, max_naming, max_sign, paired

N_CONCEPTS, N_WORDINGS = 12, 3
INJECTED = np.tile(np.arange(N_CONCEPTS), N_WORDINGS)
WORDING = np.repeat(np.arange(N_WORDINGS), N_CONCEPTS)


def guesses(rng, n_cells=6):
    """Answers with likes of their own that differ between cells."""
    likes = rng.dirichlet(np.full(N_CONCEPTS + 1, 0.3), n_cells)
    return np.stack([rng.choice(np.arange(-1, N_CONCEPTS), INJECTED.size, p=like) for like in likes])


def by_definition(named, injected, wording):
    """Share rightly named less share named under others, trial by trial."""
    gaps = []
    for trial, concept in enumerate(injected):
        others = (wording == wording[trial]) & (injected != concept)
        gaps.append(float(named[trial] == concept) - float((named[others] == concept).mean()))
    return np.mean(gaps)


def test_the_statistic_is_how_much_oftener_a_concept_is_named_where_it_is_injected():
    rng = np.random.default_rng(0)
    named = guesses(rng)
    uneven = rng.permutation(INJECTED.size)[:29]
    for trials in (np.arange(INJECTED.size), uneven):
        found = max_naming(named[:, trials], INJECTED[trials], WORDING[trials], n_permutations=10).statistics
        wanted = [by_definition(cell, INJECTED[trials], WORDING[trials]) for cell in named[:, trials]]
        assert found == pytest.approx(wanted)


def test_p_of_a_small_grid_is_that_of_all_deals():
    injected, wording = np.arange(4), np.zeros(4, dtype=np.int64)
    named = np.array([[0, 1, 2, 2], [1, 1, 3, 3]])
    best = [
        max(by_definition(cell, np.array(deal), wording) for cell in named) for deal in itertools.permutations(injected)
    ]
    observed = max(by_definition(cell, injected, wording) for cell in named)
    share = np.mean(np.array(best) >= observed - 1e-9)
    assert max_naming(named, injected, wording, n_permutations=4000).p == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("unit", ["trial", "concept"])
def test_a_cell_that_names_rightly_is_found_and_its_neighbours_are_not(unit):
    named = guesses(np.random.default_rng(1))
    named[4, ::2] = INJECTED[::2]
    found = max_naming(named, INJECTED, WORDING, unit, n_permutations=500)
    assert (found.best, found.p, found.n_permutations) == (4, 1 / 501, 500)
    assert np.delete(found.adjusted, 4).min() > 0.2
    assert found.p == found.adjusted.min()


def test_a_subject_that_always_names_the_same_word_is_right_now_and_then_and_that_is_nothing():
    named = np.full((3, INJECTED.size), 5)
    found = max_naming(named, INJECTED, WORDING, n_permutations=200)
    assert found.statistics == pytest.approx(0.0)
    assert found.p == 1.0


@pytest.mark.parametrize("unit", ["trial", "concept"])
def test_the_best_of_many_cells_that_guess_is_significant_no_oftener_than_it_should(unit):
    rng = np.random.default_rng(2)
    p = [max_naming(guesses(rng), INJECTED, WORDING, unit, n_permutations=99, seed=i).p for i in range(300)]
    assert np.mean(np.array(p) <= 0.1) <= 0.15


def test_fixed_wrong_names_that_are_right_by_luck_need_whole_concepts_to_be_dealt():
    rng = np.random.default_rng(3)
    names = [np.tile(rng.permutation(N_CONCEPTS), N_WORDINGS)[None] for _ in range(400)]
    p = {
        unit: [max_naming(named, INJECTED, WORDING, unit, n_permutations=99, seed=i).p for i, named in enumerate(names)]
        for unit in ("trial", "concept")
    }
    assert np.mean(np.array(p["concept"]) <= 0.02) <= 0.02
    assert np.mean(np.array(p["trial"]) <= 0.02) > 0.05


def test_what_cannot_be_dealt_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        max_naming(np.zeros((1, 2), dtype=np.int64), np.array([0, 0]), np.array([0, 0]))
    with pytest.raises(ValueError, match="equally often"):
        max_naming(np.zeros((1, 3), dtype=np.int64), np.array([0, 0, 1]), np.array([0, 0, 0]), "concept")


def test_the_signs_of_few_concepts_are_all_gone_through():
    scores = np.array([[0.4, 1.0], [0.6, -1.0], [0.3, 0.5], [0.7, 0.1], [0.1, -0.2]])
    found = max_sign(scores)
    t = scores.mean(axis=0) / (scores.std(axis=0, ddof=1) / np.sqrt(5))
    assert found.statistics == pytest.approx(t)
    assert (found.best, found.n_permutations) == (0, 31)
    assert found.p == pytest.approx(1 / 32)
    assert max_sign(-scores).p > 0.5
    assert max_sign(-scores, "two-sided").p == pytest.approx(2 / 32)


def test_correlated_cells_pay_less_for_the_choice_than_unrelated_ones():
    rng = np.random.default_rng(4)
    first = rng.normal(size=(40, 1)) + 0.35
    copies, unrelated = np.repeat(first, 30, axis=1), np.hstack([first, rng.normal(size=(40, 29))])
    assert max_sign(copies).p == pytest.approx(max_sign(first).p, abs=0.01)
    assert max_sign(unrelated).adjusted[0] > 2 * max_sign(first).p


def test_the_best_of_many_cells_without_effect_is_significant_no_oftener_than_it_should():
    rng = np.random.default_rng(5)
    p = []
    for i in range(300):
        scores = rng.standard_t(4, size=(25, 1)) + rng.standard_t(4, size=(25, 8)) * np.arange(1, 9)
        scores[rng.random(scores.shape) < 0.1] = np.nan
        p.append(max_sign(scores, n_permutations=99, seed=i).p)
    assert np.mean(np.array(p) <= 0.1) <= 0.15


def test_scores_without_spread_are_infinitely_far_from_the_line_or_on_it():
    found = max_sign(np.column_stack([np.ones(8), np.zeros(8)]))
    assert found.statistics.tolist() == [np.inf, 0.0]
    assert found.adjusted.tolist() == [1 / 256, 1.0]


@pytest.mark.parametrize("scores", [np.full((3, 2), np.inf), np.full((3, 2), np.nan), np.ones((1, 2)), np.ones((3, 0))])
def test_scores_that_are_too_few_or_not_finite_are_refused(scores):
    with pytest.raises(ValueError, match="at least two concepts"):
        max_sign(scores)


def test_a_paired_test_by_hand():
    found = paired([3.0, 5.0, 4.0, 6.0], [1.0, 2.0, 3.0, 2.0])
    # differences 2 3 1 4: mean 2.5, standard error √(5/3)/2; both signs of the pattern of pluses among 16
    assert (found.difference, found.n_units, found.exact) == (2.5, 4, True)
    assert found.t == pytest.approx(2.5 / (np.sqrt(5 / 3) / 2))
    assert found.p_t == pytest.approx(0.0305, abs=1e-4)
    assert found.p_flip == pytest.approx(2 / 16)


def test_a_paired_test_of_many_concepts_draws_signs_and_repeats_itself_under_a_seed():
    rng = np.random.default_rng(6)
    first, second = rng.normal(0.7, 1, 50), rng.normal(0, 1, 50)
    found = paired(first, second, seed=1)
    assert not found.exact
    assert found == paired(first, second, seed=1)
    assert found.p_flip == pytest.approx(found.p_t, rel=0.5, abs=1e-3)


@pytest.mark.filterwarnings("error")
def test_equal_differences_have_no_t_but_a_p_of_signs():
    found = paired([2.0] * 6, [1.0] * 6)
    assert (found.t, found.p_t, found.p_flip) == (None, None, pytest.approx(2 / 64))
    with pytest.raises(ValueError, match="two or more concepts"):
        paired([1.0], [0.0])
    with pytest.raises(ValueError, match="two or more concepts"):
        paired([1.0, 2.0], [0.0, np.nan])


def test_corrections_for_many_tests_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([]).size == 0
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.5, np.nan])


@settings(deadline=None, max_examples=5)  # statsmodels collects garbage in every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_correction_never_makes_a_p_smaller_and_holm_is_the_stricter(p):
    strict, mild = holm(p), benjamini_hochberg(p)
    assert (strict >= mild - 1e-12).all()
    assert (mild >= np.array(p) - 1e-12).all()
    assert strict.max() <= 1
