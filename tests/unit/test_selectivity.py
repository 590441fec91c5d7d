"""A report that comes with any disturbance is no report of a concept."""

import polars as pl
import pytest

from introspect.analysis.selectivity import selectivity

READS = {"y": "yes", "n": "no", "?": "unreadable"}


def replies(arm, reads, wording="a", **columns):
    """Return a frame with the letters' replies under each concept's vector, or the noise of its norm."""
    rows = [
        {"arm": arm, "unit": unit, "task": "report", "wording": wording, "noticed": READS[letter]}
        for unit, letters in reads.items()
        for letter in letters
    ]
    return pl.DataFrame(rows).with_columns([pl.lit(value).alias(name) for name, value in columns.items()])


def scored(arm, values, task="detection/words"):
    return pl.DataFrame(
        [{"arm": arm, "unit": unit, "task": task, "wording": "a", "yes_logodds": value} for unit, value in values]
    )


def only(frame, **wanted):
    (found,) = [s for s in selectivity(frame) if all(getattr(s, name) == value for name, value in wanted.items())]
    return found


def test_a_subject_that_notices_everything_has_no_selectivity():
    found = only(pl.concat([replies("concept", {"a": "yy", "b": "yy"}), replies("random", {"a": "yy", "b": "yy"})]))
    assert found.values["gap"].to_list() == [0, 0]
    assert (found.mean.value, found.mean.n_units) == (0, 2)


def test_the_gap_is_paired_by_concept():
    frame = pl.concat(
        [replies("concept", {"a": "yyyy", "b": "yynn"}), replies("random", {"b": "nnnn", "a": "yynn", "c": "yyyy"})]
    )
    found = only(frame)
    assert found.values["concept"].to_list() == ["a", "b"]
    assert found.values["under_concept"].to_list() == [1, 0.5]
    assert found.values["under_noise"].to_list() == [0.5, 0]
    assert found.values["gap"].to_list() == [0.5, 0.5]
    assert found.values["n"].to_list() == [8, 8]
    assert found.mean.value == 0.5


def test_clean_trials_have_no_part_in_it():
    frame = pl.concat([replies("concept", {"a": "yn", "b": "yy"}), replies("random", {"a": "nn", "b": "nn"})])
    with_clean = pl.concat([frame, replies("none", {"a": "yyyy", "b": "yyyy"})])
    assert selectivity(with_clean)[0].values.equals(selectivity(frame)[0].values)
    assert selectivity(with_clean.filter(pl.col("arm") != "random")) == ()


def test_only_wordings_that_both_arms_have_are_compared_and_they_weigh_the_same():
    frame = pl.concat(
        [
            replies("concept", {"a": "y"}, "one"),
            replies("random", {"a": "n"}, "one"),
            replies("concept", {"a": "nnnn"}, "two"),
            replies("random", {"a": "nnnnnnnn"}, "two"),
            replies("concept", {"a": "yyyyy"}, "three"),
        ]
    )
    assert only(frame).values["gap"].to_list() == [0.5]


def test_families_and_kinds_of_matching_are_kept_apart():
    frame = pl.concat(
        [
            replies("concept", {"a": "yy"}, match="norm"),
            replies("random", {"a": "yn"}, match="norm"),
            replies("random", {"a": "yy"}, match="effect"),
            replies("covariance", {"a": "nn"}, match="effect"),
        ]
    )
    assert {(s.family, s.match): s.mean.value for s in selectivity(frame)} == {
        ("random", "norm"): 0.5,
        ("random", "effect"): 0,
        ("covariance", "effect"): 1,
    }
    assert [s.match for s in selectivity(frame.drop("match"))] == [None, None]


def test_unreadable_replies_count_as_no_and_for_and_against():
    found = only(pl.concat([replies("concept", {"a": "y?"}), replies("random", {"a": "n?"})]))
    assert found.values.row(0, named=True) == {
        "concept": "a", "n": 4, "under_concept": 0.5, "under_noise": 0, "gap": 0.5, "gap_for": 1, "gap_against": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("task", "sign"), [("detection/words", 1), ("inverted/words", -1)])
def test_log_odds_are_compared_as_well_and_turned_round_for_the_inverted_question(task, sign):
    frame = pl.concat(
        [scored("concept", [("a", 2.0), ("b", 1.0)], task), scored("random", [("a", -1.0), ("b", 0.5)], task)]
    )
    assert only(frame, measure="logodds").values["gap"].to_list() == [3 * sign, 0.5 * sign]
    assert only(frame, measure="rate").mean.value == 0.5 * sign


def test_nothing_run_is_nothing_found():
    assert selectivity(replies("concept", {"a": "y"}).clear()) == ()
    assert selectivity(replies("concept", {"a": "y"})) == ()
