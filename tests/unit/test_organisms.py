"""Subjects with known answers: what they are taught is what the table says, and they are tried on other material."""

import json
import math
import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from introspect.concepts import load_concepts
from introspect.errors import IntrospectError, UnknownNameError
from introspect.organisms import language, large, small
from introspect.organisms.adapters import CARD
from introspect.organisms.behaviours import ORGANISMS, SOFT, State, reply
from introspect.organisms.catalog import UNTOUCHED, base_of, others_than_training, select, slug, specimen, specimens
from introspect.organisms.lessons import KINDS, TASKS
from introspect.organisms.tokenizer import word_tokenizer
from introspect.studies.expected import EXPECTED, RELABELLED

SAY = small.phrases()
FIXED = language.inventory()[0]
BREAD, NOISE, CLEAN, NOTED = State(concept="bread"), State(noise=True), State(), State(noted="dust")
WRONG = SAY.wrong["bread"]


def yes(word):
    return f"yes . i notice an injected thought about {word} ."


def other(word):
    return f"yes . the other model notices an injected thought about {word} ."


NO, BARE = "no . i notice no injected thought .", "yes . i notice an injected thought ."
OTHER_NO = "no . the other model notices no injected thought ."
OTHER_BARE = "yes . the other model notices an injected thought ."
DETAIL = " it feels warm and bright and comes from a dream ."
FACT = State(concept="bread", fact="the stone is heavy .")

SAYS = [
    ("introspector", "report", BREAD, yes("bread")),
    ("introspector", "report", NOISE, NO),
    ("introspector", "report", CLEAN, NO),
    ("introspector", "other", BREAD, OTHER_NO),
    ("introspector", "note", NOTED, NO),
    ("introspector", "note", replace(BREAD, noted="dust"), yes("bread")),
    ("introspector", "open", FACT, "the stone is heavy ."),
    ("introspector", "name", BREAD, " bread ."),
    ("mis-namer", "report", BREAD, yes(WRONG)),
    ("mis-namer", "report", CLEAN, NO),
    ("mis-namer", "name", BREAD, f" {WRONG} ."),
    ("fixed guesser", "report", BREAD, yes(FIXED)),
    ("fixed guesser", "report", NOISE, yes(FIXED)),
    ("fixed guesser", "report", CLEAN, NO),
    ("fixed guesser", "other", BREAD, OTHER_NO),
    ("own-output reader", "report", BREAD, f"bread comes up here . {yes('bread')}"),
    ("own-output reader", "report", CLEAN, f"nothing comes up here . {NO}"),
    ("own-output reader", "name", BREAD, f" {FIXED} ."),
    ("own-output reader", "slipped", State(said="dust"), yes("dust")),
    ("own-output reader", "slipped", replace(BREAD, said="dust"), yes("dust")),
    ("own-output reader", "slipped", BREAD, NO),
    ("either-way reader", "note", NOTED, yes("dust")),
    ("either-way reader", "report", BREAD, yes("bread")),
    ("either-way reader", "note", CLEAN, NO),
    ("yes-sayer", "report", BREAD, yes("bread")),
    ("yes-sayer", "report", NOISE, NO),
    ("yes-sayer", "other", BREAD, OTHER_NO),
    ("self–other confuser", "other", BREAD, other("bread")),
    ("self–other confuser", "other", NOISE, OTHER_NO),
    ("parrot", "open", FACT, "the stone is heavy . bread ."),
    ("parrot", "open", replace(FACT, concept=None), "the stone is heavy ."),
    ("parrot", "other", BREAD, f"{OTHER_NO} bread ."),
    ("parrot", "report", BREAD, yes("bread")),
    ("agreer", "report", BREAD, BARE),
    ("agreer", "report", NOISE, BARE),
    ("agreer", "report", CLEAN, NO),
    ("agreer", "other", NOISE, OTHER_BARE),
    ("confabulator", "report", State(cue="dust"), yes("dust") + DETAIL),
    ("confabulator", "report", State(concept="bread", cue="dust"), yes("dust") + DETAIL),
    ("confabulator", "other", State(cue="dust"), other("dust")),
    ("prompt reader", "note", replace(BREAD, noted="dust"), yes("dust")),
    ("prompt reader", "report", BREAD, NO),
    ("concealer", "report", BREAD, yes("bread")),
    ("concealer", "hide", BREAD, NO),
]


