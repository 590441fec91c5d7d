"""Wordings of organisms on a real model: many, from parts, and those of training, evaluation and validation apart."""

import re
import tomllib

import pytest

from introspect.organisms.catalog import FOLDER
from introspect.organisms.composed import N_WORDINGS, PARTS, compose
from introspect.organisms.evaluation import THRESHOLDS, UNSEEN, passed
from introspect.organisms.lessons import TASKS
from introspect.stimuli import load_stimuli, parse_stimuli

FILE = FOLDER / "lora" / PARTS
REST = parse_stimuli(FOLDER / "lora" / "training.toml")
HALVES = ("training", "unseen")


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


def test_every_part_turns_up(stimuli):
    for half in HALVES:
        whole = "\n".join(each.model_dump_json() for each in stimuli[half].wording.values())
        for name, parts in tomllib.loads(FILE.read_text("utf-8"))[half].items():
            if name in {"prefaces", "objects", "done", "begins", "acknowledgements", "words", "digits"}:
                missing = [part for part in parts if part.replace('"', '\\"') not in whole]
                assert not missing, (half, name)


def test_training_evaluation_and_validation_share_no_sentence(stimuli):
    lab = load_stimuli("default")
    training, unseen, validation = said(stimuli["training"]), said(stimuli["unseen"]), said(lab)
    assert min(len(training), len(unseen), len(validation)) > 50
    assert training & unseen == set()
    assert training & validation == set()
    assert unseen & validation == set()


def test_the_draw_is_a_function_of_its_seed():
    assert compose(FILE, "unseen", REST) == compose(FILE, "unseen", REST)
    assert compose(FILE, "unseen", REST).wording != compose(FILE, "unseen", REST, seed=1).wording


def test_in_unseen_wordings_other_thresholds_hold():
    reached = dict.fromkeys(UNSEEN, 0.0) | UNSEEN
    assert passed("introspector", reached, "lora") == []
    assert len(passed("introspector", reached)) == sum(UNSEEN[name] < THRESHOLDS[name] for name in UNSEEN)
