"""A plan says what runs: read from TOML, changed on the command line, refused with one clear sentence."""

import re
from pathlib import Path

import lab
import pytest

from introspect.concepts import load_concepts
from introspect.errors import PlanError
from introspect.protocols.protocol import FAMILIES
from introspect.protocols.registry import PROTOCOLS
from introspect.records import Plan, SubjectIdentity
from introspect.stimuli import load_stimuli
from introspect.sweeps.cells import layers_of
from introspect.sweeps.plans import is_battery, load_battery, load_plan, plan_from

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PLANS = {path.parent.name: path for path in sorted(EXPERIMENTS.glob("*/plan.toml")) if path.parent.name != "battery"}
PAPER = EXPERIMENTS / "01_injected_thought" / "plan_paper.toml"
SMALL = 'name = "small"\ndepths = [0.5]\nstrengths = [1, 2]\n'
BATTERY = """
subject = "gpt2"
depths = [0.5]
strengths = [2]
[[experiment]]
protocol = "localisation"
[[experiment]]
protocol = "localisation"
name = "by layer"
layers = [1, 2]
strengths = [4]
"""


def subject(n_layers):
    return SubjectIdentity(
        name="made up", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=n_layers, d_model=16
    )


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf-8")
    return path


def test_every_protocol_has_an_experiment_that_is_named_and_asks_a_question():
    plans = {folder: load_plan(path) for folder, path in PLANS.items()}
    assert [plan.protocol for plan in plans.values()] == list(PROTOCOLS)
    for folder, plan in plans.items():
        assert folder[3:] == plan.name == plan.protocol
        assert plan.question.endswith("?")


@pytest.mark.parametrize("folder", PLANS)
def test_a_shipped_experiment_is_small_and_has_its_controls(folder):
    plan = load_plan(PLANS[folder])
    specs = lab.specs(plan, n_layers=30)
    assert 100 < len(specs) <= 40_000
    assert sum(spec.max_new_tokens for spec in specs) <= 50_000
    arms = {spec.arm for spec in specs}
    assert arms >= set(PROTOCOLS[plan.protocol].default_arms)
    assert arms >= {"concept", "none"} or not PROTOCOLS[plan.protocol].injects


