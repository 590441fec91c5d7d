"""Questions of fact from a data set: whatever its columns are called, or one sentence that says what is missing."""

import json

import pytest

from introspect.errors import StimulusError
from introspect.multiple_choice import load_multiple_choice


def folder(tmp_path, rows):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return str(tmp_path / "data")


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Which is hot?", "options": ["ice", "fire"], "answer": 1},
        {"prompt": "Which is hot?", "solution0": "ice", "solution1": "fire", "label": 1},
        {"goal": "Which is hot?", "sol1": "ice", "sol2": "fire", "label": "B"},
        {"question": "Which is hot?", "choices": {"text": ["ice", "fire"], "label": ["A", "B"]}, "answerKey": "B"},
        {"query": "Which is hot?", "choices": ["ice", "fire"], "gold": "fire"},
    ],
)
def test_the_columns_are_found_whatever_they_are_called(tmp_path, row):
    (found,) = load_multiple_choice(folder(tmp_path, [row]))
    assert (found.question, found.options, found.answer) == ("Which is hot?", ("ice", "fire"), 1)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"text": "hm"}, "have the columns text; wanted are a question"),
        ({"question": "Which?", "options": ["a", "b"], "answer": "perhaps"}, "neither an index, nor a letter"),
    ],
)
def test_a_data_set_of_another_kind_is_refused_with_what_it_has(tmp_path, row, words):
    with pytest.raises(StimulusError, match=words):
        load_multiple_choice(folder(tmp_path, [row]))


def test_a_data_set_that_cannot_be_had_is_one_sentence():
    with pytest.raises(StimulusError, match="the questions './nothing/here' cannot be loaded"):
        load_multiple_choice("./nothing/here")
