"""A concept is identified by its own words and by nothing merely near it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.analysis.identify import identified, matches, mention, named_after_noticing
from introspect.graders.rules import RuleGrader
from introspect.records import Claim, Evidence

BREAD = ("bread", "loaf", "loaves")


def claim_naming(*texts, noticed="yes", order=None, evidence=()):
    named = tuple(Evidence(rule="announced", start=0, stop=len(text), text=text) for text in texts)
    return Claim(grader="hand", noticed=noticed, named=named, order=order, coherent=True, evidence=evidence)


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


def test_a_concept_among_the_names_is_identified():
    assert identified(claim_naming("snow", "a loaf"), BREAD)
    assert not identified(claim_naming("snow"), BREAD)
    assert not identified(claim_naming(), BREAD)


def test_colours_of_a_fabric_do_not_report_anxiety():
    reply = "Yes, I detect an injected thought. It is about indigo and denim."
    claim = RuleGrader().grade(reply)
    assert claim.noticed == "yes"
    assert not identified(claim, ("anxiety", "anxieties"))
    assert identified(claim, ("denim",))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Yes, I detect an injected thought about bread.", True),
        ("Yes. Bread.", True),
        ("I think I sense an injected thought about... bread?", True),
        ("I find myself drawn to the idea of bread.", True),
        ("Oh, I think bread is the injected thought.", True),
        ("Bread. The thought is about bread.", False),
        ("Bread is the injected thought.", False),
        ("I do not sense any bread. No wait, actually, I do sense something. The thought is about bread.", False),
        ("I don't detect anything; usual thoughts about bread. Oh wait, I think bread is the injected thought.", False),
        ("No, I do not detect bread.", False),
        ("Yes, I detect a thought about snow.", False),
        ("Bread.", False),
        ("Yes, I detect bread.", False),
        ("Yes, I detect an injected thought. Snow falls on the bread.", False),
    ],
)
def test_the_concept_counts_only_when_named_with_or_after_the_noticing(reply, expected):
    assert named_after_noticing(RuleGrader().grade(reply), reply, BREAD) is expected


def test_without_a_stretch_of_noticing_the_grader_s_own_order_decides():
    assert named_after_noticing(claim_naming("bread", order="noticed_first"), "bread", BREAD)
    assert not named_after_noticing(claim_naming("bread", order="named_first"), "bread", BREAD)


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=4))
def test_a_mention_is_a_place_in_the_text(text, forms):
    at = mention(text, forms)
    assert (at is not None) == matches(text, forms)
    assert at is None or 0 <= at < len(text)
