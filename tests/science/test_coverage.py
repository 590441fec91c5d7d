"""Intervals contain the truth about as often as they promise, on subjects that are not as the formulas assume.

The small form: two hundred runs a setting, where chance alone moves a coverage by one and a half points, so the bounds
are loose. The full form is in `docs/coverage.md`.
"""

import pytest

from introspect.analysis.coverage import Setting, full

RUNS = 200
SETTINGS = [
    Setting("rate", "few", 0.02, 50),
    Setting("difference", "skewed", 0.0, 50),
    Setting("difference", "few", 0.3, 50),
    Setting("log-odds", "few", 1.0, 50),
    Setting("sparse", "skewed", 0.1, 50, 50),
]


@pytest.fixture(scope="module")
def scored():
    """Every method in every setting, at 95 % and at 97.5 %."""
    frame = full(RUNS, seed=1, settings=SETTINGS)
    return {(row["setting"], row["method"], row["nominal"]): row for row in frame.iter_rows(named=True)}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_interval_of_a_clause_contains_the_truth_as_often_as_it_promises(scored, setting):
    method = "with_items" if setting.n_items else "over_concepts"
    for nominal in (0.95, 0.975):
        row = scored[str(setting), method, nominal]
        assert row["covered"] >= nominal - 0.035
        assert row["missing"] == 0.0


def test_exact_bounds_never_promise_too_much(scored):
    exact = [row["covered"] - nominal for (_, method, nominal), row in scored.items() if method == "exact"]
    assert len(exact) == 6
    assert min(exact) >= -0.015


def test_where_few_concepts_work_student_s_interval_alone_would_miss(scored):
    assert scored["rate few 0.02 50", "t", 0.95]["covered"] < 0.85
    assert scored["log-odds few 1 50", "t", 0.95]["high_miss"] > 0.035


def test_caution_does_not_cost_the_verdict(scored):
    # an effect of 0.3 is one of 0.2, twice the smallest, once slips and unreadable replies are taken off
    nothing, twice = (scored[f"difference {name} 50", "over_concepts", 0.975] for name in ("skewed 0", "few 0.3"))
    assert nothing["met"] <= 0.02
    assert nothing["not_met"] >= 0.8
    assert twice["undetermined"] <= 0.2
