"""Wordings are data: what is marked is found, what is not well marked is refused, and the shipped ones are sound."""

import json

import pytest
from pydantic import ValidationError

from introspect.analysis.identify import matches
from introspect.concepts import load_concepts
from introspect.errors import StimulusError, UnknownNameError
from introspect.stimuli import Stimuli, Turn, Wording, load_stimuli

MINE = {
    "title": "Mine",
    "extract": "Think of {word}; {word}!",
    "wording": {
        "short": {
            "protocol": "injected_thought",
            "turns": [
                {"role": "system", "text": "Be brief."},
                {"role": "user", "text": "Now.{{trial}} {{ask}}Anything?{{/ask}}"},
                {"role": "assistant", "text": "I notice"},
            ],
        },
        "other": {"protocol": "prefill", "turns": [{"role": "user", "text": "Hello."}]},
    },
}
AS_TOML = """
title = "Mine"
extract = "Think of {word}; {word}!"
[wording.short]
protocol = "injected_thought"
turns = [
    { role = "system", text = "Be brief." },
    { role = "user", text = "Now.{{trial}} {{ask}}Anything?{{/ask}}" },
    { role = "assistant", text = "I notice" },
]
[wording.other]
protocol = "prefill"
turns = [{ role = "user", text = "Hello." }]
"""


def write(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def wording(*texts):
    return Wording(protocol="injected_thought", turns=tuple(Turn(role="user", text=text) for text in texts))


def test_every_shipped_wording_marks_where_the_injection_begins_and_asks_after_it():
    shipped = load_stimuli().choose((), "injected_thought")
    assert len(shipped) >= 3
    for name, text in shipped.items():
        text.require_mark("trial", name)
        assert text.turns[-1].role == "user"
        assert text.turns[-1].text.index("{{trial}}") < text.turns[-1].text.index("?")


def test_no_shipped_wording_names_a_concept_of_the_experiment():
    text = " ".join(turn.text for each in load_stimuli().wording.values() for turn in each.turns)
    assert not [name for name in load_concepts("lindsey_concepts").names if matches(text, (name,))]


def test_marks_are_listed_in_order_and_an_end_belongs_to_its_beginning():
    assert wording("{{a}}x{{/a}}{{b_2}}", "{{c}}y").marks == ("a", "b_2", "c")
    assert wording("{{a}}x", "y{{/a}}").marks == ("a",)
    assert wording("no mark, {word} and {a}").marks == ()


@pytest.mark.parametrize(
    ("texts", "mark"), [(("{{a}}{{a}}",), "{{a}}"), (("{{a}}{{/a}}{{/a}}",), "{{/a}}"), (("{{/a}}", "{{a}}"), "{{/a}}")]
)
def test_a_mark_that_stands_twice_or_ends_before_it_begins_is_refused(texts, mark):
    with pytest.raises(ValidationError, match="stands twice or ends before it begins") as raised:
        wording(*texts)
    assert f"the mark {mark} stands" in str(raised.value)


def test_an_unknown_mark_is_refused_with_the_near_miss():
    with pytest.raises(UnknownNameError, match=r"in the wording 'plain' named 'trail'; did you mean 'trial'"):
        load_stimuli().wording["plain"].require_mark("trail", "plain")
    with pytest.raises(UnknownNameError, match="Known: none"):
        wording("unmarked").require_mark("trial", "mine")


def test_a_wording_without_a_turn_is_refused():
    with pytest.raises(ValidationError, match="at least 1 item"):
        wording()


def test_the_hash_of_a_wording_follows_its_roles_texts_and_marks():
    base = wording("Now.{{trial}} Anything?")
    assert base.digest == wording("Now.{{trial}} Anything?").digest
    as_system = Wording(protocol="x", turns=(Turn(role="system", text="Now.{{trial}} Anything?"),))
    others = [as_system, wording("Now. {{trial}}Anything?"), wording("Now.{{trial}} Anything"), wording("Now.", "A?")]
    assert len({base.digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_json_and_toml_say_the_same(tmp_path, encoding):
    from_json = load_stimuli(write(tmp_path, "mine.json", json.dumps(MINE), encoding))
    from_toml = load_stimuli("mine.toml", folder=write(tmp_path, "mine.toml", AS_TOML, encoding).parent)
    assert from_json == from_toml
    assert from_json.wording["short"].turns[-1].role == "assistant"
    assert from_json.wording["short"].marks == ("trial", "ask")


def test_the_word_goes_into_every_place_of_the_extraction_prompt():
    assert Stimuli(extract="Think of {word}; {word}!").extraction_prompt("bread") == "Think of bread; bread!"
    assert Stimuli(extract="{word} {other}").extraction_prompt("{word}s") == "{word}s {other}"


def test_an_extraction_prompt_without_a_place_for_the_word_is_refused():
    with pytest.raises(ValidationError, match=r"has no \{word\} in it"):
        Stimuli(extract="Tell me something about it")


def test_wordings_are_chosen_by_protocol_and_by_name():
    mine = Stimuli.model_validate(MINE)
    assert set(mine.choose((), "prefill")) == {"other"}
    assert list(load_stimuli().choose(("brief", "plain"), "injected_thought")) == ["brief", "plain"]


def test_a_wording_of_another_protocol_is_unknown_here():
    mine = Stimuli.model_validate(MINE)
    with pytest.raises(UnknownNameError, match=r"no wording for injected_thought named 'other'.*Known: short"):
        mine.choose(("other",), "injected_thought")
    with pytest.raises(UnknownNameError, match="did you mean 'plain'"):
        load_stimuli().choose(("plian",), "injected_thought")
    with pytest.raises(StimulusError, match="'Mine' has no wording for the protocol 'guess'"):
        mine.choose((), "guess")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "title = ", "a.toml is not TOML"),
        ("a.json", "{", "a.json is not JSON"),
        ("a.json", "[1, 2]", "a.json is not JSON: 'list' object is not a mapping"),
        ("a.toml", "titel = 'x'", "wrong entry at titel: Extra inputs"),
        ("a.toml", "extract = 'x'", "wrong entry at extract: .*has no {word} in it"),
        ("a.toml", "[wording.x]\nprotocol = 'p'\nturns = []", "wrong entry at wording.x.turns"),
        ("a.toml", "[wording.x]\nprotocol = 'p'\nturns = [{role = 'model', text = 'y'}]", "wording.x.turns.0.role"),
        ("a.toml", "[wording.x]\nprotocol = 'p'\nturns = [{role = 'user', text = '{{/y}}'}]", "wording.x: .*{{/y}}"),
    ],
)
def test_a_stimulus_file_that_does_not_fit_is_refused_with_the_entry(tmp_path, name, text, sentence):
    with pytest.raises(StimulusError, match=sentence.replace("{", r"\{")):
        load_stimuli(write(tmp_path, name, text))


def test_a_stimulus_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(StimulusError, match=r"there is no stimulus file .*mine.toml .*called default"):
        load_stimuli("mine.toml", folder=tmp_path)
    with pytest.raises(StimulusError, match="cannot be read as UTF-8 text"):
        load_stimuli(write(tmp_path, "mine.toml", "title = 'É'", "latin-1"))
