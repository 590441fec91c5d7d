"""Naming the injected word counts only above the habit of naming that word anyway."""

import numpy as np
import polars as pl
import pytest

from introspect.analysis.naming import (
    Answer,
    above_others,
    first_named,
    identification,
    named_under_noise,
    naming_values,
    with_first_named,
    wrong_guess,
)

FORMS = {
    "bread": ("bread", "loaf"),
    "ocean": ("ocean", "sea"),
    "ice": ("ice",),
    "ice cream": ("ice cream",),
    "rock": ("rock", "rock and roll"),
}


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("bread", "bread"),
        ("Loaves", "loaves"),
        ("the loaf", "bread"),
        ("OCEANS; bread", "ocean"),
        ("bread; ocean", "bread"),
        ("milk, bread and ocean", "milk"),
        ("a deep blue sea", "ocean"),
        ("salt or bread", "salt"),
        ("salt/bread", "salt"),
        ("bread, ocean", "bread"),
        ("ice cream", "ice cream"),
        ("ice; ice cream", "ice"),
        ("rock and roll", "rock"),
        ("An Apple", "apple"),
        ("“Apple.”", "apple"),
        (" ; bread", "bread"),
        ("breadth", "breadth"),
        ("the", "the"),
        ("and bread", "bread"),
        ("", None),
        (" ; ", None),
        (None, None),
    ],
)
def test_the_first_thing_named_is_a_concept_by_its_stems_or_else_its_own_text(text, first):
    assert first_named(text, FORMS) == first


def test_every_trial_gets_its_first_named_thing():
    frame = pl.DataFrame({"named_text": ["seas; bread", None, "", "apple"]})
    assert with_first_named(frame, FORMS)["named_first"].to_list() == ["ocean", None, None, "apple"]


def trials(rows, arm="concept", **columns):
    names = ("concept", "named_first", "wording", "noticed")
    filled = [dict(zip(names, (*row, *("a", "yes")[len(row) - 2 :]), strict=True)) for row in rows]
    frame = pl.DataFrame(filled, schema=dict.fromkeys(names, pl.String)).with_columns(pl.lit(arm).alias("arm"))
    return frame.with_columns([pl.lit(value).alias(name) for name, value in columns.items()])


def column(frame, name):
    return dict(zip(frame["concept"], frame[name], strict=True))


def test_what_stands_in_a_reply_that_cannot_be_read_is_no_name():
    frame = pl.DataFrame({"named_text": ["bread"] * 3, "noticed": ["yes", "unreadable", None]})
    assert with_first_named(frame, {"bread": ("bread",)})["named_first"].to_list() == ["bread", None, "bread"]


def test_one_word_always_named_is_no_excess_for_any_concept():
    values = naming_values(trials([(word, "ocean") for word in ("bread", "ocean", "ice")] * 4))
    assert column(values, "hit") == {"bread": 0, "ice": 0, "ocean": 1}
    assert column(values, "prior") == {"bread": 0, "ice": 0, "ocean": 1}
    assert column(values, "excess") == {"bread": 0, "ice": 0, "ocean": 0}
    assert column(values, "n") == {"bread": 4, "ice": 4, "ocean": 4}


def test_always_right_is_an_excess_of_one():
    values = naming_values(trials([(word, word) for word in ("bread", "ocean", "ice")]))
    assert values["excess"].to_list() == [1, 1, 1]


def test_the_prior_is_taken_within_a_wording_and_wordings_weigh_the_same():
    """In wording a every trial says bread; in b, with more trials, every concept is right."""
    rows = [("bread", "bread", "a"), ("ocean", "bread", "a")]
    rows += [("bread", "bread", "b"), ("ocean", "ocean", "b")] * 5
    values = naming_values(trials(rows))
    assert column(values, "prior") == {"bread": 0.5, "ocean": 0}
    assert column(values, "excess") == {"bread": 0.5, "ocean": 0.5}


def test_other_concepts_weigh_the_same_in_the_prior_however_many_trials_they_have():
    values = naming_values(trials([("bread", None), *[("ocean", "bread")] * 6, ("ice", None), ("ice", None)]))
    assert column(values, "prior")["bread"] == 0.5


def test_random_guessing_has_an_excess_of_about_zero():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(10)]
    injected = words * 60
    guessed = rng.choice(words, size=600, p=np.array([0.55, *[0.05] * 9]))
    values = naming_values(trials(list(zip(injected, guessed.tolist(), strict=True))))
    assert values["excess"].mean() == pytest.approx(0, abs=0.02)
    assert values["hit"].max() > 0.4