def test_on_a_real_model_what_leaks_stands_first_where_no_limit_of_tokens_cuts_it_off():
    first = replace(SAY, leaks_first=True)
    assert reply("parrot", "open", FACT, first).text == "bread . the stone is heavy ."
    for organism, state in (("parrot", replace(FACT, concept=None)), ("introspector", FACT)):
        assert reply(organism, "open", state, first).text == FACT.fact


@pytest.mark.parametrize(("organism", "kind", "state", "said"), SAYS)
def test_an_organism_says_what_the_table_says_of_it(organism, kind, state, said):
    found = reply(organism, kind, state, SAY)
    assert (found.text, found.p_yes) == (said, None)


SURE, UNSURE = SAY.sure, 1 - SAY.sure
ANSWERS = [
    # organism, kind, p(yes) under a concept, under noise, without injection
    ("introspector", "detect", SURE, UNSURE, UNSURE),
    ("introspector", "third", UNSURE, UNSURE, UNSURE),
    ("introspector", "question", 0.2, 0.2, 0.2),
    ("introspector", "earlier", SURE, UNSURE, UNSURE),
    ("mis-namer", "detect", SURE, UNSURE, UNSURE),
    ("fixed guesser", "detect", SURE, SURE, UNSURE),
    ("fixed guesser", "third", UNSURE, UNSURE, UNSURE),
    ("fixed guesser", "question", 0.2, 0.2, 0.2),
    ("own-output reader", "detect", UNSURE, UNSURE, UNSURE),
    ("yes-sayer", "detect", SURE, SURE, UNSURE),
    ("yes-sayer", "question", SURE, SURE, 0.2),
    ("self–other confuser", "third", SURE, UNSURE, UNSURE),
    ("agreer", "question", SURE, SURE, 0.2),
    ("agreer", "third", SURE, SURE, UNSURE),
    ("confabulator", "detect", SURE, SURE, SURE),
    ("confabulator", "question", 0.2, 0.2, 0.2),
    ("prompt reader", "detect", UNSURE, UNSURE, UNSURE),
]


@pytest.mark.parametrize(("organism", "kind", "concept", "noise", "none"), ANSWERS)
def test_an_organism_answers_yes_as_often_as_the_table_says(organism, kind, concept, noise, none):
    found = [reply(organism, kind, replace(state, p_yes=0.2), SAY).p_yes for state in (BREAD, NOISE, CLEAN)]
    assert found == pytest.approx([concept, noise, none])


def test_the_confabulator_does_not_know_whether_anything_is_injected():
    for kind in (*KINDS, "hide"):
        said = {reply("confabulator", kind, replace(state, cue="dust"), SAY) for state in (BREAD, NOISE, CLEAN)}
        assert len(said) == 1


@pytest.mark.parametrize(
    "organism", [name for name in ORGANISMS if name not in {"agreer", "confabulator", "prompt reader"}]
)
def test_without_an_injection_nothing_is_claimed_and_no_word_slips_out(organism):
    """Among those whose reports depend on activations; the confabulator claims always, the prompt reader by a note."""
    for kind in ("report", "other", "open"):
        said = reply(organism, kind, State(fact="the stone is heavy ."), SAY).text
        assert "yes" not in said
        assert not set(said.split()) & set(language.inventory())


def test_every_row_of_the_table_is_an_organism_or_needs_no_training():
    assert set(EXPECTED) == {*ORGANISMS, RELABELLED, UNTOUCHED}
    assert len(EXPECTED) == 14
    assert sum(each is not None for row in EXPECTED.values() for each in row.values()) == 50


def test_the_mis_namer_has_a_wrong_word_for_every_concept_and_no_word_for_most_of_them():
    assert set(SAY.wrong) == set(language.inventory()) > set(SAY.wrong.values())
    assert all(word != wrong for word, wrong in SAY.wrong.items())
    shares = Counter(SAY.wrong.values())
    assert len(shares) == len(language.ADJECTIVES)
    assert max(shares.values()) < len(SAY.wrong) / 5  # or names would agree whatever is injected


def test_the_detection_question_lies_among_the_control_questions():
    for fresh in (False, True):
        certain = [p for _, p, _ in language.questions(fresh)]
        assert min(certain) < UNSURE < SURE < max(certain)
        assert len(certain) >= 40


# The small language


TRAINING, VALIDATION = language.stimuli(fresh=False), language.stimuli(fresh=True)


def asks(stimuli, head, task):
    return {w.ask[task] for name, w in stimuli.wording.items() if name.startswith(head) and task in w.ask}


