"""Every experiment asks what it says: pairs share their material, answers can be told apart, nothing gives them away.

Without a model: conversations, items and spans are functions of the plan and of the tokenizer.
"""

import functools
import inspect
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import lab
import pytest
import tiny

from introspect.concepts import Concept, load_concepts, shipped_lists
from introspect.errors import PlanError, StimulusError, UnknownNameError
from introspect.graders.intent import read_intent
from introspect.graders.options import choose_option, repeats
from introspect.graders.rules import RuleGrader
from introspect.protocols.check import problems
from introspect.protocols.protocol import FAMILIES
from introspect.protocols.registry import PROTOCOLS, protocol
from introspect.protocols.scene import Asked
from introspect.protocols.yes_no import questions
from introspect.split import side_of
from introspect.stimuli import MARK, SLOT, Stimuli, Turn, Wording
from introspect.subjects.chat import Chat
from introspect.words import matches

INFO = ("none", "accurate", "neutral")
KNOWN_MARKS = {"trial", "lead", "varies", "sentence", "later", "earlier", "text"}
ALL = tuple(lab.concepts("lindsey_concepts").names)
TASKS = [(name, task) for name, each in PROTOCOLS.items() for task in each.readings]
CHOICES = {
    ("thought_vs_text", "think"): 10, ("thought_vs_text", "choose"): 10, ("intended_or_prefilled", "choose"): 2,
    ("steer_then_remove", "choose"): 10, ("localisation", "locate"): 10, ("strength", "compare"): 2,
    ("identification", "letters"): 10, ("identification", "codes"): 10, ("identification", "words"): 10,
    ("input_or_activation", "source"): 2, ("concealment", "choose"): 10,
}  # fmt: skip
"""The tasks with a choice, and how many answers are on offer."""
FREE_OF_IT = {
    "thought_vs_text": "think", "intended_or_prefilled": "explain", "intentional_control": "think",
    "localisation": "locate", "strength": "compare", "unprompted": "summarise",
}  # fmt: skip
"""The experiments that draw sentences or paragraphs for a concept, with a task that does."""
FORMATS = {
    "chat": lambda: lab.chat(),
    "transcript": lambda: lab.chat(template=False),
    "like Llama 3": lambda: Chat(tiny.tokenizer("llama"), "tiny"),
    "like Llama 3, transcript": lambda: Chat(tiny.tokenizer("llama", template=False), "tiny"),
}
ANOTHER_PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
import lab
from transformers import AutoTokenizer
from introspect.protocols.registry import PROTOCOLS
from introspect.records import digest
from introspect.subjects.chat import Chat
tokens = Chat(AutoTokenizer.from_pretrained(sys.argv[2]), "small")
for name in PROTOCOLS:
    print(name, digest([spec.key for spec in lab.grid(lab.small(name), tokens).specs()]))
"""


def asked(name, task, concept, sample=0, arm="concept", wording=None, info="none"):
    first = wording or next(
        label for label, each in lab.stimuli().wording.items()
        if each.protocol == name and task.partition("/")[0] in each.ask
    )  # fmt: skip
    return Asked(arm, task, concept, sample, first, info)


def item_of(name, task, concept, scene=None, **more):
    """The one item of a task; the experiments that have several a concept are not asked here."""
    (item,) = PROTOCOLS[name].items(scene or scene_of(name), asked(name, task, concept, **more))
    return item


def scene_of(name, texts=None, **changes):
    return lab.scene(lab.plan(name, **({"concepts": "lindsey_concepts", "samples": 2} | changes)), texts=texts)


def material(items, injected=True):
    """Everything of some items that a subject can see, or that decides where a vector goes."""
    return sorted((sorted(each.fill.items()), each.options, each.span, each.also if injected else ()) for each in items)


def conversation(spec):
    return turns_of(spec.wording, spec.task, tuple(spec.fill.items()))


@functools.cache
def turns_of(wording, task, fill):
    return lab.stimuli().wording[wording].conversation(task, dict(fill))


def prompt(spec, template=True):
    return lab.chat(template).encode(conversation(spec))


def one_of_each(specs):
    """One trial of every wording, task and arm."""
    return {(spec.wording, spec.task, spec.arm): spec for spec in specs}.values()


def answers(item):
    """What each option of an item stands for: the label's line in the prompt, or the option itself."""
    lines = dict(re.findall(r"^(\w+): (.*)$", item.fill.get("options", "") or item.fill.get("lines", ""), re.MULTILINE))
    return [lines.get(option, option) for option in item.options]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_task_is_asked_in_at_least_three_wordings(name):
    offered = Counter(task for each in lab.stimuli().choose((), name).values() for task in each.tasks)
    known = {task for task in offered if task.partition("/")[0] in PROTOCOLS[name].readings}
    assert {task.partition("/")[0] for task in known} == set(PROTOCOLS[name].readings)
    assert min(offered[task] for task in known) >= 3
    assert set(offered) - known <= {"plain"}  # asked without a word to think of: what the centred curves are centred by


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_conversation_is_whole(name):
    for spec in one_of_each(lab.specs(lab.small(name))):
        turns = conversation(spec)
        text = "".join(turn.text for turn in turns)
        assert not SLOT.findall(text)
        marks = {mark for _, mark in MARK.findall(text)}
        assert {mark for mark in marks if not re.fullmatch("line_[a-z]", mark)} <= KNOWN_MARKS
        assert not re.search(r"[{}]", MARK.sub("", text))
        assert [turn.role for turn in turns] == (["user", "assistant"] * 3)[: len(turns)]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_injection_finds_its_span_in_chat_and_in_a_plain_transcript(name):
    for template in (True, False):
        for spec in one_of_each(lab.specs(lab.small(name))):
            if spec.vector is None:
                continue
            found = prompt(spec, template)
            for mark in (spec.span, *(also.span for also in spec.also)):
                start, stop = found.tokens_of(mark)
                assert 0 < start < stop <= len(found.ids)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_a_trial_is_told_beforehand_stands_in_its_prompt_and_nothing_else_changes(name):
    takes = {label for label, each in lab.stimuli().choose((), name).items() if "{info}" in each.turns[0].text}
    if not takes:
        return
    plain, *told = [lab.specs(lab.small(name, info=(info,), wordings=tuple(takes))) for info in INFO]
    for info, specs in zip(INFO[1:], told, strict=True):
        keys = {(spec.wording, spec.task, spec.arm): at for at, spec in enumerate(specs)}
        for at in keys.values():
            (first, *rest), (before, *others) = conversation(specs[at]), conversation(plain[at])
            assert first.text == f"{lab.stimuli().info[info].strip()}\n\n{before.text}"
            assert rest == others
            assert (specs[at].info, specs[at].options) == (info, plain[at].options)


