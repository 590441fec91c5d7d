"""Wordings are data: what is marked is found, what is not well marked is refused, and the shipped ones are sound."""

import json
import tomllib

import pytest
from pydantic import ValidationError

from introspect.concepts import load_concepts
from introspect.errors import StimulusError, UnknownNameError
from introspect.stimuli import MARK, SHIPPED, MultipleChoice, Stimuli, Turn, Wording, load_stimuli, parse_stimuli
from introspect.words import matches

MINE = {
    "title": "Mine",
    "extract": "Think of {word}; {word}!",
    "wording": {
        "short": {
            "protocol": "injected_thought",
            "turns": [
                {"role": "system", "text": "Be brief."},
                {"role": "user", "text": "Now.{{trial}} {{query}}Anything?{{/query}}"},
                {"role": "assistant", "text": "I notice"},
            ],
        },
        "other": {"protocol": "prefill", "turns": [{"role": "user", "text": "Hello."}]},
    },
}
TASKS = {
    "protocol": "injected_thought",
    "turns": [{"role": "user", "text": "{info}Go. {{lead}}{lead}{{/lead}}{{trial}} {ask} {manner}"}],
    "ask": {"report": "Is there one? {manner}", "forced": "Which word is it?"},
    "manner": {"words": "Say yes or no.", "digits": "Say 1 or 0."},
    "begin": {"forced": "It is {word}"},
}
AS_TOML = """
title = "Mine"
extract = "Think of {word}; {word}!"
[wording.short]
protocol = "injected_thought"
turns = [
    { role = "system", text = "Be brief." },
    { role = "user", text = "Now.{{trial}} {{query}}Anything?{{/query}}" },
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


def wording(*texts, **more):
    return Wording(protocol="injected_thought", turns=tuple(Turn(role="user", text=text) for text in texts), **more)


def text_of(turns):
    return "|".join(turn.text for turn in turns)


def test_the_shipped_stimuli_are_all_files_of_their_folder_and_no_name_stands_in_two():
    files = [tomllib.loads(file.read_text("utf-8")) for file in (SHIPPED / "default").iterdir()]
    assert len(files) > 13
    whole = load_stimuli()
    for key in ("wording", "lists", "info", "grader"):
        names = [name for file in files for name in file.get(key, {})]
        assert sorted(names) == sorted(getattr(whole, key))
        assert len(set(names)) == len(names) > 0
    assert sum(len(file.get("question", [])) for file in files) == len(whole.question)
    assert {file.name for file in SHIPPED.iterdir()} == {"default"}


def test_every_shipped_wording_of_a_report_marks_where_the_injection_begins_and_asks_after_it():
    shipped = load_stimuli().choose((), "injected_thought")
    assert len(shipped) >= 3
    for name, each in shipped.items():
        each.require_mark("trial", name)
        for task in each.tasks:
            turns = each.conversation(task, {})
            asking = turns[-1 - (task in each.begin)]
            assert asking.role == "user"
            assert asking.text.index("{{trial}}") < asking.text.index(each.ask[task])


def test_no_shipped_text_names_a_concept_of_the_experiment():
    shipped = load_stimuli()
    wordings = [
        text
        for each in shipped.wording.values()
        for text in (*each.ask.values(), *each.manner.values(), *each.begin.values(), *(t.text for t in each.turns))
    ]
    lists = [text for name in ("sentences", "lead_ins", "paragraphs", "notes") for text in shipped.texts(name)]
    texts = [*wordings, *lists, *shipped.info.values(), *(question.text for question in shipped.question)]
    for concept in load_concepts("lindsey_concepts").members:
        assert not [text for text in texts if matches(text, concept.forms)]


def test_marks_are_listed_in_order_and_an_end_belongs_to_its_beginning():
    assert wording("{{a}}x{{/a}}{{b_2}}", "{{c}}y").marks == ("a", "b_2", "c")
    assert wording("{{a}}x", "y{{/a}}").marks == ("a",)
    assert wording("no mark, {word} and {a}").marks == ()
    assert wording("{{a}}{ask}", ask={"say": "{{b}}x{{/b}}", "tell": "{{b}}y{{/b}}{{c}}"}).marks == ("a", "b", "c")


@pytest.mark.parametrize(
    ("texts", "mark"), [(("{{a}}{{a}}",), "{{a}}"), (("{{a}}{{/a}}{{/a}}",), "{{/a}}"), (("{{/a}}", "{{a}}"), "{{/a}}")]
)
def test_a_mark_that_stands_twice_or_ends_before_it_begins_is_refused(texts, mark):
    with pytest.raises(ValidationError, match="stands twice or ends before it begins") as raised:
        wording(*texts)
    assert f"the mark {mark} stands" in str(raised.value)


def test_a_mark_that_stands_in_the_text_and_in_what_a_task_asks_is_refused():
    with pytest.raises(ValidationError, match=r"the mark \{\{a\}\} stands twice"):
        wording("{{a}}x {ask}", ask={"say": "fine", "tell": "{{a}}y"})


def test_every_task_asks_in_its_own_words_and_in_each_manner_that_it_has_a_place_for():
    one = wording(
        "{ask}", ask={"report": "Is there? {manner}", "name": "Which?"}, manner={"words": "W.", "digits": "D."}
    )
    assert one.tasks == ("report/words", "report/digits", "name")
    assert [text_of(one.conversation(task)) for task in one.tasks] == ["Is there? W.", "Is there? D.", "Which?"]
    everywhere = wording("{manner} {ask}", ask={"say": "S?", "tell": "T?"}, manner={"plain": "P.", "deny": "D."})
    assert everywhere.tasks == ("say/plain", "say/deny", "tell/plain", "tell/deny")
    assert text_of(everywhere.conversation("tell/deny")) == "D. T?"
    assert wording("Hello.").tasks == ()


def test_a_reply_is_begun_for_the_task_that_says_so_and_for_no_other():
    one = Wording.model_validate(TASKS)
    fill = {"word": "bread", "lead": "Now.", "info": ""}
    begun = one.conversation("forced/words", fill)
    assert [turn.role for turn in begun] == ["user", "assistant"]
    assert begun[-1].text == "It is bread"
    assert [turn.role for turn in one.conversation("report/words", fill)] == ["user"]
    with pytest.raises(ValidationError, match="a reply is begun for the task 'guess', which nothing asks for"):
        Wording.model_validate(TASKS | {"begin": {"guess": "It is"}})


def test_slots_are_listed_and_filled_with_texts_that_are_taken_as_they_are():
    one = Wording.model_validate(TASKS)
    assert one.slots == ("info", "lead", "word")
    turns = one.conversation("forced/digits", {"info": "I. ", "lead": "{word} {{x}}", "word": "{lead}"})
    assert MARK.sub("", text_of(turns)) == "I. Go. {word}  Which word is it? Say 1 or 0.|It is {lead}"


def test_slots_that_an_experiment_has_nothing_for_stay_empty_and_others_must_be_filled():
    assert text_of(wording("{info}Go.{lead}").conversation()) == "Go.{{varies}}"
    with pytest.raises(StimulusError, match=r"nothing fills the slot \{wrod\} of this wording; filled are: .*word"):
        wording("Say {wrod}.").conversation(fill={"word": "bread"})


def test_the_place_from_which_trials_differ_is_marked_once_where_the_first_of_their_own_texts_stands():
    turns = wording("{info}{ask} {{lead}}{lead}{{/lead}}", "{word} {lead}", ask={"say": "Hm?"}).conversation(
        "say", {"info": "I. ", "lead": "L.", "word": "W"}
    )
    assert text_of(turns) == "I. Hm? {{lead}}{{varies}}L.{{/lead}}|W L."
    assert text_of(wording("{ask}", ask={"say": "On {word}?"}).conversation("say", {"word": "W"})) == "On {{varies}}W?"
    assert "varies" not in text_of(wording("{info}Nothing of its own.").conversation())


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


@pytest.mark.parametrize("field", ["ask", "manner", "begin"])
def test_the_hash_of_a_wording_follows_what_its_tasks_ask(field):
    changed = {**TASKS[field], next(iter(TASKS[field])): "Something else {word}"}
    assert Wording.model_validate(TASKS | {field: changed}).digest != Wording.model_validate(TASKS).digest


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_json_and_toml_say_the_same(tmp_path, encoding):
    from_json = load_stimuli(write(tmp_path, "mine.json", json.dumps(MINE), encoding))
    from_toml = load_stimuli("mine.toml", folder=write(tmp_path, "mine.toml", AS_TOML, encoding).parent)
    assert from_json == from_toml
    assert from_json.wording["short"].turns[-1].role == "assistant"
    assert from_json.wording["short"].marks == ("trial", "query")


def test_what_a_file_of_one_s_own_leaves_out_is_the_shipped_one_s_but_for_wordings(tmp_path):
    shipped = load_stimuli()
    own = load_stimuli(write(tmp_path, "mine.json", json.dumps(MINE | {"lists": {"notes": ["On {noted}."]}})))
    assert set(own.wording) == set(MINE["wording"])
    assert own.texts("notes") == ("On {noted}.",)
    assert own.lists == shipped.lists | {"notes": ("On {noted}.",)}
    for field in ("info", "question", "multiple_choice", "grader"):
        assert getattr(own, field) == getattr(shipped, field)
    assert parse_stimuli(tmp_path / "mine.json").lists == {"notes": ("On {noted}.",)}


def test_what_a_file_of_one_s_own_has_takes_the_place_of_the_shipped_one_s(tmp_path):
    shipped = load_stimuli()
    question = {"text": "Is ice cold?", "answer": "yes"}
    fact = {"question": "Which is cold?", "options": ["ice", "fire"], "answer": 0}
    more = {"question": [question], "multiple_choice": [fact], "info": {"accurate": "Mine."}, "grader": {"named": "?"}}
    own = load_stimuli(write(tmp_path, "mine.json", json.dumps(MINE | more)))
    assert [each.text for each in own.question] == ["Is ice cold?"]
    assert [each.question for each in own.multiple_choice] == ["Which is cold?"]
    assert (own.info["accurate"], own.info["neutral"]) == ("Mine.", shipped.info["neutral"])
    assert (own.grader["named"], own.grader["coherent"]) == ("?", shipped.grader["coherent"])


def test_a_file_without_wordings_changes_what_it_has_and_keeps_the_shipped_wordings(tmp_path):
    shipped = load_stimuli()
    longer = {"lists": {"lead_ins": [*shipped.texts("lead_ins"), "Here is one more."]}}
    own = load_stimuli(write(tmp_path, "longer.json", json.dumps(longer)))
    assert own.wording == shipped.wording
    assert len(own.texts("lead_ins")) == len(shipped.texts("lead_ins")) + 1
    assert own.lists["notes"] == shipped.lists["notes"]


def test_more_texts_are_joined_to_the_shipped_lists_each_once(tmp_path):
    shipped = load_stimuli().texts("lead_ins")
    own = load_stimuli(
        write(tmp_path, "more.json", json.dumps({"more": {"lead_ins": ["Here is one more.", shipped[3]]}}))
    )
    assert own.texts("lead_ins") == (*shipped, "Here is one more.")
    assert own.more == {}
    assert own.wording == load_stimuli().wording
    with pytest.raises(UnknownNameError, match="no list in the stimulus file named 'lead_in'; did you mean 'lead_ins'"):
        load_stimuli(write(tmp_path, "near.json", json.dumps({"more": {"lead_in": ["Here is one more."]}})))


def test_a_list_of_texts_is_found_by_its_name_or_refused_with_the_near_miss():
    assert "Everything is set up." in load_stimuli().texts("lead_ins")
    with pytest.raises(
        UnknownNameError, match="no list in the stimulus file named 'sentence'; did you mean 'sentences'"
    ):
        load_stimuli().texts("sentence")


def test_the_right_answer_to_a_question_of_fact_is_one_of_its_options():
    for answer in (2, -1):
        with pytest.raises(ValidationError, match=f"answer {answer} is none of the options 0 to 1 of 'Cold\\?'"):
            MultipleChoice(question="Cold?", options=("ice", "fire"), answer=answer)


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
        ("a.toml", "[[question]]\ntext = 'x'\nanswer = 'maybe'", "wrong entry at question.0.answer"),
        ("a.toml", "[lists]\nnotes = 'one'", "wrong entry at lists.notes"),
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