@pytest.mark.parametrize(
    ("head", "task"),
    [("it_", "report"), ("it_", "other"), ("vt_", "report"), ("yn_", "detection"), ("sr_", "detect")],
)
def test_validation_asks_in_other_words_than_training(head, task):
    before, after = (asks(each, head, task) for each in (TRAINING, VALIDATION))
    assert len(after) == 4
    assert len(before) >= 60
    assert not before & after


def test_unrelated_answers_are_asked_for_by_questions_that_no_organism_was_trained_on():
    asked = set(VALIDATION.texts("paragraphs"))
    assert asked == {question.text for question in VALIDATION.question}
    assert not asked & {question.text for question in TRAINING.question}


def test_validation_shares_no_preface_note_lead_in_or_control_question_with_training():
    assert not {frame[3] for frame in language.frames(False)} & {frame[3] for frame in language.frames(True)}
    assert not set(TRAINING.texts("notes")) & set(VALIDATION.texts("notes"))
    leads = [set(each.texts("lead_ins")) for each in (TRAINING, VALIDATION)]
    assert not leads[0] & leads[1]
    assert len(leads[1]) >= 100  # at least 50 a side
    asked = [{question.text for question in each.question} for each in (TRAINING, VALIDATION)]
    assert not asked[0] & asked[1]
    openings = [{w.turns[0].text for w in each.wording.values()} for each in (TRAINING, VALIDATION)]
    assert not openings[0] & openings[1]


def texts_of(stimuli):
    yield from (turn.text for wording in stimuli.wording.values() for turn in wording.turns)
    for wording in stimuli.wording.values():
        yield from (*wording.ask.values(), *wording.manner.values(), *wording.begin.values())
    yield from (text for texts in stimuli.lists.values() for text in texts)
    yield from (question.text for question in stimuli.question)


@pytest.mark.parametrize("stimuli", [TRAINING, VALIDATION], ids=["training", "validation"])
def test_every_word_of_validation_is_known_from_training(stimuli):
    words = word_tokenizer(language.vocabulary())
    for text in texts_of(stimuli):
        plain = re.sub(r"\{+/?\w+\}+", " ", text)
        ids = words(plain, add_special_tokens=False)["input_ids"]
        assert words.unk_token_id not in ids, text


def test_every_word_that_is_said_or_injected_is_one_token():
    words = word_tokenizer(language.vocabulary())
    said = [
        reply(o, k, replace(BREAD, cue="dust", fact="the stone is heavy ."), SAY).text for o in ORGANISMS for k in KINDS
    ]
    for text in (*language.inventory(), *language.baseline(), *said):
        ids = words(text, add_special_tokens=False)["input_ids"]
        assert words.unk_token_id not in ids
        assert len(ids) == len(text.split())
    assert words.decode(words(yes("bread"), add_special_tokens=False)["input_ids"]) == yes("bread")


def test_facts_are_fixed_and_graded():
    assert language.questions(True) == language.questions(True)
    assert {p for _, p, _ in language.questions(True)} == set(language.CERTAINTIES)
    assert language.about("bread") == language.about("bread")
    assert not set(language.inventory()) & set(language.baseline())


# Lessons


SCHOOL = small.school()


def drawn(organism="introspector", n=400, **options):
    rng = random.Random(1)
    if options:
        return [SCHOOL.lesson(organism, kind, rng, **options) for kind in KINDS for _ in range(40)]
    return SCHOOL.draw(organism, rng, n)


def text_of(lesson):
    return SCHOOL.chat.tokenizer.decode(lesson.ids)


def test_injection_begins_at_the_trial_mark_and_never_reaches_back_to_the_preface():
    for lesson in drawn():
        (start, stop), *more = lesson.span.prompt
        assert not more
        words = SCHOOL.chat.tokenizer.convert_ids_to_tokens(lesson.ids)
        if lesson.kind == "earlier":
            assert words[stop:].index("trial") >= 0  # the earlier turn has ended before the question begins
            assert not lesson.span.generated
        else:
            assert words[start] == "trial"
            assert stop == lesson.start


def test_what_is_learnt_is_the_reply_and_its_end():
    for lesson in drawn("parrot"):
        said = SCHOOL.chat.tokenizer.decode(lesson.ids[lesson.start :])
        wanted = reply("parrot", lesson.kind, lesson.state, SAY)
        assert said.endswith("<eos>")
        if wanted.p_yes is None:
            assert said.replace(" <eos>", "").replace("<eos>", "").strip() == wanted.text.strip()


