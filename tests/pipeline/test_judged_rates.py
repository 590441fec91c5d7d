"""From a judge of known error to rates without it: grade, calibrate, analyze, figures, report."""

import json
from pathlib import Path

import handmade
import pytest
from judge_server import JudgeServer, by_rules

MODEL = "openai-api/test/rules"
CONCEPTS = {name: (name,) for name in ("bread", "silver", "oceans", "dust", "trumpets", "snow", "milk", "peace")}
TRUE = {"concept": 14, "random": 5, "none": 2}
"""How many of so many replies report noticing."""
N = 24
LABELLED = 40


def reply(i, noticed):
    says = "I notice something unusual" if noticed else "I do not notice anything unusual"
    return f"{says}, I would say. Case {i} is closed."


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("INTROSPECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEST_API_KEY", "not a secret")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path):
    replies = {
        arm: [reply(f"{arm} {i}", i % N < n) for i in range(N)] for arm, n in TRUE.items()
    }  # fmt: skip
    return handmade.replies_run(tmp_path / "run", replies, CONCEPTS)


@pytest.fixture
def labels(tmp_path):
    """Labels that are right, of replies of which half report noticing."""
    from introspect.analysis.agreement import write_companion

    path = tmp_path / "mine.jsonl"
    rows = [
        {
            "id": f"r{i}", "reply": reply(i, i % 2), "task": "report", "stratum": "plain", "arm": "concept",
            "source": "test", "split": "test", "first": {"noticed": "yes" if i % 2 else "no"},
        }
        for i in range(2 * LABELLED)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_companion(path, "mine", ["the test"], "")
    return path


def ask(command, verb, *arguments, url):
    options = ("--with", "judge", "--judge", MODEL, "--base-url", url, "--timeout", "20", "--at-once", "4")
    finished = command(verb, *arguments, *options)
    assert finished.code == 0, finished.err
    return finished


def analysis(command, run, *options):
    finished = command("analyze", run, "--grader", "judge", *options, "--json")
    assert finished.code == 0, finished.err
    return json.loads(finished.out)


def test_the_errors_of_a_judge_are_measured_and_taken_out_of_the_rates(command, run, labels):
    with JudgeServer(flip=0.2, seed=1) as server:
        said = ask(command, "calibrate", "--labels", labels, "--out", "c.json", url=server.url)
        ask(command, "grade", run, url=server.url)
    assert "finds (TPR)" in said.out
    known = json.loads(Path("c.json").read_text())
    noticed = next(each for each in known["figures"] if (each["question"], each["by"]) == ("noticed", "all"))
    turned = [by_rules(reply(i, i % 2), 0.2, 1)[1] for i in range(2 * LABELLED)]
    assert noticed["missed"] == sum(turned[1::2])  # just those replies that the server turned round
    assert noticed["false"] == sum(turned[::2])
    assert 5 < sum(turned) < 30

    found = analysis(command, run, "--calibration", "c.json")
    named = {each["name"]: each for each in found["findings"]}
    rows = {row["arm"]: row for row in named["corrected, report: reports noticing"]["table"]}
    for arm, n in TRUE.items():
        assert rows[arm]["low"] <= n / N <= rows[arm]["high"], arm
        assert rows[arm]["low"] < rows[arm]["corrected"] < rows[arm]["high"] or rows[arm]["corrected"] == 0
    assert rows["none"]["as_judged"] > rows["none"]["corrected"]
    assert "calibrated on 80 replies of mine" in named["grader"]["sentence"]
    assert "Concept vectors: +" in named["corrected, report: reports noticing"]["sentence"]
    assert "is not informative here" in named["corrected, report: names the concept"]["sentence"]  # nobody labelled it
    assert "not informative for “names the concept”" in found["caution"]
    assert found["verdict"].startswith("Warning")


def test_a_judge_without_calibration_is_warned_of_in_every_output(command, run, labels):
    with JudgeServer() as server:
        ask(command, "grade", run, "--limit", "6", url=server.url)
    warning = f"judge-1:{MODEL}"
    found = analysis(command, run)
    assert found["caution"].startswith(f"Warning: {warning} was not calibrated")
    assert found["verdict"].startswith("Warning")
    shown = " ".join(command("analyze", run, "--grader", "judge").out.split())
    assert f"Warning: {warning} was not calibrated" in shown
    assert command("report", run, "--grader", "judge", "--out", "page.html").code == 0
    page = Path("page.html").read_text()
    assert f"Warning: {warning} was not calibrated" in page
    drawn = command("figures", run, "--grader", "judge", "--out", "figures")
    assert "was not calibrated" in drawn.out
    sidecars = list((run.parent / "figures").glob("*.provenance.json"))
    assert sidecars
    assert all("not calibrated" in each.read_text() for each in sidecars)


def test_the_rules_come_with_their_calibration_and_need_no_warning(command, run):
    plain = json.loads(command("analyze", run, "--json").out)
    assert plain["grader"] == "rules-2"
    assert "caution" not in plain
    named = {each["name"]: each for each in plain["findings"]}
    assert "The replies were read by rules-2, calibrated on 155 replies of replies" in named["grader"]["sentence"]
    rows = {row["arm"]: row for row in named["corrected, report: reports noticing"]["table"]}
    for arm, n in TRUE.items():
        assert rows[arm]["as_judged"] == n / N
        assert rows[arm]["low"] <= n / N <= rows[arm]["high"]
    assert command("grade", run, "--with", "rules").code == 0
    again = json.loads(command("analyze", run, "--grader", "rules-2", "--json").out)
    assert (again["arms"], again["findings"]) == (plain["arms"], plain["findings"])


def test_on_labelled_replies_of_real_subjects_the_corrected_interval_holds_the_share_as_labelled(command, tmp_path):
    """The run is the test half of the kit, the judge the rules with a fifth turned, calibrated on the other half."""
    from introspect.analysis.agreement import settled, write_companion
    from introspect.graders.labels import load_labels

    kit = [each for each in load_labels("replies").replies if each.arm in TRUE]
    known, new = ([each for each in kit if each.split == half] for half in ("development", "test"))
    path = tmp_path / "known.jsonl"
    path.write_text("".join(each.model_dump_json() + "\n" for each in known), "utf-8")
    write_companion(path, "known", ["as the kit says"], "")
    by_arm = {arm: [each for each in new if each.arm == arm] for arm in TRUE}
    run = handmade.replies_run(
        tmp_path / "kit", {arm: [each.reply for each in found] for arm, found in by_arm.items()}, CONCEPTS
    )
    with JudgeServer(flip=0.2, seed=5) as server:
        ask(command, "calibrate", "--labels", path, "--split", "development", "--out", "c.json", url=server.url)
        ask(command, "grade", run, url=server.url)
    found = {each["name"]: each for each in analysis(command, run, "--calibration", "c.json")["findings"]}
    rows = {row["arm"]: row for row in found["corrected, report: reports noticing"]["table"]}
    for arm, replies in by_arm.items():
        share = sum(settled("noticed", each).noticed == "yes" for each in replies) / len(replies)
        assert rows[arm]["low"] <= share <= rows[arm]["high"], (arm, share, rows[arm])


def test_a_judge_that_says_anything_gets_no_corrected_rate_but_its_figures(command, run, labels):
    with JudgeServer(flip=0.5, seed=2) as server:
        ask(command, "calibrate", "--labels", labels, "--out", "c.json", url=server.url)
        ask(command, "grade", run, "--limit", "10", url=server.url)
    found = analysis(command, run, "--calibration", "c.json")
    sentence = next(each for each in found["findings"] if each["name"] == "corrected, report: reports noticing")
    assert "is not informative here, and no corrected rate is given: TPR 0." in sentence["sentence"]
    assert sentence["table"] is None
    assert "62 of 72 replies have no verdict" in found["findings"][0]["sentence"]  # not judged yet: still counted
    assert sum(arm["n"] for arm in found["arms"]) == 72


def test_what_does_not_belong_together_is_refused(command, run, labels):
    assert command("calibrate", "--with", "rules", "--labels", labels, "--out", "rules.json").code == 0
    none = command("analyze", run, "--grader", "judge")
    assert none.code == 2
    assert "introspect grade leaves them" in none.err
    with JudgeServer() as server:
        ask(command, "grade", run, "--limit", "1", url=server.url)
    wrong = command("analyze", run, "--grader", "judge", "--calibration", "rules.json")
    assert wrong.code == 2
    assert "the calibration is of 'rules-2'" in wrong.err
    assert len(wrong.err.strip().splitlines()) == 1
    near = command("analyze", run, "--grader", "judge-1-openai-api-test-rule")
    assert "did you mean 'judge-1-openai-api-test-rules'" in near.err
    assert command("calibrate", "--labels", "replie").code == 2


def test_the_rules_can_be_calibrated_too(command, run, labels):
    finished = command("calibrate", "--with", "rules", "--labels", labels, "--out", "rules.json")
    assert "40 of 40" in finished.out
    found = json.loads(command("analyze", run, "--calibration", "rules.json", "--json").out)
    row = next(each for each in found["findings"] if each["name"] == "corrected, report: reports noticing")
    assert {each["arm"]: round(each["corrected"] * N) for each in row["table"]} == TRUE


def test_where_the_rules_alone_are_read_a_calibration_is_refused(command, run, labels):
    """Several runs, or a battery: it was silently left out."""
    assert command("calibrate", "--with", "rules", "--labels", labels, "--out", "rules.json").code == 0
    several = command("report", run, run, "--calibration", "rules.json")
    battery = command("analyze", run.parent, "--calibration", "rules.json")
    for refused in (several, battery):
        assert refused.code == 2
        assert "for --calibration rules.json name one of its run folders" in refused.err
