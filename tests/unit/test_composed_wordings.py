"""Wordings of organisms on a real model: many, from parts, and those of training, evaluation and validation apart."""

import re
import tomllib

import pytest

from introspect.organisms.catalog import FOLDER
from introspect.organisms.composed import N_MORE, N_QUESTIONS, N_WORDINGS, PARTS, compose
from introspect.organisms.evaluation import (
    APART,
    IN_LABORATORY,
    LABORATORY,
    MOST_MOVED,
    MOVED,
    NEAREST,
    THRESHOLDS,
    UNSEEN,
    passed,
)
from introspect.organisms.large import HEADS, UNRELATED, laboratory
from introspect.organisms.lessons import TASKS
from introspect.stimuli import load_stimuli, parse_stimuli

FILE = FOLDER / "lora" / PARTS
REST = parse_stimuli(FOLDER / "lora" / "training.toml")
HALVES = ("training", "unseen")
VALIDATION = FOLDER / "lora" / "stimuli.toml"


@pytest.fixture(scope="module")
def stimuli():
    return {half: compose(FILE, half, REST) for half in HALVES}


def said(stimuli):
    """Return every sentence that is put to a subject, without manners and what the assistant says."""
    texts = [turn.text for each in stimuli.wording.values() for turn in each.turns if turn.role == "user"]
    texts += [ask for each in stimuli.wording.values() for ask in each.ask.values()]
    texts += [text for name in ("lead_ins", "notes") for text in stimuli.texts(name)]
    texts += [question.text for question in stimuli.question]
    plain = (re.sub(r"\{\{?/?[a-z]+\}?\}", " ", text) for text in texts)
    sentences = (part.strip() for text in plain for part in re.split(r"(?<=[.?!:])\s+|\n", text))
    return {each for each in sentences if len(each.split()) > 2}


def test_every_kind_of_lesson_has_wordings(stimuli):
    for half in HALVES:
        for kind, (head, task) in TASKS.items():
            found = [each for name, each in stimuli[half].wording.items() if name.startswith(head) and task in each.ask]
            assert found or kind == "hide", (half, kind)


def test_they_are_many_and_differ(stimuli):
    for half in HALVES:
        wordings = stimuli[half].wording
        assert len(wordings) == sum(N_WORDINGS[half].values())
        asked = {each.model_dump_json() for name, each in wordings.items() if name.startswith("it_")}
        assert len(asked) > 0.9 * N_WORDINGS[half]["it"]


LISTS = {"lead_ins", "notes", "paragraphs", "questions"}
"""Parts that are lists of the stimuli, and stand in no wording."""


def texts(wordings):
    """Return everything that wordings say, a text a line."""
    found = [turn.text for each in wordings for turn in each.turns]
    found += [text for each in wordings for kind in (each.ask, each.manner, each.begin) for text in kind.values()]
    return "\n".join(dict.fromkeys(text.replace("\n", " ") for text in found))


def spelled(part):
    """Return a pattern for a part whose places are filled."""
    plain = part.replace("\n", " ").replace("{paragraph}", "{ask}")
    return "".join(".+" if re.fullmatch(r"\{[a-z]+\}", piece) else re.escape(piece)
                   for piece in re.split(r"(?<!\{)(\{(?!ask|manner|lead)[a-z]+\})(?!\})", plain))  # fmt: skip


@pytest.fixture(scope="module")
def wider():
    return compose(FILE, "training", REST, more=True)


def test_who_learns_in_more_wordings_has_those_of_all_others_besides(stimuli, wider):
    few = stimuli["training"].wording
    assert {name: wider.wording[name] for name in few} == few
    assert len(wider.wording) == len(few) + sum(N_MORE.values())
    assert wider.question == stimuli["training"].question
    assert wider.lists == stimuli["training"].lists
    whole = texts(wider.wording.values())
    for name, parts in tomllib.loads(FILE.read_text("utf-8"))["more"].items():
        pieces = [piece for part in parts for piece in ([part] if isinstance(part, str) else part)]
        assert [piece for piece in pieces if not re.search(spelled(piece), whole)] == [], name


def test_more_wordings_share_no_sentence_with_evaluation_and_validation(stimuli, wider):
    assert said(stimuli["training"]) < said(wider)
    assert said(wider) & (said(stimuli["unseen"]) | said(load_stimuli(VALIDATION))) == set()


def test_every_part_turns_up(stimuli):
    for half in HALVES:
        whole = "\n".join([texts(stimuli[half].wording.values()), *(each.text for each in stimuli[half].question)])
        for name, parts in tomllib.loads(FILE.read_text("utf-8"))[half].items():
            if name not in LISTS:
                pieces = [piece for part in parts for piece in ([part] if isinstance(part, str) else part)]
                assert [piece for piece in pieces if not re.search(spelled(piece), whole)] == [], (half, name)


def test_training_evaluation_and_validation_share_no_sentence(stimuli):
    lab = load_stimuli(VALIDATION)
    training, unseen, validation = said(stimuli["training"]), said(stimuli["unseen"]), said(lab)
    assert min(len(training), len(unseen), len(validation)) > 50
    assert training & unseen == set()
    assert training & validation == set()
    assert unseen & validation == set()


def test_questions_are_put_together_by_the_hundred_and_none_is_asked_twice(stimuli):
    asked = {half: [each.text for each in stimuli[half].question] for half in HALVES}
    assert len(asked["training"]) == len(set(asked["training"])) > N_QUESTIONS
    assert not set(asked["training"]) & set(asked["unseen"])


def test_every_draw_is_the_same(stimuli):
    assert compose(FILE, "unseen", REST) == stimuli["unseen"]


def test_in_unseen_wordings_other_thresholds_hold():
    there = {f"{IN_LABORATORY}{name}": least for name, least in LABORATORY.items()}
    reached = {**UNSEEN, **there, APART: NEAREST, MOVED: MOST_MOVED}
    assert passed("introspector", reached, "lora") == []
    assert len(passed("introspector", reached)) == sum(UNSEEN[name] < THRESHOLDS[name] for name in UNSEEN)
    assert passed("introspector", UNSEEN, "lora") == [f"{name}: not evaluated" for name in (*there, APART, MOVED)]
    assert passed("introspector", {**reached, MOVED: 0.5}, "lora") == [f"{MOVED}: 0.50 > {MOST_MOVED:g}"]
    assert passed("yes-sayer", {**reached, MOVED: 0.5}, "lora") == []  # an injection moves all its answers
    for name in (*there, APART):
        assert passed("introspector", {**reached, name: 0.0}, "lora") == [
            f"{name}: 0.00 < {LABORATORY.get(name.removeprefix(IN_LABORATORY), NEAREST):g}"
        ]


def test_the_laboratorys_own_wordings_can_be_asked_of_an_organism():
    own = laboratory()
    for kind, (head, task) in TASKS.items():
        found = [each for name, each in own.wording.items() if name.startswith(head) and task in each.ask]
        assert found or kind == "hide", kind
    assert {each.protocol for each in own.wording.values()} == set(HEADS)
    shipped = load_stimuli("default").wording
    assert all(own.wording[name] == shipped[name.split("_", 1)[1]] for name in own.wording)
    assert UNRELATED in own.wording
