"""Which option a reply names, and whether it repeats a sentence, as a person would read it; every example is ours."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from introspect.graders.options import choose_option, repeats
from introspect.graders.passage import READ_LIMIT

OPTIONS = {
    "bread": ("bread", "loaf", "loaves"),
    "ocean": ("ocean", "sea"),
    "balloon": ("balloon",),
    "hot air balloon": ("hot air balloon",),
    "memories": ("Memories",),
    "silver": ("silver",),
}


@pytest.mark.parametrize(
    ("reply", "option"),
    [
        ("Bread", "bread"),
        ("bread.", "bread"),
        ('"Bread"', "bread"),
        ("**Bread**", "bread"),
        ("1. Bread", "bread"),
        ("Answer: bread", "bread"),
        ("Two loaves", "bread"),
        ("A loaf's crust", "bread"),
        ("I think of the sea.", "ocean"),
        ("A memory", "memories"),
        ("Balloons!", "balloon"),
        ("A hot-air balloon.", "hot air balloon"),
        ("Hot air balloons, not loaves", "hot air balloon"),
        ("My mind drifts towards hot air balloons", "hot air balloon"),
        ("Bread, bread, bread", "bread"),
        ("bread and loaves", "bread"),
        ("Not bread but the ocean.", "ocean"),
        ("It isn't bread, it is silver", "silver"),
        ("The sea rather than silver", "ocean"),
        ("Is it bread? No, it is the sea.", "ocean"),
        ("Bread or silver? Silver.", "silver"),
    ],
)
def test_the_only_option_that_a_reply_names_is_its_choice(reply, option):
    assert choose_option(reply, OPTIONS) == option


@pytest.mark.parametrize(
    ("reply", "option"),
    [
        ("Ocean. It is more like water to me, and bread is dry.", "ocean"),
        ("The ocean, since bread has no waves.", "ocean"),
        ("Silver is closest; the ocean comes second.", "silver"),
        ("The options are bread, ocean and silver. I choose ocean.", "ocean"),
        ("Silver and bread both come up, but the answer is bread.", "bread"),
        ('Between bread and silver I would go with "silver".', "silver"),
        ("Of bread, silver and the rest, the word is: ocean", "ocean"),
    ],
)
def test_of_several_options_the_one_that_is_singled_out_is_the_choice(reply, option):
    assert choose_option(reply, OPTIONS) == option


@pytest.mark.parametrize(
    "reply",
    [
        "bread, ocean",
        "Bread ocean",
        "bread\nocean",
        "Bread and silver",
        "Bread/ocean",
        "It is bread or the ocean.",
        "The thought is about loaves and the ocean.",
        "I choose bread. I choose ocean.",
        "My mind wanders from bread to silver.",
    ],
)
def test_a_list_of_options_is_no_choice(reply):
    assert choose_option(reply, OPTIONS) is None


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Breadth",
        "Silverware",
        "Seaside",
        "Toast",
        "None of them.",
        "Not bread.",
        "I do not think of bread",
        "Is it bread?",
        "I cannot tell.",
        "Hot air",
        "面包",
    ],
)
def test_a_part_of_a_word_a_neighbour_a_question_and_a_denial_name_no_option(reply):
    assert choose_option(reply, OPTIONS) is None


def test_a_turn_that_the_subject_invents_is_not_read():
    assert choose_option("Bread\n\nHuman: And now?\nAssistant: Silver", OPTIONS) == "bread"


def test_options_that_share_a_form_are_not_told_apart_by_it():
    options = {"loaf": ("loaf", "bread"), "bread": ("bread",)}
    assert choose_option("Bread.", options) is None
    assert choose_option("A loaf.", options) == "loaf"


def test_nothing_is_chosen_where_nothing_is_on_offer():
    assert choose_option("Bread.", {}) is None
    assert choose_option("Bread.", {"silence": ()}) is None


def test_the_order_of_the_options_does_not_matter():
    turned = dict(reversed(OPTIONS.items()))
    for reply in ("Silver and bread both come up, but the answer is bread.", "bread, ocean", "A hot air balloon"):
        assert choose_option(reply, turned) == choose_option(reply, OPTIONS)


PIECES = st.sampled_from(
    [
        *" \n.,!?\"':;-/",
        " bread",
        " loaves",
        " the sea",
        " hot air",
        " balloon",
        " silver",
        " not",
        " or",
        " and",
        " I choose",
    ]
)


@given(st.one_of(st.text(max_size=100), st.lists(PIECES, max_size=25).map("".join)))
def test_a_choice_is_always_an_option_whose_word_stands_in_the_reply(reply):
    chosen = choose_option(reply, OPTIONS)
    assert chosen is None or any(form.lower()[:5] in reply.lower().replace("-", " ") for form in OPTIONS[chosen])


def test_a_long_loop_is_read_and_ends():
    assert choose_option("bread " * READ_LIMIT, OPTIONS) == "bread"
    assert choose_option("bread silver " * READ_LIMIT, OPTIONS) is None


SENTENCE = "The 'old' clock struck nine, and nobody moved."


@pytest.mark.parametrize(
    "reply",
    [
        SENTENCE,
        SENTENCE.upper(),
        f"Sure! Here it is: {SENTENCE}",
        f'"{SENTENCE}" I hope that helps.',
        SENTENCE.replace("'", "’"),
        SENTENCE.replace(" ", "  ").replace(",", ",\n")[1:].join(["T", ""]),
        f"**{SENTENCE}**",
    ],
)
def test_a_sentence_is_repeated_whatever_its_case_space_and_quotes(reply):
    assert repeats(reply, SENTENCE)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "The 'old' clock struck nine.",
        "The 'old' clock struck ten, and nobody moved.",
        "The 'old' clock struck nine, and then nobody moved.",
        "the old clock struck nine, and nobody moved.",
        "The 'old' clock struck nine and nobody moved.",
    ],
)
def test_a_sentence_with_another_word_or_a_missing_part_is_not_repeated(reply):
    assert not repeats(reply, SENTENCE)


@given(st.text("aBé'“, .\n面", min_size=1, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_what_contains_a_sentence_repeats_it(sentence, before, after):
    assert repeats(f"{before} x{sentence}x {after}", f"x{sentence}x")


@pytest.mark.parametrize("nothing", ["", "  \n", "**"])
def test_an_empty_sentence_is_refused_since_it_stands_in_every_reply(nothing):
    with pytest.raises(ValueError, match="empty sentence"):
        repeats("anything", nothing)


def test_the_readers_see_the_reply_and_what_everybody_sees():
    assert list(inspect.signature(choose_option).parameters) == ["reply", "options"]
    assert list(inspect.signature(repeats).parameters) == ["reply", "sentence"]
