"""A trial by itself, from its record: the same reply, and the stream under every token."""

import json

import pytest


@pytest.fixture
def records(run_folder):
    lines = (run_folder / "trials.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def injected(records):
    """A trial with much added at the last layer that carries anything."""
    found = (each for each in records if each["spec"]["arm"] == "concept" and len(each["reply_tokens"]) > 2)
    return next(each for each in found if (each["spec"]["layer"], each["spec"]["strength"]) == (2, 4.0))


def test_a_trial_comes_out_again_token_for_token(run_folder, records, command):
    trial = injected(records)
    done = command("replay", run_folder, trial["key"][:12], "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)[0]
    assert (found["key"], found["same"], found["again"]) == (trial["key"], True, trial["reply"])
    assert not (run_folder / "projections.jsonl").exists()


def test_the_projection_jumps_by_the_size_of_the_injection_where_it_was_added(run_folder, records, command):
    trial = injected(records)
    read = json.loads(command("replay", run_folder, trial["key"], "--json").out)[0]["projection"]
    audit, at = trial["audits"][0], trial["spec"]["layer"]
    assert len(read["injected"]) == audit["edited_prompt"] + audit["edited_generated"]
    assert {len(line) for line in read["values"]} == {len(read["tokens"])}
    gained = [after - before for before, after in zip(read["values"][at - 1], read["values"][at], strict=True)]
    first = min(read["injected"])
    assert first < read["n_prompt"]
    assert gained[first] > 0.5 * audit["delta_norm"]
    assert max(gained[:first]) < gained[first]


def test_a_sample_is_kept_beside_the_trials_and_shown_by_the_page(run_folder, command):
    done = command("replay", run_folder, "--sample", "4", "--keep")
    assert done.code == 0, done.err
    assert "4 of 4 came out the same" in done.out
    kept = [json.loads(line) for line in (run_folder / "projections.jsonl").read_text().splitlines()]
    assert len({each["key"] for each in kept}) == 4
    assert command("replay", run_folder, kept[0]["key"], "--keep").code == 0
    assert len((run_folder / "projections.jsonl").read_text().splitlines()) == 4


def test_a_key_that_is_not_there_or_not_enough_is_one_sentence(run_folder, command):
    unknown = command("replay", run_folder, "zzzz")
    assert unknown.code == 2
    assert "there is no trial named 'zzzz'" in unknown.err
    assert command("replay", run_folder).code == 2
    many = command("replay", run_folder, "")
    assert many.code == 2
    assert "give more of the key" in many.err