def test_information_is_never_recorded_where_a_wording_has_no_place_for_it():
    for name in PROTOCOLS:
        try:
            specs = lab.specs(lab.small(name, info=("accurate",)))
        except PlanError:
            continue
        for spec in one_of_each(specs):
            assert lab.stimuli().info["accurate"].strip() in conversation(spec)[0].text, (name, spec.wording)


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_one_concept_and_sample_have_the_same_material_in_every_arm(name, task):
    scene, each = scene_of(name, n_options=4), PROTOCOLS[name]
    arms = [*each.default_arms, *(FAMILIES if each.injects else ())]
    for concept in lab.FEW[:3]:
        for sample in (0, 1):
            found = {arm: each.items(scene, asked(name, task, concept, sample, arm)) for arm in arms}
            for arm, items in found.items():
                if arm in {"text", "both"}:  # the note names the concept there; that is the experiment
                    (one,), (other,) = items, found["concept"]
                    assert one.fill["note"] != other.fill["note"]
                    assert {**one.fill, "note": ""} == {**other.fill, "note": ""}
                else:
                    assert material(items, arm != "none") == material(found[arms[0]], arm != "none")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_one_concept_and_sample_have_the_same_material_at_every_layer_and_strength(name):
    cells = defaultdict(list)
    plan = lab.small(name, layers=(0, 1, 2), strengths=(1.0, 2.0)) if PROTOCOLS[name].injects else lab.small(name)
    for spec in lab.specs(plan):
        if spec.vector:
            who = (spec.arm, spec.task, spec.wording, spec.concept, spec.sample)
            what = (sorted(spec.fill.items()), spec.options, spec.truth, spec.span, spec.also)
            cells[who, (spec.layer, spec.strength)].append(what)
    places = defaultdict(list)
    for (who, _), what in cells.items():
        places[who].append(what)
    for found in places.values():
        assert len(found) == 6
        assert all(what == found[0] for what in found)


@pytest.mark.parametrize("name", [*FREE_OF_IT])
def test_one_pair_of_concept_and_text_is_used_for_every_task_and_wording(name):
    texts = defaultdict(set)
    for spec in lab.specs(lab.small(name)):
        if "sentence" in spec.fill or "lines" in spec.fill or "paragraph" in spec.fill:
            text = spec.fill.get("sentence") or spec.fill.get("lines") or spec.fill.get("paragraph")
            texts[spec.concept].add(text)
    assert set(texts) == set(lab.FEW[:2])
    assert {len(found) for found in texts.values()} == {1}


@pytest.mark.parametrize(("name", "task"), [place for place in TASKS if place[0] != "yes_no" and place[1] != "open"])
def test_another_sample_is_another_item(name, task):
    scene, each = scene_of(name), PROTOCOLS[name]

    def drawn(concept, sample):
        items = each.items(scene, asked(name, task, concept, sample))
        shown = lab.stimuli().wording[asked(name, task, concept).wording]
        slots = shown.slots
        return [({slot: item.fill.get(slot) for slot in slots}, item.options) for item in items]

    differ = [drawn(concept, 0) != drawn(concept, 1) for concept in ALL[:10]]
    assert sum(differ) >= 5  # a text is drawn twice now and then


