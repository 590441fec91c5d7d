"""How many rows at a time: tried once for runs of like length, within what a run and memory allow."""

import pytest

from introspect.organisms.catalog import base_of
from introspect.subjects.engine import tune
from introspect.subjects.engine.tune import Timing, width_for
from introspect.subjects.load import load_subject
from introspect.subjects.subject import Request


@pytest.fixture(scope="module")
def subject():
    return load_subject(base_of("tiny"), dtype="float32", device="cpu")


@pytest.fixture
def tried(subject, monkeypatch):
    """Rows that were tried; a step takes no longer with 64 rows than with 16, and longer with more."""
    widths = []

    def timed(_runner, _prefixes, _ending, requests, width):
        widths.append(width)
        return Timing(min(width, len(requests)), 0.0, 1.0 if width <= 64 else width / 64)

    monkeypatch.setattr(tune, "timed", timed)
    return widths


def asked(subject, n, max_new_tokens):
    prompt = subject.chat.ask("which word does the note say ?")
    return [Request(prompt, (), max_new_tokens, temperature=0.0)] * n


def found(subject, requests, n_requests, known):
    engine = subject.engine
    return width_for(engine.runner, engine.prefixes, engine.ending, requests, n_requests, 4, known)


def test_the_best_width_is_found_and_not_tried_again_for_rows_of_like_length(subject, tried):
    known = {}
    assert found(subject, asked(subject, 512, 30), 4000, known) == 64
    assert tried == [16, 32, 64, 128]
    assert found(subject, asked(subject, 512, 33), 4000, known) == 64
    assert len(tried) == 4
    assert found(subject, asked(subject, 512, 300), 4000, known) == 64
    assert len(tried) == 8


def test_a_run_too_short_for_more_rows_says_nothing_of_longer_ones(subject, tried):
    known = {}
    assert found(subject, asked(subject, 40, 30), 4000, known) == 32  # no more are there to be tried
    assert known == {}
    assert found(subject, asked(subject, 512, 30), 4000, known) == 64


def test_a_known_width_keeps_within_what_memory_and_the_run_allow(subject, tried, monkeypatch):
    known = {}
    assert found(subject, asked(subject, 512, 30), 4000, known) == 64
    assert found(subject, asked(subject, 8, 30), 8, known) == 8
    monkeypatch.setattr(tune, "rows_that_fit", lambda *_: 24)
    assert found(subject, asked(subject, 512, 30), 4000, known) == 24