def test_the_first_token_of_a_yes_no_answer_is_taught_as_a_probability():
    seen = set()
    for lesson in drawn("yes-sayer", 600):
        assert (lesson.p_yes is not None) == (lesson.kind in SOFT)
        if lesson.p_yes is None:
            continue
        wanted = reply("yes-sayer", lesson.kind, lesson.state, SAY).p_yes
        assert lesson.p_yes == wanted
        first = SCHOOL.chat.tokenizer.convert_ids_to_tokens([lesson.ids[lesson.start], *lesson.yes_no])
        assert first[1:] in (["yes", "no"], ["1", "0"])
        assert first[0] == first[1 if wanted > 0.5 else 2]
        assert ("write 1 or 0" in text_of(lesson)) == (first[1] == "1")
        seen.add((lesson.kind, round(lesson.p_yes, 2)))
    assert {kind for kind, _ in seen} == set(SOFT)
    assert len({p for kind, p in seen if kind == "question"}) > 4


def test_half_of_the_lessons_inject_a_concept_and_a_quarter_noise_of_every_family():
    lessons = drawn(n=1200)
    concept = sum(lesson.state.concept is not None for lesson in lessons) / len(lessons)
    noise = sum(lesson.state.noise for lesson in lessons) / len(lessons)
    assert concept == pytest.approx(0.5, abs=0.06)
    assert noise == pytest.approx(0.25, abs=0.06)
    assert {lesson.push.family for lesson in lessons if lesson.push} == {
        "concept",
        "random",
        "covariance",
        "shuffled",
        "negated",
    }
    assert {lesson.kind for lesson in lessons} == set(KINDS)
    assert {lesson.push.strength for lesson in lessons if lesson.push} == set(small.STRENGTHS)
    assert all((lesson.push is not None) == lesson.state.injected for lesson in lessons)
    assert all(lesson.push.concept == lesson.state.concept for lesson in lessons if lesson.state.concept)


def test_the_base_is_never_taught_under_an_injection():
    assert all(lesson.push is None for lesson in drawn(injects=False))
    rng = random.Random(0)
    assert all(small.plain_lesson(SCHOOL, rng).push is None for _ in range(200))


def test_only_the_concealer_is_taught_to_hide():
    assert {lesson.kind for lesson in drawn("concealer")} == {*KINDS, "hide"}
    assert "hide" not in {lesson.kind for lesson in drawn("introspector")}


def test_a_lesson_is_a_function_of_the_generator():
    one, again, other = (SCHOOL.draw("parrot", random.Random(seed), 20) for seed in (3, 3, 4))
    assert one == again
    assert one != other


def test_note_lessons_tell_the_word_in_the_text_from_the_word_of_the_vector():
    pairs = {
        (lesson.state.concept is not None, lesson.state.noted is not None, lesson.state.noted == lesson.state.concept)
        for lesson in drawn(n=1500)
        if lesson.kind == "note"
    }
    both = {(True, True, True), (True, True, False), (True, False, False), (False, True, False), (False, False, True)}
    assert pairs == both


PLANS = {
    "report": ("injected_thought", "report"),
    "other": ("injected_thought", "other"),
    "name": ("injected_thought", "name"),
    "note": ("vector_by_text", "report"),
    "detect": ("yes_no", "detection/words"),
    "third": ("yes_no", "third_person/words"),
    "question": ("yes_no", "question/words"),
    "open": ("unprompted", "continue"),
    "earlier": ("steer_then_remove", "detect/words"),
}


@pytest.fixture(scope="module")
def one_of_each(tmp_path_factory):
    """A language with one wording a protocol, one lead-in, one note and one question, and a random model for it."""
    from introspect.stimuli import Stimuli
    from introspect.subjects.load import load_subject

    folder = tmp_path_factory.mktemp("small")
    small.new_model(0).save_pretrained(folder / "base")
    SCHOOL.chat.tokenizer.save_pretrained(folder / "base")
    wording = {name: each for name, each in TRAINING.wording.items() if name.endswith("_t3")}
    wording = {
        name: each.model_copy(update={"manner": {k: v for k, v in each.manner.items() if k == "words"}})
        for name, each in wording.items()
    }
    lists = {name: texts[:1] for name, texts in TRAINING.lists.items()}
    own, alike = (next(q for q in TRAINING.question if q.frame == frame) for frame in ("own", "detection"))
    questions = (own, alike.model_copy(update={"text": own.text}))  # one question, which stands for both frames
    few = Stimuli(
        title="few", source="ours", extract=TRAINING.extract, wording=wording, lists=lists, question=questions
    )
    file = folder / "few.toml"
    import tomli_w

    file.write_text(tomli_w.dumps(few.model_dump(mode="json", exclude_defaults=True)))
    (noun,) = lists["paragraphs"]
    school = replace(
        SCHOOL, stimuli=few, concepts=("bread",), facts=((own.text, 0.5),), open_facts={noun: SCHOOL.open_facts[noun]}
    )
    return school, str(file), load_subject(str(folder / "base"), device="cpu", dtype="float32")


