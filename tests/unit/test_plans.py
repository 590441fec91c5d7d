"""A plan says what runs: read from TOML, changed on the command line, refused with one clear sentence."""

from pathlib import Path

import pytest

from introspect.concepts import load_concepts
from introspect.errors import PlanError
from introspect.records import Plan, SubjectIdentity
from introspect.stimuli import load_stimuli
from introspect.sweeps.cells import layers_of, trial_specs
from introspect.sweeps.plans import load_plan, plan_from

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "01_injected_thought"
SMALL = 'name = "small"\ndepths = [0.5]\nstrengths = [1, 2]\n'


def subject(n_layers):
    return SubjectIdentity(
        name="made up", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=n_layers, d_model=16
    )


def specs_of(plan, n_layers):
    concepts = load_concepts(plan.concepts).unique()
    if plan.n_concepts is not None:
        concepts = concepts.sample(plan.n_concepts, plan.seed)
    wordings = load_stimuli(plan.stimuli).choose(plan.wordings, plan.protocol)
    return trial_specs(plan, subject(n_layers), wordings, concepts.names, "v" * 32)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, "utf-8")
    return path


@pytest.mark.parametrize("n_layers", [4, 12, 26, 30, 80])
def test_the_shipped_experiment_is_small_enough_for_a_laptop(n_layers):
    plan = load_plan(EXPERIMENT / "plan.toml")
    specs = specs_of(plan, n_layers)
    assert plan.samples == 1
    assert 100 < len(specs) <= 400
    assert max(spec.max_new_tokens for spec in specs) <= 60


def test_the_shipped_experiments_have_as_many_trials_as_they_say():
    assert len(specs_of(load_plan(EXPERIMENT / "plan.toml"), 30)) == 396
    assert len(specs_of(load_plan(EXPERIMENT / "plan_paper.toml"), 30)) == 10_950


def test_the_full_grid_goes_from_the_first_block_to_the_last():
    layers = layers_of(load_plan(EXPERIMENT / "plan_paper.toml"), subject(30))
    assert (layers[0], layers[-1], len(layers)) == (0, 29, 9)


def test_a_shipped_experiment_has_both_controls_and_asks_a_question():
    for name in ("plan.toml", "plan_paper.toml"):
        plan = load_plan(EXPERIMENT / name)
        assert set(plan.arms) == {"concept", "random", "none"}
        assert plan.question.endswith("?")


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
        ('arms=["concpet"]', "arms.0: Input should be 'concept', 'random' or 'none' (given: 'concpet')"),
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
