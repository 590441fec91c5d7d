"""What a study could find is known before it runs, and said again afterwards from what was seen."""

import math

import numpy as np
import pytest
from evidence import RULES, of, row, subject

from introspect.analysis.criteria import words
from introspect.analysis.criteria.beforehand import ASSUMPTIONS, SAID, forecasts
from introspect.analysis.criteria.clauses import CLAUSES
from introspect.analysis.criteria.judge import judge
from introspect.analysis.intervals import over_concepts
from introspect.analysis.power import minimum_detectable
from introspect.records import TrialSpec, VectorRef

SPEC = TrialSpec(
    protocol="injected_thought", subject="f" * 32, dtype="float32", arm="concept", task="report", wording="a",
    wording_hash="w", concept="bread", vector=VectorRef(family="concept", concept="bread"), vectors_hash="v", layer=3,
    strength=4.0, span="trial", where="both", sample=1, max_new_tokens=60, temperature=0.5,
)  # fmt: skip
EVERYTHING = (
    ("injected_thought", "report", ("concept", "none")),
    ("injected_thought", "other", ("concept",)),
    ("injected_thought", "name", ("concept",)),
    ("yes_no", "detection/words", ("concept", "none")),
    ("vector_by_text", "report", ("concept", "text")),
    ("unprompted", "summarise", ("concept",)),
)


def planned(n=60, n_wordings=3, n_questions=24, experiments=EVERYTHING, n_leads=50):
    """The trials of a study as they are planned: so many concepts in every wording, behind lead-ins that they share."""
    found = [
        SPEC.model_copy(
            update={"protocol": protocol, "task": task, "arm": arm, "wording": f"w{w}",
                    "concept": None if arm == "none" else f"c{i}", "fill": {"lead": f"l{i % n_leads}"}}
        )
        for protocol, task, arms in experiments
        for arm in arms
        for i in range(n)
        for w in range(n_wordings)
    ]  # fmt: skip
    asked = {"protocol": "yes_no", "task": "question/words"}
    for arm in ("concept", "none"):
        for q in range(n_questions):
            more = asked | {"arm": arm, "fill": {"question": f"q{q}"}}
            found += [SPEC.model_copy(update=more | {"concept": f"c{i}"}) for i in range(n if arm == "concept" else 1)]
    return found


def by_name(found):
    return {(each.clause.criterion, each.part.name, each.part.basis): each for each in found}


def test_every_part_of_every_clause_has_a_forecast_and_a_harder_assumption_a_larger_one():
    found = forecasts(planned(), RULES)
    assert [each.part for each in found] == [part for clause in CLAUSES for part in clause.parts]
    for each in found:
        assert each.because is None
        assert each.n_concepts == 60
        assert 0 < each.detectable[0] < each.detectable[1]


def test_more_concepts_more_wordings_and_more_questions_show_smaller_effects():
    base, wide = (by_name(forecasts(planned(n=n), RULES)) for n in (60, 240))
    assert all(wide[key].detectable < base[key].detectable for key in base)
    ratio = base["accuracy", "named", None].detectable[1] / wide["accuracy", "named", None].detectable[1]
    assert ratio == pytest.approx(2, rel=0.02)
    worded = by_name(forecasts(planned(n_wordings=6), RULES))
    asked = by_name(forecasts(planned(n_questions=96), RULES))
    led = by_name(forecasts(planned(n=240, n_leads=200), RULES))
    noticing = ("metacognition", "by the vector", None)
    assert led[noticing].detectable < wide[noticing].detectable
    assert led["accuracy", "named", None].detectable == wide["accuracy", "named", None].detectable
    named, line = ("accuracy", "named", None), ("metacognition", "control line", None)
    assert worded[named].detectable[0] < base[named].detectable[0]
    assert worded[named].detectable[1] == base[named].detectable[1]  # replies that are all alike: wordings do not help
    assert asked[line].detectable < base[line].detectable
    assert asked[named].detectable == base[named].detectable


def test_lead_ins_that_concepts_share_limit_what_more_concepts_show():
    noticing, named = ("metacognition", "by the vector", None), ("accuracy", "named", None)
    few, many = (by_name(forecasts(planned(n=240, n_leads=leads), RULES)) for leads in (20, 240))
    assert few[noticing].detectable > many[noticing].detectable
    assert few[named].detectable == many[named].detectable
    # replies all alike, rates of one half and one tenth: 20 lead-ins count as if each were 12 concepts' own
    alone = minimum_detectable(240, math.sqrt(0.25 + 12 * 0.09), RULES.level, fewest=20)
    assert few[noticing].detectable[1] == alone > minimum_detectable(240, math.sqrt(0.25 + 12 * 0.09), RULES.level)


