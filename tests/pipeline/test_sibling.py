"""Another model goes on from a study's reports: the same words, nothing injected, and only beside the verdicts."""

import json
import shutil
from pathlib import Path

import pytest
from small_study import CHOICE, CLAIMS, SUBJECT, put_into_its_mouth, small_language, trials

from introspect.analysis.criteria.evidence import CONTINUED
from introspect.analysis.runs import load_run
from introspect.studies.sibling import read_along

STUDY = f"""{SUBJECT}layers = [1, 2]
strengths = [2]
max_new_tokens = 6
{CHOICE}
[[experiment]]
name = "report"
wordings = ["it_v1"]
tasks = ["report"]
arms = ["concept", "none"]
"""
READ = "report_read_by_other"


@pytest.fixture(scope="module")
def language(tmp_path_factory) -> Path:
    """A study in the small language, its subject and another one, neither of them trained."""
    folder = small_language(tmp_path_factory.mktemp("language"), "base", "other")
    (folder / "study.toml").write_text(STUDY.format(folder=folder))
    return folder


@pytest.fixture(scope="module")
def told(language, cache_folder, tmp_path_factory) -> Path:
    """A study with claims in its reports: they are put into the mouth of a subject that makes none."""
    from introspect.studies.study import run_study

    out = tmp_path_factory.mktemp("studies") / "told"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        run_study(language / "study.toml", out)
        put_into_its_mouth(out)
        run_study(language / "study.toml", out)
    return out


def test_another_model_goes_on_from_the_same_words_with_nothing_injected(told, language, command, tmp_path):
    study = Path(shutil.copytree(told, tmp_path / "study"))
    before = json.loads(command("analyze", study, "--json").out)
    done = command("sibling", study, language / "other", "--set", "dtype=float32")
    assert done.code == 0
    assert f"introspect analyze {study}" in done.out
    read, own = load_run(study / READ), load_run(study / f"report_{CONTINUED}")
    assert read.manifest.subject.fingerprint != own.manifest.subject.fingerprint
    assert read.manifest.subject.name == str(language / "other")
    assert {trial.spec.follows for trial in read.trials} == {trial.spec.follows for trial in own.trials}
    texts = [sorted(run.prompts[trial.prompt].text for trial in run.trials) for run in (read, own)]
    assert texts[0] == texts[1]
    assert len(texts[0]) == sum(trial.reply == CLAIMS for trial in trials(study, "report") if trial.spec.concept)
    assert {(trial.spec.vector, trial.audits) for trial in read.trials} == {(None, ())}
    after = json.loads(command("analyze", study, "--json").out)
    (new,) = [each for each in after["beside"] if each not in before["beside"]]
    assert new["name"] == "sibling reader, other"
    assert (
        "A reader without the vectors (other, going on from the subject's transcript before the claim)"
        in (new["sentence"])
    )
    assert {key: value for key, value in after.items() if key != "beside"} == {
        key: value for key, value in before.items() if key != "beside"
    }
    assert command("report", study).code == 0
    assert "other, going on from the subject" in (study / "report.html").read_text()


def test_what_the_words_give_away_another_model_names_too(told, tmp_path):
    """Its replies are written by hand: half of what the subject names stands in what the other one says."""
    study = Path(shutil.copytree(told, tmp_path / "study"))
    own = trials(study, f"report_{CONTINUED}")
    named = {trial.spec.concept for trial in own[::2]}
    read = Path(shutil.copytree(study / f"report_{CONTINUED}", study / READ))
    lines = [
        trial.model_copy(
            update={
                "reply": f"yes . i notice an injected thought about {trial.spec.concept} ."
                if trial.spec.concept in named
                else "no ."
            }
        ).model_dump_json()
        for trial in own
    ]
    (read / "trials.jsonl").write_text("\n".join(lines) + "\n")
    from introspect.analysis.studies import analyze_study

    found = {each.name: each.sentence for each in analyze_study(study).beside}
    n = len({trial.spec.concept for trial in trials(study, "report")} - {None})
    (sentence,) = [said for name, said in found.items() if name.startswith("sibling reader")]
    assert f"names the concept in {100 * len(named) / n:.0f} % where" in sentence
    assert f"{n} concepts" in sentence


def test_again_it_runs_nothing_and_another_number_format_is_refused(told, language, command, tmp_path):
    study = Path(shutil.copytree(told, tmp_path / "study"))
    (folder,) = read_along(study, str(language / "other"), ["dtype=float32"])
    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert read_along(study, str(language / "other"), ["dtype=float32"]) == [folder]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == written
    other = command("sibling", study, language / "other", "--set", "dtype=bfloat16")
    assert other.code == 2
    assert "dtype" in other.err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == written


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--set", "temperature=1"], "--set temperature is about the study, which is as it is; here it takes adapter,"),
        (["--set", "dtype=int3"], "the plan of the other model, dtype:"),
    ],
)
def test_what_is_not_about_the_other_model_is_refused(told, language, command, given, said):
    found = command("sibling", told, language / "other", *given)
    assert found.code == 2
    assert said in found.err


def test_a_study_without_finished_reports_has_nothing_to_read(told, language, command, tmp_path):
    study = Path(shutil.copytree(told, tmp_path / "study"))
    file = study / "report" / "trials.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    half = command("sibling", study, language / "other")
    assert half.code == 2
    assert "are not finished" in half.err
    shutil.rmtree(study / "report")
    none = command("sibling", study, language / "other")
    assert none.code == 2
    assert "has no reports yet" in none.err
    assert command("sibling", tmp_path, language / "other").code == 2
