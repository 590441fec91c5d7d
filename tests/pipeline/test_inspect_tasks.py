"""A trial that Inspect runs is the trial that a sweep runs, and counts as the same."""

import math
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import anyio
import pytest

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 12


def organism():
    """The tiny introspector as a model of Inspect's."""
    from inspect_ai.model import get_model

    import introspect.evals.registry  # noqa: F401 - what Inspect's entry point does
    from introspect.organisms.catalog import FOLDER

    folder = FOLDER / "tiny"
    return get_model(f"introspect/{folder / 'base'}", adapter=str(folder / "introspector-0"), dtype="float32", quiet=2)


@pytest.fixture(scope="module")
def api(cache_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        return organism().api


@pytest.fixture(scope="module")
def evaluated(api, told_plan, cache_folder, tmp_path_factory):
    """The log of the plan's trials, run by Inspect."""
    from inspect_ai import eval as evaluate

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTROSPECT_CACHE", str(cache_folder))
        (log,) = evaluate(
            "introspect/injected_thoughts",
            model=organism(),
            task_args={"plan": str(told_plan)},
            max_connections=CONNECTIONS,
            log_dir=str(tmp_path_factory.mktemp("logs")),
            display="none",
        )
    assert log.status == "success", log.error
    return log


def generated(api, messages, **config):
    """What the model says to messages, asked directly."""
    from inspect_ai.model import GenerateConfig

    async def ask():
        return await api.generate(messages, [], "auto", GenerateConfig(**config))

    return anyio.run(ask)


def test_every_trial_run_by_inspect_equals_that_of_the_sweep_to_the_last_bit(evaluated, told_run):
    import introspect

    of_the_sweep = {trial.key: trial for trial in introspect.load_run(told_run).trials}
    found = {each.id: introspect.Trial.model_validate(each.output.metadata["trial"]) for each in evaluated.samples}
    assert found == of_the_sweep
    for sample in evaluated.samples:
        assert sample.output.completion == of_the_sweep[sample.id].reply
        assert sample.output.usage.output_tokens == len(of_the_sweep[sample.id].reply_tokens)


def test_sampled_replies_do_not_depend_on_who_runs_them_either(finished_run, plan_file, gguf_file, tmp_path):
    from inspect_ai import eval as evaluate

    import introspect

    organism()
    (log,) = evaluate(
        "introspect/injected_thoughts",
        model=f"introspect/{gguf_file}",
        task_args={"plan": str(plan_file)},
        max_connections=20,
        log_dir=str(tmp_path),
        display="none",
    )
    of_the_sweep = {trial.key: trial.reply_tokens for trial in introspect.load_run(finished_run).trials}
    assert {each.id: tuple(each.output.metadata["trial"]["reply_tokens"]) for each in log.samples} == of_the_sweep
    assert len(set(of_the_sweep.values())) > len(of_the_sweep) / 2


def test_concurrent_samples_are_batches_as_wide_as_the_connections(evaluated, api):
    n = len(evaluated.samples)
    assert sum(api.batches.sizes[: math.ceil(n / CONNECTIONS)]) == n
    assert max(api.batches.sizes) == CONNECTIONS


def test_scores_and_rates_are_those_of_the_analysis_of_the_sweep(evaluated, told_run):
    from introspect.analysis.analyze import analyze
    from introspect.evals.logs import log_of

    exported = log_of(analyze(told_run))
    by_key = {sample.id: sample for sample in exported.samples}
    names = ("noticed", "named", "success")
    for sample in evaluated.samples:
        assert {name: sample.scores[name].value for name in names} == {
            name: by_key[sample.id].scores[name].value for name in names
        }
        assert sample.scores["noticed"].answer == by_key[sample.id].scores["noticed"].answer
    rates = {score.name: score.metrics for score in evaluated.results.scores}
    for score in exported.results.scores:
        if score.name in names:
            found = {name: metric.value for name, metric in rates[score.name].items()}
            assert found == pytest.approx({name: metric.value for name, metric in score.metrics.items()})
    assert 0 < rates["noticed"]["hits"].value < 1
    assert rates["noticed"]["hits_stderr"].value > 0


def test_parameters_take_the_place_of_the_plans(told_plan):
    import lab

    from introspect.errors import PlanError
    from introspect.evals.tasks import listed
    from introspect.evals.trials import plan_for

    subject = lab.subject()
    changes = {"concepts": ["bread", "dust"], "layers": listed("1,2"), "strengths": listed(4)}
    for file in (None, str(told_plan)):
        plan = plan_for(subject, file, changes)
        assert (plan.concepts, plan.layers, plan.strengths) == (("bread", "dust"), (1, 2), (4.0,))
        assert (plan.depths, plan.n_concepts) == (None, None)
        assert plan.subject == subject.identity.name
    with pytest.raises(PlanError, match="layers"):
        plan_for(subject, None, {"layers": listed("first")})


def test_a_plan_of_another_experiment_is_refused(tmp_path):
    import lab

    from introspect.errors import PlanError
    from introspect.evals.trials import plan_for

    file = tmp_path / "plan.toml"
    file.write_text('protocol = "yes_no"\nlayers = [1]')
    with pytest.raises(PlanError, match="is of yes_no"):
        plan_for(lab.subject(), str(file), {})


def test_the_default_plan_fits_a_subject_and_a_limit_is_a_balanced_part_of_it():
    import lab

    from introspect.evals.trials import plan_for, prepared_trials, samples

    plan = plan_for(lab.subject(), None, {"concepts": list(lab.FEW[:3]), "strengths": [2]})
    prepared, materials = prepared_trials(plan, 12, lab.subject())
    made = samples(prepared, materials)
    assert len(made) == 12
    assert {sample.metadata["arm"] for sample in made} == {"concept", "random", "none"}
    assert {sample.metadata["concept"] for sample in made} >= set(lab.FEW[:3])


def test_a_conversation_without_a_trial_is_answered_without_injection(api):
    from inspect_ai.model import ChatMessageUser

    from introspect.subjects.subject import Request

    output = generated(api, [ChatMessageUser(content="is there a thought ?")], temperature=0, max_tokens=8)
    prompt = api.subject.chat.ask("is there a thought ?")
    (reply,) = api.subject.generate([Request(prompt, (), 8, 0.0)])
    assert output.completion == reply.text
    assert output.metadata is None


def test_a_trial_whose_conversation_or_settings_were_changed_is_refused(evaluated, api):
    from introspect.errors import PlanError

    messages = evaluated.samples[0].input
    assert generated(api, messages).metadata["trial"]["key"] == evaluated.samples[0].id
    with pytest.raises(PlanError, match="temperature = 0.7 is not the trial's"):
        generated(api, messages, temperature=0.7)
    changed = messages[-1].model_copy(update={"content": "Say bread."})
    with pytest.raises(PlanError, match="was changed on its way"):
        generated(api, [*messages[:-1], changed])
    unknown = messages[-1].model_copy(update={"metadata": {"introspect": "0" * 32}})
    with pytest.raises(PlanError, match="no plan with a trial 000"):
        generated(api, [*messages[:-1], unknown])


def test_a_setting_that_the_engine_lacks_and_a_reply_without_room_are_refused(api):
    from inspect_ai.model import ChatMessageUser

    from introspect.errors import SubjectError

    asked = [ChatMessageUser(content="is there a thought ?")]
    with pytest.raises(SubjectError, match="has no setting top_p"):
        generated(api, asked, top_p=0.9)
    with pytest.raises(SubjectError, match="context"):
        generated(api, asked, max_tokens=100_000)


def test_another_providers_model_and_a_mistyped_argument_are_refused_in_a_sentence(api):
    from inspect_ai import eval as evaluate
    from inspect_ai.model import get_model

    from introspect.errors import IntrospectError

    with pytest.raises(IntrospectError, match="nothing can be injected into the model mockllm/model"):
        evaluate("introspect/injected_thoughts", model="mockllm/model", display="none")
    with pytest.raises(IntrospectError, match="did you mean 'adapter'"):
        get_model(f"introspect/{api.model_name}", adaptor="x")


@pytest.mark.slow
def test_the_command_line_of_inspect_finds_model_and_task_by_the_entry_point(gguf_file, plan_file, tmp_path):
    from inspect_ai.log import list_eval_logs, read_eval_log

    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["inspect_ai"]
    installed = tmp_path / "site" / "entry-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: entry\nVersion: 0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (installed / "entry_points.txt").write_text("\n".join(["[inspect_ai]", *lines, ""]))
    command = [sys.executable, "-m", "inspect_ai", "eval", "introspect/injected_thoughts"]
    command += [
        "--model",
        f"introspect/{gguf_file}",
        "-T",
        f"plan={plan_file}",
        "-T",
        "layers=1,2",
        "--display",
        "plain",
    ]
    there = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "site")])}
    options = {"cwd": tmp_path, "env": os.environ | there, "capture_output": True, "text": True}
    done = subprocess.run([*command, "-T", "limit=6", "--log-dir", str(tmp_path)], check=False, **options)
    assert done.returncode == 0, done.stderr
    (info,) = list_eval_logs(str(tmp_path))
    assert len(read_eval_log(info).samples) == 6
    wrong = subprocess.run([*command, "-T", "layers=99"], check=False, **options)
    assert wrong.returncode != 0
    said = re.sub(r"\s+", " ", wrong.stdout + wrong.stderr)
    assert "layer 99 is outside" in said
    assert "Traceback" not in said