def test_a_forecast_is_kept_by_runs_that_are_as_was_assumed():
    """All-or-none concepts, half of which are named: the interval lies above zero in about four of five runs."""
    hard = by_name(forecasts(planned(n=60), RULES))["accuracy", "named", None].detectable[1]
    assert hard == minimum_detectable(60, 0.5, RULES.level, bounds=(-1.0, 1.0))
    runs = np.random.default_rng(0).normal(hard, 0.5, (400, 60)).clip(-1, 1)
    found = [over_concepts(run, RULES.level, (-1.0, 1.0)).low > 0 for run in runs]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_what_a_plan_lacks_is_said_before_it_runs():
    some = [each for each in EVERYTHING if each[1] != "other"]
    found = by_name(forecasts(planned(n_questions=12, experiments=some), RULES))
    other, line = found["metacognition", "self over other", None], found["metacognition", "control line", None]
    assert other.because == "no trials of 'other' in the arm 'concept'"
    assert other.detectable == (None, None)
    assert line.because == "12 control questions are fewer than 20"
    assert found["accuracy", "named", None].because is None
    assert {each.because is None for each in forecasts([], RULES)} == {False}


def test_agreement_needs_two_reports_a_concept_and_a_plan_without_them_is_told():
    (one,) = [each for each in forecasts(planned(n_wordings=1), RULES) if each.part.name == "agreement"]
    assert one.because == "one report a concept: agreement compares two, in two wordings or in two samples of one"
    (two,) = [each for each in forecasts(planned(n_wordings=2), RULES) if each.part.name == "agreement"]
    assert two.because is None


def test_trials_that_decide_nothing_are_not_counted():
    more = [SPEC.model_copy(update={"protocol": "concealment", "concept": f"d{i}"}) for i in range(30)]
    assert forecasts([*planned(), *more], RULES) == forecasts(planned(), RULES)


def test_the_assumptions_are_all_stated():
    assert all(each.words in SAID for each in ASSUMPTIONS)


def test_afterwards_every_part_says_which_effect_its_concepts_show_and_the_open_ones_what_would_decide():
    found = judge(subject("introspector"), RULES)
    for result in found.values():
        for what, figure in words.lines(result, RULES):
            shown = "show an effect of" in figure
            assert shown, what
            assert "would decide it" not in figure
    open_ones = judge(of(*(row(concept=f"c{i}", named=f"c{i}" if i < 2 else None) for i in range(12))), RULES)
    (part,) = open_ones["accuracy"].clauses[0].parts
    assert part.status == "undetermined"
    enough = words.to_decide(part, RULES)
    assert f"about {enough} concepts would decide it" in words.figure(part, RULES)
    plain = words.as_json(open_ones, RULES)["accuracy"]["clauses"][0]["parts"][0]
    assert plain["concepts_to_decide"] == enough
    assert plain["minimum_detectable"] == words.detectable(part, RULES)


def test_clean_lead_ins_that_concepts_share_are_in_the_spread():
    """Forty concepts, four lead-ins, one of which makes the subject claim without a vector."""
    said = {True: "yes", False: "no"}
    clean = [row(arm="none", concept=None, prompt=f"l{lead}", noticed=said[lead == 0]) for lead in range(4)]
    under = [row(concept=f"c{i}", prompt=f"l{i % 4}", noticed=said[i % 2 == 0]) for i in range(40)]
    (part,) = [
        each
        for clause in judge(of(*clean, *under), RULES)["metacognition"].clauses
        for each in clause.parts
        if each.part.name == "by the vector"
    ]
    of_concepts = np.std(list(part.values.values()), ddof=1)
    assert part.spread > 1.5 * of_concepts
    enough = words.to_decide(part, RULES)
    assert f"about {enough} concepts, with as many times the clean lead-ins, would decide it" in words.figure(
        part, RULES
    )
    below = part.interval.value - part.interval.low  # above, the interval ends at 1
    assert below == pytest.approx(
        4.177 * part.spread / math.sqrt(40), rel=0.01
    )  # Student's t, three degrees of freedom


def test_on_the_control_line_the_questions_are_in_the_spread():
    result = judge(subject("introspector"), RULES)["metacognition"]
    (line,) = [part for clause in result.clauses for part in clause.parts if part.part.measure is None]
    of_concepts = np.std(list(line.values.values()), ddof=1)
    assert line.spread > of_concepts
    reach = (line.interval.high - line.interval.low) / 2
    # 60 concepts, 24 questions, six lead-ins that concepts share: Student's t on five degrees of freedom
    assert reach == pytest.approx(3.163 * line.spread / math.sqrt(60), rel=0.01)
