"""A study chooses on one half and goes on from its own replies; what does not fit is one sentence."""

from pathlib import Path

import polars as pl
import pytest
import torch

from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.studies import StudyAnalysis, candidates, chosen, is_study_folder
from introspect.errors import PlanError, RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.records import SCHEMA_VERSION, Audit, Candidate, Plan, Rules, Study, Trial, TrialSpec, VectorRef
from introspect.studies.study import before_claim, going_on, neighbours
from introspect.sweeps.plans import is_battery, is_study, load_study
from introspect.sweeps.reading import STUDY, read_study

STUDY_FILE = """
subject = "smollm2"
concepts = ["bread", "dust"]
layers = [2]
strengths = [1, 3]

[criteria]
rate = 0.2

[[experiment]]
name = "choose"
tasks = ["report"]

[[experiment]]
name = "report"
tasks = ["report"]
"""


def at(*degrees):
    """Directions in a plane, of different lengths."""
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack([angles.cos(), angles.sin()], dim=1) * torch.arange(1, len(degrees) + 1)[:, None]


NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("degrees", "least", "groups"),
    [
        ((0, 90, 180, 270), 0.8, [["a"], ["b"], ["c"], ["d"]]),
        ((0, 5, 90, 95), 0.8, [["a", "b"], ["c", "d"]]),
        ((0, 30, 60, 90), 0.8, [["a", "b", "c", "d"]]),  # a chain: its ends are at right angles
        ((0, 60, 30, 180), 0.8, [["a", "b", "c"], ["d"]]),  # a and b only through c
        ((0, 30, 60, 90), 0.9, [["a"], ["b"], ["c"], ["d"]]),
        ((0, 180, 0, 180), 0.99, [["a", "c"], ["b", "d"]]),
    ],
    ids=["none", "pairs", "chain", "chain out of order", "higher threshold", "opposites are no neighbours"],
)
def test_near_neighbours_are_together_whatever_their_lengths(degrees, least, groups):
    assert neighbours(at(*degrees)[None], NAMES, least) == groups