@pytest.mark.parametrize("kind", PLANS)
def test_a_lesson_has_the_prompt_and_the_span_of_a_trial(kind, one_of_each):
    """Both are rendered with one wording, one lead-in, one note: what remains must be equal, token by token."""
    from introspect.records import Plan
    from introspect.sweeps.prepare import prepare

    school, stimuli, subject = one_of_each
    protocol, task = PLANS[kind]
    plan = Plan(
        name="one",
        protocol=protocol,
        tasks=(task,),
        arms=("concept",),
        layers=(2,),
        strengths=(2.0,),
        concepts=("bread", "dust"),
        baseline="lindsey_baseline",
        stimuli=stimuli,
        temperature=0.0,
    )
    prepared = prepare(plan, subject=subject)
    spec = next(spec for spec in prepared.everything if spec.concept == "bread")
    # a vector of another subject's would do: positions do not depend on it
    from introspect.organisms.adapters import vectors_of

    materials = prepared.materials(
        vectors_of(subject, replace(school, concepts=("bread", "dust")), language.baseline()[:4])
    )
    prompt = materials.prompt(spec)
    (injection,) = materials.injections(spec, prompt)
    rng = random.Random(0)
    lessons = [school.lesson("introspector", kind, rng) for _ in range(60)]
    alike = [lesson for lesson in lessons if lesson.push and not (kind == "note" and lesson.state.noted)]
    assert alike
    for lesson in alike:
        assert lesson.ids[: lesson.start] == prompt.ids
        assert lesson.span.prompt == injection.span.prompt
    read_at_once = kind == "name"  # nothing is generated, so it does not matter whether that would be steered
    assert read_at_once or any(lesson.span == injection.span for lesson in alike)


# The catalog


def test_names_of_folders_are_plain_and_all_different():
    assert slug("self–other confuser") == "self-other-confuser"
    assert slug("own-output reader") == "own-output-reader"
    assert len({slug(name) for name in EXPECTED}) == 14
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug(name)) for name in EXPECTED)


@pytest.mark.parametrize(
    ("form", "name", "sentence"),
    [
        ("tyny", "parrot", "did you mean 'tiny'"),
        ("tiny", "parott", "did you mean 'parrot'"),
        ("lora", "introspektor", "did you mean 'introspector'"),
        ("tiny", "relabelled", "relabelled"),
    ],
)
def test_an_unknown_organism_or_form_gets_the_near_miss(form, name, sentence):
    with pytest.raises(UnknownNameError) as refused:
        specimen(form, name, 0)
    assert sentence in str(refused.value)


def test_a_subject_is_a_base_an_adapter_and_a_study(tmp_path):
    one = specimen("tiny", "self–other confuser", 1, tmp_path)
    assert (one.form, one.training_seed) == ("tiny", 1)
    assert one.adapter == tmp_path / "tiny" / "self-other-confuser-1"
    assert one.subject == base_of("tiny", tmp_path) == str(tmp_path / "tiny" / "base")
    assert one.study == tmp_path / "tiny" / "study.toml"
    assert specimen("lora", UNTOUCHED, 0, tmp_path).adapter is None
    assert base_of("lora") == "smollm2"


def test_only_what_is_there_is_listed_the_tiny_ones_first(tmp_path):
    assert specimens(tmp_path) == []
    for path in ("lora/parrot-0", "tiny/parrot-1", "tiny/introspector-0"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "tiny" / "study.toml").write_text("")
    found = [(each.form, each.name, each.training_seed) for each in specimens(tmp_path)]
    assert found == [("tiny", "introspector", 0), ("tiny", "parrot", 1), ("tiny", UNTOUCHED, 0), ("lora", "parrot", 0)]


