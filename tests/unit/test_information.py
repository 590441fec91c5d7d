"""How much a choice says about what was injected, and that habits of guessing do not count as knowing."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.analysis import information as module
from introspect.analysis.information import (
    Confusion,
    guess_prior,
    information,
    miller_madow,
    mutual_information,
    prior_corrected_accuracy,
    tabulate,
)
from introspect.analysis.rates import wilson

WORDS = tuple("abcdefghi")
TABLES = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 20), min_size=n, max_size=n), min_size=1, max_size=5)
)


def table(counts):
    array = np.array(counts, dtype=np.int64)
    return Confusion(tuple(WORDS[: array.shape[0]]), tuple(WORDS[: array.shape[1]]), array)


def entropy(counts):
    shares = np.array([count for count in counts if count]) / max(1, sum(counts))
    return float(-(shares * np.log2(shares)).sum())


def guesses(rng, injected, knows=0.0, options=WORDS):
    """Answers that know the word with a probability, and guess otherwise."""
    return [word if rng.random() < knows else options[rng.integers(len(options))] for word in injected]


def test_labels_are_counted_in_alphabetic_order_and_silence_comes_last():
    counted = tabulate(["b", "a", "b", "b"], ["a", "a", None, None])
    assert (counted.injected, counted.chosen) == (("a", "b"), ("a", None))
    assert counted.counts.tolist() == [[1, 0], [1, 2]]
    with pytest.raises(ValueError, match="shorter"):
        tabulate(["a"], [])


def test_the_textbook_s_example_has_three_eighths_of_a_bit():
    """Cover & Thomas (2006), example 2.2.1, with probabilities in 32nds."""
    joint = table([[4, 2, 1, 1], [2, 4, 1, 1], [2, 2, 2, 2], [8, 0, 0, 0]])
    assert mutual_information(joint) == pytest.approx(0.375)


def test_always_right_is_all_the_information_there_is_and_always_the_same_word_is_none():
    assert mutual_information(table(np.eye(9) * 5)) == pytest.approx(math.log2(9))
    assert mutual_information(table([[5], [5], [5]])) == 0
    assert mutual_information(tabulate([], [])) == miller_madow(tabulate([], [])) == 0


def test_a_code_of_one_s_own_is_information_although_it_is_never_right():
    turned = table(np.roll(np.eye(4), 1, axis=1) * 5)
    assert mutual_information(turned) == pytest.approx(2)
    assert prior_corrected_accuracy(turned, guess_prior(list("abcd"))).accuracy.count == 0


@given(TABLES)
def test_information_lies_between_nothing_and_the_smaller_entropy_and_looks_the_same_from_both_sides(counts):
    joint = table(counts)
    bits = mutual_information(joint)
    rows, columns = joint.counts.sum(axis=1).tolist(), joint.counts.sum(axis=0).tolist()
    assert 0 <= bits <= min(entropy(rows), entropy(columns)) + 1e-9
    assert mutual_information(table(joint.counts.T)) == pytest.approx(bits, abs=1e-9)
    assert mutual_information(table(joint.counts * 7)) == pytest.approx(bits, abs=1e-9)


def test_the_plug_in_estimate_is_too_large_and_miller_s_correction_takes_most_of_it_off():
    rng = np.random.default_rng(0)
    drawn = [table(rng.multinomial(200, np.full(16, 1 / 16)).reshape(4, 4)) for _ in range(300)]
    bias = np.mean([mutual_information(each) for each in drawn])
    assert bias > 0.02
    assert abs(np.mean([miller_madow(each) for each in drawn])) < 0.15 * bias


def test_choices_that_know_nothing_lie_within_the_null_and_their_p_is_spread_evenly():
    rng = np.random.default_rng(1)
    found = []
    for seed in range(200):
        injected = [WORDS[i % 4] for i in range(60)]
        choices = guesses(rng, injected, options=("a", "a", "a", "b", "c"))
        found.append(information(injected, choices, seed=seed, n_permutations=199))
    p = np.array([each.p for each in found])
    assert (p <= 0.05).mean() <= 0.09
    assert (p <= 0.2).mean() == pytest.approx(0.2, abs=0.08)
    assert p.mean() == pytest.approx(0.5, abs=0.07)
    assert abs(np.mean([each.excess for each in found])) < 0.01
    assert np.mean([each.bits for each in found]) > 0.05


def test_choices_that_know_the_word_now_and_then_are_found_out():
    injected = [WORDS[i % 9] for i in range(270)]
    found = information(injected, guesses(np.random.default_rng(2), injected, knows=0.3), n_permutations=500)
    assert found.p == 1 / 501
    assert found.bits > found.corrected > 0.1
    assert found.excess == pytest.approx(found.corrected, abs=0.05)
    assert found.excess == found.bits - found.null
    assert found.n == 270


def test_words_that_a_wording_suggests_are_information_only_while_the_wordings_are_thrown_together():
    rng = np.random.default_rng(3)
    blocks = [i % 2 for i in range(200)]
    injected = [("ab", "cd")[block][rng.integers(2)] for block in blocks]  # each wording has its own concepts
    choices = ["x" if (rng.random() < 0.8) == (block == 0) else "y" for block in blocks]  # and its own favourite
    assert information(injected, choices, n_permutations=300).p < 0.01
    within = information(injected, choices, blocks, n_permutations=300)
    assert within.p > 0.05
    assert within.excess == pytest.approx(0, abs=0.03)


def test_a_shuffle_never_leaves_its_block():
    alone = information(list("abcd"), list("abcd"), blocks=[0, 1, 2, 3], n_permutations=50)
    assert (alone.null, alone.excess, alone.p) == (pytest.approx(2), pytest.approx(0), 1.0)


def test_the_p_of_four_trials_is_that_of_counting_their_orders(monkeypatch):
    for at_a_time in (2_000_000, 40):
        monkeypatch.setattr(module, "_AT_A_TIME", at_a_time)
        found = information(list("aabb"), list("xxyy"), n_permutations=4000)
        assert found.p == pytest.approx(1 / 3, abs=0.03)  # 2 of 6 orders are as telling
        assert found.null == pytest.approx(1 / 3, abs=0.03)  # and the other 4 say nothing


def test_permutations_are_seeded():
    rng = np.random.default_rng(4)
    injected = [WORDS[i % 3] for i in range(30)]
    choices = guesses(rng, injected)
    assert information(injected, choices, seed=1) == information(injected, choices, seed=1)
    assert information(injected, choices, seed=1).null != information(injected, choices, seed=2).null


def test_nothing_asked_is_nothing_known_and_every_trial_needs_a_block():
    nothing = information([], [])
    assert (nothing.bits, nothing.excess, nothing.p, nothing.n) == (0, 0, 1, 0)
    with pytest.raises(ValueError, match="2 blocks for 1 trials"):
        information(["a"], ["a"], blocks=[0, 0])


def test_the_guess_prior_by_hand():
    prior = guess_prior(["apple", "apple", None, "apple", "dust"])
    assert prior.shares == {"apple": 0.75, "dust": 0.25}
    assert prior.entropy == pytest.approx(0.811278, abs=1e-6)
    assert (prior.top, prior.top_share, prior.n, prior.n_named) == ("apple", 0.75, 5, 4)
    assert guess_prior(["dust", "apple"]).top == "apple"
    silent = guess_prior([None, None])
    assert (silent.shares, silent.entropy, silent.top, silent.top_share, silent.n_named) == ({}, 0, None, None, 0)
    assert json.dumps(asdict(silent), allow_nan=False)


def test_a_subject_that_always_says_apple_is_right_now_and_then_and_no_better_than_guessing():
    injected = ["apple", "dust", "snow", "sea"] * 10
    corrected = prior_corrected_accuracy(tabulate(injected, ["apple"] * 40), guess_prior(["apple"] * 20))
    assert (corrected.accuracy.count, corrected.accuracy.n, corrected.expected) == (10, 40, 0.25)
    assert corrected.excess.value == 0
    assert corrected.excess.low <= 0 <= corrected.excess.high


def test_a_subject_that_guesses_like_in_the_controls_gains_nothing_and_one_that_knows_does():
    rng = np.random.default_rng(5)
    injected = [WORDS[i % 9] for i in range(450)]
    habits = ("a", "a", "a", "b", "c", "d")
    prior = guess_prior(guesses(rng, ["z"] * 600, options=habits))
    guessing = prior_corrected_accuracy(tabulate(injected, guesses(rng, injected, options=habits)), prior)
    knowing = prior_corrected_accuracy(tabulate(injected, guesses(rng, injected, knows=0.4, options=habits)), prior)
    assert guessing.excess.low <= 0 <= guessing.excess.high
    assert knowing.excess.low > 0.2
    assert knowing.excess.value == pytest.approx(0.4 * (1 - 1 / 9), abs=0.06)


def test_silence_is_neither_punished_nor_rewarded():
    prior = guess_prior(["a", "b"])
    corrected = prior_corrected_accuracy(tabulate(list("aabb"), ["a", None, "a", None]), prior)
    assert (corrected.accuracy.count, corrected.accuracy.n) == (1, 4)
    assert corrected.expected == 0.25  # two of four trials name something, and guessing is right half the time
    assert corrected.excess.value == 0
    assert corrected.excess.n_units == 2


@pytest.mark.parametrize(("answer", "count"), [("z", 0), (None, 0)])
def test_never_right_in_five_words_is_not_a_certainty(answer, count):
    corrected = prior_corrected_accuracy(tabulate(list("abcde") * 4, [answer] * 20), guess_prior(["a"]))
    assert corrected.accuracy.count == count
    assert (corrected.excess.low, corrected.excess.high) == pytest.approx(
        tuple(bound - corrected.expected for bound in wilson(0.0, 5))
    )


def test_without_trials_there_is_no_excess():
    corrected = prior_corrected_accuracy(tabulate([], []), guess_prior(["a"]))
    assert (corrected.excess.value, corrected.excess.low, corrected.excess.n_units, corrected.expected) == (
        None, None, 0, 0.0,
    )  # fmt: skip


def test_the_interval_of_the_corrected_accuracy_covers():
    rng = np.random.default_rng(6)
    prior, words = guess_prior([*WORDS, "x"]), [*WORDS, "x"]
    covered = 0
    for _ in range(400):
        right = rng.binomial(8, rng.beta(2, 2, 10))
        counts = np.diag(right)
        counts[np.arange(10), (np.arange(10) + 1) % 10] += 8 - right
        corrected = prior_corrected_accuracy(Confusion(tuple(words), tuple(words), counts), prior, n_resamples=1000)
        covered += corrected.excess.low <= 0.5 - 0.1 <= corrected.excess.high
    assert 0.90 <= covered / 400 <= 0.985