def test_trials_are_the_same_in_another_process():
    script = [sys.executable, "-c", ANOTHER_PROCESS, str(Path(lab.__file__).parent), str(lab.folder())]
    env = {"PYTHONHASHSEED": "12345", "PATH": "", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(script, capture_output=True, text=True, check=True, env=env, cwd=Path(__file__).parents[2])
    from introspect.records import digest

    here = {name: digest([spec.key for spec in lab.specs(lab.small(name))]) for name in PROTOCOLS}
    assert dict(line.split() for line in done.stdout.splitlines()) == here


@pytest.mark.parametrize(("name", "task"), FREE_OF_IT.items())
def test_no_text_is_drawn_for_a_concept_that_names_it_or_comes_near_it(name, task):
    """Every other text mentions the concept in one of its forms or near words; those are never drawn."""
    clean = [f"The man at number {number} has a visitor." for number in range(9)]
    lists = lab.stimuli().lists
    for concept in lab.concepts("lindsey_concepts").members[::4]:
        spoiled = [f"We spoke of {word.upper()} again." for word in (*concept.forms, *concept.near)]
        texts = lab.stimuli().model_copy(
            update={"lists": lists | {"sentences": (*spoiled, *clean), "paragraphs": (*spoiled, *clean)}}
        )
        scene = scene_of(name, texts, n_options=4, samples=4)
        for sample in range(4):
            shown = "\n".join(item_of(name, task, concept.name, scene, sample=sample).fill.values())
            assert "We spoke of" not in shown
            assert "The man at number" in shown


@pytest.mark.parametrize(("name", "task"), FREE_OF_IT.items())
def test_a_list_in_which_every_text_comes_near_a_concept_is_refused(name, task):
    lists = lab.stimuli().lists | {"sentences": ("The loaf is warm.",), "paragraphs": ("The loaf is warm.",)}
    scene = scene_of(name, lab.stimuli().model_copy(update={"lists": lists}))
    with pytest.raises(StimulusError, match="every text of the list mentions 'bread' or something near it"):
        item_of(name, task, "bread", scene)


@pytest.mark.parametrize(("name", "task"), CHOICES)
def test_the_right_answer_is_on_offer_once_and_every_answer_is_another_one(name, task):
    scene, n = scene_of(name), CHOICES[name, task]
    for concept in ALL[::3]:
        item = item_of(name, task, concept, scene)
        assert len(set(item.options)) == len(item.options) == n
        shown = answers(item)
        assert len(set(shown)) == n
        if name not in {"intended_or_prefilled", "localisation", "strength", "input_or_activation"}:
            assert shown.count(concept) == 1
            assert item.truth == item.options[shown.index(concept)]
        elif name != "intended_or_prefilled":
            assert item.options.count(item.truth) == 1


@pytest.mark.parametrize(("name", "task"), CHOICES)
def test_answers_differ_in_their_first_token(name, task):
    scene = scene_of(name)
    for concept in ALL[::5]:
        options = item_of(name, task, concept, scene).options
        exact = all(option.isupper() for option in options)
        sets = [scene.chat.first_tokens(option, exact) for option in options]
        assert all(sets)
        assert sum(len(each) for each in sets) == len(frozenset().union(*sets))


@pytest.mark.parametrize(("name", "task"), CHOICES)
def test_the_right_answer_stands_in_every_place_about_equally_often(name, task):
    scene, n = scene_of(name), CHOICES[name, task]
    items = [item_of(name, task, concept, scene, sample=sample) for concept in ALL for sample in (0, 1)]
    if name in {"intended_or_prefilled", "input_or_activation"}:  # the option's letter says where it stands
        places = Counter(item.options[0] for item in items)
    else:
        places = Counter(item.options.index(item.truth) for item in items)
    assert len(places) == n
    expected = len(items) / n
    assert max(abs(count - expected) for count in places.values()) < 4 * (expected * (1 - 1 / n)) ** 0.5


ONE_BY_ONE = [place for place in CHOICES if CHOICES[place] == 10 and place[0] != "identification"]


@pytest.mark.parametrize("task", ["letters", "codes", "words"])
def test_the_prompt_of_an_identification_says_nothing_about_which_concept_of_its_group_was_injected(task):
    scene = scene_of("identification")
    groups = [[item_of("identification", task, concept, scene) for concept in own] for own, _ in scene.groups[:2]]
    assert sum(len(own) for own, _ in scene.groups) == len(ALL)
    for items in groups:
        assert len({str(sorted(item.fill.items())) for item in items}) == 1
        assert len({item.truth for item in items}) == len(items) > 1
    assert groups[0][0].fill != groups[1][0].fill
    again = item_of("identification", task, ALL[0], scene, sample=1)
    assert answers(again) != answers(groups[0][0])
    assert set(answers(again)) == set(answers(groups[0][0]))


def test_labels_are_dealt_anew_in_every_wording():
    scene = scene_of("identification")
    one, other = (item_of("identification", "codes", ALL[0], scene, wording=w) for w in ("plain", "another"))
    assert one.truth != other.truth


def test_a_last_group_of_an_identification_is_filled_up_with_concepts_that_are_not_in_it():
    scene = scene_of("identification", concepts=ALL[:13])
    shown = [answers(item_of("identification", "letters", concept, scene)) for concept in ALL[10:13]]
    assert shown[0] == shown[1] == shown[2]
    assert len(set(shown[0])) == 10
    assert set(ALL[10:13]) <= set(shown[0])


@pytest.mark.parametrize(("name", "task"), ONE_BY_ONE)
def test_wrong_answers_are_other_concepts_in_an_order_of_their_own(name, task):
    scene = scene_of(name)
    shown = [answers(item_of(name, task, concept, scene)) for concept in ALL[:12]]
    assert len({tuple(each) for each in shown}) == 12
    if name != "localisation":
        assert {word for each in shown for word in each} <= set(ALL)
        assert not [each for each in shown if each == sorted(each)]


def test_no_wrong_answer_is_a_neighbour_of_the_right_one():
    scene = scene_of("identification")
    alike = Concept(word="Bread", aliases=("loaf",), near=("dust", "Silver"))
    scene.known["bread"] = alike
    drawn = {name for sample in range(40) for name in scene.others("bread", 9, scene.rng(sample))}
    assert len(drawn) > 30
    assert not drawn & {"bread", "dust", "silver"}


def test_where_a_plan_has_few_concepts_wrong_answers_come_from_the_other_lists():
    few = scene_of("identification", concepts=lab.FEW[:2])
    names = few.others("bread", 9, few.rng("x"))
    assert "dust" in names
    assert len(set(names)) == 9


def test_more_answers_than_can_be_told_apart_are_refused():
    scene = lab.scene(lab.plan("identification", concepts=lab.FEW, n_options=4), Chat(tiny.tokenizer("llama"), "tiny"))
    scene.known = {name: scene.known[name] for name in lab.FEW[:2]}
    with pytest.raises(PlanError, match="n_options = 4, but only . other concepts can be told from 'bread' by their"):
        scene.others("bread", 3, scene.rng("x"))


@pytest.mark.parametrize("kind", list(tiny.KINDS))
def test_answers_are_told_apart_where_a_space_is_a_token_of_its_own(kind):
    """Behind a space that stands alone every word begins with the same token, which says nothing about the answer."""
    scene = lab.scene(lab.plan("identification", concepts=lab.FEW), Chat(tiny.tokenizer(kind), "tiny"))
    ids = [scene.chat.tokenizer(text, add_special_tokens=False).input_ids for text in (" DUST", " TREES")]
    assert ids[0][0] == ids[1][0]
    assert scene.chat.first_tokens("dust")
    assert not scene.chat.first_tokens("dust") & scene.chat.first_tokens("trees")
    assert len(scene.others("dust", 3, scene.rng("x"))) == 3


@pytest.mark.parametrize("name", [name for name, each in PROTOCOLS.items() if each.injects])
def test_clean_trials_do_not_become_more_with_layers_and_strengths(name):
    few = lab.specs(lab.small(name, layers=(1,), strengths=(1.0,)))
    many = lab.specs(lab.small(name, layers=(0, 1, 2), strengths=(1.0, 2.0, 4.0)))
    clean = [[spec.key for spec in specs if spec.vector is None] for specs in (few, many)]
    assert clean[0] == clean[1] != []
    assert sum(spec.vector is not None for spec in many) == 9 * sum(spec.vector is not None for spec in few)


@pytest.mark.parametrize("name", [name for name, each in PROTOCOLS.items() if each.injects])
def test_every_clean_prompt_that_is_read_is_also_read_under_injection_and_is_read_once(name):
    specs = lab.specs(lab.small(name, samples=2, arms=("concept", "none"), wordings=lab.covering(name)))
    reading = {spec.key: PROTOCOLS[name].reading(spec.task) for spec in specs}

    def prompts(arm):
        chosen = [spec for spec in specs if spec.arm == arm and reading[spec.key] != "reply"]
        return [(spec.task, str(conversation(spec)), spec.options) for spec in chosen]

    clean, injected = prompts("none"), prompts("concept")
    assert set(clean) == set(injected)
    groups = name == "identification"  # one prompt for a group of concepts, read once for each as the right answer
    repeated = [] if groups else [count for count in Counter(clean).values() if count > 1]
    assert not repeated, f"{len(repeated)} clean prompts are read up to {max(repeated)} times"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["steer_then_remove", "concealment"])
