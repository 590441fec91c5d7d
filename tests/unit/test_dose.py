"""A curve through shares finds the numbers that made them, and is not drawn through too few."""

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from introspect.analysis.criteria.doses import doses
from introspect.analysis.dose import dose

STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def trials(threshold=4.0, slope=1.0, lapse=0.2, guess=0.0, strengths=STRENGTHS, n=40, each=5, seed=0):
    """Answers of concepts that all follow one curve."""
    rng = np.random.default_rng(seed)
    rows = [
        (s, f"c{i}", bool(rng.random() < guess + (1 - guess - lapse) * ndtr(np.log2(s / threshold) * slope)))
        for s in strengths
        for i in range(n)
        for _ in range(each)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(("lapse", "guess"), [(0.05, 0.0), (0.3, 0.1)])
def test_threshold_slope_and_lapse_are_found_again(lapse, guess):
    found = dose(*trials(lapse=lapse, guess=guess), guess=guess).curve
    assert found.threshold == pytest.approx(4, rel=0.15)
    assert found.slope == pytest.approx(1, rel=0.25)
    assert found.lapse == pytest.approx(lapse, abs=0.05)
    for name, truth in (("threshold", 4.0), ("slope", 1.0), ("lapse", lapse)):
        low, high = found.bounds[name]
        assert low < getattr(found, name) < high
        assert low - 0.05 < truth < high + 0.05
    assert found.n_concepts == 40


def test_fewer_than_six_strengths_give_shares_and_no_curve():
    found = dose(*trials(strengths=STRENGTHS[:5]))
    assert found.curve is None
    assert found.because == "5 strengths are fewer than the 6 that a curve needs"
    assert found.table["n"].to_list() == [200] * 5
    assert found.table["share"].is_sorted()


def test_a_share_that_never_rises_has_no_threshold():
    strengths, units, hits = trials()
    assert dose(strengths, units, [False] * len(hits)).curve is None
    assert "half of its way" in dose(*trials(threshold=2000.0, lapse=0.0)).because


def test_the_page_says_what_grows_with_the_strength_at_the_chosen_layer():
    strengths, units, hits = trials()
    frame = pl.DataFrame(
        {"strength": strengths, "unit": units, "noticed": ["yes" if hit else "no" for hit in hits], "named": hits}
    ).with_columns(
        protocol=pl.lit("injected_thought"), task=pl.lit("report"), arm=pl.lit("concept"), layer=pl.lit(3),
        reply=pl.lit("Yes."),
    )  # fmt: skip
    noticed, named = doses(frame, 3)
    assert noticed.name == "dose, noticed"
    for part in ("layer 3", "32: ", "Threshold ", "slope ", "lapse ", "guessing taken to be 0", "40 concepts"):
        assert part in noticed.sentence
    assert "the injected concept is named" in named.sentence
    few = frame.filter(pl.col("strength") < 8)
    assert "No curve: 4 strengths are fewer" in next(iter(doses(few, 3))).sentence
    assert not list(doses(frame, 2))
    assert not list(doses(frame.filter(pl.col("strength") == 4), 3))


def test_how_strong_a_thought_is_said_to_be_is_set_against_the_strength():
    says = {1.0: "Yes. The thought is faint.", 2.0: "Yes. I notice a thought.", 4.0: "Yes. The thought is very strong."}
    rows = [
        {"strength": strength, "unit": f"c{i}", "noticed": "yes", "named": False, "reply": reply}
        for strength, reply in says.items()
        for i in range(8)
    ]
    frame = pl.DataFrame(rows).with_columns(
        protocol=pl.lit("injected_thought"), task=pl.lit("report"), arm=pl.lit("concept"), layer=pl.lit(3),
    )  # fmt: skip
    *_, claimed = doses(frame, 3)
    assert "Of 24 replies at layer 3 16 say how strong the thought is" in claimed.sentence
    assert "rank correlation of +1.00 (p = 0.0" in claimed.sentence
    turned = frame.with_columns(pl.col("strength").replace({1.0: 4.0, 4.0: 1.0}))
    *_, claimed = doses(turned, 3)
    assert "rank correlation of -1.00" in claimed.sentence
    assert len(list(doses(frame.filter(pl.col("unit") < "c4"), 3))) == 2  # eight replies are too few


def test_a_step_has_a_threshold_between_two_strengths_and_no_slope():
    strengths, units, _ = trials()
    found = dose(strengths, units, [strength >= 4 for strength in strengths])
    assert found.curve is None
    assert found.because == "the share makes all its way between 2 and 4, which leaves its slope open"


def test_concepts_that_all_answer_alike_leave_no_spread_to_put_bounds_on():
    strengths, units, hits = trials(n=1, each=40)
    copies = [list(column) * 5 for column in (strengths, units, hits)]
    copies[1] = [f"c{i}" for i in range(5) for _ in units]
    found = dose(*copies)
    assert found.curve is not None
    assert set(found.curve.bounds.values()) == {(None, None)}
