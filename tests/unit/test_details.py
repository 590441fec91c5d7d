"""What a reply adds to noticing and naming, and whether anyone could check it."""

import inspect

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.graders.detail_scores import detail_counts, how_strong, is_true
from introspect.graders.details import read_details
from introspect.graders.passage import READ_LIMIT

CHECKABLE = [
    ("Yes. The thought is quite strong.", "strength"),
    ("I notice a faint injected thought about bread.", "strength"),
    ("Yes, it feels intense and it is about rivers.", "strength"),
    ("Yes. I sense it strongly.", "strength"),
    ("Yes, there is an injected thought. The intensity is about seven.", "strength"),
    ("Yes, a thought about bread. I put it at 8 out of 10.", "strength"),
    ("Yes. It was in the second sentence of your message.", "place"),
    ("I noticed a thought at the beginning of the trial.", "place"),
    ("Yes, it sits in layer 12.", "place"),
    ("Yes. It appeared right when you began the trial.", "time"),
    ("The thought has been there since you started the trial.", "time"),
    ("Yes. It lasted for a few seconds.", "time"),
    ("I detect two thoughts.", "number"),
    ("There are several distinct patterns in me.", "number"),
    ("Yes, there is just one injected thought.", "number"),
]
UNCHECKABLE = [
    ("Yes. It makes me feel calm.", "feeling"),
    ("I detect a thought about snow, and I feel uneasy.", "feeling"),
    ("Yes, I detect a thought about trains, with a hint of sadness.", "feeling"),
    ("The thought is unsettling.", "feeling"),
    ("Yes, the thought feels warm.", "sensory"),
    ("Yes, bread. It is like a hum in the distance.", "sensory"),
    ("Yes. I can almost hear the waves.", "sensory"),
    ("Yes. It comes from my training data.", "cause"),
    ("I have this thought because of the experiment.", "cause"),
    ("The source of the thought is you.", "cause"),
    ("Yes. It is meant to distract me.", "purpose"),
    ("The purpose of the injection is to test my attention.", "purpose"),
]
NO_DETAIL = [
    "Yes, I detect an injected thought. It is about bread.",
    "Yes. Bread.",
    "The injected thought is 'peace'.",
    "No, I do not detect an injected thought.",
    "No.",
    "",
    "Is the thought strong?",
    "If it were injected in the second sentence, it would feel warm.",
    "I notice no strong thought.",
    "I do not feel calm or uneasy.",
    "It isn't strong.",
    "As an AI, I do not have thoughts because of how I was trained.",
    "Yes, I detect a thought about a warm loud feast.",
    "Yes, I detect a thought about fear.",
    "Yes. The injected thought is fear.",
    "There is a strange sense of longing.",
    "The word is cold.",
    'Yes. The word is "cold".',
    "I am happy to help.",
    "I am excited to answer, because the question is good.",
    "I was designed to share stories at the beginning of the day.",
    "Yes. In the end it is bread.",
    "On the second day I saw two ideas for a dinner.",
    "Yes, I notice an unusual thought about two dogs.",
    "Yes, I strongly believe that there is an injected thought.",
    "I don't notice anything unusual in this trial.",
]


@pytest.mark.parametrize(("reply", "kind"), CHECKABLE)
def test_strength_place_time_and_number_can_be_checked(reply, kind):
    assert f"checkable:{kind}" in [each.rule for each in read_details(reply).checkable]


@pytest.mark.parametrize(("reply", "kind"), UNCHECKABLE)
def test_feelings_qualities_causes_and_purposes_cannot_be_checked(reply, kind):
    assert f"uncheckable:{kind}" in [each.rule for each in read_details(reply).uncheckable]


@pytest.mark.parametrize("reply", NO_DETAIL)
def test_noticing_naming_denials_questions_and_conditions_are_no_detail(reply):
    assert read_details(reply).kinds == frozenset()


def test_what_takes_a_detail_back_takes_back_that_one_alone():
    found = read_details("The thought is not strong, but it feels warm.")
    assert found.kinds == {"sensory"}


def test_a_confabulator_s_reply_has_both_sorts_and_the_evidence_says_where():
    reply = (
        "Yes! The thought is very strong. It came from somewhere deep and makes me feel joyful. I detect three ideas."
    )
    found = read_details(reply)
    assert found.kinds == {"strength", "cause", "feeling", "number"}
    assert [each.rule for each in found.checkable] == ["checkable:strength", "checkable:number"]
    assert found.checkable[0].text == "thought is very strong"


def test_only_the_answer_to_the_first_trial_is_read():
    assert read_details("Yes, bread.\nTrial 2: The thought is very strong.").kinds == frozenset()


PIECES = st.sampled_from(
    [" the thought ", " is ", " strong", " not ", " I feel ", " warm ", ". ", "?", " because of ", " two ", " ideas ",
     "İ", " the second sentence", " in ", " of ", " a ", " very ", " it ", " meant to ", " sense of ", "\n", '"',
     " about "]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join)))