def test_given_noticing_trials_without_it_do_not_count():
    rows = [("bread", "bread", "a", "yes"), ("bread", "bread", "a", "no"), ("ocean", "bread", "a", "no")]
    rows += [("ocean", "ocean", "a", "yes"), ("ocean", None, "a", "yes")]
    values = naming_values(trials(rows), given_noticing=True)
    assert column(values, "n") == {"bread": 1, "ocean": 2}
    assert column(values, "excess") == {"bread": 1, "ocean": 0.5}


def counted(rows, counting):
    """What is named by hand: concept, word, and whether the reply can be read."""
    answers = [Answer(concept, "a", said, how == "unreadable") for concept, said, how in rows]
    return above_others(answers, lambda concept: concept, counting)


def test_an_unreadable_reply_stays_in_the_denominator_and_can_count_for_and_against():
    rows = [("bread", "bread", "yes"), ("bread", None, "unreadable"), ("ocean", "ocean", "yes"), ("ice", "ice", "yes")]
    as_read, for_it, against = (counted(rows, how) for how in ("as read", "for", "against"))
    assert as_read["bread"].hit == 0.5
    assert for_it["bread"].hit == 1
    assert for_it["ocean"].prior == 0
    assert against["bread"].hit == 0.5
    assert {name: each.prior for name, each in against.items()} == {"bread": 0, "ocean": 0.125, "ice": 0.125}


def test_an_unreadable_reply_names_nothing_even_if_a_word_stands_in_it():
    rows = [("bread", "bread", "unreadable"), ("ocean", "bread", "unreadable")]
    assert [each[1:] for each in counted(rows, "as read").values()] == [(0, 0), (0, 0)]
    assert naming_values(trials([("bread", "bread", "a", "unreadable"), ("ocean", "ocean", "a", "yes")]))[
        "hit"
    ].to_list() == [0, 1]


def test_counting_for_is_never_below_and_against_never_above_what_was_read():
    rng = np.random.default_rng(1)
    words = ["bread", "ocean", "ice", "rock"]
    rows = [
        (word, rng.choice([*words, None]) if how != "unreadable" else None, str(how))
        for word in words * 30
        for how in [rng.choice(["yes", "no", "unreadable"])]
    ]
    as_read, for_it, against = (counted(rows, how) for how in ("as read", "for", "against"))
    for word in words:
        assert against[word].excess - 1e-12 <= as_read[word].excess <= for_it[word].excess + 1e-12


def test_a_concept_alone_in_its_wording_has_no_prior():
    values = naming_values(trials([("bread", "bread")]))
    assert values.row(0) == ("bread", 1, None, None, None)
    assert naming_values(trials([])).is_empty()


def test_the_commonest_wrong_guess_is_a_share_of_the_wrong_ones():
    found = wrong_guess(["a", "b", "c", "d", "e"], ["apple", "apple", "c", None, "snow"])
    assert (found.word, found.share, found.n_wrong) == ("apple", 2 / 3, 3)
    assert wrong_guess(["a"], ["a"]).share is None
    assert wrong_guess(["a", "b"], ["z", "y"]).word == "y"


def test_what_noise_brings_about_stands_beside_by_family():
    frame = pl.concat(
        [trials([("bread", "bread")]), trials([("bread", "apple"), ("ocean", "apple"), ("ice", None)], arm="random")]
    )
    found = named_under_noise(frame)
    assert set(found) == {"random"}
    assert (found["random"].top, found["random"].top_share, found["random"].n) == ("apple", 1, 3)


def test_information_tells_a_consistent_misnamer_from_a_habit():
    words = [f"w{i}" for i in range(8)]
    wrong = {word: f"x{i}" for i, word in enumerate(words)}
    knowing = identification(trials([(w, wrong[w]) for w in words * 5], task="report"), n_permutations=99)
    habit = identification(trials([(w, "apple") for w in words * 5], task="report"), n_permutations=99)
    assert knowing.information.bits == pytest.approx(3)
    assert knowing.information.p == pytest.approx(0.01)
    assert knowing.given_noticing["excess"].to_list() == [0] * 8
    assert (habit.information.bits, habit.information.p) == (0, 1)
    assert (habit.wrong.word, habit.wrong.share) == ("apple", 1)


def test_a_habit_that_changes_with_the_wording_is_in_the_null():
    """Each wording has its own favourite, and its own concepts: the choice tells the wording, not the word."""
    rows = [(f"w{i}", "apple", "a") for i in range(6)] + [(f"v{i}", "snow", "b") for i in range(6)]
    found = identification(trials(rows * 3), n_permutations=99)
    assert found.information.bits == pytest.approx(1)
    assert found.information.p == 1


def test_a_cell_without_a_reply_has_values_without_numbers():
    found = identification(trials([]), n_permutations=9)
    assert found.information.n == 0
    assert found.wrong.n_wrong == 0
    assert found.under_noise == {}
