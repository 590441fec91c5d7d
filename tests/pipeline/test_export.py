"""What a run exports is what is in its folder: read back by other libraries, and compared field by field."""

import csv
import io
import json
import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def folder(told_run, tmp_path_factory):
    """Where the command has put the log of the run."""
    from introspect.cli.app import main

    out = tmp_path_factory.mktemp("logs")
    with pytest.raises(SystemExit) as ended:
        main(["export", str(told_run), "--to", "inspect", "--out", str(out)])
    assert ended.value.code == 0
    return out


@pytest.fixture(scope="module")
def log(folder):
    """The log of the run, by Inspect's own reader."""
    from inspect_ai.log import read_eval_log

    return read_eval_log(str(folder / "told.eval"))


@pytest.fixture(scope="module")
def analysis(told_run):
    import introspect

    return introspect.analyze(told_run)


@pytest.fixture(scope="module")
def trials(told_run):
    lines = (told_run / "trials.jsonl").read_text().splitlines()
    return {trial["key"]: trial for trial in map(json.loads, lines)}


@pytest.fixture(scope="module")
def samples(log):
    return {sample.id: sample for sample in log.samples}


def test_a_log_has_one_sample_a_trial_and_knows_the_run(log, trials):
    assert sorted(sample.id for sample in log.samples) == sorted(trials)
    assert log.status == "success"
    assert log.eval.task == "introspect/told"
    assert log.eval.dataset.samples == log.results.completed_samples == log.results.total_samples == len(trials)
    assert log.eval.task_args["layers"] == [2]


def test_every_sample_has_its_trials_reply_prompt_and_injection(samples, trials, told_run):
    texts = {
        each["id"]: each["text"] for each in map(json.loads, (told_run / "prompts.jsonl").read_text().splitlines())
    }
    for key, sample in samples.items():
        trial = trials[key]
        spec, told = trial["spec"], sample.metadata
        assert sample.output.completion == sample.messages[-1].text == trial["reply"]
        assert sample.output.stop_reason == {"stop": "stop", "length": "max_tokens"}[trial["finish"]]
        assert told["reply_tokens"] == trial["reply_tokens"]
        assert told["audits"] == trial["audits"]
        assert told["prompt"] == texts[trial["prompt"]]
        kept = ("concept", "arm", "layer", "strength", "wording", "task", "span", "where")
        assert {name: told[name] for name in kept} == {name: spec[name] for name in kept}
        assert told["spec"] == spec
        assert told["key"] == key


def test_a_samples_messages_are_the_conversation_that_the_subject_was_given(samples):
    for sample in samples.values():
        assert [message.role for message in sample.input] == ["user"]
        assert "{{" not in sample.input[0].text
        assert sample.input[0].text in sample.metadata["prompt"]


def test_a_samples_scores_are_the_outcomes_of_its_trial(samples, analysis):
    for row in analysis.outcomes.iter_rows(named=True):
        scores = samples[row["key"]].scores
        assert scores["noticed"].value == (row["noticed"] == "yes")
        assert scores["noticed"].answer == row["noticed"]
        assert scores["named"].answer == row["named_text"]
        for name in ("named", "success", "coherent", "readable"):
            assert scores[name].value == row[name]
    assert {sample.scores["success"].value for sample in samples.values()} == {0, 1}


def test_hits_and_false_alarms_are_counted_apart_with_errors_over_concepts(log, samples):
    metrics = next(score for score in log.results.scores if score.name == "noticed").metrics
    for arm, name in (("concept", "hits"), ("none", "false_alarms"), ("covariance", "covariance")):
        values = [each.scores["noticed"].value for each in samples.values() if each.metadata["arm"] == arm]
        assert metrics[name].value == pytest.approx(sum(values) / len(values))
    assert metrics["hits"].value > metrics["false_alarms"].value
    totals = {}
    for each in samples.values():
        if each.metadata["arm"] == "concept":
            totals.setdefault(each.metadata["concept"], []).append(each.scores["noticed"].value)
    rate, n = metrics["hits"].value, sum(map(len, totals.values()))
    spread = sum(sum(value - rate for value in values) ** 2 for values in totals.values())
    assert metrics["hits_stderr"].value == pytest.approx((spread * len(totals) / (len(totals) - 1)) ** 0.5 / n)


def test_an_exported_log_does_not_depend_on_when_it_was_written(analysis, log):
    from introspect.evals.logs import log_of

    again = log_of(analysis)
    assert again.eval == log.eval
    assert [each.model_dump() for each in again.samples] == [each.model_dump() for each in log.samples]


def test_a_trial_from_which_an_answer_is_read_is_exported_with_its_options(tmp_path):
    import lab

    import introspect
    from introspect.analysis.analyze import analyze
    from introspect.evals.logs import log_of

    plan = lab.small("identification", wordings=lab.covering("identification")[:1], arms=("concept", "none"))
    run = introspect.load_run(introspect.sweep(plan, tmp_path / "run", subject=lab.subject()))
    by_key = {trial.key: trial for trial in run.trials}
    samples = log_of(analyze(run)).samples
    assert len(samples) == len(by_key)
    for sample in samples:
        trial = by_key[sample.id]
        best = max(zip(trial.scores.logprobs, trial.spec.options, strict=True))[1]
        assert sample.choices == list(trial.spec.options)
        assert sample.metadata["readout"]["logprobs"] == list(trial.scores.logprobs)
        if trial.spec.truth is not None:
            assert sample.scores["chosen"].value == (best == trial.spec.truth)