def test_nothing_is_added_from_the_first_token_of_the_question_or_instruction_on(name, form):
    tokens = FORMATS[form]()
    seen = set()
    for spec in lab.specs(lab.small(name, n_options=4)):
        if spec.vector is None or (spec.wording, spec.task) in seen:
            continue
        seen.add((spec.wording, spec.task))
        span = lab.prompt(spec, tokens).span(spec.span, spec.where)
        assert not span.generated
        assert max(stop for _, stop in span.prompt) <= lab.asking(spec, tokens) < span.prompt_length
    assert len(seen) >= 9


@pytest.mark.parametrize("name", ["steer_then_remove", "concealment"])
def test_an_injection_that_can_have_no_effect_by_construction_is_not_run(name):
    specs = lab.specs(lab.small(name, n_options=4, layers=(0, 2, 3)))
    assert {spec.layer for spec in specs if spec.vector} == {0, 2}


@pytest.mark.parametrize("name", ["steer_then_remove", "concealment"])
def test_a_plan_with_no_layer_left_to_inject_at_is_refused_and_not_run_clean(name):
    with pytest.raises(PlanError):
        lab.specs(lab.small(name, n_options=4, layers=(3,)))


@pytest.mark.parametrize("name", [name for name, each in PROTOCOLS.items() if each.injects and each.where == "prompt"])
def test_the_last_block_is_injected_into_only_where_that_reaches_the_answer(name):
    """Behind the last block nothing looks back, so a vector there reaches an answer only at the last prompt token."""
    for spec in one_of_each(spec for spec in lab.specs(lab.small(name, n_options=4, layers=(2, 3))) if spec.layer == 3):
        if PROTOCOLS[name].reading(spec.task) != "surprisal":
            found = prompt(spec)
            stops = [found.tokens_of(mark)[1] for mark in (spec.span, *(also.span for also in spec.also))]
            assert len(found.ids) in stops, (spec.task, spec.arm)


