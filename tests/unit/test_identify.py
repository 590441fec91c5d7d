"""A concept is identified by its own words and by nothing merely near it."""

import pytest

from introspect.analysis.identify import identified, named_after_noticing
from introspect.graders.rules import RuleGrader
from introspect.records import Claim, Evidence

BREAD = ("bread", "loaf", "loaves")


def claim_naming(*texts, noticed="yes", order=None, evidence=()):
    named = tuple(Evidence(rule="announced", start=0, stop=len(text), text=text) for text in texts)
    return Claim(grader="hand", noticed=noticed, named=named, order=order, coherent=True, evidence=evidence)


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
