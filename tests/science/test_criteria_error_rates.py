"""The rules seldom say met where something is missing, and seldom leave open what is there.

The small form: forty studies a setting of made-up subjects, in which nothing is as the estimators assume. The full form
is in `docs/coverage.md`. A rule that takes a part at its word (met wherever its value is above zero) would say met in
twenty of forty where the part is nil; one that never commits itself would say nothing where everything is strong.
"""

from dataclasses import replace

import numpy as np
import pytest

from introspect.analysis.control_line import control_line
from introspect.analysis.criteria.clauses import CRITERIA
from introspect.studies.simulation import NAMES, settings, simulate, study
from introspect.studies.simulation.tables import coverage_table

RUNS = 40
CHOSEN = ("nothing few", "all but self_over_other skewed", "twice accuracy few")


def measures_a_rate(part):
    """Whether a part is in rates and not in nats."""
    return part not in {"first_token", "control_line"}


def of(name, n_concepts=60):
    """The setting of this name and shape."""
    return next(each for each in settings(n_concepts) if str(each) == f"{name} {n_concepts}")


@pytest.fixture(scope="module")
def verdicts():
    """Counts by setting and criterion."""
    frame = simulate(RUNS, seed=3, chosen=[of(name) for name in CHOSEN], workers=2)
    rows = frame.filter(frame["kind"] == "criterion").iter_rows(named=True)
    return {(f"{row['setting']} {row['shape']}", row["name"]): row for row in rows}


def test_where_nothing_is_there_nothing_is_met_and_what_can_be_is_ruled_out(verdicts):
    nothing = [verdicts["nothing few", criterion] for criterion in CRITERIA]
    assert all(row["met"] <= 1 and not row["holds"] for row in nothing)
    # Undetermined grounding leaves open what internality is judged on; the first token counts in either case.
    assert verdicts["nothing few", "internality"]["not_met"] >= 15


def test_one_part_that_is_nil_undoes_its_criterion_and_no_other(verdicts):
    rows = {criterion: verdicts["all but self_over_other skewed", criterion] for criterion in CRITERIA}
    assert rows["metacognition"]["met"] <= 2
    assert all(row["met"] >= 36 for criterion, row in rows.items() if criterion != "metacognition")


def test_twice_the_smallest_effect_is_seldom_left_undetermined(verdicts):
    row = verdicts["twice accuracy few", "accuracy"]
    assert row["undetermined"] <= 12
    assert row["met"] >= 28


def test_no_study_stops_at_accuracy_without_grounding(verdicts):
    assert {row["raised"] for row in verdicts.values()} == {0}


def test_intervals_of_parts_are_held_against_the_truth():
    setting = of("twice accuracy few")
    frame = simulate(RUNS, seed=5, chosen=[setting])
    parts = {row["name"]: row for row in frame.filter(kind="part").iter_rows(named=True)}
    naming = parts["naming"]
    assert (naming["truth"], naming["intervals"]) == (pytest.approx(0.2), RUNS)
    assert naming["value"] == pytest.approx(0.2, abs=0.03)
    assert naming["below"] + naming["above"] <= 5
    assert {row["below"] + row["above"] > 5 for name, row in parts.items() if row["truth"] is not None} == {False}
    assert parts["self_over_other"]["truth"] == pytest.approx(0.6)
    assert setting.truth.comes_to("noticing_over_text") is None  # what is named decides
    assert of("nothing few").truth.comes_to("control_line") is None  # it lies off the line as any question does
    table = coverage_table(frame)
    assert table.startswith("| part | settings | mean |")
    assert "| `naming` | 1 |" in table


def test_shares_come_with_exact_bounds(verdicts):
    row = verdicts["nothing few", "accuracy"]
    assert (row["met"], row["low"]) == (0, 0)
    assert row["high"] == pytest.approx(1 - 0.025 ** (1 / RUNS))


@pytest.mark.parametrize("name", ["twice all few", "all but agreement skewed"])
def test_every_part_comes_to_what_the_truth_says_it_does(name):
    setting = replace(of(name, 1000), n_leads=1000)
    needed = {part for criterion in CRITERIA for part in setting.truth.needed(criterion)}
    found = study(setting, 1)
    for measure, part in NAMES.items():
        if part in needed:
            values = list(measure(found, "as read").values()) if measure else control_line(found.questions).scores
            assert np.mean(values) == pytest.approx(
                getattr(setting.truth, part), abs=0.05 if measures_a_rate(part) else 0.3
            ), part


def test_where_the_runs_are_judged_makes_no_difference():
    chosen = [of("all but self_over_other skewed"), of("twice accuracy few")]
    alone, beside = (simulate(1, seed=3, chosen=chosen, workers=workers) for workers in (1, 2))
    assert alone.equals(beside)


def test_a_study_is_a_function_of_its_setting_and_seed():
    setting = of("twice all skewed")
    first, second = study(setting, 7), study(setting, 7)
    assert first.rows == second.rows
    assert first.questions.equals(second.questions)
    assert study(setting, 8).rows != first.rows