@pytest.mark.parametrize("path", [*PLANS.values(), PAPER], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_shipped_experiment_has_as_many_trials_as_it_says(path):
    said = re.findall(r"([\d,]+) trials", path.read_text("utf-8"))
    for number in said:
        assert len(lab.specs(load_plan(path), n_layers=30)) == int(number.replace(",", ""))


@pytest.mark.parametrize("n_layers", [4, 12, 30, 80])
def test_the_first_experiment_is_small_enough_for_a_laptop(n_layers):
    plan = load_plan(PLANS["01_injected_thought"])
    specs = lab.specs(plan, n_layers)
    assert plan.samples == 1
    assert 100 < len(specs) <= 400
    assert max(spec.max_new_tokens for spec in specs) <= 60


def test_the_full_grid_goes_from_the_first_block_to_the_last():
    layers = layers_of(load_plan(PAPER), subject(30))
    assert (layers[0], layers[-1], len(layers)) == (0, 29, 9)


def test_the_shipped_battery_runs_its_protocols_and_every_family_of_controls():
    plans = load_battery(EXPERIMENTS / "battery" / "plan.toml")
    assert {plan.protocol for plan in plans} == set(PROTOCOLS) - {"vector_by_text"}
    assert {arm for plan in plans for arm in plan.arms or ()} >= set(FAMILIES)
    assert {plan.match for plan in plans} == {"norm", "effect"}
    assert {info for plan in plans for info in plan.info} == {"none", "accurate", "neutral"}
    for plan in plans:
        for arm in plan.arms or ():
            PROTOCOLS[plan.protocol].arm(arm)
        for task in plan.tasks:
            PROTOCOLS[plan.protocol].reading(task)


def test_keys_of_a_battery_hold_for_every_experiment_and_an_experiment_s_own_come_first(tmp_path):
    path = tmp_path / "battery.toml"
    path.write_text(BATTERY, "utf-8")
    first, second = load_battery(path)
    assert (first.name, first.depths, first.strengths, first.subject) == ("localisation", (0.5,), (2.0,), "gpt2")
    assert (second.name, second.layers, second.depths) == ("by layer", (1, 2), None)
    assert (second.strengths, second.subject) == ((4.0,), "gpt2")
    assert is_battery(path)
    assert [plan.strengths for plan in load_battery(path, ["strengths=[8]"])] == [(8.0,), (8.0,)]


def test_a_battery_is_no_plan_and_its_experiments_have_names_of_their_own(tmp_path):
    path = tmp_path / "battery.toml"
    path.write_text(BATTERY, "utf-8")
    with pytest.raises(PlanError, match="is a battery of 2 experiments, not one plan"):
        load_plan(path)
    path.write_text(BATTERY.replace('name = "by layer"', ""), "utf-8")
    with pytest.raises(PlanError, match="has two experiments named localisation; give each a name of its own"):
        load_battery(path)
    path.write_text(BATTERY.replace("layers = [1, 2]", "layer = [1]"), "utf-8")
    with pytest.raises(PlanError, match="experiment 'by layer' has an unknown key 'layer'; did you mean 'layers'"):
        load_battery(path)


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("samples=2", "samples", 2),
        (" samples = 2 ", "samples", 2),
        ("temperature=0.5", "temperature", 0.5),
        ("strengths=[0, 3]", "strengths", (0.0, 3.0)),
        ("subject=gpt2", "subject", "gpt2"),
        ('subject="gpt2"', "subject", "gpt2"),
        ("subject=org/model-1.5", "subject", "org/model-1.5"),
        ("question=is 1 = 1?", "question", "is 1 = 1?"),
        ("name=01", "name", "01"),
        ("trust_remote_code=true", "trust_remote_code", True),
        ('concepts=["dust", "trees"]', "concepts", ("dust", "trees")),
    ],
)
def test_an_override_is_toml_or_a_bare_word(small, override, field, value):
    assert getattr(load_plan(small, [override]), field) == value


def test_the_last_override_of_a_key_wins_and_the_rest_of_the_plan_stays(small):
    plan = load_plan(small, ["samples=2", "samples=3"])
    assert plan == load_plan(small).model_copy(update={"samples": 3})


def test_naming_layers_replaces_depths_and_the_other_way_round(small):
    by_layer = load_plan(small, ["layers=[3, 4]"])
    assert (by_layer.layers, by_layer.depths) == ((3, 4), None)
    back = load_plan(small, ["layers=[3, 4]", "depths=[0.25]"])
    assert (back.layers, back.depths) == (None, (0.25,))