@pytest.mark.parametrize("template", [True, False])
def test_a_word_is_put_into_the_subject_s_mouth_after_the_injection_and_before_the_later_one(template):
    for spec in lab.specs(lab.small("intended_or_prefilled")):
        if spec.vector is None:
            continue
        found = prompt(spec, template)
        start, stop = found.tokens_of(spec.span)
        word = found.text.index(spec.concept, found.text.index(spec.fill["sentence"]) + len(spec.fill["sentence"]))
        if spec.arm == "later":
            assert found.offsets[start][0] >= word + len(spec.concept)
        else:
            assert found.offsets[stop - 1][1] <= word


def test_the_stronger_sentence_is_the_right_answer_and_the_other_one_has_half_of_it():
    for concept in ALL[:10]:
        item = item_of("strength", "compare", concept)
        (weaker,) = item.also
        assert {item.span, weaker.span} == {"line_a", "line_b"}
        assert item.span == f"line_{item.truth.lower()}"
        assert weaker.strength == 0.5
        assert len(set(answers(item))) == 2


def test_the_sentence_that_carries_the_vector_is_the_right_answer():
    for concept in ALL[:10]:
        item = item_of("localisation", "locate", concept)
        assert item.span == f"line_{item.truth.lower()}"
        assert len(set(answers(item))) == 10


RIGHT = {
    ("detection", "concept"): "yes", ("detection", "none"): "no", ("detection", "random"): None,
    ("inverted", "concept"): "no", ("inverted", "none"): "yes", ("inverted", "covariance"): None,
    ("third_person", "concept"): "no", ("third_person", "none"): "no", ("third_person", "other"): None,
    ("third_person_told", "concept"): "yes", ("third_person_told", "none"): "yes", ("third_person_told", "swap"): None,
}  # fmt: skip


@pytest.mark.parametrize(("task", "arm"), RIGHT)
def test_yes_is_right_where_a_concept_is_injected_into_the_one_that_is_asked_about(task, arm):
    for manner, yes, no in (("words", "yes", "no"), ("digits", "1", "0")):
        item = item_of("yes_no", f"{task}/{manner}", "bread", arm=arm)
        assert item.options == (yes, no)
        assert item.truth == {"yes": yes, "no": no, None: None}[RIGHT[task, arm]]


@pytest.mark.parametrize("arm", ["concept", "random", "none"])
def test_an_unrelated_question_keeps_its_answer_whatever_is_injected(arm):
    scene = scene_of("yes_no")
    known = {question.text: question.answer for question in lab.stimuli().question}
    items = PROTOCOLS["yes_no"].items(scene, asked("yes_no", "question/words", "bread", arm=arm))
    assert Counter(item.fill["question"] for item in items) == Counter(each.text for each in questions(scene))
    for item in items:
        assert item.truth == {"yes": "yes", "no": "no", "open": None}[known[item.fill["question"]]]


@pytest.mark.parametrize("n", [None, 2, 5, 20, 44])
def test_half_of_the_unrelated_questions_have_the_frame_of_the_detection_question(n):
    frames = Counter(question.frame for question in questions(scene_of("yes_no", n_items=n)))
    assert frames.total() == n or n is None
    assert abs(frames["own"] - frames["detection"]) <= 1


def test_unrelated_questions_have_as_many_right_yeses_as_noes_in_either_frame():
    for frame in ("own", "detection"):
        found = Counter(question.answer for question in lab.stimuli().question if question.frame == frame)
        assert found["yes"] == found["no"] > 0


def test_the_two_texts_beforehand_are_of_equal_length():
    one, other = lab.stimuli().info["accurate"], lab.stimuli().info["neutral"]
    assert len(one.split()) == len(other.split())
    assert abs(len(one) - len(other)) <= 0.03 * len(one)
    assert not re.search("model|layer|token|pattern|reply|stream of numbers", other)


