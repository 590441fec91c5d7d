"""A whole study on a small random subject: the halves stay apart, one setting holds, and nothing is run twice."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from small_study import CHOICE, CLAIMS, SUBJECT, put_into_its_mouth, small_language, trials

from introspect.analysis.criteria.evidence import CONTINUED, RESUMED
from introspect.analysis.runs import load_run
from introspect.records import SALT
from introspect.split import side_of
from introspect.sweeps.reading import read_study

STUDY = f"""{SUBJECT}layers = [1, 2]
strengths = [2]
max_new_tokens = 6
{CHOICE}
[[experiment]]
name = "report"
wordings = ["it_v1"]
tasks = ["report", "other"]
arms = ["concept", "covariance", "none"]

[[experiment]]
name = "asked"
protocol = "yes_no"
tasks = ["detection/words", "question/words"]
wordings = ["yn_v1"]
n_items = 4
arms = ["concept", "none"]
max_new_tokens = 1

[[experiment]]
name = "crossing"
protocol = "vector_by_text"
wordings = ["vt_v1"]
tasks = ["report"]
"""
EXPERIMENTS = ("choose", "report", "asked", "crossing")


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Path:
    """A study in the small language, on its base before any training."""
    folder = small_language(tmp_path_factory.mktemp("language"), "base")
    file = folder / "study.toml"
    file.write_text(STUDY.format(folder=folder))
    return file


@pytest.fixture(scope="module")
def done(plan, cache_folder, tmp_path_factory) -> Path:
    """The study, run from the command line; to be read, not changed."""
    from introspect.cli.app import main

    out = tmp_path_factory.mktemp("studies") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        with pytest.raises(SystemExit) as ended:
            main(["run", str(plan), "--out", str(out)])
    assert not ended.value.code
    return out


def test_every_experiment_has_a_folder_and_the_choice_is_written_down(done):
    study = read_study(done)
    assert study.experiments == EXPERIMENTS
    assert all((done / name / "manifest.json").is_file() for name in (*EXPERIMENTS, f"report_{CONTINUED}"))
    assert [(each.layer, each.strength) for each in study.candidates] == [(1, 2.0), (2, 2.0)]
    assert (study.layer, study.strength) in {(1, 2.0), (2, 2.0)}
    assert {each.n for each in study.candidates} == {sum(side == "development" for side in study.sides.values())}


def test_no_concept_of_the_half_that_chose_is_reported_on(done):
    study = read_study(done)
    halves = {side: {name for name, own in study.sides.items() if own == side} for side in ("development", "report")}
    assert len(study.sides) == 12
    assert all(halves.values())
    seen = {name: {trial.spec.concept for trial in trials(done, name)} - {None} for name in EXPERIMENTS}
    assert seen["choose"] == halves["development"]
    for name in EXPERIMENTS[1:]:
        assert seen[name] == halves["report"], name


def test_everything_after_the_choice_runs_in_the_chosen_cell_alone(done):
    study = read_study(done)
    assert {trial.spec.layer for trial in trials(done, "choose")} == {1, 2}
    for name in EXPERIMENTS[1:]:
        cells = {(t.spec.layer, t.spec.strength) for t in trials(done, name) if t.spec.vector is not None}
        assert cells == {(study.layer, study.strength)}


def test_lead_ins_questions_notes_and_noise_are_those_of_the_half(done):
    kinds = {"lead": "lead", "question": "question"}
    n = dict.fromkeys(kinds, 0)
    for name in EXPERIMENTS:
        side = "development" if name == "choose" else "report"
        for trial in trials(done, name):
            for slot, kind in kinds.items():
                if slot in trial.spec.fill:
                    assert side_of(trial.spec.fill[slot], kind) == side
                    n[slot] += 1
            if trial.spec.vector and trial.spec.vector.family == "covariance":
                assert side_of(str(trial.spec.vector.draw), "draw") == side
    assert all(n.values())


def test_a_claim_that_was_drawn_goes_on_with_the_vector_too(plan, command, tmp_path):
    told = tmp_path / "drawn"
    assert command("run", plan, "--out", told, "--set", "temperature=1").code == 0
    _, said = put_into_its_mouth(told)
    assert command("run", plan, "--out", told, "--set", "temperature=1").code == 0
    first = {trial.key: trial for trial in trials(told, "report")}
    going_on = load_run(told / f"report_{CONTINUED}")
    arms = Counter(trial.spec.arm for trial in going_on.trials)
    assert arms == dict.fromkeys((CONTINUED, RESUMED), sum(each == CLAIMS for each in said.values()))
    for trial in going_on.trials:
        before = first[trial.spec.follows]
        assert going_on.prompts[trial.prompt].text.endswith("<model> bread comes up here .")
        if trial.spec.arm == RESUMED:
            assert (trial.spec.vector, trial.spec.layer) == (before.spec.vector, before.spec.layer)
            said_before = len(["bread", "comes", "up", "here", "."])
            (now,), (then,) = trial.audits, before.audits
            assert now.edited_prompt == then.edited_prompt + said_before  # what was said under the vector is so still


def test_every_claim_of_the_report_goes_on_without_the_vector_from_just_before_it(done, plan, command, tmp_path):
    """An untrained subject claims nothing, so the replies to half of the concepts are put into its mouth."""
    told = Path(shutil.copytree(done, tmp_path / "told"))
    own, said = put_into_its_mouth(told)
    assert command("run", plan, "--out", told).code == 0
    first = {trial.key: trial.spec for trial in trials(told, "report")}
    going_on = load_run(told / f"report_{CONTINUED}")
    assert {trial.spec.concept for trial in going_on.trials} == {name for name in own if said[name] == CLAIMS}
    assert len(going_on.trials) == len({trial.spec.concept for trial in going_on.trials})
    for trial in going_on.trials:
        before = first[trial.spec.follows]
        assert (before.arm, before.task, before.concept) == ("concept", "report", trial.spec.concept)
        assert before.fill == trial.spec.fill
        assert (trial.spec.vector, trial.audits) == (None, ())
        assert going_on.prompts[trial.prompt].text.endswith("<model> bread comes up here .")
    assert not trials(done, f"report_{CONTINUED}")


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_same_command_again_runs_nothing_and_changes_no_file(done, plan, command):
    before = contents(done)
    again = command("run", plan, "--out", done)
    assert again.code == 0
    after = contents(done)
    assert set(after) == set(before)
    assert [name for name in before if before[name] != after[name]] == []


def test_a_study_whose_second_stage_is_lost_takes_it_up_with_the_choice_as_it_was(done, plan, command, tmp_path):
    torn = Path(shutil.copytree(done, tmp_path / "torn"))
    shutil.rmtree(torn / "crossing")
    assert command("run", plan, "--out", torn).code == 0
    assert (torn / "study.json").read_bytes() == (done / "study.json").read_bytes()
    assert {t.key: t.reply for t in trials(torn, "crossing")} == {t.key: t.reply for t in trials(done, "crossing")}


def test_the_analysis_opens_with_the_four_criteria(done, command):
    found = command("analyze", done, "--json")
    assert found.code == 0
    content = json.loads(found.out)
    assert list(content["criteria"]) == ["accuracy", "grounding", "internality", "metacognition"]
    assert all(each["status"] in {"met", "not met", "undetermined"} for each in content["criteria"].values())
    assert "met" not in {each["status"] for each in content["criteria"].values()}  # it was never trained
    assert content["setting"]["salt"] == SALT
    assert any("too few" in remark for remark in content["remarks"])
    assert isinstance(content["optimism"], float)
    (grid,) = content["grids"]
    assert (grid["measure"], [(cell["layer"], cell["strength"]) for cell in grid["cells"]]) == (
        "naming",
        [(1, 2), (2, 2)],
    )
    assert all(cell["p"] <= cell["p_bh"] <= cell["p_holm"] <= 1 for cell in grid["cells"])
    assert not any("span is not as named" in remark or "injected alike" in remark for remark in content["remarks"])
    shown = command("analyze", done)
    assert shown.code == 0
    titles = [
        shown.out.index(title) for title in ("Accurate", "Grounded", "Internal", "Metacognitive", "beside the criteria")
    ]
    assert titles == sorted(titles)


def test_the_page_is_one_file_that_names_the_verdicts_and_the_setting(done, command, tmp_path):
    copy = Path(shutil.copytree(done, tmp_path / "copy"))
    assert command("report", copy).code == 0
    page = (copy / "report.html").read_text()
    study = read_study(copy)
    for part in ("Accurate", "Metacognitive", f"layer {study.layer}, strength 2", "concepts that did not choose it"):
        assert part in page
    assert (copy / "report" / "report.html").is_file()


def test_two_studies_stand_side_by_side_with_their_difference_concept_by_concept(done, command, tmp_path):
    copy = Path(shutil.copytree(done, tmp_path / "copy"))
    assert command("report", copy, copy, "--out", tmp_path / "both.html").code == 0
    page = (tmp_path / "both.html").read_text()
    assert "paired over the concepts that both were asked about" in page
    assert "Exploration: naming, cell by cell" in page


def test_what_only_explores_runs_on_the_whole_grid_of_the_half_that_chose_and_decides_nothing(plan, command, tmp_path):
    file = plan.parent / "exploring.toml"
    text = plan.read_text().replace("[criteria]", '[criteria]\nexplore = ["asked"]')
    file.write_text(text[: text.rindex("[[experiment]]")])  # without the crossing
    out = tmp_path / "explored"
    assert command("run", file, "--out", out).code == 0
    study = read_study(out)
    asked = [trial.spec for trial in trials(out, "asked")]
    assert {spec.layer for spec in asked if spec.vector is not None} == {1, 2}
    assert {study.sides[spec.concept] for spec in asked if spec.vector is not None} == {"development"}
    content = json.loads(command("analyze", out, "--json").out)
    assert [grid["measure"] for grid in content["grids"]] == ["naming", "detection/words"]
    internality = content["criteria"]["internality"]["clauses"][0]["parts"]
    assert internality[0]["because"] == "there are no such trials"  # the first token was only explored
    assert "exploration: detection/words, cell by cell" in command("analyze", out).out


def test_wordings_can_be_chosen_with_the_cell_and_hold_for_the_whole_protocol(plan, command, tmp_path):
    file = plan.parent / "choosing.toml"
    text = plan.read_text().replace("[criteria]", "[criteria]\nn_wordings = 1")
    text = text.replace('["it_v1"]', '["it_v1", "it_v2"]')
    head, crossing = text[: text.index('[[experiment]]\nname = "asked"')], text[text.rindex("[[experiment]]") :]
    file.write_text(head + crossing)
    out = tmp_path / "chosen"
    assert command("run", file, "--out", out).code == 0
    study = read_study(out)
    assert len(study.candidates) == 2
    assert all(len(each.wordings) == 1 for each in study.candidates)
    asked = {name: {trial.spec.wording for trial in trials(out, name)} for name in ("choose", "report", "crossing")}
    assert asked == {"choose": {"it_v1", "it_v2"}, "report": set(study.wordings), "crossing": {"vt_v1"}}
    assert len(study.wordings) == 1
    assert f"wordings {study.wordings[0]}, on" in " ".join(command("analyze", out).out.split())
    planned = command("run", file, "--dry-run")
    assert planned.code == 0


def test_a_study_cannot_be_run_in_part(plan, command, tmp_path):
    refused = command("run", plan, "--out", tmp_path / "part", "--max-trials", 5)
    assert refused.code == 2
    assert "a study runs whole or not at all" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert not (tmp_path / "part").exists()


@pytest.mark.slow  # three more studies
def test_another_salt_splits_in_another_way_and_is_named_in_every_output(plan, done, command, tmp_path):
    out = tmp_path / "salted"
    assert command("run", plan, "--out", out, "--set", "salt=mine").code == 0
    one, other = read_study(done), read_study(out)
    assert one.sides != other.sides
    assert other.salt == "mine"
    assert "'mine'" in command("analyze", out).out
    content = json.loads(command("analyze", out, "--json").out)
    assert content["setting"]["salt"] == "mine"
    assert any("'mine'" in remark for remark in content["remarks"])
    assert command("report", out).code == 0
    assert "mine" in (out / "report.html").read_text()
    for name in ("choose", "asked"):  # and of every experiment by itself
        assert "'mine'" in command("analyze", out / name).out
        assert json.loads(command("analyze", out / name, "--json").out)["salt"] == "mine"
        assert "another salt of the split than the project" in (out / name / "report.html").read_text()
    assert "'mine'" in command("run", plan, "--set", "salt=mine", "--dry-run").out
    assert "salt" not in command("analyze", done).out


def test_a_study_that_is_not_whole_says_what_is_missing_before_anything_else(done, command, tmp_path):
    assert json.loads(command("analyze", done, "--json").out)["incomplete"] == []
    assert "not whole" not in command("analyze", done).out
    copy = Path(shutil.copytree(done, tmp_path / "copy"))
    file = copy / "report" / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:10]))
    shutil.rmtree(copy / "crossing")
    said = ["crossing has not run", f"report has 10 of {len(lines)} planned trials"]
    content = json.loads(command("analyze", copy, "--json").out)
    assert content["incomplete"] == said
    sentence = f"The study is not whole, and no verdict is final: {'; '.join(said)}."
    assert sentence in content["choice"][0]
    assert sentence in " ".join(command("analyze", copy).out.split())
    assert command("report", copy).code == 0
    page = (copy / "report.html").read_text()
    assert page.index(sentence) < page.index("The four criteria</h2>")


def test_a_study_of_which_nothing_has_run_is_told_in_a_sentence(done, command, tmp_path):
    (tmp_path / "begun").mkdir()
    shutil.copy(done / "study.json", tmp_path / "begun")
    for verb in ("analyze", "report"):
        refused = command(verb, tmp_path / "begun")
        assert refused.code == 2
        assert "has no run yet" in " ".join(refused.err.split())


def test_halves_of_other_concepts_are_not_gone_on_with(plan, done, command, tmp_path):
    (tmp_path / "begun").mkdir()
    shutil.copy(done / "study.json", tmp_path / "begun")
    refused = command("run", plan, "--out", tmp_path / "begun", "--set", "n_concepts=8")
    assert refused.code == 2
    assert "halves are of other concepts" in " ".join(refused.err.split())


def test_a_study_whose_first_experiment_does_not_fit_leaves_no_split_behind(plan, command, tmp_path):
    refused = command("run", plan, "--out", tmp_path / "none", "--set", "layers=[99]")
    assert refused.code == 2
    assert not (tmp_path / "none" / "study.json").exists()


@pytest.mark.parametrize("key", ['salt = "other"', "seed = 3", "n_concepts = 5"])
def test_experiments_that_would_not_keep_the_halves_apart_are_refused(plan, command, tmp_path, key):
    file = plan.parent / "apart.toml"
    file.write_text(plan.read_text().replace('name = "report"\n', f'name = "report"\n{key}\n'))
    refused = command("run", file, "--out", tmp_path / "apart")
    assert refused.code == 2
    assert f"differ in '{key.split()[0]}', so that its halves would not be kept apart" in " ".join(refused.err.split())


def test_a_folder_with_another_study_is_left_alone(plan, done, command):
    before = contents(done)
    refused = command("run", plan, "--out", done, "--set", "salt=mine")
    assert refused.code == 2
    assert "holds a study with other rules, another salt or other experiments" in refused.err
    assert contents(done) == before