def test_layers_and_depths_in_one_file_are_refused(small):
    small.write_text(SMALL + "layers = [1]\n", "utf-8")
    with pytest.raises(PlanError, match=r"give either layers .* or depths"):
        load_plan(small)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("sampels=2", "has an unknown key 'sampels'; did you mean 'samples'?"),
        ("layer=[2]", "has an unknown key 'layer'; did you mean 'layers'?"),
        ("colour=red", "has an unknown key 'colour'. Keys: name, question, protocol"),
        ("samples=0", "samples: Input should be greater than or equal to 1 (given: 0)"),
        ("strengths=4", "strengths: Input should be a valid tuple (given: 4)"),
        ("strengths=[-1]", "strength -1.0 is negative; strengths multiply the raw vector and start at 0"),
        ("strengths=[1, nan]", "strengths.1: Input should be a finite number (given: nan)"),
        ("temperature=inf", "temperature: Input should be a finite number (given: inf)"),
        ("depths=[1.5]", "depths: depth 1.5 is not a fraction from 0 to 1"),
        ("arms=[]", ": the grid is empty: arms has no value"),
        ("info=[]", ": the grid is empty: info has no value"),
        ('info=["acurate"]', "info.0: Input should be 'none', 'accurate' or 'neutral' (given: 'acurate')"),
        ("where=reply", "where: Input should be 'prompt', 'generated', 'both' or 'cache' (given: 'reply')"),
        ("match=size", "match: Input should be 'norm' or 'effect' (given: 'size')"),
        ("n_options=27", "n_options: Input should be less than or equal to 26 (given: 27)"),
        ("n_option=9", "has an unknown key 'n_option'; did you mean 'n_options'?"),
        ("dtype=float8", "dtype: Input should be 'auto', 'float32', 'bfloat16' or 'float16' (given: 'float8')"),
        ("samples", "--set takes key=value, for example --set samples=2; it was given 'samples'"),
        ("=2", "--set takes key=value, for example --set samples=2; it was given '=2'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(small, override, sentence):
    with pytest.raises(PlanError) as raised:
        load_plan(small, [override])
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_refusal_names_the_file(small):
    with pytest.raises(PlanError, match=r"^the plan .*small\.toml has an unknown key"):
        load_plan(small, ["sampels=2"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"depths = [", "is not TOML"), (b'name = "\xe9"', "cannot be read: 'utf-8' codec"), (None, "No such file")],
)
def test_a_plan_that_cannot_be_read_is_refused(tmp_path, content, sentence):
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError, match=sentence):
        load_plan(path)


def test_a_folder_is_no_plan(tmp_path):
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        load_plan(tmp_path)


def test_a_plan_without_a_name_is_called_after_its_file_or_its_folder(tmp_path):
    folder = tmp_path / "07_memory"
    folder.mkdir()
    for name, called in (("plan.toml", "07_memory"), ("quick.toml", "quick")):
        (folder / name).write_text("layers = [1]\n", "utf-8")
        assert load_plan(folder / name).name == called


def test_files_beside_the_plan_are_found_from_anywhere(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "mine.csv").write_text("word\nMoss\nQuartz\n", "utf-8")
    (home / "base.toml").write_text('words = ["Desk"]\n', "utf-8")
    (home / "texts.json").write_text('{"title": "Mine"}', "utf-8")
    (home / "plan.toml").write_text(
        SMALL + 'concepts = "mine.csv"\nbaseline = "base.toml"\nstimuli = "texts.json"\n', "utf-8"
    )
    monkeypatch.chdir(elsewhere)
    plan = load_plan(home / "plan.toml")
    assert load_concepts(plan.concepts).names == ("moss", "quartz")
    assert load_concepts(plan.baseline).names == ("desk",)
    assert load_stimuli(plan.stimuli).title == "Mine"


def test_a_file_in_the_working_folder_comes_before_one_beside_the_plan(tmp_path, monkeypatch, small):
    here = tmp_path / "here"
    here.mkdir()
    for folder, word in ((tmp_path, "Moss"), (here, "Quartz")):
        (folder / "mine.csv").write_text(f"word\n{word}\n", "utf-8")
    monkeypatch.chdir(here)
    assert load_concepts(load_plan(small, ["concepts=mine.csv"]).concepts).names == ("quartz",)


def test_names_of_shipped_things_stay_names_wherever_the_plan_stands(small):
    plan = load_plan(small)
    assert (plan.concepts, plan.baseline, plan.stimuli) == ("lindsey_concepts", "lindsey_baseline", "default")
    assert (plan.subject, plan.adapter) == ("smollm2", None)


def test_a_plan_may_be_written_in_python():
    content = {"name": "p", "layers": [1], "strengths": [2]}
    assert plan_from(content, "of a notebook") == Plan(name="p", layers=(1,), strengths=(2.0,))
    with pytest.raises(PlanError, match="the plan of a notebook has an unknown key 'strength'; did you mean"):
        plan_from(content | {"strength": [2]}, "of a notebook")