def test_there_are_enough_texts_to_draw_from_and_none_stands_twice():
    texts = {name: lab.stimuli().texts(name) for name in ("sentences", "lead_ins", "paragraphs", "notes")}
    questions_of = [question.text for question in lab.stimuli().question]
    assert len(texts["lead_ins"]) >= 50
    assert len(texts["sentences"]) >= 50
    assert len(texts["paragraphs"]) == 40
    assert len(questions_of) >= 20
    for found in (*texts.values(), questions_of):
        assert len(set(found)) == len(found)
    assert all("{noted}" in note for note in texts["notes"])


def leads_of(scene, concepts=ALL[:25], **more):
    places = [(concept, sample) for concept in concepts for sample in (0, 1)]
    return [scene.lead(asked("injected_thought", "report", *place, **more)) for place in places]


def test_lead_ins_differ_from_concept_to_concept_and_from_sample_to_sample():
    assert len(set(leads_of(scene_of("injected_thought", concepts=ALL[:25])))) == 50


def test_no_concept_has_the_same_lead_in_in_every_wording_and_the_arms_of_one_wording_share_it():
    scene = scene_of("injected_thought", concepts=ALL[:25])
    dealt = {wording: leads_of(scene, wording=wording) for wording in ("plain", "instrument", "brief")}
    for one, other in combinations(dealt.values(), 2):
        assert sum(first == second for first, second in zip(one, other, strict=True)) <= 5
    for wording, found in dealt.items():
        for arm in ("random", "none"):
            assert leads_of(scene, wording=wording, arm=arm) == found
        clean = [scene.lead(asked("injected_thought", "report", None, number, "none", wording)) for number in range(50)]
        assert clean == found


def test_nothing_that_is_drawn_on_one_side_of_the_split_is_drawn_on_the_other():
    drawn = defaultdict(dict)
    for side in ("development", "report"):
        for name in ("lead_ins", "notes", "paragraphs", "sentences"):
            drawn[name][side] = set(scene_of("yes_no", side=side).texts(name))
        drawn["questions"][side] = {each.text for each in questions(scene_of("yes_no", side=side))}
        drawn["leads"][side] = set(leads_of(scene_of("injected_thought", side=side, concepts=ALL[:25])))
        for name, task, slot in (("unprompted", "count", "paragraph"), ("thought_vs_text", "think", "sentence"),
                                 ("input_or_activation", "source", "note")):  # fmt: skip
            scene = scene_of(name, side=side)
            shown = {item_of(name, task, concept, scene).fill[slot] for concept in ALL[::3]}
            texts = scene.texts({"sentence": "sentences", "paragraph": "paragraphs", "note": "notes"}[slot])
            parts = [text.partition("{noted}")[0] for text in texts]
            assert all(any(text.startswith(part) for part in parts) for text in shown)
    for name, sides in drawn.items():
        assert sides["development"], name
        assert not sides["development"] & sides["report"], name
    for name in ("lead_ins", "notes", "paragraphs", "sentences"):
        whole = scene_of("yes_no").texts(name)
        assert sorted(whole) == sorted(drawn[name]["development"] | drawn[name]["report"])
        assert whole == list(lab.stimuli().texts(name))


@pytest.mark.parametrize("side", ["development", "report"])
def test_either_side_of_the_split_is_large_enough_for_a_verdict(side):
    assert len(scene_of("yes_no", side=side).texts("lead_ins")) >= 55
    frames = Counter(question.frame for question in questions(scene_of("yes_no", side=side)))
    assert frames["own"] == frames["detection"] >= 11
    here = [each for each in lab.stimuli().question if side_of(each.text, "question") == side]
    for frame in ("own", "detection"):
        answers_of = Counter(each.answer for each in here if each.frame == frame)
        assert answers_of["yes"] == answers_of["no"] >= 5
        assert answers_of["open"] >= 3


def test_a_list_with_nothing_on_the_side_is_refused():
    lists = lab.stimuli().lists | {"lead_ins": ("Let us go on.",)}
    texts = lab.stimuli().model_copy(update={"lists": lists})
    assert scene_of("injected_thought", texts, side="report").leads("plain") == ["Let us go on."]
    with pytest.raises(StimulusError, match="the list 'lead_ins' has no text on the side 'development' of the split"):
        scene_of("injected_thought", texts, side="development").leads("plain")


def test_no_lead_in_names_a_concept_of_any_shipped_list_and_none_speaks_of_the_matter():
    concepts = [each for name in shipped_lists() if name != "lindsey_baseline" for each in load_concepts(name).members]
    for text in lab.stimuli().texts("lead_ins"):
        assert not [each.name for each in concepts if matches(text, each.forms)], text
        assert not re.search("thought|inject|mind|activ|neural|idea|disturb|layer|feel|notice|concept", text, re.I)


def test_concepts_without_trials_stand_aside_for_those_that_have_them():
    scene = scene_of("identification", only=ALL[:12], n_options=4)
    assert scene.names == ALL[:12]
    assert [name for own, _ in scene.groups for name in own] != []
    assert {name for own, _ in scene.groups for name in own} == set(ALL[:12])
    drawn = {name for concept in ALL[:12] for name in scene.others(concept, 3, scene.rng("x", concept))}
    assert drawn <= set(ALL[:12])
    turns = scene_of("competence", only=ALL[:3])
    shown = [PROTOCOLS["competence"].items(turns, asked("competence", "perplexity", name)) for name in ALL[:3]]
    assert len({item.fill["paragraph"] for items in shown for item in items}) == 40


