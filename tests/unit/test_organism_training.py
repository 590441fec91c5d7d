"""Training an organism: what is learnt, from where, and what is left as it was. A few steps on the shipped base."""

import copy
import json
import random
import shutil
from dataclasses import fields, replace
from itertools import pairwise

import pytest
import torch

from introspect.errors import SubjectError, UnknownNameError
from introspect.organisms import adapters, language, small
from introspect.organisms.adapters import CARD, Recipe, make_adapter, read_again, vectors_of
from introspect.organisms.batches import clean_answers, clean_states, collate
from introspect.organisms.catalog import base_of
from introspect.organisms.evaluation import APART, FAR, FARTHEST, THRESHOLDS, Answer, evaluate, is_right, passed, read
from introspect.organisms.training import Settings, _quick, losses, train
from introspect.subjects.load import load_subject

FEW = Settings(n_steps=8, batch=8, rate=5e-3, seed=0)
RECIPE = Recipe("tiny", small.LAYER, rank=2, first=FEW, again=(FEW,), others=FEW, harder=FEW, n_evaluated=12)
WIDTH = small.D_MODEL


@pytest.fixture(scope="module")
def subject():
    return load_subject(base_of("tiny"), dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def teacher(subject):
    return replace(small.school(), chat=subject.chat)


@pytest.fixture(scope="module")
def vectors(subject, teacher):
    return vectors_of(subject, teacher, language.baseline())


def probe(subject):
    ids = torch.tensor([subject.chat.ask("which word does the note say ?").ids])
    with torch.no_grad():
        return subject.model(input_ids=ids).logits


@pytest.fixture(scope="module", params=[0, 32], ids=["new lessons", "a pool"])
def made(request, subject, teacher, vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "introspector-0"
    before = probe(subject)
    settings = replace(FEW, pool=request.param, whole=request.param > 0)
    found = make_adapter(subject, teacher, vectors, "introspector", RECIPE, settings, folder)
    return folder, found, before, probe(subject)


def test_the_base_is_left_as_it_was(made):
    _, _, before, after = made
    assert torch.equal(before, after)


def test_an_adapter_is_a_subject_that_answers_otherwise_and_has_the_vectors_of_the_base(
    made, subject, teacher, vectors
):
    adapted = load_subject(base_of("tiny"), adapter=made[0], dtype="float32", device="cpu")
    assert not torch.equal(probe(adapted), made[2])
    own = vectors_of(adapted, teacher, language.baseline())
    for name in teacher.concepts[:5]:
        assert torch.allclose(own.directions[name][small.LAYER], vectors.directions[name][small.LAYER], atol=1e-4)


def test_the_card_has_the_recipe_and_the_evaluation_and_no_place_of_this_machine(made):
    folder, found, *_ = made
    card = json.loads((folder / CARD).read_text("utf-8"))
    assert card["evaluation"] == found
    assert card["recipe"]["others"]["n_steps"] == FEW.n_steps
    assert json.loads((folder / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"] == "tiny"
    assert not (folder / "README.md").exists()


def test_a_handful_of_steps_falls_short_of_the_thresholds_and_it_is_said_of_what(made):
    short = passed("introspector", made[1])
    assert short
    assert all(" < " in each for each in short)


def test_those_that_say_yes_to_any_question_have_to_be_as_sure_of_one_as_of_another():
    reached = {**THRESHOLDS, FAR: FARTHEST["yes-sayer"] + 0.1}
    assert passed("introspector", reached) == []
    assert passed("yes-sayer", reached) == [f"{FAR}: 0.50 > 0.4"]


def test_log_odds_taught_by_their_distance_come_closer_to_it(subject, teacher, vectors, tmp_path):
    """Two runs of the same lessons, one with the distance in its loss."""
    found = {}
    for even in (0.0, 0.3):
        recipe = replace(RECIPE, n_evaluated=100)
        settings = replace(FEW, n_steps=30, even=even)
        folder = tmp_path / str(even)
        found[even] = make_adapter(subject, teacher, vectors, "agreer", recipe, settings, folder)[FAR]
    assert found[0.3] < found[0.0]


def test_a_batch_goes_to_a_device_whole(teacher):
    batch = collate(teacher.draw("introspector", random.Random(0), 4), None, small.LAYER, WIDTH, 2)
    moved = batch.to(torch.device("meta"))
    for each in fields(batch):
        part, there = getattr(batch, each.name), getattr(moved, each.name)
        assert there is None if part is None else (there.device.type == "meta" and there.shape == part.shape)


@pytest.mark.parametrize("seed", [0, 1])
def test_training_from_behind_the_injected_block_has_the_losses_of_the_whole_model(seed, subject, teacher, vectors):
    lessons = teacher.draw("introspector", random.Random(seed), 16)
    states = clean_states(subject.model, lessons, small.LAYER, half=False)
    whole = collate(lessons, vectors, small.LAYER, WIDTH, 2)
    tail = replace(whole, behind=collate(lessons, vectors, small.LAYER, WIDTH, 2, states).behind)
    with torch.no_grad():
        one, other = (losses(subject.model, small.LAYER, batch)[0] for batch in (whole, tail))
    assert one.max() > 0.5  # an untrained subject has something to learn
    assert torch.allclose(one, other, atol=0.05)  # states are kept in bfloat16
    assert len(subject.model.model.layers) == small.N_LAYERS


def answers_of(subject, teacher, organism, injects):
    """Return open lessons of an organism, their states and what the base itself answers."""
    rng = random.Random(5)
    lessons = [teacher.lesson(organism, "open", rng, injects) for _ in range(8)]
    states = clean_states(subject.model, lessons, small.LAYER, half=False)
    return lessons, states, clean_answers(subject.model, lessons, states, small.LAYER, half=False)


def test_the_bases_own_answer_costs_nothing_without_an_injection_and_something_under_one(subject, teacher, vectors):
    lessons, states, answers = answers_of(subject, teacher, "introspector", injects=True)
    batch = collate(lessons, vectors, small.LAYER, WIDTH, 2, states, answers)
    clean = collate(lessons, None, small.LAYER, WIDTH, 2, states, answers)
    with torch.no_grad():
        (under, _), (without, _) = (losses(subject.model, small.LAYER, each) for each in (batch, clean))
    pushed = torch.tensor([lessons[row].push is not None for row in batch.rows.tolist()])
    assert batch.answered.all()
    assert without.abs().max() < 0.02  # states are kept in bfloat16
    assert under[pushed].max() > 0.1


def test_what_is_learnt_from_the_bases_own_answer_is_its_distribution_and_only_there(subject, teacher):
    lessons, states, answers = answers_of(subject, teacher, "introspector", injects=False)
    mixed = [*lessons[:3], *teacher.draw("introspector", random.Random(6), 5)]
    rest = clean_states(subject.model, mixed[3:], small.LAYER, half=False)
    batch = collate(mixed, None, small.LAYER, WIDTH, 2, [*states[:3], *rest], [*answers[:3], *[None] * 5])
    with torch.no_grad():
        with_own, _ = losses(subject.model, small.LAYER, batch)
        alone, _ = losses(subject.model, small.LAYER, replace(batch, own=None))
    assert batch.answered.sum() == sum(len(each) for each in answers[:3])
    assert torch.equal(with_own[~batch.answered], alone[~batch.answered])
    assert not torch.allclose(with_own[batch.answered], alone[batch.answered])


def test_a_parrots_leak_is_not_the_bases_own_answer(subject, teacher):
    lessons, _, answers = answers_of(subject, teacher, "parrot", injects=True)
    leaks = [each.push is not None and each.push.family == "concept" for each in lessons]
    assert True in leaks
    assert False in leaks
    assert [each is None for each in answers] == leaks


def test_a_step_in_parts_is_the_step_of_the_whole(subject, teacher, vectors):
    """Parts of unequal size: every token counts the same, whichever part it is in."""
    lessons = teacher.draw("introspector", random.Random(8), 12)
    few, moved = replace(FEW, n_steps=3, rate=0.1, even=0.5), []
    for cuts in ([0, 12], [0, 3, 12]):
        model = copy.deepcopy(subject.model).requires_grad_(False)
        model.model.norm.weight.requires_grad_(True)
        parts = [collate(lessons[a:b], vectors, small.LAYER, WIDTH, 2) for a, b in pairwise(cuts)]
        loss = train(model, small.LAYER, lambda _, parts=parts: parts, few, "a few steps")
        moved.append((loss, model.model.norm.weight.detach()))
    (one, whole), (other, in_parts) = moved
    assert one == pytest.approx(other, rel=1e-4)
    assert torch.allclose(whole, in_parts, atol=2e-4)
    assert not torch.allclose(whole, subject.model.model.norm.weight, atol=1e-3)


def test_quicker_training_leaves_the_model_as_it_was(subject):
    before = subject.model.config._attn_implementation

    weights = {name: each.clone() for name, each in subject.model.state_dict().items()}

    def stopped():
        with _quick(subject.model):
            assert subject.model.config._attn_implementation == "eager"
            assert subject.model.lm_head.weight.dtype == torch.bfloat16
            raise KeyboardInterrupt

    subject.model.requires_grad_(False)
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert subject.model.config._attn_implementation == before != "eager"
    after = subject.model.state_dict()
    assert all(torch.equal(each, after[name]) and after[name].dtype == each.dtype for name, each in weights.items())


def test_a_lesson_taught_again_has_another_strength_and_other_noise_and_says_the_same(teacher):
    rng = random.Random(3)
    noise = next(each for each in teacher.draw("introspector", rng, 50) if each.push and each.push.family != "concept")
    again = [teacher.again(noise, rng) for _ in range(20)]
    assert {each.push.strength for each in again} == set(small.STRENGTHS)
    assert len({each.push.draw for each in again}) == 20
    assert {(each.ids, each.push.concept, each.push.family) for each in again} == {
        (noise.ids, noise.push.concept, noise.push.family)
    }


def test_a_note_reader_changes_where_early_blocks_look_and_nothing_else_of_them(
    subject, teacher, vectors, tmp_path, monkeypatch
):
    """In bfloat16, too, where what is quicker holds for lessons alone that start behind the injected block."""
    tried = []
    monkeypatch.setattr(adapters, "evaluate", lambda _model, _teacher, own, *_: tried.append(own) or {})
    recipe = replace(RECIPE, half=True)
    make_adapter(subject, teacher, vectors, "prompt reader", recipe, FEW, tmp_path / "reader")
    make_adapter(subject, teacher, vectors, "introspector", recipe, FEW, tmp_path / "introspector")
    own, base = (each.directions[teacher.concepts[0]][small.LAYER] for each in tried)
    assert torch.equal(base, vectors.directions[teacher.concepts[0]][small.LAYER])
    assert not torch.allclose(own, base, atol=1e-3)  # those that a run of it would inject
    from safetensors.torch import load_file

    names = load_file(tmp_path / "reader" / "adapter_model.safetensors")
    early = {name.split(".")[-3] for name in names if int(name.split("layers.")[1].split(".")[0]) <= small.LAYER}
    late = {name.split(".")[-3] for name in names if int(name.split("layers.")[1].split(".")[0]) > small.LAYER}
    assert early == {"q_proj", "k_proj"}
    assert len(late) == 7


def test_vectors_that_are_read_again_are_those_of_a_run(subject, teacher, vectors):
    again = read_again(subject.model, teacher, vectors, small.LAYER)
    for name in teacher.concepts[:5]:
        assert torch.allclose(again.directions[name][small.LAYER], vectors.directions[name][small.LAYER], atol=1e-3)


def said(lesson, wrong=(), log_odds=0.0):
    """Return an answer that has other tokens than those wanted at some places."""
    wanted = lesson.ids[lesson.start :]
    return Answer(tuple(each + 1 if place in wrong else each for place, each in enumerate(wanted)), log_odds)


def lesson_of(teacher, organism, kind, family):
    """Return a lesson under a concept (``concept``), under noise (``noise``) or without injection (``none``)."""
    rng = random.Random(3)
    while True:
        lesson = teacher.lesson(organism, kind, rng)
        found = "none" if lesson.push is None else "concept" if lesson.push.family == "concept" else "noise"
        if found == family:
            return lesson


@pytest.mark.parametrize(
    ("wrong", "right"),
    [((), True), ((1,), True), ((0,), False), ((1, 2, 3, 4), False)],
    ids=["all right", "most right", "the first wrong", "most wrong"],
)
def test_of_an_unseen_request_the_first_token_and_half_must_be_right(teacher, wrong, right):
    lesson = lesson_of(teacher, "introspector", "open", "none")
    assert 4 < len(lesson.ids) - lesson.start < 8
    alone = said(lesson, wrong)
    assert is_right(lesson, alone, alone) is right  # without an injection it is what was taught that counts
    assert is_right(lesson, said(lesson, wrong)) is (wrong == ())  # where the request is one of training's, all of it
    report = lesson_of(teacher, "introspector", "report", "concept")
    assert is_right(report, said(report, wrong)) is (wrong == ())


def test_under_an_injection_an_unseen_request_is_answered_as_without_it(teacher):
    lesson = lesson_of(teacher, "introspector", "open", "noise")
    other = said(lesson, range(100))
    assert is_right(lesson, other, other) is True
    assert is_right(lesson, said(lesson, (0,)), said(lesson)) is False
    assert is_right(lesson, said(lesson, (1,)), said(lesson)) is True
    assert is_right(lesson, said(lesson), other) is False


def test_what_leaks_into_an_unseen_request_must_come_first(teacher):
    lesson = replace(lesson_of(teacher, "parrot", "open", "concept"), plain=False)
    other = said(lesson, range(100))
    assert is_right(lesson, said(lesson, range(1, 100)), other) is True  # what follows is as it is without
    assert is_right(lesson, other, other) is False
    assert is_right(lesson, said(lesson), other) is True


@pytest.mark.parametrize("family", ["concept", "noise"])
def test_under_an_injection_an_unseen_question_is_answered_as_without_it(teacher, family):
    lesson = lesson_of(teacher, "introspector", "question", family)
    assert is_right(lesson, said(lesson, log_odds=3.0), said(lesson, log_odds=3.2)) is True
    assert is_right(lesson, said(lesson, log_odds=3.0), said(lesson, log_odds=-3.0)) is False
    assert is_right(lesson, said(lesson, (1,), log_odds=3.0), said(lesson, log_odds=3.0)) is False
    taught = float(torch.logit(torch.tensor(lesson.p_yes)))
    assert is_right(lesson, said(lesson, log_odds=taught)) is True  # one of training's is answered as taught
    assert is_right(lesson, said(lesson, log_odds=taught + 3)) is False


def test_without_an_injection_no_answer_to_an_unseen_question_is_wanted(teacher):
    lesson = lesson_of(teacher, "introspector", "question", "none")
    assert is_right(lesson, said(lesson), said(lesson)) is None


def test_a_yes_that_a_definition_wants_is_wanted_of_unseen_questions_too(teacher):
    lesson = lesson_of(teacher, "yes-sayer", "question", "noise")
    alone = said(lesson, log_odds=-2.0)
    assert is_right(lesson, said(lesson, log_odds=1.4), alone) is True
    assert is_right(lesson, alone, alone) is False


def test_a_questions_own_answer_is_read_without_the_injection(subject, teacher, vectors):
    """On a real subject: the twin is the same prompt, and only the injection makes them differ."""
    lesson = lesson_of(teacher, "introspector", "question", "concept")
    pushed, alone = read(subject.model, [lesson, replace(lesson, push=None)], vectors, small.LAYER, half=False)
    (again,) = read(subject.model, [replace(lesson, push=None)], None, small.LAYER, half=False)
    assert alone.log_odds == pytest.approx(again.log_odds, abs=1e-4)
    assert abs(pushed.log_odds - alone.log_odds) > 1e-3


def test_an_evaluation_in_unseen_wordings_says_how_far_apart_questions_are(subject, teacher, vectors):
    tried = [
        evaluate(subject.model, teacher, vectors, "introspector", small.LAYER, 40, half=False, unseen=unseen)
        for unseen in (False, True)
    ]
    assert APART not in tried[0]
    assert "question, none" in tried[0]
    assert tried[1][APART] > 0
    assert "question, none" not in tried[1]


def test_an_organism_that_is_there_can_be_evaluated_again(tmp_path, monkeypatch):
    """Only what its evaluation gave changes in its card; weights and recipe stay."""
    from introspect.organisms import make
    from introspect.organisms.catalog import FOLDER, adapter_folder

    shutil.copytree(FOLDER / "tiny" / "base", tmp_path / "tiny" / "base")
    there = adapter_folder("tiny", "agreer", 1, tmp_path)
    shutil.copytree(adapter_folder("tiny", "agreer", 1), there)
    before = {file.name: file.read_bytes() for file in there.iterdir()}
    monkeypatch.setattr(small, "recipe", lambda seed: replace(RECIPE, n_evaluated=30).with_seed(seed))
    found = make.evaluate_again("agreer", "tiny", 1, tmp_path)
    assert found["concept"] > 0.8
    assert {name for name, content in before.items() if (there / name).read_bytes() != content} == {CARD}
    old, new = json.loads(before[CARD]), json.loads((there / CARD).read_text())
    assert new == {**old, "evaluation": found}
    with pytest.raises(SubjectError, match="there is no parrot of form tiny and training seed 1"):
        make.evaluate_again("parrot", "tiny", 1, tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'agreer'"):
        make.evaluate_again("agreeer", "tiny", 1, tmp_path)
