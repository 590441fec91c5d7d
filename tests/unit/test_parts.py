"""What a part of a clause comes to where concepts share what is put into prompts, and where some replies are lost."""

from types import SimpleNamespace

import numpy as np
import pytest
from evidence import RULES, of, remarked, row

from introspect.analysis.criteria.clauses import CLAUSES
from introspect.analysis.criteria.differences import less, means, trials_of
from introspect.analysis.criteria.judge import conclude
from introspect.analysis.criteria.measured import FEWEST_SHARED, Measured
from introspect.analysis.criteria.results import PartResult
from introspect.analysis.criteria.words import detectable, figure, sentence, to_decide
from introspect.analysis.interval import Interval

PARTS = {(part.name, part.basis): part for clause in CLAUSES for part in clause.parts}
FIRST_TOKEN, OVER_TEXT = PARTS["first token", None], PARTS["vector over text", "noticing"]
WHEN_ASKED, SELF = PARTS["named when asked", None], PARTS["self over other", None]
NAMES = [f"c{i}" for i in range(60)]


def found(part, *rows):
    return Measured(of(*rows), RULES, beside=False).part(part)


def detections(seed, n_leads=20, spread=1.0, n=120):
    """The detection question in three wordings that share lead-ins, each of which does its own to a clean answer."""
    rng = np.random.default_rng(seed)
    effects, own = rng.normal(0, spread, n_leads), rng.normal(0, 0.5, n)
    rows = []
    for wording in "abd":
        order = rng.permutation(n_leads)
        place = {"wording": wording, "task": "detection/words", "mass": 0.9}
        for lead in range(n_leads):
            at = {"prompt": f"{wording} {lead}", "item": f"lead {lead}"} | place
            rows.append(row("detection", arm="none", logodds=-effects[lead], **at))
        for i in range(n):
            lead = order[i % n_leads]
            at = {"prompt": f"{wording} {lead}", "item": f"lead {lead}"} | place
            rows.append(row("detection", f"c{i}", logodds=own[i] + rng.normal(0, 0.3), **at))
    return rows


def test_a_lead_in_that_wordings_share_is_one_lead_in():
    part = found(FIRST_TOKEN, *detections(0))
    assert part.beside == {"clean lead-ins": 20}
    alone = found(FIRST_TOKEN, *detections(0, spread=0.0))
    assert part.interval.high - part.interval.low > 2 * (alone.interval.high - alone.interval.low)


def test_the_first_token_s_interval_holds_nothing_where_lead_ins_act_alike_in_all_wordings():
    held = sum(each.low <= 0 <= each.high for each in (found(FIRST_TOKEN, *detections(s)).interval for s in range(60)))
    assert held >= 55  # 85 % where each wording's lead-ins counted as others


def test_answers_with_hardly_any_mass_in_one_way_of_asking_leave_the_first_token_open():
    sure = detections(1)
    digits = [
        row(
            "detection",
            c,
            arm=arm,
            task="detection/digits",
            wording="a",
            prompt="d",
            item="x",
            logodds=odds,
            mass=0.0005,
        )
        for c, arm, odds in [(None, "none", 0.0), *((name, "concept", 9.0) for name in NAMES)]
    ]
    part = found(FIRST_TOKEN, *sure, *digits)
    assert part.status == "undetermined"
    assert part.because == "the answers have hardly any mass (detection/digits in the wording a: median 0.0005)"
    assert found(FIRST_TOKEN, *sure).because is None


def crossings(seed, n_notes, n=120):
    """Noticing is reported as often for the vector as for the text; in the text arm it hangs on the note."""
    rng = np.random.default_rng(seed)
    rates, rows = rng.uniform(0, 1, n_notes), []
    for i in range(n):
        note = int(rng.integers(n_notes))
        for wording in "abd":
            for arm, rate in (("concept", 0.5), ("text", rates[note])):
                noticed = "yes" if rng.random() < rate else "no"
                rows.append(row("crossing", f"c{i}", arm=arm, wording=wording, noticed=noticed, item=f"note {note}"))
    return rows


