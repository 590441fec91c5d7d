"""Labelled replies and what a grader's agreement with them is."""

import json
from collections import Counter

import pytest

from introspect.analysis.agreement import between_passes, check_passes, kappa, write_companion
from introspect.analysis.calibration import SUBJECTS, calibrate, read_calibration, write_calibration
from introspect.analysis.criteria.calibrated import known_calibration
from introspect.cli.judges import claims_by_rules
from introspect.errors import LabelError, UnknownNameError
from introspect.graders.answers import unscored
from introspect.graders.labels import WRITTEN, LabelledReply, half_of, load_labels, read_replies
from introspect.graders.rules import RuleGrader
from introspect.records import Claim, Evidence


def labelled(number, noticed="yes", second="same", **changes):
    first = {"noticed": noticed}
    row = {
        "id": f"r{number}", "reply": "Yes, I notice a thought about bread.", "task": "report", "stratum": "plain",
        "arm": "concept", "source": "test", "split": "test", "first": first,
    }  # fmt: skip
    row["second"] = first if second == "same" else second and {"noticed": second}
    return row | changes


def written(tmp_path, rows, companion=True):
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    if companion:
        write_companion(path, "mine", ["one", "two"], "for a test")
    return path


def claim(noticed="yes", **changes):
    return Claim(grader="g", noticed=noticed, coherent=True, **changes)


@pytest.fixture(scope="module")
def kit():
    """The replies that come with the package."""
    return load_labels("replies")


def test_the_kit_is_large_labelled_twice_and_says_by_whom_and_how_well_the_passes_agree(kit):
    assert len(kit.replies) >= 300
    assert all(each.second for each in kit.replies)
    assert len(kit.companion.labelled_by) == 3  # two passes, and the third look at what they differ on
    assert all(each.settled for each in kit.replies if each.first != each.second)
    assert kit.companion.kappa.keys() == kit.companion.bounds.keys()
    low, high = kit.companion.bounds["noticed"]
    assert low < kit.companion.kappa["noticed"] < high
    check_passes(kit)


def test_the_kit_has_replies_of_several_subjects_and_enough_hard_ones_of_every_kind(kit):
    kinds = Counter(each.stratum for each in kit.replies)
    assert min(kinds.values()) >= 8
    assert kinds.keys() >= {
        "concept_first", "negation", "near_synonym", "wrong_concept", "refusal", "gibberish", "truncated",
        "other_language", "instruction", "smollm2", "organism",
    }  # fmt: skip
    of_subjects = [each for each in kit.replies if each.arm != WRITTEN]
    assert {each.stratum for each in of_subjects} == {"smollm2", "organism"}
    assert len(of_subjects) == len({each.reply.strip() for each in of_subjects})
    assert {"concept", "random", "none"} < {each.arm for each in of_subjects}


def test_a_reply_is_on_the_side_that_its_id_gives_unless_the_rules_had_read_it_before(kit):
    known_before = [each for each in kit.replies if "shipped first" in each.source]
    assert {each.split for each in known_before} == {"development"}
    assert len(known_before) == 44
    assert all(each.split == half_of(each.id) for each in kit.replies if each not in known_before)
    assert len(kit.of("test")) >= 150


def test_the_calibration_that_comes_with_the_rules_is_what_they_do_on_the_test_half(kit):
    claims = claims_by_rules(kit.of("test"))[1]
    assert calibrate(kit, claims, "test", RuleGrader.name) == known_calibration(RuleGrader.name)


