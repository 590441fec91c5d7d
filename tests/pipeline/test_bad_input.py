"""Bad input: one sentence on standard error, exit code 2, nothing written and nothing lost."""

import json

import pytest

PLANS = [
    ({"concepts": '["bred"]'}, ["concept", "'bred'", "did you mean 'bread'"]),
    ({"concepts": '["bread", "bread"]'}, ["twice", "bread"]),
    ({"concepts": '"lindsey_concept"'}, ["concept list", "did you mean 'lindsey_concepts'"]),
    ({"concepts": '"nowhere.toml"'}, ["there is no concept file", "nowhere.toml"]),
    ({"baseline": '"lindsey_base"'}, ["did you mean 'lindsey_baseline'"]),
    ({"layers": "[4]"}, ["layer 4 is outside", "0..3"]),
    ({"max_new_tokens": "999999"}, ["a reply of 999999 exceed the context of"]),
    ({"layers": "[-1]"}, ["layer -1 is outside"]),
    ({"depths": "[0.5]"}, ["either layers", "not both"]),
    ({"arms": '["concpet"]'}, ["arm of injected_thought", "did you mean 'concept'"]),
    ({"tasks": '["reprot"]'}, ["task of injected_thought", "did you mean 'report'"]),
    ({"tasks": '["open"]'}, ["has no trials", "no wording offers open"]),
    ({"info": '["acurate"]'}, ["info.0", "'accurate'"]),
    ({"where": '"cached"'}, ["where", "'cache'"]),
    ({"n_options": "27"}, ["n_options", "less than or equal to 26"]),
    ({"arms": '["other"]', "concepts": '["bread"]'}, ["the arm other needs at least two concepts"]),
    ({"strengths": "[-1]"}, ["-1", "negative"]),
    ({"strengths": "[nan]"}, ["strengths", "finite"]),
    ({"strengths": "[inf]"}, ["strengths", "finite"]),
    ({"strengths": "[]"}, ["the grid is empty", "strengths"]),
    ({"layers": "[]"}, ["the grid is empty", "layers"]),
    ({"concepts": "[]"}, ["the grid is empty", "concepts"]),
    ({"strength": "[1]"}, ["unknown key 'strength'", "did you mean 'strengths'"]),
    ({"samples": "0"}, ["samples", "greater than or equal to 1"]),
    ({"span": '"trail"'}, ["span marker", "'trail'", "did you mean 'trial'"]),
    ({"wordings": '["plane"]'}, ["wording", "did you mean 'plain'"]),
    ({"protocol": '"injected_thoughts"'}, ["protocol", "did you mean 'injected_thought'"]),
    ({"stimuli": '"mine.toml"'}, ["there is no stimulus file", "mine.toml"]),
    ({"subject": '"small-instruct.gguf"'}, ["there is no file", "small-instruct.gguf"]),
    ({"subject": '"smolm2"'}, ["did you mean 'smollm2'"]),
    ({"temperature": "0", "samples": "2"}, ["temperature 0", "2 times"]),
    ({"method": '"pair_mean"'}, ["contrastive pairs"]),
    ({"n_concepts": "9"}, ["9", "has 3"]),
    ({"device": '"gpu"'}, ["device", "'gpu'", "cuda"]),
    ({"max_new_tokens": "5000"}, ["context", "tokens"]),
]


def with_keys(plan_file, folder, changes):
    lines = [line for line in plan_file.read_text().splitlines() if line.split(" ")[0] not in changes]
    plan = folder / "changed.toml"
    plan.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in changes.items())]))
    (folder / "baseline.toml").write_text((plan_file.parent / "baseline.toml").read_text())
    return plan


def is_one_sentence(finished, *parts):
    assert finished.code == 2, finished
    assert "Traceback" not in finished.err
    assert len(finished.err.strip().splitlines()) == 1, finished.err
    for part in parts:
        assert part in finished.err, finished.err
    return True