def test_notes_that_concepts_share_are_a_sample_where_there_are_enough_of_them():
    parts = [found(OVER_TEXT, *crossings(seed, 12)) for seed in range(60)]
    assert sum(each.interval.low <= 0 <= each.interval.high for each in parts) >= 55  # two of three as if fixed
    assert {n for each in parts for n in each.beside.values()} == {12}
    few = found(OVER_TEXT, *crossings(0, FEWEST_SHARED - 1))
    assert few.beside == {}
    assert "The notes are 9: what rests on them is about these" in " ".join(
        remarked(of(*crossings(0, 9), row(concept="c0")))
    )
    assert "The notes are" not in " ".join(remarked(of(*crossings(0, 12), row(concept="c0"))))


def test_single_trials_have_the_mean_of_the_difference_and_what_items_do_to_it():
    own = {"a": [("x", 1.0), ("y", 0.0), ("y", 1.0)], "b": [("x", 1.0)], "only here": [("x", 1.0)]}
    other = {"a": [("z", 1.0), (None, 0.0)], "b": [("x", 0.0)]}
    trials = trials_of(own, other)
    assert less(own, other) == pytest.approx({"a": 1 / 6, "b": 1.0})
    assert means(trials) == pytest.approx(less(own, other))
    of_a = {each.item: each.value - 1 / 6 for each in trials if each.concept == "a" and each.item != "y"}
    assert of_a == pytest.approx({"x": 5 / 3 * (1 - 2 / 3), "z": -5 / 2 * 0.5, None: 5 / 2 * 0.5})


def test_an_empty_answer_to_an_unrelated_request_may_have_had_the_concept_in_it():
    asked = [row(concept=c, named=c) for c in NAMES]

    def elsewhere(empty):
        return [
            row("elsewhere", c, leaks=None if i % 10 < empty else True, item=f"text {i % 20}")
            for i, c in enumerate(NAMES)
        ]

    assert found(WHEN_ASKED, *asked, *elsewhere(0)).status == "not met"
    part = found(WHEN_ASKED, *asked, *elsewhere(3))
    assert part.interval.value == pytest.approx(0.3)
    assert part.status == "undetermined"
    assert part.because == "it depends on how unreadable replies are counted"


def test_the_shares_of_both_arms_are_said_beside_their_difference():
    rows = [row("report", c, named=c) for c in NAMES] + [row("other", c, noticed="no") for c in NAMES[:50]]
    part = found(SELF, *rows)
    assert part.sides == (1.0, 0.0)
    assert figure(part, RULES).startswith("+1.00, 1.00 less 0.00 (97.5 % interval")


def test_how_many_concepts_would_decide_is_told_by_the_interval_that_decides():
    names = {3: "a", 17: "b", 8: "d"}  # nothing is named but three stray words
    rows = [
        row(concept=f"c{i}", noticed="no", named="apple" if names.get(i) == w else None, wording=w)
        for i in range(36)
        for w in "abd"
    ]
    part = found(PARTS["agreement", None], *rows)
    assert part.status == "undetermined"
    assert part.interval.method == "exact"
    assert to_decide(part, RULES) == 42  # docs/criteria.md
    assert detectable(part, RULES) > 0.1
    more = [row(concept=f"c{i}", noticed="no", wording=w) for i in range(42) for w in "abd"]
    assert found(PARTS["agreement", None], *more).status == "not met"


def _made(status):
    """Measured parts with the status that a function gives each."""
    interval = Interval(0.0, -0.1, 0.2, 0.975, 60, "t")
    return SimpleNamespace(part=lambda part: PartResult(part, interval, status(part), {}, {}))


def test_where_naming_and_noticing_differ_and_grounding_is_open_both_are_shown():
    def status(part):
        fails = part.name == "vector over text" and part.basis == "naming"
        return "undetermined" if part.name == "agreement" else "not met" if fails else "met"

    result = conclude(_made(status), strict=False)["internality"]
    assert result.status == "undetermined"
    assert sentence(result) == (
        "Undecided, since grounding is: nobody knows whether naming or noticing is to be judged, and by naming it is "
        "not met, by noticing met."
    )
    assert [part.part.basis for part in result.clauses[1].parts] == ["naming", "noticing"]
    assert result.clauses[1].status == "undetermined"
    assert sentence(conclude(_made(lambda _: "met"))["internality"]).startswith("Yes")