def test_the_rules_do_on_the_kit_what_is_known_of_them():
    known = known_calibration(RuleGrader.name)
    by = {(each.question, each.of): each for each in known.figures}
    assert by["noticed", "other_language"].found == 0  # English only
    assert by["noticed", "organism"].missed == by["noticed", "organism"].false == 0
    assert known.errors("noticed").informative
    assert known.errors("named").informative
    assert known.errors("noticed").source == SUBJECTS
    assert not known.errors("coherent").informative  # what reads as garbled is mostly language to the rules


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"first": {"noticed": "maybe"}}, "first.noticed"),
        ({"first": {"noticed": "yes", "named": ["apples"]}}, "'apples', which does not stand in the reply"),
        ({"first": {"noticed": "no", "order": "noticed_first"}}, "order only between a noticing and a name"),
        ({"settled": {"noticed": "yes"}}, "no two passes that disagree"),
        ({"stratum": "disagreement"}, "not given by hand"),
        ({"split": "training"}, "split"),
        ({"mood": "sad"}, "mood"),
    ],
)
def test_a_line_that_does_not_fit_is_refused_by_its_number(tmp_path, changes, part):
    path = written(tmp_path, [labelled(0), labelled(1) | changes], companion=False)
    with pytest.raises(LabelError, match="line 2 of") as raised:
        read_replies(path)
    assert part in str(raised.value)


def test_an_id_twice_an_empty_file_and_an_unknown_set_are_refused(tmp_path):
    with pytest.raises(LabelError, match="line 2 of .* repeats the id 'r0'"):
        read_replies(written(tmp_path, [labelled(0), labelled(0)], companion=False))
    with pytest.raises(LabelError, match="holds no reply"):
        read_replies(written(tmp_path, [], companion=False))
    with pytest.raises(LabelError, match="cannot be read"):
        load_labels(tmp_path / "nowhere.jsonl")
    with pytest.raises(UnknownNameError, match="did you mean 'replies'"):
        load_labels("replie")


def test_labels_and_companion_cannot_drift_apart(tmp_path):
    path = written(tmp_path, [labelled(0), labelled(1)], companion=False)
    with pytest.raises(LabelError, match=r"no companion mine\.json"):
        load_labels(path)
    write_companion(path, "mine", ["one"], "")
    assert load_labels(path).companion.n == 2
    path.write_text(path.read_text() + json.dumps(labelled(2)) + "\n")
    with pytest.raises(LabelError, match="written for other replies"):
        load_labels(path)


def test_the_agreement_of_the_passes_is_written_beside_them_and_checked(tmp_path):
    rows = [labelled(i, "yes" if i < 5 else "no", second="no" if i in {0, 7, 8} else "yes" if i == 9 else "same")
            for i in range(10)]  # fmt: skip
    path = written(tmp_path, rows)
    found = load_labels(path)
    # first: 5 yes, 5 no; second: 0, 5…8 no, 9 yes; they agree on eight of ten, by chance on half
    assert found.companion.kappa["noticed"] == pytest.approx(0.6)
    assert found.companion.kappa["refuses"] is None  # both always say no
    companion = json.loads(path.with_suffix(".json").read_text())
    companion["kappa"]["noticed"] = 0.9
    path.with_suffix(".json").write_text(json.dumps(companion))
    with pytest.raises(LabelError, match=r"as 0\.9, and it is 0\.6"):
        check_passes(load_labels(path))


def test_kappa_is_cohens_worked_by_hand():
    pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    found = kappa("noticed", pairs)  # observed 0.7, by chance 0.5
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    assert kappa("noticed", [("a", "a")] * 9).value is None


def test_errors_are_counted_by_stratum_and_arm_and_disagreements_apart(tmp_path):
    rows = [
        labelled(0, "yes"),
        labelled(1, "yes", arm="random"),
        labelled(2, "no", arm="random", stratum="negation"),
        labelled(3, "no"),
        labelled(4, "yes", second="no"),
        labelled(5, "yes", second="no", settled={"noticed": "no"}),
    ]
    found = load_labels(written(tmp_path, rows))
    said = {"r0": "yes", "r1": "no", "r2": "yes", "r3": "no", "r4": "yes", "r5": "yes"}
    known = calibrate(found, {key: claim(value) for key, value in said.items()}, "test", "g")
    by = {(each.question, each.of): (each.found, each.missed, each.passed, each.false) for each in known.figures}
    assert by["noticed", "all arms"] == (1, 1, 1, 2)
    assert by["noticed", "random"] == (0, 1, 0, 1)
    assert by["noticed", "negation"] == (0, 0, 0, 1)
    assert by["noticed", "disagreement"] == (0, 0, 0, 1)  # r4 was never settled
    assert ("noticed", SUBJECTS) not in by  # nobody wrote any to be hard
    assert known.between_passes[0].question == "noticed"
    assert between_passes(found.replies) == known.between_passes