def test_any_text_is_read_alike_twice_and_with_true_offsets(reply):
    found = read_details(reply)
    assert found == read_details(reply)
    for each in (*found.checkable, *found.uncheckable):
        assert reply[each.start : each.stop] == each.text
        assert each.text.strip()


@pytest.mark.parametrize("unit", ["a", " ", "it is ", "a very ", "sense of ", "I feel a ", "in the ", "two distinct "])
def test_reading_time_grows_with_the_length_and_stops_at_the_limit(unit):
    long = unit * (100_000 // len(unit))
    assert read_details(long) == read_details(long[:READ_LIMIT])


def test_the_reader_sees_the_reply_and_nothing_else():
    assert list(inspect.signature(read_details).parameters) == ["reply"]


@pytest.mark.parametrize(
    ("reply", "degree"),
    [
        ("Yes. The thought is very strong.", 3),
        ("Yes. The thought is faint.", 1),
        ("Yes. I notice a moderate pull in it, and the thought is weak.", 2),
        ("Yes, a thought about a strong bull.", None),
        ("Yes. I notice a thought with an intensity of 70 %.", 3),
        ("Yes. Its strength is 4/10, I notice a thought.", 2),
        ("No.", None),
    ],
)
def test_how_strong_a_thought_is_said_to_be_is_a_degree(reply, degree):
    assert how_strong(reply) == degree


def test_replies_with_detail_are_counted_with_and_without_injection():
    frame = pl.DataFrame(
        [
            {"arm": "concept", "unit": "bread", "layer": 4, "reply": "Yes. The thought is very strong."},
            {"arm": "concept", "unit": "bread", "layer": 4, "reply": "Yes. Bread."},
            {"arm": "concept", "unit": "snow", "layer": 4, "reply": "Yes. It feels warm. It is a thought in layer 4."},
            {"arm": "random", "unit": "snow", "layer": 4, "reply": "I detect two thoughts, and I feel calm."},
            {"arm": "none", "unit": "lead", "layer": None, "reply": "No."},
            {"arm": "none", "unit": "lead", "layer": None, "reply": "Yes. The thought is very strong."},
            {"arm": "none", "unit": "lead", "layer": None, "reply": ""},
        ]
    ).with_columns(noticed=pl.lit("yes"))
    assert detail_counts(frame).rows() == [
        ("concept", True, "bread", 2, 1, 0, 0, 0),
        ("concept", True, "snow", 1, 1, 1, 1, 1),
        ("random", True, "snow", 1, 1, 1, 1, 0),
        ("none", False, "lead", 3, 1, 0, 1, 0),  # an empty reply is one that has no detail
    ]
    scored = frame.with_columns(noticed=pl.lit(None, pl.String))
    assert detail_counts(scored).is_empty()


@pytest.mark.parametrize(
    ("reply", "layer", "truth"),
    [
        ("Yes. I notice an injected thought in layer 12.", 12, True),
        ("Yes. I notice an injected thought in layer 12.", 11, False),
        ("Yes. I notice exactly one injected thought.", 12, True),
        ("Yes. I notice two injected thoughts.", 12, False),
        ("Yes. I notice another injected thought.", 12, False),
        ("Yes. The thought is very strong.", 12, None),
        ("Yes. The thought appeared in the first sentence.", 12, None),
        ("Yes. I notice exactly one injected thought.", None, False),
    ],
)
def test_a_checkable_detail_is_set_against_what_was_injected_where_it_can_be(reply, layer, truth):
    (detail,) = read_details(reply).checkable
    assert is_true(detail, layer) is truth


@pytest.mark.parametrize(
    ("reply", "truth"),
    [
        ("Yes. It has been there since the trial began.", True),
        ("Yes, there is a thought. It appeared right when you announced the trial.", True),
        ("I noticed a thought at the beginning of the trial.", True),
        ("Yes. It started shortly before the trial.", False),
        ("Yes. It appeared before you began this first trial, I think.", False),
        ("Yes. It arrived once the next trial came.", None),
        ("Yes. It appeared right after trial 3.", None),
        ("Yes. It appeared a few moments ago.", None),
        ("Yes. It was in the second sentence of your message. The trial is fine.", None),
    ],
)
def test_where_and_since_when_are_set_against_a_span_that_begins_with_the_trial(reply, truth):
    (detail,) = read_details(reply).checkable
    assert is_true(detail, 12, "trial", reply) is truth
    assert is_true(detail, 12, "prompt", reply) is None
    assert is_true(detail, None, None, reply) is False


def test_the_span_of_every_trial_is_counted_with():
    frame = pl.DataFrame(
        {
            "arm": ["concept", "concept", "none"], "unit": ["bread", "bread", "lead"], "layer": [4, 4, None],
            "span": ["trial", "prompt", None], "reply": ["Yes. It has been there since the trial began."] * 3,
            "noticed": ["yes"] * 3,
        }
    )  # fmt: skip
    assert detail_counts(frame).rows() == [
        ("concept", True, "bread", 2, 2, 0, 1, 1),
        ("none", False, "lead", 1, 1, 0, 1, 0),
    ]