def test_neighbours_at_any_layer_are_neighbours():
    layers = torch.stack([at(0, 90, 180, 270), at(0, 5, 90, 180)])
    assert neighbours(layers, NAMES, 0.8) == [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize(
    ("reply", "before"),
    [
        ("yes . i notice an injected thought about bread .", ""),
        ("yes . i notice an injected thought .", ""),
        ("bread comes up here . yes . i notice an injected thought about bread .", "bread comes up here ."),
        ("no . i notice no injected thought .", None),
        ("nothing comes up here . no . i notice no injected thought .", None),
        ("the stone is soft .", None),
        ("", None),
        ('Yes. I notice an injected thought about the word "bread".', ""),
        ('bread comes up here. Yes. I notice an injected thought about the word "bread".', "bread comes up here."),
        ("Let me look. Yes, I do notice something. It is about bread.", "Let me look."),
        ("I see! The thought is about bread, I think.", "I see!"),
        ("Hello,\nYes. I notice an injected thought about bread.", "Hello,"),
        ("No. I do not notice an injected thought.", None),
    ],
)
def test_a_reply_is_cut_before_the_sentence_of_its_first_claim(reply, before):
    assert before_claim(reply, RuleGrader().grade(reply)) == before


@pytest.mark.parametrize(
    "reply", ["Well. Yes, I do: it is about bread.", "bread comes up here . yes . i notice a thought ."]
)
def test_what_is_kept_of_a_reply_is_its_beginning(reply):
    before = before_claim(reply, RuleGrader().grade(reply))
    assert before
    assert reply.startswith(before)


SPEC = TrialSpec(
    protocol="injected_thought", subject="f" * 32, dtype="float32", arm="concept", task="report", wording="plain",
    wording_hash="w", fill={"lead": "Go on."}, concept="bread", vector=VectorRef(family="concept", concept="bread"),
    vectors_hash="v", layer=3, strength=4.0, span="trial", where="both", sample=1, max_new_tokens=60, temperature=0.5,
)  # fmt: skip
AUDIT = Audit(
    layer=3, prompt_spans=((2, 4),), planned_prompt=2, planned_generated=0, edited_prompt=2, edited_generated=0,
    vector_norm=1.0, delta_norm=4.0, residual_norm=8.0, relative_strength=0.5,
)  # fmt: skip


def spoken(reply, **changes):
    spec = SPEC.model_copy(update=changes)
    return Trial(key=spec.key, spec=spec, prompt="p", reply=reply, finish="stop", audits=(AUDIT,))


def test_a_reply_goes_on_in_the_same_words_with_nothing_injected():
    first = spoken("Well. Yes, bread.", temperature=0.0)
    (later,) = going_on(first, "Well.")
    assert (later.vector, later.layer, later.strength, later.also) == (None, None, None, ())
    assert (later.arm, later.said, later.follows) == ("continued", "Well.", first.key)
    kept = set(TrialSpec.model_fields) - {"arm", "vector", "layer", "strength", "also", "match", "said", "follows"}
    assert {name: getattr(later, name) for name in kept} == {name: getattr(first.spec, name) for name in kept}


def test_a_reply_that_was_drawn_goes_on_with_all_as_it_was_too():
    first = spoken("Well. Yes, bread.")
    without, again = going_on(first, "Well.")
    assert (without.arm, without.vector) == ("continued", None)
    assert (again.arm, again.said, again.follows) == ("resumed", "Well.", first.key)
    kept = set(TrialSpec.model_fields) - {"arm", "said", "follows"}
    assert {name: getattr(again, name) for name in kept} == {name: getattr(first.spec, name) for name in kept}
    assert len({first.key, without.key, again.key}) == 3
    assert again.seed != first.spec.seed  # another draw


def test_replies_to_two_trials_go_on_as_two_trials_even_from_the_same_words():
    one, other = (going_on(spoken("Yes.", strength=strength), "")[0] for strength in (4.0, 8.0))
    assert one.key != other.key
    assert one.seed != other.seed


@pytest.fixture
def run(tmp_path):
    """Replies of two concepts in four cells: bread is named in the third, and only noticed in the fourth."""
    from handmade import write_run

    says = {
        (1, 2.0): ("No.", "No."),
        (1, 4.0): ("No.", "I notice an injected thought about dust."),
        (3, 2.0): ("Yes, I notice an injected thought about bread.", "Yes, I notice an injected thought about dust."),
        (3, 4.0): ("Yes, I notice an injected thought.", "Yes, I notice an injected thought."),
    }
    trials = [
        spoken(
            reply, layer=layer, strength=strength, concept=concept, vector=VectorRef(family="concept", concept=concept)
        )
        for (layer, strength), replies in says.items()
        for concept, reply in zip(("bread", "dust"), replies, strict=True)
    ]
    clean = {"arm": "none", "vector": None, "layer": None, "strength": None}
    trials.append(spoken("Yes, I notice an injected thought about bread.", **clean))
    plan = Plan(name="choose", layers=(1, 3), strengths=(2.0, 4.0), concepts=("bread", "dust"))
    return write_run(tmp_path / "choose", trials, plan, {"bread": ("bread",), "dust": ("dust",)})


def test_every_cell_is_a_candidate_with_its_share_among_trials_under_concept_vectors(run):
    found = {by: candidates(run, by) for by in ("success", "noticed")}
    cells = [(each.layer, each.strength, each.score, each.n) for each in found["success"]]
    assert cells == [(1, 2.0, 0, 2), (1, 4.0, 0.5, 2), (3, 2.0, 1, 2), (3, 4.0, 0, 2)]
    assert [each.score for each in found["noticed"]] == [0, 0.5, 1, 1]
    assert [each.score for each in candidates(run, "named")] == [0, 0.5, 1, 0]


def test_the_best_cell_is_chosen_and_of_equals_the_lowest_layer_and_then_strength(run):
    assert chosen(candidates(run, "success")).strength == 2.0
    cells = [
        Candidate(layer=layer, strength=s, score=score, n=5)
        for layer, s, score in ((4, 1, 0.5), (2, 8, 0.5), (2, 3, 0.5), (1, 1, 0.4))
    ]
    for order in (cells, cells[::-1]):
        assert (chosen(order).layer, chosen(order).strength) == (2, 3)


def test_a_cell_is_seen_in_the_wordings_in_which_it_does_best(tmp_path):
    """Layer 1 is the better one in all wordings together, and layer 3 in its best two."""
    from handmade import write_run

    right, wrong = "Yes, I notice an injected thought about bread.", "No."
    says = {1: {"a": 2, "b": 2, "c": 2}, 3: {"a": 0, "b": 2, "c": 3}}
    trials = [
        spoken(right if i < n else wrong, layer=layer, wording=wording, sample=i)
        for layer, each in says.items()
        for wording, n in each.items()
        for i in range(4)
    ]
    plan = Plan(name="choose", layers=(1, 3), strengths=(4.0,), concepts=("bread",))
    run = write_run(tmp_path / "choose", trials, plan, {"bread": ("bread",)})
    assert chosen(candidates(run, "success")).layer == 1
    assert chosen(candidates(run, "success")).wordings == ()
    best = chosen(candidates(run, "success", 2))
    assert (best.layer, best.wordings, best.score, best.n) == (3, ("b", "c"), 5 / 8, 8)
    assert chosen(candidates(run, "success", 9)).wordings == ("a", "b", "c")


def test_cells_are_chosen_by_reports_alone(tmp_path):
    """An experiment that chooses may ask for more, such as whether another model has a thought."""
    from handmade import write_run

    right, wrong = "Yes, I notice an injected thought about bread.", "No."
    says = {1.0: (right, wrong), 2.0: (wrong, right)}
    trials = [
        spoken(reply, strength=strength, task=task)
        for strength, replies in says.items()
        for task, reply in zip(("report", "other"), replies, strict=True)
    ]
    plan = Plan(name="choose", layers=(3,), strengths=(1.0, 2.0), concepts=("bread",))
    found = candidates(write_run(tmp_path / "choose", trials, plan, {"bread": ("bread",)}), "success")
    assert [(each.strength, each.score, each.n) for each in found] == [(1.0, 1.0, 1), (2.0, 0.0, 1)]


def test_experiments_that_cannot_be_asked_in_the_chosen_wordings_are_refused(tmp_path):
    given = 'name = "report"\ntasks = ["report"]\nwordings = ["plain"]'
    file = study_file(tmp_path, 'name = "report"\ntasks = ["report"]', given)
    assert load_study(file)
    file.write_text(file.read_text().replace("rate = 0.2", "n_wordings = 1"))
    with pytest.raises(PlanError, match="'report' names others: leave its wordings out, or give it the same"):
        load_study(file)


def test_without_trials_under_concept_vectors_nothing_can_be_chosen():
    with pytest.raises(RunFolderError, match="no reports under concept vectors"):
        chosen(())


def study_file(tmp_path, old="", new=""):
    file = tmp_path / "study.toml"
    assert old in STUDY_FILE
    file.write_text(STUDY_FILE.replace(old, new, 1))
    return file


def test_a_study_is_a_battery_with_rules(tmp_path):
    file = study_file(tmp_path)
    assert is_battery(file)
    assert is_study(file)
    rules, plans = load_study(file, ["seed=5"])
    assert rules == Rules(rate=0.2)
    assert [plan.name for plan in plans] == ["choose", "report"]
    assert {plan.seed for plan in plans} == {5}
    assert not is_study(study_file(tmp_path, "[criteria]\nrate = 0.2\n"))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("rate = 0.2", "rat = 0.2", r"table \[criteria\] has an unknown key 'rat'; did you mean 'rate'\?"),
        (
            "rate = 0.2",
            "zzz = 0.2",
            r"unknown key 'zzz'. Keys: choose, explore, choose_by, n_wordings, rate, logodds, level, neighbours",
        ),
        ("rate = 0.2", "rate = 0", r"table \[criteria\], rate: Input should be greater than 0"),
        ("rate = 0.2", 'choose_by = "luck"', "'success', 'named' or 'noticed'"),
        (
            "rate = 0.2",
            'choose = "chose"',
            "has no experiment 'chose', which is to choose the cell; it has: choose, report",
        ),
        ("rate = 0.2", 'explore = ["chose"]', "has no experiment 'chose' to explore the grid; it has: choose, report"),
        ('name = "choose"', 'name = "chosen"', "has no experiment 'choose'"),
        ('name = "report"', 'name = "choose"', "two experiments named choose"),
        ('subject = "smollm2"', 'subjct = "smollm2"', "unknown key 'subjct'; did you mean 'subject'"),
        ("[criteria]", "[criteria", "is not TOML"),
    ],
)
def test_a_study_file_that_does_not_fit_is_refused_in_one_sentence(tmp_path, old, new, sentence):
    with pytest.raises(PlanError, match=sentence) as refused:
        load_study(study_file(tmp_path, old, new))
    assert "\n" not in str(refused.value).strip() or "TOML" in sentence


