"""What stands beside the criteria is said where its trials were run, with the right numbers, and decides nothing."""

import math
import random
from dataclasses import replace
from statistics import mean, variance

import polars as pl
import pytest
from evidence import RULES, of, row, subject, written
from scipy.special import stdtrit

from introspect.analysis.criteria import measures
from introspect.analysis.criteria.beside import beside, observed
from introspect.analysis.criteria.between import between
from introspect.analysis.criteria.evidence import evidence
from introspect.analysis.criteria.judge import judge
from introspect.analysis.criteria.naming_beside import of_its_own_choice, opaque, under_negated, unsteered
from introspect.analysis.intervals import over_concepts
from introspect.records import Reader, Readers

NAMES = [f"c{i}" for i in range(12)]
LEVEL = RULES.level


@pytest.mark.parametrize("unread", [0.0, 0.4])
def test_replies_that_cannot_be_read_are_counted_beside_the_hits_and_false_alarms(unread):
    study = written("introspector", unread=unread)
    found = evidence([study.frame], study.concepts, study.follows)
    (said,) = [
        each.sentence
        for each in beside([study.frame], found, study.concepts, 0.0, LEVEL)
        if each.name == "detection, replies"
    ]
    assert ("cannot be read and count as no: as yes" in said) == bool(unread)
    assert "(95 % bounds)" in said


def test_under_the_negated_vector_the_concept_is_looked_for_as_well():
    rows = [row(concept=c, named=c) for c in NAMES]
    rows += [row(concept=c, named=c if i < 3 else "salt", arm="negated") for i, c in enumerate(NAMES)]
    (said,) = (each.sentence for each in under_negated(of(*rows), LEVEL))
    assert "in 100 % and under the negated one in 25 %: difference +0.75" in said
    assert "12 concepts, p = 0.0" in said
    assert "named most often under negated vectors is 'salt'" in said
    assert not list(under_negated(of(*(row(concept=c, named=c) for c in NAMES)), LEVEL))


def codes(answer):
    """Choices among the codes of a group of four, one prompt a group and wording."""
    return [
        row("codes", c, answer=answer(i), wording=w, prompt=f"group {i // 4} {w}")
        for w in "ab"
        for i, c in enumerate(NAMES)
    ]