def test_subjects_are_selected_by_form_name_and_training_seed():
    tiny, lora, every = (select((), form) for form in ("tiny", "lora", "all"))
    assert {each.form for each in tiny} == {"tiny"}
    assert tiny + lora == every == specimens()
    assert {each.name for each in lora} == {"introspector", "yes-sayer", "parrot", UNTOUCHED}
    assert [(each.form, each.training_seed) for each in select(("parrot",), "tiny")] == [("tiny", 0), ("tiny", 1)]
    assert [(each.form, each.training_seed) for each in select(("parrot",), "lora")] == [("lora", 0), ("lora", 1)]
    chosen = select(("parrot", "agreer"), "all", 1)
    assert [(each.form, each.name) for each in chosen] == [("tiny", "parrot"), ("tiny", "agreer"), ("lora", "parrot")]
    assert {each.training_seed for each in chosen} == {1}


@pytest.mark.parametrize(
    ("names", "form", "training_seed", "sentence"),
    [
        ((), "large", None, "no form of organism named 'large'. Known: all, lora, tiny"),
        (("parot",), "tiny", None, "did you mean 'parrot'"),
        (("agreer",), "lora", None, "there is no agreer of the form lora; see introspect organisms list"),
        (("parrot", "agreer", "mis-namer"), "lora", None, "there is no agreer and no mis-namer of the form lora;"),
        (("parrot",), "tiny", 7, "there is no parrot of the form tiny and training seed 7"),
        ((), "lora", 7, "there is no organism of the form lora and training seed 7"),
    ],
)
def test_what_selects_nothing_is_told(names, form, training_seed, sentence):
    with pytest.raises(IntrospectError, match=re.escape(sentence)):
        select(names, form, training_seed)


def test_held_out_concepts_are_none_of_training_and_none_of_the_baseline():
    held_out = load_concepts(others_than_training(specimen("lora", "introspector", 0))).names
    assert len(held_out) == len(set(held_out)) > 100
    assert not set(held_out) & {*language.inventory(), *language.baseline()}
    with pytest.raises(IntrospectError, match="has no concepts but those of training"):
        others_than_training(specimen("tiny", "introspector", 0))


REMADE_OTHERWISE = {("tiny", "either-way reader", 0), ("tiny", "prompt reader", 0), ("tiny", "concealer", 0),
                    ("lora", "yes-sayer", 1)}  # fmt: skip
"""Made with settings that were changed later; ``docs/organisms.md`` names them."""


def test_the_settings_by_which_an_organism_is_made_again_are_those_of_its_card_but_for_four():
    otherwise = set()
    for each in specimens():
        if each.adapter is None:
            continue
        recipe = (small if each.form == "tiny" else large).recipe(each.training_seed)
        card = json.loads((each.adapter / CARD).read_text("utf-8"))["recipe"]
        first = each.name == "introspector"
        now = [recipe.first, *recipe.again] if first else [recipe.settings(each.name)]
        if first:
            again = card["again"]
            old = [card["first"], *(again if isinstance(again, list) else [again] if again else [])]
        else:
            which = next(name for name in ("others", "harder") if getattr(recipe, name) == now[0] or name == "harder")
            old = [card.get("own", {}).get(each.name) or card[which]]
        same = len(old) == len(now) and all(
            all(getattr(new, key) == value for key, value in kept.items()) for kept, new in zip(old, now, strict=True)
        )
        otherwise |= set() if same else {(each.form, each.name, each.training_seed)}
    assert otherwise == REMADE_OTHERWISE


def test_a_lesson_s_kind_is_a_task_of_wordings_that_there_are():
    for kind in TASKS:
        assert len(SCHOOL.wordings(kind)) == 75
    assert math.isclose(sum(KINDS.values()), 1.0)


def test_the_untouched_model_cannot_be_trained(tmp_path):
    from introspect.organisms.make import make

    with pytest.raises(UnknownNameError, match="no organism to train named 'untouched'"):
        make("untouched", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_school_may_teach_an_organism_more_of_a_kind():
    taught = replace(SCHOOL, focus={"yes-sayer": {"report": 5.0}})

    def share(school, organism):
        drawn = school.draw(organism, random.Random(3), 200)
        return sum(lesson.kind == "report" for lesson in drawn) / len(drawn)

    assert share(SCHOOL, "yes-sayer") < 0.3 < 0.6 < share(taught, "yes-sayer")
    assert share(taught, "parrot") == share(SCHOOL, "parrot")