def test_the_third_person_is_asked_as_the_first_is():
    for name in ("plain", "instrument", "brief"):
        ask = lab.stimuli().wording[name].ask
        assert ask["report"].split("? ", 1)[1] in ask["other"]
        assert re.search("other model|another model", ask["other"])
        assert re.search("untouched|left the other|stays off", ask["other"])
        assert PROTOCOLS["injected_thought"].reading("other") == "reply"


MANY = ("lindsey_concepts", "category_verbs")


@pytest.mark.parametrize("form", FORMATS)
def test_names_on_offer_are_told_apart_and_are_the_same_whatever_gets_trials(form):
    tokens = FORMATS[form]()
    many = tuple(dict.fromkeys(lab.concepts(*MANY).names))
    plan = lab.plan("injected_thought", concepts=many, tasks=("name",), layers=(1,))
    scene = lab.scene(plan, tokens)
    names = scene.namable
    part = lab.scene(plan.model_copy(update={"only": names[:3], "seed": 9, "side": "report"}), tokens)
    assert names == part.namable == tuple(name for name in scene.concepts.names if name in names)
    assert len(names) > 10
    begun = Counter(token for name in names for token in tokens.first_tokens(name))
    assert all(any(begun[token] == 1 for token in tokens.first_tokens(name)) for name in names)
    for name in set(scene.concepts.names) - set(names):  # each is missing for a reason
        own = tokens.first_tokens(name, exact=True)
        assert not own or any(own & tokens.first_tokens(other, exact=True) for other in names)


def test_a_name_is_asked_for_in_one_pass_among_all_the_plan_s_names_and_nothing_of_them_stands_in_the_prompt():
    plan = lab.small("injected_thought", concepts="lindsey_concepts", tasks=("name",), only=lab.FEW[:2])
    specs = lab.specs(plan)
    names = lab.scene(plan).namable
    assert set(lab.FEW[:2]) <= set(names)
    assert len(names) > 40
    assert {spec.options for spec in specs} == {names}
    assert {(spec.arm, spec.truth) for spec in specs} == {
        ("concept", "bread"), ("concept", "dust"), ("random", "bread"), ("random", "dust"), ("none", None),
    }  # fmt: skip
    for spec in specs:
        assert set(spec.fill) <= {"info", "lead"}
        *_, asking, begun = conversation(spec)
        forced = lab.stimuli().wording[spec.wording].conversation("forced", spec.fill)
        assert (asking, begun) == forced[-2:]
        assert begun.text.endswith('"')


def test_a_concept_that_the_first_token_does_not_tell_apart_gets_no_trial_where_names_are_on_offer():
    scene = scene_of("injected_thought")
    scene.namable = ("dust", "bread")
    assert item_of("injected_thought", "name", "bread", scene).options == ("dust", "bread")
    assert PROTOCOLS["injected_thought"].items(scene, asked("injected_thought", "name", "silver")) == []
    assert PROTOCOLS["injected_thought"].items(scene, asked("injected_thought", "report", "silver")) != []


CROSSING = {"concept": (True, False), "text": (False, True), "both": (True, True), "none": (False, False)}


def test_vector_and_text_are_crossed_and_share_all_else():
    specs = lab.specs(lab.small("vector_by_text", samples=2))
    assert {spec.arm for spec in specs} == set(CROSSING)
    places = defaultdict(dict)
    for spec in specs:
        vector, text = CROSSING[spec.arm]
        assert (spec.vector is not None) == vector
        assert spec.vector is None or (spec.vector.family, spec.vector.concept) == ("concept", spec.concept)
        assert matches(spec.fill["note"], lab.scene(lab.small("vector_by_text")).known[spec.concept].forms) == text
        assert ("something" in spec.fill["note"]) != text
        if spec.task == "detect":
            assert (spec.options, spec.truth) == (("yes", "no"), "yes" if vector else "no")
        note = spec.fill["note"].replace(spec.concept, "something")
        places[spec.task, spec.wording, spec.concept, spec.sample if vector or spec.task == "report" else None][
            spec.arm, spec.fill["note"]
        ] = (note, spec.fill["lead"])
    for (_, _, _, sample), found in places.items():
        if sample is not None:
            assert len(set(found.values())) == 1
    for spec in one_of_each(specs):
        first, stop = prompt(spec).tokens_of("trial")
        at = prompt(spec).text.index(spec.fill["note"])
        assert prompt(spec).offsets[first][0] < at
        assert stop == len(prompt(spec).ids)


