"""A concept is mentioned by its own words, whole and in any inflection, and by nothing merely near it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.concepts import load_concepts
from introspect.words import matches, mention, stem

BREAD = ("bread", "loaf", "loaves")


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("Bread", BREAD),
        ("BREADS", BREAD),
        ("two loaves", BREAD),
        ("the bread's crust", BREAD),
        ("the bread’s crust", BREAD),
        ("bread-making", BREAD),
        ('"bread"?', BREAD),
        ("tree", ("Trees",)),
        ("a hot air balloon", ("hot air balloon",)),
        ("Hot-air balloons", ("hot air balloon",)),
        ("amphitheater", ("Amphitheaters",)),
        ("harmony", ("harmonies",)),
        ("betrayed", ("betrayal",)),
        ("memory", ("Memories",)),
    ],
)
def test_a_form_matches_across_case_number_and_possession(text, forms):
    assert matches(text, forms)


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("breadth", BREAD),
        ("treason", ("trees",)),
        ("silverware", ("silver",)),
        ("Indigo and denim", ("anxiety", "anxious")),
        ("hot air", ("hot air balloon",)),
        ("air hot balloon", ("hot air balloon",)),
        ("a hot day, the air, a balloon", ("hot air balloon",)),
        ("toast", BREAD),
        ("", BREAD),
        ("bread", ()),
        ("bread", ("",)),
        ("bread", ("?!",)),
        ("ocean", ("denim",)),
    ],
)
def test_a_part_of_a_word_or_a_neighbour_in_meaning_is_no_match(text, forms):
    assert not matches(text, forms)


def test_the_first_mention_is_found_at_its_offset():
    assert mention("I saw two Loaves of bread", BREAD) == 10
    assert mention("I saw nothing", BREAD) is None


def test_a_stem_has_no_case_no_possession_and_no_ending():
    assert len({stem(word) for word in ("tree", "Trees", "TREES", "tree's", "trees’", "Tree’s")}) == 1
    assert stem("bread") != stem("breadth")


def test_words_of_other_alphabets_and_accents_are_words():
    assert matches("ein Éclair, zwei Éclairs", ("éclair",))
    assert mention("это хлеб", ("хлеб",)) == 4


def test_no_concept_of_the_experiment_is_mentioned_by_naming_another_one():
    members = load_concepts("lindsey_concepts").members
    assert not [
        (one.name, other.name)
        for one in members
        for other in members
        if one != other and matches(one.name, other.forms)
    ]


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=4))
def test_a_mention_is_a_place_in_the_text(text, forms):
    at = mention(text, forms)
    assert (at is not None) == matches(text, forms)
    assert at is None or 0 <= at < len(text)


@given(st.sampled_from(BREAD), st.text(" .,;:!?\n\"'-", min_size=1, max_size=5), st.text("xyz ", max_size=20))
def test_a_word_between_marks_is_found_wherever_it_stands(form, gap, around):
    assert mention(f"{around} {gap}{form}{gap} {around}", BREAD) == len(around + gap) + 1