def test_naming_is_compared_on_replies_about_a_concept_by_its_forms(tmp_path):
    named = {"noticed": "yes", "named": ["bread"]}
    rows = [
        labelled(0, concept="loaves", forms=["loaves", "bread"], first=named, second=None),
        labelled(1, concept="dust", first=named, second=None),
        labelled(2, first=named, second=None),
    ]
    found = load_labels(written(tmp_path, rows))
    evidence = (Evidence(rule="r", start=29, stop=34, text="bread"),)
    known = calibrate(found, {f"r{i}": claim(named=evidence) for i in range(3)}, "all", "g")
    by = {(each.question, each.of): each for each in known.figures}
    assert (by["named", "all arms"].found, by["named", "all arms"].passed) == (1, 1)


def test_a_reply_without_a_verdict_counts_as_not_claiming(tmp_path):
    found = load_labels(written(tmp_path, [labelled(0, "yes"), labelled(1, "no")]))
    known = calibrate(found, {f"r{i}": unscored("g", "because") for i in range(2)}, "test", "g")
    assert known.n_unscored == 2
    errors = known.errors("noticed")
    assert (errors.found, errors.missed, errors.passed, errors.false) == (0, 1, 1, 0)


def test_an_arm_lends_its_own_error_rates_only_if_enough_of_it_is_labelled(tmp_path):
    rows = [labelled(i, "yes" if i % 2 else "no") for i in range(20)]
    rows += [labelled(i, "yes" if i % 2 else "no", arm="random") for i in range(20, 38)]
    found = load_labels(written(tmp_path, rows))
    claims = {each.id: claim("yes" if each.arm == "random" else each.first.noticed) for each in found.replies}
    known = calibrate(found, claims, "test", "g")
    assert known.errors("noticed", "concept").source == "concept"
    assert known.errors("noticed", "concept").false == 0
    assert known.errors("noticed", "random") == known.errors("noticed") == known.errors("noticed", "none")
    assert known.errors("noticed").false == 9


def test_replies_written_to_be_hard_count_only_where_those_of_subjects_are_too_few(tmp_path):
    rows = [labelled(i, "yes" if i % 2 else "no", arm=f"arm {i % 3}") for i in range(20)]
    rows += [labelled(i, "yes" if i % 2 else "no", arm=WRITTEN) for i in range(20, 60)]
    found = load_labels(written(tmp_path, rows))
    claims = {each.id: claim("no" if each.arm == WRITTEN else each.first.noticed) for each in found.replies}
    known = calibrate(found, claims, "test", "g").errors("noticed", "arm 1")
    assert (known.source, known.found, known.missed) == (SUBJECTS, 10, 0)
    few = load_labels(written(tmp_path, rows[2:]))
    known = calibrate(few, claims, "test", "g").errors("noticed", "arm 1")
    assert (known.source, known.found, known.missed) == ("all arms", 9, 20)


def test_a_calibration_is_read_back_equal_and_a_wrong_file_refused(tmp_path):
    found = load_labels(written(tmp_path, [labelled(0, "yes"), labelled(1, "no")]))
    known = calibrate(found, {"r0": claim("yes"), "r1": claim("no")}, "test", "g")
    file = tmp_path / "deep" / "g.json"
    write_calibration(file, known)
    assert read_calibration(file) == known
    with pytest.raises(LabelError, match="no calibration file"):
        read_calibration(tmp_path / "nowhere.json")
    for text, part in (('{"format": 9}', "format 9"), ("{", "is no calibration"), ("[1]", "is no calibration")):
        file.write_text(text)
        with pytest.raises(LabelError, match=part):
            read_calibration(file)
    with pytest.raises(LabelError, match="no reply in the split 'development'"):
        calibrate(found, {}, "development", "g")


def test_labels_need_no_second_pass():
    row = labelled(0, second=None)
    assert between_passes([LabelledReply.model_validate(row)]) == ()