@pytest.mark.parametrize("form", ["paragraph", "none"])
def test_a_wording_of_ordinary_work_may_do_without_a_paragraph(form):
    text = "{info}{{trial}}{ask}" + (" {paragraph}" if form == "paragraph" else "")
    mine = {
        "mine": Wording(
            protocol="unprompted", turns=(Turn(role="user", text=text),), ask={"continue": "Go on from there: the"}
        )
    }
    lists = {name: texts for name, texts in lab.stimuli().lists.items() if name != "paragraphs"}
    texts = Stimuli(wording=mine, lists=lists, info=lab.stimuli().info)
    assert not problems(texts)
    plan = lab.plan("unprompted", concepts=lab.FEW[:2], wordings=("mine",), info=("none", "accurate"))
    grid = lab.grid(plan, texts=texts)
    if form == "paragraph":
        with pytest.raises(UnknownNameError, match="no list in the stimulus file named 'paragraphs'"):
            grid.specs()
        return
    specs = grid.specs()
    assert {spec.task for spec in specs} == {"continue"}
    assert {spec.concept for spec in specs if spec.arm == "none"} == set(lab.FEW[:2])
    assert {(spec.info, *spec.fill) for spec in specs} == {("none", "info"), ("accurate", "info")}
    assert {bool(spec.fill["info"]) for spec in specs if spec.info == "accurate"} == {True}


def test_each_paragraph_and_each_question_of_fact_is_used_once_a_cell():
    specs = lab.specs(lab.plan("competence", concepts=lab.FEW, wordings=("cp_text_1", "cp_choice_1")))
    for task, n in (("perplexity", 40), ("choice", len(lab.stimuli().multiple_choice))):
        for arm, cells in (("concept", 4), ("random", 4), ("none", 1)):
            found = [spec for spec in specs if (spec.task, spec.arm) == (task, arm)]
            shown = Counter(str(conversation(spec)) for spec in found)
            assert len(found) == n * cells
            assert set(shown.values()) == {cells}


def test_intentional_control_crosses_each_incentive_with_its_counterpart_and_mentions_the_word_in_all_of_them():
    from introspect.protocols.intentional_control import PAIRS

    for wording in lab.stimuli().choose((), "intentional_control").values():
        for pair in PAIRS:
            one, other = (wording.ask[task] for task in pair)
            assert one != other
            assert "{word}" in one
            assert "{word}" in other
            assert abs(len(one.split()) - len(other.split())) <= 3
        assert "{word}" not in wording.ask["plain"]


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: protocol("localization"), "no protocol named 'localization'; did you mean 'localisation'"),
        (lambda: PROTOCOLS["yes_no"].arm("randem"), "no arm of yes_no named 'randem'; did you mean 'random'"),
        (lambda: PROTOCOLS["yes_no"].reading("invert"), "no task of yes_no named 'invert'; did you mean 'inverted'"),
        (lambda: PROTOCOLS["intentional_control"].arm("concept"), "no arm of intentional_control named 'concept'"),
        (lambda: PROTOCOLS["strength"].arm("later"), "no arm of strength named 'later'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_near_miss(ask, sentence):
    with pytest.raises(UnknownNameError, match=re.escape(sentence)):
        ask()


def test_an_information_text_that_a_stimulus_file_does_not_have_is_refused_with_those_that_it_has():
    texts = lab.stimuli().model_copy(update={"info": {"acurate": "x", "neutral": "y"}})
    scene = lab.scene(lab.plan("yes_no"), texts=texts)
    with pytest.raises(UnknownNameError, match="named 'accurate'; did you mean 'acurate'"):
        scene.opening(asked("yes_no", "detection", "bread", info="accurate"))


def test_a_wording_that_asks_for_no_task_of_its_protocol_is_refused_and_not_asked_without_a_question():
    wrong = Wording.model_validate({
        "protocol": "injected_thought", "turns": [{"role": "user", "text": "Go.{{trial}} {ask}"}],
        "ask": {"reprot": "Is there a thought?"},
    })  # fmt: skip
    grid = lab.grid(lab.small("injected_thought"))
    texts = Stimuli(wording={"wrong": wrong})
    grid = type(grid)(grid.plan, grid.protocol, grid.identity, grid.scene, texts.wording, grid.vectors_hash)
    with pytest.raises((PlanError, StimulusError, UnknownNameError)):
        grid.specs()


def test_a_grader_is_given_the_reply_and_nothing_about_the_injection():
    assert [*inspect.signature(RuleGrader().grade).parameters] == ["reply"]
    assert [*inspect.signature(read_intent).parameters] == ["reply"]
    assert [*inspect.signature(repeats).parameters] == ["reply", "sentence"]
    assert [*inspect.signature(choose_option).parameters] == ["reply", "options"]
    assert vars(RuleGrader()) == {}


def test_an_unrelated_question_has_one_clean_prompt_whatever_concept_is_injected():
    scene = scene_of("yes_no")
    prompts = {
        tuple(item.fill["lead"] for item in PROTOCOLS["yes_no"].items(scene, asked("yes_no", "question/words", name)))
        for name in (*scene.names[:4], None)
    }
    assert len(prompts) == 1
    assert len(set(next(iter(prompts)))) == len(next(iter(prompts)))  # and every question a lead-in of its own
    leads = {
        PROTOCOLS["yes_no"].items(scene, asked("yes_no", "detection/words", name))[0].fill["lead"]
        for name in scene.names[:4]
    }
    assert len(leads) == 4