def test_a_prompt_whose_wording_was_edited_since_is_shown_as_the_run_kept_it(analysis):
    from dataclasses import replace

    from introspect.evals.logs import log_of

    manifest = analysis.run.manifest
    edited = manifest.model_copy(update={"wordings": dict.fromkeys(manifest.wordings, "0" * 32)})
    for sample in log_of(replace(analysis, run=replace(analysis.run, manifest=edited))).samples:
        assert [message.text for message in sample.input] == [sample.metadata["prompt"]]


def test_a_run_is_a_frame_of_polars_or_pandas_with_the_outcomes_of_the_analysis(analysis, trials):
    frame = analysis.run.polars()
    shared = ["key", "arm", "concept", "layer", "strength", "noticed", "named", "success", "coherent", "named_text"]
    assert frame.sort("key").select(shared).equals(analysis.outcomes.sort("key").select(shared))
    for row in analysis.run.pandas().to_dict("records"):
        trial = trials[row["key"]]
        assert row["n_tokens"] == len(trial["reply_tokens"])
        edited = [audit["edited_prompt"] + audit["edited_generated"] for audit in trial["audits"]]
        assert row["n_edited"] == sum(edited)
        if trial["audits"]:
            assert row["relative_strength"] == trial["audits"][0]["relative_strength"]
            assert row["depth"] == 2 / (analysis.run.manifest.subject.n_layers - 1)


def test_without_pandas_the_sentence_says_what_would_do(analysis, monkeypatch):
    from introspect.errors import RunFolderError

    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RunFolderError, match="install them, or take .polars"):
        analysis.run.pandas()


def test_a_trial_with_a_value_a_layer_is_one_row_of_the_frame(tmp_path):
    import lab

    import introspect

    plan = lab.small("intentional_control", wordings=lab.covering("intentional_control")[:1])
    run = introspect.load_run(introspect.sweep(plan, tmp_path / "run", max_trials=6, subject=lab.subject()))
    frame = run.polars()
    assert sorted(frame["key"]) == [trial.key for trial in run.trials]
    assert frame["layer"].null_count() == len(frame)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_table_has_one_row_a_trial_and_the_documented_columns(told_run, trials, command, tmp_path, kind):
    import polars as pl

    from introspect.analysis.frames import COLUMNS

    assert command("export", told_run, "--to", kind, "--out", tmp_path).code == 0
    file = tmp_path / f"told.{kind}"
    readers = {
        "parquet": lambda: pl.read_parquet(file).to_dicts(),
        "csv": lambda: list(csv.DictReader(io.StringIO(file.read_text()))),
        "jsonl": lambda: [json.loads(line) for line in file.read_text().splitlines()],
    }
    rows = readers[kind]()
    assert list(rows[0]) == list(COLUMNS)
    assert {row["key"]: row["reply"] for row in rows} == {key: trial["reply"] for key, trial in trials.items()}


def test_the_command_writes_logs_that_inspects_viewer_lists(folder):
    from inspect_ai.log import list_eval_logs

    (info,) = list_eval_logs(str(folder))
    assert info.name.endswith("/told.eval")


def test_every_run_of_a_battery_is_exported(told_run, command, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(told_run, tmp_path / "battery" / name)
    assert command("export", tmp_path / "battery", "--to", "parquet").code == 0
    assert {file.name for file in (tmp_path / "battery" / "export").iterdir()} == {"one.parquet", "two.parquet"}


def test_an_unknown_kind_and_a_folder_without_runs_are_refused_in_one_sentence(told_run, command, tmp_path):
    typo = command("export", told_run, "--to", "parket", "--out", tmp_path / "out")
    assert typo.code == 2
    assert "did you mean 'parquet'?" in typo.err
    nothing = command("export", tmp_path, "--to", "inspect")
    assert nothing.code == 2
    assert "is not a run folder" in nothing.err
    assert list(tmp_path.iterdir()) == []


def test_without_inspect_the_command_says_how_to_get_it(told_run, command, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name == "inspect_ai" or name.startswith("introspect.evals")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    done = command("export", told_run, "--to", "inspect", "--out", tmp_path / "out")
    assert done.code == 2
    assert "pip install 'introspect[inspect]'" in done.err.replace("\n", " ")


def test_neither_the_package_nor_a_table_needs_inspect(told_run, tmp_path):
    code = (
        "import sys, introspect.cli.app as app\n"
        "try: app.main(['export', sys.argv[1], '--to', 'csv', '--out', sys.argv[2]])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print([name for name in ('inspect_ai', 'torch') if name in sys.modules])"
    )
    arguments = [sys.executable, "-c", code, str(told_run), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