WHOLE = Study(
    schema_version=SCHEMA_VERSION, rules=Rules(), salt="s", sides={"bread": "report", "dust": "development"},
    groups=(("bread", "dust"),), experiments=("choose",), candidates=(Candidate(layer=1, strength=2, score=0.5, n=4),),
    layer=1, strength=2,
)  # fmt: skip
OLDER = WHOLE.model_copy(update={"schema_version": 2})


def test_optimism_is_of_the_wordings_that_both_halves_were_asked_in():
    # Right in the wording that chose, wrong in one that only the other half has: nothing was lost by the choice.
    def asked(wordings, name):
        rows = [
            {"protocol": "injected_thought", "task": "report", "arm": "concept", "layer": 1, "strength": 2.0,
             "wording": wording, "success": wording == "plain", "named": None, "noticed": None, "concept": name}
            for wording in wordings
        ]  # fmt: skip
        return pl.DataFrame(rows, schema_overrides={"named": pl.Boolean, "noticed": pl.String})

    rules = Rules(choose="choose")
    study = WHOLE.model_copy(update={"rules": rules, "candidates": (Candidate(layer=1, strength=2, score=1.0, n=1),)})
    frames = {"choose": asked(["plain"], "dust"), "report": asked(["plain", "other"], "bread")}
    found = StudyAnalysis(Path(), study, {}, frames, Evidence((), pl.DataFrame()), {})
    assert found.optimism == 0.0
    apart = {**frames, "report": asked(["other"], "bread")}
    assert StudyAnalysis(Path(), study, {}, apart, Evidence((), pl.DataFrame()), {}).optimism is None


def test_how_a_study_went_about_its_choice_survives_the_disk(tmp_path):
    assert not is_study_folder(tmp_path)
    (tmp_path / STUDY).write_text(WHOLE.model_dump_json())
    assert read_study(tmp_path) == WHOLE
    assert is_study_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not the folder of a study: it has no study.json"),
        (WHOLE.model_dump_json()[:-20], "is damaged"),
        ("{}", "is damaged"),
        ('{"a": "\ud800"}'.encode("utf-8", "surrogatepass"), "is damaged"),
        (OLDER.model_dump_json(), f"version 2 of the run format, and this is version {SCHEMA_VERSION}"),
    ],
    ids=["missing", "cut off", "empty", "not text", "older"],
)  # fmt: skip
def test_a_study_that_cannot_be_read_is_refused_in_one_sentence(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / STUDY).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunFolderError, match=sentence):
        read_study(tmp_path)