def test_opaque_codes_are_chosen_rightly_above_how_often_each_is_chosen_anyway():
    (right,) = opaque(of(*codes(lambda i: NAMES[i])), LEVEL)
    assert "chosen in 100 % of 24 trials, +1.00" in right.sentence
    assert "12 concepts" in right.sentence
    (habit,) = opaque(of(*codes(lambda i: NAMES[i // 4 * 4])), LEVEL)
    assert "chosen in 25 % of 24 trials, +0.00" in habit.sentence
    assert "+0.00 above their permutation null (p = 1.0000)" in habit.sentence
    assert not list(opaque(of(), LEVEL))


def choices(says):
    """Replies to the task in which any concept may be named if there is none."""
    rows = [
        {"task": "choice", "arm": arm, "concept": c if arm == "concept" else None, "reply": says(arm, c),
         "noticed": "no" if says(arm, c).startswith("No") else "yes"}
        for arm in ("concept", "none")
        for c in NAMES
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"concept": pl.String})


def test_a_concept_that_is_chosen_while_noticing_is_denied_has_leaked():
    forms = {c: (c,) for c in NAMES}
    leaks = choices(lambda arm, c: f"No. I choose {c}." if arm == "concept" else "No. I choose salt.")
    (said,) = (each.sentence for each in of_its_own_choice(leaks, forms, LEVEL))
    assert "0 % of 12 replies under the vector report noticing (0 % without)" in said
    assert "the injected concept stands in +1.00" in said
    habit = choices(lambda arm, c: "No. I choose c3.")
    assert "stands in +0.00" in next(iter(of_its_own_choice(habit, forms, LEVEL))).sentence
    reports = choices(lambda arm, c: f"Yes, about {c}." if arm == "concept" else "No. I choose salt.")
    said = next(iter(of_its_own_choice(reports, forms, LEVEL))).sentence
    assert "100 % of 12 replies under the vector report noticing (0 % without)" in said
    assert "no value more than in denials under other vectors, 0 concepts" in said


def test_lead_ins_can_be_a_sample_as_concepts_are():
    clean = [row(arm="none", noticed="yes" if p == "p0" else "no", prompt=p) for p in ("p0", "p1")]
    rows = [row(concept=c, named=c, prompt=p) for c in NAMES for p in ("p0", "p1", "asked only here")]
    cells = measures.noticing_cells(of(*clean, *rows))
    assert cells == {(c, p): 0.0 if p == "p0" else 1.0 for c in NAMES for p in ("p0", "p1")}


def test_an_injection_into_an_earlier_turn_is_told_by_how_far_it_moves_yes():
    rows = [row("earlier", c, arm="concept", prompt="p", logodds=2.0 + 0.1 * i) for i, c in enumerate(NAMES)]
    rows.append(row("earlier", arm="none", prompt="p", logodds=1.0))
    found = measures.shift(of(*rows), "earlier")
    assert found == pytest.approx({c: 1.0 + 0.1 * i for i, c in enumerate(NAMES)})


def whole(name):
    """All that stands beside a made-up subject's study."""
    from evidence import written

    from introspect.analysis.criteria.evidence import evidence

    study = written(name)
    frame = study.frame.with_columns(named=pl.lit(None, pl.Boolean))
    found = evidence([frame], study.concepts, study.follows)
    return {each.name: each.sentence for each in beside([frame], found, study.concepts, 0.0)}


def test_noise_is_set_against_concepts_with_a_test_that_is_paid_for():
    found = whole("introspector")
    said = found["selectivity, replies, covariance"]
    assert "60 concepts, p = 0.0002 (signs flipped, Holm over 1 test)" in said
    assert "by how unreadable replies are counted" not in said
    assert "earlier turn" not in found
    assert "opaque codes" not in found


def _half_width(one, two):
    """What Student's interval comes to with the questions and lead-ins of both, six lead-ins being the fewest."""
    gaps = [one.values[concept] - two.values[concept] for concept in one.values]
    shared = sum(part.spread**2 - variance(part.values.values()) for part in (one, two))
    return stdtrit(5, 0.9875) * math.sqrt((variance(gaps) + shared) / len(gaps))


def test_two_subjects_are_compared_part_by_part_over_the_concepts_of_both():
    first, second = (judge(subject(name), RULES) for name in ("introspector", "mis-namer"))
    table = between(first, second)
    rows = {row["part"]: row for row in table.iter_rows(named=True)}
    assert rows["named"]["difference"] > 0.8
    assert rows["named"]["low"] > 0
    assert rows["named"]["n_concepts"] == 60
    assert rows["named"]["p"] <= rows["named"]["p_bh"] <= rows["named"]["p_holm"] < 0.05
    assert abs(rows["agreement"]["difference"]) < 0.2
    same = between(first, first)
    assert same["difference"].to_list() == [0.0] * len(same)
    assert same["p_holm"].to_list() == [1.0] * len(same)
    few = judge(of(row(concept="c1", named="c1")), RULES, strict=False)
    assert between(first, few).is_empty()


def test_a_sample_of_one_that_concepts_share_has_no_error_and_so_no_row():
    found = judge(subject("introspector"), RULES)
    clause = next(each for each in found["metacognition"].clauses if each.clause.name == "control line")
    alone = replace(clause, parts=tuple(replace(part, beside={"questions": 1}) for part in clause.parts))
    rest = tuple(each for each in found["metacognition"].clauses if each is not clause)
    other = {**found, "metacognition": replace(found["metacognition"], clauses=(alone, *rest))}
    table = between(found, other)
    assert "control line" not in set(table["part"])
    assert len(table) == len(between(found, found)) - 1
    assert table["p_holm"].is_finite().all()


def test_questions_that_concepts_share_are_in_the_comparison_of_two_subjects():
    first, second = (judge(subject("introspector", seed=seed), RULES) for seed in (0, 1))
    line = between(first, second).row(by_predicate=pl.col("part") == "control line", named=True)
    one, two = (
        part for each in (first, second) for clause in each["metacognition"].clauses for part in clause.parts
        if part.part.measure is None
    )  # fmt: skip
    half = (line["high"] - line["low"]) / 2
    assert half == pytest.approx(_half_width(one, two), rel=0.01)
    by_concepts = over_concepts([one.values[concept] - two.values[concept] for concept in one.values])
    assert half > 1.3 * (by_concepts.high - by_concepts.value)
    assert 0 < line["p"] <= 1


def reader(key, arm, named="bread", score=0.5):
    return Reader(key=key, arm=arm, concept="bread" if arm == "concept" else None, named=named, score=score)


def test_the_subject_is_compared_with_the_ideal_observer_on_the_trials_that_both_have():
    """The wordings' own levels, 5 nats apart, are taken off; a trial that the reader did not read is left out."""
    asked = pl.DataFrame(
        [
            {"key": f"{w}{arm}{i}", "task": "detection/words", "wording": w, "arm": arm, "yes_logodds": level + own + i}
            for w, level in (("a", 0.0), ("b", 5.0))
            for arm, own in (("concept", 2.0), ("none", 0.0))
            for i in range(3)
        ]
        + [{"key": "x", "task": "detection/words", "wording": "a", "arm": "concept", "yes_logodds": 99.0}]
    )
    rows = [
        reader(key, arm, score=(0.8 if arm == "concept" else 0.0) + 0.1 * i)
        for i, (key, arm) in enumerate(asked.filter(pl.col("key") != "x").select("key", "arm").iter_rows())
    ]
    reports = [reader("r1", "concept"), reader("r2", "concept", named="dust"), reader("r3", "none")]
    both = [Readers(layer=3, rows=tuple(reports)), Readers(layer=3, rows=tuple(rows))]
    (found,) = observed(both, asked)
    injected, clean = [1.0, 2.0, 3.0] * 2, [-1.5, 0.0, 1.5] * 2  # less the mean of all, or of the other, clean trials
    own = mean(injected) / math.sqrt((variance(injected) + variance(clean)) / 2)
    assert f"on the same trials the subject's own d is {own:.2f}" in found.sentence
    assert "names 50 % of 2 rightly" in found.sentence
    turned = asked.with_columns(-pl.col("yes_logodds"))
    assert "an efficiency of 0.00" in next(observed(both, turned)).sentence
    spread = [reader(f"r{i}", arm, score=0.1 * i) for i, arm in enumerate(("concept", "none") * 2)]
    (alone,) = observed([Readers(layer=3, rows=tuple(spread))], asked)
    assert "efficiency" not in alone.sentence
    assert list(observed([], asked)) == []


def test_every_kind_of_reader_is_told_by_itself():
    rows = [reader(f"r{i}", arm, score=0.1 * i) for i, arm in enumerate(("concept", "none") * 2)]
    probe = [each.model_copy(update={"kind": "probe", "named": "dust"}) for each in rows]
    found = {each.name: each.sentence for each in observed([Readers(layer=3, rows=(*rows, *probe))], pl.DataFrame())}
    assert list(found) == ["third-party reader, nearest vector", "third-party reader, probe"]
    assert "names 100 % of 2 rightly" in found["third-party reader, nearest vector"]
    assert "names 0 % of 2 rightly" in found["third-party reader, probe"]


def test_a_reader_with_the_words_and_without_the_vector_is_the_one_to_beat():
    """Half of the concepts stand in what was said before the claim; a report that claims nothing names nothing."""
    said = [row(concept=c, named=c) for c in NAMES]
    later = [
        row("continued", c, named=c if i < 6 else None, arm="continued", follows=each.key)
        for i, (c, each) in enumerate(zip(NAMES, said, strict=True))
    ]
    silent = [row(concept="c20")]
    (found,) = unsteered(of(*said, *later, *silent), LEVEL)
    assert "in 46 % where the subject does in 92 %: difference +0.46" in found.sentence
    assert "13 concepts" in found.sentence
    assert not list(unsteered(of(*said), LEVEL))
    again = [replace(old, part="resumed", arm="resumed", key=f"{old.key} again") for old in later]
    (same,) = unsteered(of(*said, *later, *again, *silent), LEVEL)  # replies that were drawn: another draw is compared
    assert "in 46 % where the subject does in 46 %" in same.sentence


def test_selectivity_that_hangs_on_unreadable_replies_says_so():
    """Equal among readable replies, of which the noise arm has hardly any."""
    from introspect.analysis.criteria.beside import _selective

    rng = random.Random(0)
    rows = [
        {"arm": arm, "unit": f"c{c}", "task": "report", "wording": w, "match": "norm" if arm != "concept" else None,
         "noticed": "unreadable" if rng.random() < lost else rng.choice(["yes", "no"])}
        for arm, lost in (("concept", 0.05), ("covariance", 0.6)) for c in range(60) for w in "abcd"
    ]  # fmt: skip
    asked = pl.DataFrame(rows, schema_overrides={"match": pl.String})
    (found,) = _selective(asked, asked.clear(), LEVEL)
    assert "of either sign" in found.sentence


def test_a_trial_that_two_experiments_have_counts_once():
    from evidence import written

    from introspect.analysis.criteria.evidence import evidence

    study = written("mis-namer", 12)
    once, twice = (evidence([study.frame] * n, study.concepts, study.follows) for n in (1, 2))
    assert once.rows == twice.rows
    assert once.questions.equals(twice.questions)
    frame = study.frame.with_columns(named=pl.lit(None, pl.Boolean))
    said = [beside([frame] * n, once, study.concepts, 0.0) for n in (1, 2)]
    assert [each.sentence for each in said[0]] == [each.sentence for each in said[1]]
