"""What a judge is asked, and how strictly its answers are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.graders.answers import grader_name, read_answer, read_choice
from introspect.graders.rubric import LABELS, choice_prompt, fence, prompt

REPLY = "Yes, I notice a faint thought about the   Ocean. Perhaps also of bread."
GOOD = {
    "NOTICED": "yes", "NAMED": "the ocean | bread", "ORDER": "noticed_first", "COHERENT": "yes", "REFUSES": "no",
    "DETAIL": "checkable",
}  # fmt: skip


def said(**changes):
    return "\n".join(f"{label}: {value}" for label, value in (GOOD | changes).items() if value is not None)


def read(answer, reply=REPLY):
    return read_answer(reply, answer, "judge-1:m")


def test_a_whole_answer_becomes_a_claim_with_the_reply_s_own_words():
    claim = read(said())
    assert (claim.noticed, claim.coherent, claim.refuses, claim.order) == ("yes", True, False, "noticed_first")
    assert [each.text for each in claim.named] == ["the   Ocean", "bread"]
    assert all(REPLY[each.start : each.stop] == each.text for each in claim.named)
    assert claim.details == ("checkable",)
    assert claim.unscored is None
    assert claim.grader == grader_name("m") == "judge-1:m"


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        ("", "NOTICED, NAMED, ORDER, COHERENT, REFUSES, DETAIL are not answered"),
        (said(DETAIL=None), "DETAIL is not answered"),
        (said() + "\nNOTICED: no", "NOTICED is answered twice"),
        ("Sure! Here is my answer:\n" + said(), "a line that was not asked for: 'Sure! Here is my answer:'"),
        (said() + "\nMOOD: sad", "a line that was not asked for: 'MOOD: sad'"),
        (said(NOTICED="maybe"), "NOTICED is 'maybe', not yes or no or unclear"),
        (said(NOTICED="yes."), "NOTICED is 'yes.'"),
        (said(NOTICED="Yes"), "NOTICED is 'Yes'"),
        (said(COHERENT=""), "COHERENT is ''"),
        (said(NAMED="volcanoes"), "NAMED is 'volcanoes', which does not stand in the reply"),
        (said(NAMED="ocean | "), "NAMED is '', which does not stand in the reply"),
        ("noticed: yes\n" + said(NOTICED=None), "a line that was not asked for: 'noticed: yes'"),
        (said()[: len(said()) // 2], "not answered"),
        ("1. " + said(), "a line that was not asked for"),
        ("```\n" + said() + "\n```", "a line that was not asked for: '```'"),
    ],
)
def test_an_answer_that_breaks_the_form_is_no_verdict_and_says_why(answer, because):
    claim = read(answer)
    assert because in claim.unscored
    assert (claim.noticed, claim.named, claim.order, claim.refuses) == ("unreadable", (), None, False)


def test_white_space_around_lines_and_quotation_marks_round_a_name_do_not_matter():
    assert read("\n\n  " + said(NAMED="“bread”").replace("\n", "\r\n\n  ") + "\n").named[0].text == "bread"


@pytest.mark.parametrize("changes", [{"NAMED": "none"}, {"NOTICED": "no"}, {"ORDER": "neither"}])
def test_there_is_an_order_only_between_a_noticing_and_a_name(changes):
    assert read(said(**changes)).order is None


def test_the_word_that_is_named_is_one_of_those_on_offer_or_none():
    claim, words = read(said()), ("bread", "Oceans", "dust")
    assert read_choice(claim, "WORD: oceans\n", words).matched == "Oceans"
    none = read_choice(claim, "WORD: none", words)
    assert (none.matched, none.offered, none.unscored) == (None, words, None)
    for answer in ("WORD: water", "oceans", "WORD: bread\nWORD: dust", "WORD: bread, dust"):
        assert read_choice(claim, answer, words).unscored


def test_a_named_synonym_counts_as_naming_if_the_judge_matches_it():
    from introspect.analysis.identify import identified, named_after_noticing

    claim = read_choice(read(said(NAMED="the ocean")), "WORD: sea", ("sea", "dust"))
    assert identified(claim, ("sea",))
    assert named_after_noticing(claim, REPLY, ("sea",))
    assert not identified(claim, ("dust",))
    assert not identified(read_choice(read(said(NAMED="bread")), "WORD: none", ("bread", "dust")), ("bread",))


@given(st.text(max_size=300))
def test_no_reply_contains_the_line_that_ends_it_and_none_has_the_last_word(reply):
    for text in (prompt(reply), choice_prompt(reply, ("bread", "dust"))):
        mark = fence(reply)
        assert mark not in reply
        assert text.count(f"\n{mark} BEGIN\n") == text.count(f"\n{mark} END\n") == 1
        assert text.endswith(("words of the text, or none", "DETAIL: none or checkable or uncheckable or both",
                              "WORD: one word of the list, or none"))  # fmt: skip


def test_the_prompt_asks_for_every_line_and_holds_nothing_but_the_reply():
    text = prompt(REPLY)
    form = text.rpartition("\n\n")[2]
    assert [line.partition(":")[0] for line in form.splitlines()] == list(LABELS)
    x, y = (prompt(reply).replace(fence(reply), "F").replace(f"\n{reply}\n", "\n\n") for reply in ("x", "y"))
    assert x == y


@given(st.text(max_size=200))
def test_any_answer_gives_a_claim(answer):
    claim = read(answer)
    assert claim.unscored is not None or claim.coherent in {True, False}
