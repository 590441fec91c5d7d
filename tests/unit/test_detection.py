"""Telling injected trials from clean ones is one thing, a leaning towards yes another."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest, mannwhitneyu, norm

from introspect.analysis.area import area
from introspect.analysis.detection import clopper_pearson, d_prime, detection, share, sign_of

READS = {"y": "yes", "n": "no", "?": "unreadable"}


def spoken(hits, alarms, **columns):
    """One reply a letter; concepts and lead-ins of their own."""
    rows = []
    for arm, letters in (("concept", hits), ("none", alarms)):
        for i, letter in enumerate(letters):
            name = f"{arm}{i}"
            concept = name if arm == "concept" else None
            base = {"arm": arm, "unit": name, "concept": concept, "prompt": f"p{i}"}
            rows.append({"task": "report", "sample": 0, "noticed": READS[letter]} | base)
    frame = pl.DataFrame(rows, schema_overrides={"noticed": pl.String, "concept": pl.String})
    return frame.with_columns([pl.lit(value).alias(name) for name, value in columns.items()])


def scored(signal, noise, task="detection/words", copies=1):
    rows = []
    for arm, values in (("concept", signal), ("none", noise)):
        for i, value in enumerate(values):
            concept = f"c{i}" if arm == "concept" else None
            row = {"arm": arm, "unit": concept or f"lead {i}", "concept": concept, "prompt": f"p{i}", "task": task}
            rows += [row | {"yes_logodds": float(value), "sample": sample} for sample in range(copies)]
    return pl.DataFrame(rows)


def test_d_prime_is_the_textbook_s_with_half_a_trial_added():
    sensitivity, criterion = d_prime(20, 10, 25)
    hit, alarm = norm.ppf(20.5 / 26), norm.ppf(10.5 / 26)
    assert sensitivity == pytest.approx(hit - alarm)
    assert criterion == pytest.approx(-(hit + alarm) / 2)


def test_a_subject_that_always_says_yes_has_no_sensitivity_and_a_low_criterion():
    sensitivity, criterion = d_prime(30, 30, 30)
    assert sensitivity == 0
    assert criterion < -2


def test_perfect_reports_have_a_finite_d_prime_that_grows_with_the_trials():
    assert 3 < d_prime(20, 0, 20)[0] < d_prime(100, 0, 100)[0] < 6


def test_arms_of_unequal_size_get_no_d_prime_since_the_correction_would_make_one():
    found = detection(spoken("n" * 50, "n" * 10), temperature=1.0).as_no
    assert (found.d_prime, found.criterion) == (None, None)
    assert "50 and 10" in found.because
    assert (found.hits.rate, found.false_alarms.rate) == (0, 0)


def test_of_arms_of_unequal_size_d_prime_is_that_of_the_prompts_that_both_have():
    """Ten prompts; each has five injected trials and one clean one. The first by its key is the one that counts."""
    frame = spoken("n" * 50, "n" * 10).with_columns(
        prompt=pl.concat_str(pl.lit("p"), pl.int_range(pl.len()) % 10),
        key=pl.format("{}", pl.int_range(pl.len()) + 100),
    )
    hits = frame.with_columns(noticed=pl.when(pl.int_range(pl.len()) < 10).then(pl.lit("yes")).otherwise("noticed"))
    found = detection(hits, temperature=1.0).as_no
    assert found.n_pairs == 10
    assert found.d_prime == pytest.approx(d_prime(10, 0, 10)[0])
    assert (found.hits.count, found.hits.n) == (10, 50)  # the rates are those of all
    assert detection(frame, temperature=1.0).as_no.d_prime == 0
    apart = hits.with_columns(prompt=pl.concat_str("arm", "prompt"))
    assert "0 prompts that both arms have" in detection(apart, temperature=1.0).as_no.because


def test_the_temperature_is_beside_every_d_prime_and_without_it_there_is_none():
    frame = spoken("yyyn", "nnny")
    assert detection(frame, temperature=0.7).as_no.temperature == 0.7
    assert detection(frame.with_columns(pl.lit(0.3).alias("temperature"))).as_yes.temperature == 0.3
    unknown = detection(frame)
    assert unknown.readout == "unknown"
    assert unknown.as_no.d_prime is None
    assert unknown.as_no.because == "the temperature is not known"
    assert detection(scored([1, 2], [-1, -2])).as_no.temperature == 0


def test_unreadable_replies_stay_in_the_denominator_and_are_counted_both_ways():
    found = detection(spoken("yy??", "nn?n"), temperature=1.0)
    assert (found.signal.n_unreadable, found.noise.n_unreadable) == (2, 1)
    assert (found.as_no.hits.rate, found.as_no.false_alarms.rate) == (0.5, 0)
    assert (found.as_yes.hits.rate, found.as_yes.false_alarms.rate) == (1, 0.25)
    assert found.as_no.d_prime == d_prime(2, 0, 4)[0]
    assert found.as_yes.d_prime == d_prime(4, 1, 4)[0]


def test_a_read_out_that_draws_nothing_counts_each_prompt_and_vector_once():
    repeated = detection(scored([1, 2, -1], [-1, -2, 1], copies=5))
    assert (repeated.signal.n_trials, repeated.signal.n_counted, repeated.signal.n_prompts) == (15, 3, 3)
    assert repeated.as_no == detection(scored([1, 2, -1], [-1, -2, 1])).as_no
    five = pl.concat([spoken("yn", "nn").with_columns(pl.lit(i).alias("sample")) for i in range(5)])
    assert detection(five, temperature=0.0).as_no.hits.n == 2
    assert detection(five, temperature=0.5).as_no.hits.n == 10


def test_the_draws_of_a_noise_family_are_vectors_of_their_own():
    frame = scored([1, 2], [-1, -2], copies=4).with_columns(pl.col("arm").replace("concept", "random"))
    assert detection(frame, signal="random").signal.n_counted == 8


def test_a_no_to_the_inverted_question_reports_an_injection():
    found = detection(scored([-1, -2, -3], [1, 2, 3], task="inverted/digits"))
    assert (found.as_no.hits.rate, found.as_no.false_alarms.rate) == (1, 0)
    assert (sign_of("inverted/words"), sign_of("detection/words")) == (-1, 1)


def test_intervals_are_exact_for_unrelated_trials_and_for_units_that_all_agree():
    for count, n in ((0, 10), (3, 10), (10, 10)):
        exact = binomtest(count, n).proportion_ci(method="exact")
        assert clopper_pearson(count, n) == pytest.approx((exact.low, exact.high))
    assert share([1, 0, 1], [1, 1, 1]).method == "exact"
    agree = share([5, 5, 5, 5], [5, 5, 5, 5])
    assert (agree.method, agree.n, agree.low) == ("exact", 20, pytest.approx(clopper_pearson(4, 4)[0]))
    mixed = share([5, 0, 5, 0], [5, 5, 5, 5])
    assert (mixed.method, mixed.n_units) == ("clustered", 4)
    assert mixed.low < 0.2
    assert (share([], []).rate, clopper_pearson(0, 0)) == (None, (0, 1))


def test_the_area_is_mann_and_whitney_s():
    rng = np.random.default_rng(0)
    signal, noise = rng.integers(0, 6, 30).tolist(), rng.integers(0, 5, 40).tolist()
    assert area(signal, noise) == pytest.approx(mannwhitneyu(signal, noise).statistic / 1200)


def test_evidence_of_unequal_variance_gives_its_own_d_a_and_ratio():
    rng = np.random.default_rng(1)
    found = detection(scored(rng.normal(2, 2, 4000), rng.normal(0, 1, 4000))).spread
    assert found.d_a == pytest.approx(2 / np.sqrt(2.5), abs=0.06)
    assert found.ratio == pytest.approx(0.5, abs=0.03)
    assert found.auc == pytest.approx(norm.cdf(2 / np.sqrt(5)), abs=0.02)
    assert found.low < norm.cdf(2 / np.sqrt(5)) < found.high


def test_the_bounds_of_the_area_hold_the_truth_about_as_often_as_they_say():
    """200 samples; at 95 % fewer than 180 have a probability below three in a thousand."""
    rng, truth, held = np.random.default_rng(2), norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(200):
        found = detection(scored(rng.normal(1, 1, 30), rng.normal(0, 1, 30))).spread
        held += found.low <= truth <= found.high
    assert held >= 180


def test_area_and_spread_need_twenty_clean_items():
    few = detection(scored(range(30), range(19))).spread
    assert (few.auc, few.d_a) == (None, None)
    assert "19 items" in few.because
    assert detection(scored(range(30), range(20))).spread.because is None


def test_arms_that_do_not_overlap_have_an_area_and_no_bounds():
    found = detection(scored(range(100, 130), range(30))).spread
    assert (found.auc, found.low, found.high) == (1, None, None)
    assert found.d_a > 5


def test_log_odds_without_spread_have_no_d_a():
    found = detection(scored([1.0] * 25, [1.0] * 25)).spread
    assert (found.auc, found.d_a) == (0.5, None)
    assert "no spread" in found.because


@pytest.mark.parametrize(
    "frame", [spoken("yy", ""), spoken("", "nn"), spoken("y", "n").clear(), scored([1], []), scored([], [1])]
)
def test_an_arm_without_trials_has_a_reason_in_place_of_numbers(frame):
    found = detection(frame, temperature=1.0)
    assert found.as_no.d_prime is None
    assert "trials with a signal" in found.as_no.because
    assert found.spread.auc is None
    assert found.spread.because


def test_replies_have_no_area():
    assert detection(spoken("yy", "nn"), temperature=1.0).spread.because == "replies have no log-odds"


def test_noise_at_matched_norm_and_at_matched_effect_are_vectors_of_their_own():
    one, two = (
        scored(values, [-1, -2]).with_columns(match=pl.lit(kind))
        for values, kind in (([1, 2], "norm"), ([-3, -4], "effect"))
    )
    found = detection(pl.concat([one, two.filter(pl.col("arm") == "concept")]))
    assert (found.signal.n_counted, found.as_no.hits.count) == (4, 2)