@pytest.mark.parametrize(("changes", "parts"), PLANS, ids=lambda value: str(value)[:40])
def test_a_plan_that_does_not_fit_is_refused_before_anything_is_written(command, plan_file, tmp_path, changes, parts):
    plan = with_keys(plan_file, tmp_path, changes)
    assert is_one_sentence(command("run", plan, "--out", tmp_path / "run"), *parts)
    assert not (tmp_path / "run" / "trials.jsonl").exists()


def test_a_plan_that_is_not_there_or_not_toml_is_named(command, tmp_path):
    assert is_one_sentence(command("run", tmp_path / "plan.toml"), "cannot be read", "plan.toml")
    (tmp_path / "bad.toml").write_text("layers = [1, 2")
    assert is_one_sentence(command("run", tmp_path / "bad.toml"), "is not TOML")


def test_a_wrong_override_is_named(command, plan_file, tmp_path):
    out = ("--out", tmp_path / "run")
    assert is_one_sentence(command("run", plan_file, *out, "--set", "samples"), "key=value", "'samples'")
    assert is_one_sentence(command("run", plan_file, *out, "--set", "sample=2"), "did you mean 'samples'")
    assert is_one_sentence(command("run", plan_file, *out, "--max-trials", "0"), "--max-trials 0")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--concept", "bred"], ["did you mean 'bread'"]),
        (["--concept", "bread", "--layer", "30"], ["layer 30 is outside", "0..3"]),
        (["--concept", "bread", "--strength", "-2"], ["strength -2", "at least 0"]),
        (["--concept", "bread", "--strength", "nan"], ["strength nan"]),
        (["--concept", "bread", "--strength", "inf"], ["strength inf"]),
    ],
)
def test_asking_with_a_wrong_option_is_refused(command, gguf_file, options, parts):
    assert is_one_sentence(command("ask", gguf_file, "Hello?", *options), *parts)


def test_a_changed_plan_is_refused_with_the_difference_and_the_run_is_untouched(command, plan_file, run_folder):
    before = {file.name: file.read_bytes() for file in run_folder.iterdir() if file.is_file()}
    finished = command("run", plan_file, "--out", run_folder, "--set", "strengths=[1, 2]")
    assert is_one_sentence(finished, "holds another run", "strengths was [1.0, 4.0], is now [1.0, 2.0]")
    assert {file.name: file.read_bytes() for file in run_folder.iterdir() if file.is_file()} == before


def test_a_run_of_another_version_is_refused_and_untouched(command, plan_file, run_folder):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99, "from_the_future": 1}))
    before = (run_folder / "manifest.json").read_bytes()
    for arguments in (("run", plan_file, "--out", run_folder), ("analyze", run_folder), ("report", run_folder)):
        assert is_one_sentence(command(*arguments), "version 99", "version 3")
    assert (run_folder / "manifest.json").read_bytes() == before


def test_a_folder_that_is_no_run_is_refused(command, tmp_path):
    for verb in ("analyze", "report"):
        assert is_one_sentence(command(verb, tmp_path), "is not a run folder", "manifest.json")
    assert is_one_sentence(command("figures", tmp_path, "--out", tmp_path / "f"), "is not a run folder")


@pytest.mark.parametrize(
    ("arguments", "near"), [(("analyse", "x"), "'analyze'"), (("run", "plan.toml", "--dryrun"), "--dry-run")]
)
def test_a_misspelled_verb_or_option_is_told_the_near_miss(command, arguments, near):
    finished = command(*arguments)
    assert finished.code == 2
    assert "Traceback" not in finished.err
    assert near in finished.err


@pytest.mark.parametrize("verb", ["make", "evaluate"])
def test_an_organism_is_left_as_it_is_where_the_device_is_none(command, verb):
    from introspect.organisms.adapters import CARD
    from introspect.organisms.catalog import adapter_folder

    card = adapter_folder("tiny", "parrot", 0) / CARD
    before = card.read_bytes()
    finished = command("organisms", verb, "parrot", "--device", "gpu")
    assert finished.code == 2
    assert "there is no device named 'gpu'; did you mean 'cpu'?" in finished.err
    assert card.read_bytes() == before
