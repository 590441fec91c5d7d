"""A verdict is earned: each difference has the value it should, and no clause is idle.

The first half is about single differences on a handful of trials whose answer can be counted on one's fingers; the
second is about subjects that are what they are by definition, and about the verdicts on them.
"""

import functools
import math
from dataclasses import replace
from statistics import fmean
from zlib import crc32

import polars as pl
import pytest
from evidence import RULES, of, row, subject, written
from hypothesis import given, settings
from hypothesis import strategies as st

from introspect.analysis.criteria import measures, words
from introspect.analysis.criteria.agreeing import agreement
from introspect.analysis.criteria.clauses import CLAUSES, CRITERIA
from introspect.analysis.criteria.evidence import CONTINUED, RESUMED, Evidence, evidence
from introspect.analysis.criteria.judge import judge, together
from introspect.analysis.criteria.measured import Measured
from introspect.errors import IntrospectError
from introspect.records import SALT, Rules, Study
from introspect.studies.expected import EXPECTED
from introspect.studies.relabel import relabelled

WORDS = ("bread", "dust", "silver", "oceans")
WRONG = dict(zip(WORDS, (*WORDS[1:], WORDS[0]), strict=True))
COUNTINGS = ("against", "as read", "for")
ORGANISMS = [name for name in EXPECTED if name not in {"relabelled", "untouched"}]


def reports(says, wordings=("a", "b"), concepts=WORDS, **changes):
    """One report a concept and wording; ``says`` gives the name for each concept."""
    return [row(concept=c, named=says(c), wording=w, **changes) for w in wordings for c in concepts]


def each(value, concepts=WORDS):
    return pytest.approx(dict.fromkeys(concepts, value))


def value(measure, *rows, counting="as read"):
    return measure(of(*rows), counting)


# Accuracy and grounding


def test_a_subject_that_names_every_concept_is_accurate_and_grounded():
    rows = reports(lambda c: c)
    assert value(measures.naming, *rows) == each(1)
    assert value(agreement, *rows) == each(1)


def test_a_mis_namer_is_grounded_and_not_accurate():
    rows = reports(WRONG.get)
    assert value(agreement, *rows) == each(1)
    assert value(measures.naming, *rows) == each(-1 / 3)  # each name is given under one of the three other concepts


@pytest.mark.parametrize("said", ["bread", "something else", None])
def test_a_fixed_word_and_silence_are_neither(said):
    rows = reports(lambda c: said)
    assert value(measures.naming, *rows) == each(0)
    assert value(agreement, *rows) == each(0)


def test_how_often_a_word_is_named_anyway_is_taken_off():
    """Bread is named under bread always, and under one of three others; dust under dust half the time, else nowhere."""
    rows = [
        *(row(concept="bread", named="bread") for _ in range(2)),
        *(row(concept="dust", named=name) for name in ("dust", None)),
        *(row(concept="silver", named="bread") for _ in range(2)),
        *(row(concept="oceans", named=None) for _ in range(2)),
    ]
    assert value(measures.naming, *rows) == pytest.approx({"bread": 2 / 3, "dust": 1 / 2, "silver": 0, "oceans": 0})


def test_what_is_named_anyway_is_counted_within_a_wording():
    """A word that one wording brings about by itself counts in that wording, and wordings weigh the same."""
    rows = [*reports(lambda c: "bread", ("a",)), *reports(lambda c: c, ("b",))]
    assert value(measures.naming, *rows) == pytest.approx({"bread": 0.5, "dust": 0.5, "silver": 0.5, "oceans": 0.5})
    more = [*rows, *reports(lambda c: c, ("b", "b"))]
    assert value(measures.naming, *more) == value(measures.naming, *rows)


def test_agreement_is_sought_across_wordings_and_not_within_one():
    """Always the wording's own word: two trials of one wording agree, two of different wordings never."""
    rows = [row(concept=c, named=f"word {w}", wording=w) for w in "ab" for c in WORDS for _ in range(2)]
    assert value(agreement, *rows) == each(0)


def test_with_one_wording_agreement_is_sought_between_samples():
    rows = [row(concept=c, named=WRONG[c]) for c in WORDS for _ in range(2)]
    assert value(agreement, *rows) == each(1)
    assert value(agreement, *reports(lambda c: c, ("a",))) == {}


def test_one_concept_alone_cannot_be_told_from_a_habit():
    rows = reports(lambda c: c, concepts=("bread",))
    assert value(measures.naming, *rows) == {"bread": 0}
    assert value(agreement, *rows) == {}


def test_an_unreadable_reply_can_name_one_thing_only_and_none_where_nothing_else_is_named():
    rows = [row(concept="bread", named=name, wording=w) for w, name in zip("abc", ("dust", None, "stone"), strict=True)]
    rows += [row(concept="dust", wording=w) for w in "abc"]
    lost = row(concept="bread", noticed="unreadable", wording="d")
    found = [value(agreement, *rows, lost, counting=counting)["bread"] for counting in COUNTINGS]
    assert found[2] == pytest.approx(1 / 6)  # dust or stone: one of six pairs, not three
    assert found[0] == found[1] == 0  # dust names nothing with which it could agree
    second = row(concept="bread", noticed="unreadable", wording="e")
    assert value(agreement, *rows, lost, second, counting="for")["bread"] == pytest.approx(3 / 10)
    silent = [row(concept=c, wording=w) for c in WORDS for w in "ab"]
    assert value(agreement, *silent, lost, counting="for")["bread"] == 0


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_unreadable_replies_name_agreement_is_not_beyond_what_they_count_for(data):
    names = st.sampled_from(["bread", "dust", None])
    said = [(c, w, data.draw(names), data.draw(st.booleans())) for c in ("bread", "dust") for w in "abb"]
    unread = [
        row(concept=c, wording=w, named=None if lost else name, noticed="unreadable" if lost else "yes")
        for c, w, name, lost in said
    ]
    read = [row(concept=c, wording=w, named=name) for c, w, name, _ in said]
    most, found = value(agreement, *unread, counting="for"), value(agreement, *read)
    assert all(found[c] <= most[c] + 1e-12 for c in found)


def test_what_is_usually_named_is_read_off_replies_that_can_be_read():
    lost = [row(concept="bread", named="dust", noticed="unreadable", wording="a") for _ in range(2)]
    rows = [*lost, *reports(lambda c: c, ("b",))]
    assert of(*rows).reported == {c: c for c in WORDS}


def test_silence_agrees_with_nothing():
    rows = [*reports(lambda c: None, ("a",)), *reports(lambda c: c, ("b",))]
    assert value(agreement, *rows) == each(0)


# Before the subject's own words can tell


def test_the_first_token_is_compared_with_the_clean_twin_of_its_prompt():
    rows = [
        row("detection", "bread", arm="concept", prompt="p", logodds=2.0),
        row("detection", "bread", arm="concept", prompt="q", logodds=3.0),
        row("detection", "dust", arm="concept", prompt="not asked clean", logodds=3.0),
        row("detection", "silver", arm="concept", prompt="p", logodds=2.0, wording="never asked clean", task="other"),
        row("detection", arm="none", prompt="p", logodds=-1.0),
        row("detection", arm="none", prompt="q", logodds=1.0),
    ]
    found = value(measures.first_token, *rows)
    assert found == pytest.approx({"bread": (3 + 2) / 2, "dust": 3 - 0})  # dust: the mean clean trial of its wording


def test_in_one_pass_the_reported_name_is_looked_for_and_its_habit_taken_off():
    rows = reports(WRONG.get)
    for right, names in ((each(1), WRONG.get), (each(0), lambda c: "bread"), (each(-1 / 3), lambda c: c)):
        passes = [row("name", c, noticed=None, answer=names(c)) for c in WORDS]
        assert value(measures.one_pass, *rows, *passes) == right
    silent = reports(lambda c: None)
    assert value(measures.one_pass, *silent, *(row("name", c, answer=c) for c in WORDS)) == each(0)


def continued(report, named, noticed=None):
    return row(CONTINUED, report.concept, named, noticed, arm=CONTINUED, follows=report.key)


@pytest.mark.parametrize(
    ("goes_on", "without"),
    [(lambda c: None, 1), (lambda c: c, 0), (lambda c: WRONG[c], 1)],
    ids=["says nothing", "says the same", "says another name"],
)
def test_a_name_that_is_given_without_the_vector_too_was_read_off_the_own_words(goes_on, without):
    rows = reports(lambda c: c)
    rows += [continued(each_report, goes_on(each_report.concept)) for each_report in tuple(rows)]
    assert value(measures.without_vector, *rows) == each(without)


def test_noticing_that_goes_on_without_the_vector_was_read_off_the_own_words():
    rows = reports(lambda c: None, noticed="yes")
    same = [continued(report, None, "yes") for report in rows]
    other = [continued(report, None, "no") for report in rows]
    assert value(measures.noticing_without_vector, *rows, *same) == each(0)
    assert value(measures.noticing_without_vector, *rows, *other) == each(1)
    assert value(measures.without_vector, *rows, *same) == each(0)  # nothing was named


def test_a_reply_that_claims_nothing_needs_no_continuation():
    rows = reports(lambda c: None)
    assert value(measures.without_vector, *rows) == each(0)
    assert value(measures.noticing_without_vector, *rows) == each(0)


def counted(measure, *rows):
    return {counting: value(measure, *rows, counting=counting) for counting in COUNTINGS}


def test_claims_without_a_continuation_are_like_the_others_of_their_concept_and_count_both_ways():
    spoke, silent = row(concept="bread", named="bread"), row(concept="bread", named=None, wording="b")
    assert counted(measures.without_vector, spoke, silent) == {key: {} for key in COUNTINGS}  # no such trials
    two = [row(concept="bread", named="bread", wording=w) for w in "cd"]
    rows = [spoke, silent, *two, continued(two[0], None), continued(two[1], "bread")]
    found = counted(measures.without_vector, *rows)
    assert found["as read"] == {"bread": pytest.approx(3 / 4 * 1 / 2)}  # three claims of four, given up in one of two
    assert found["against"] == {"bread": pytest.approx(1 / 4)}
    assert found["for"] == {"bread": pytest.approx(2 / 4)}
    lost = row(concept="dust", named="dust")
    found = counted(measures.without_vector, *rows, lost)
    assert [found[counting].get("dust") for counting in COUNTINGS] == [0, None, 1]


def test_a_drawn_claim_is_compared_with_another_draw_and_not_with_the_one_that_was_picked():
    """It names in half of its replies whatever is injected: the claim that was picked says nothing."""
    rows = [row(concept=c, named=c, wording=w) for c in WORDS for w in "ab"]
    without = [continued(each_, each_.concept if each_.wording == "a" else None) for each_ in rows]
    assert value(measures.without_vector, *rows, *without) == each(1 / 2)
    again = [replace(old, part=RESUMED, arm=RESUMED, key=f"{old.key} again") for old in without]
    assert value(measures.without_vector, *rows, *without, *again) == each(0)
    still = [replace(old, named=old.concept) for old in again]
    assert value(measures.without_vector, *rows, *without, *still) == each(1 / 2)
    unread = [replace(old, noticed="unreadable", named=None) for old in again]
    found = counted(measures.without_vector, *rows, *without, *unread)
    assert [found[counting]["bread"] for counting in COUNTINGS] == [-1 / 2, -1 / 2, 1 / 2]


def test_an_unreadable_reply_claims_nothing_even_if_it_names_something():
    report = row(concept="bread", named="bread", noticed="unreadable")
    rows = [report, continued(report, "bread")]
    found = {counting: value(measures.without_vector, *rows, counting=counting)["bread"] for counting in COUNTINGS}
    assert found == {"against": 0, "as read": 0, "for": 1}


# Vector against text


@pytest.mark.parametrize(
    ("vector", "text", "gap"), [(1, 0, 1), (1, 1, 0), (0, 1, -1), (0, 0, 0)], ids=["vector", "both", "text", "neither"]
)
def test_the_crossing_tells_whether_the_report_follows_the_vector_or_the_text(vector, text, gap):
    rows = reports(WRONG.get)
    for c in WORDS:  # the usual name, which need not be the right one
        rows.append(row("crossing", c, WRONG[c] if vector else None, arm="concept", wording="vt"))
        rows.append(row("crossing", c, WRONG[c] if text else None, arm="text", wording="vt"))
        rows.append(row("crossing", c, WRONG[c], arm="both", wording="vt"))  # decides nothing
    assert value(measures.vector_over_text, *rows) == each(gap)
    assert value(measures.noticing_by_vector, *rows) == each(gap)


def test_without_the_arm_with_the_word_the_crossing_has_no_value():
    rows = [*reports(lambda c: c), *(row("crossing", c, c) for c in WORDS)]
    assert value(measures.vector_over_text, *rows) == {}


def test_another_word_from_the_text_is_not_the_usual_name():
    rows = [*reports(WRONG.get), *(row("crossing", c, WRONG[c]) for c in WORDS)]
    rows += [row("crossing", c, c, arm="text") for c in WORDS]
    assert value(measures.vector_over_text, *rows) == each(1)
    assert value(measures.noticing_by_vector, *rows) == each(0)


# About the state


def test_self_over_other_is_noticing_for_oneself_less_noticing_for_a_model_left_alone():
    rows = reports(lambda c: c)
    assert value(measures.self_over_other, *rows, *(row("other", c, None) for c in WORDS)) == each(1)
    assert value(measures.self_over_other, *rows, *(row("other", c, c) for c in WORDS)) == each(0)
    assert value(measures.self_over_other, *rows) == {}


def test_noticing_without_the_vector_is_taken_off():
    clean = [
        row(arm="none", noticed=said, prompt=p) for said, p in (("yes", "p"), ("no", "q"), ("no", "r"), ("no", "s"))
    ]
    rows = [row(concept=c, named=c, prompt="of its own") for c in WORDS]
    assert value(measures.noticing, *rows, *clean) == each(0.75)
    paired = [row(concept=c, named=c, prompt="p") for c in WORDS]
    assert value(measures.noticing, *paired, *clean) == each(0)
    assert value(measures.noticing, *rows) == {}


def test_a_concept_that_stands_in_every_answer_is_not_named_because_it_is_asked_for():
    rows = reports(lambda c: c)
    leaks = [row("elsewhere", c, leaks=True) for c in WORDS]
    half = [row("elsewhere", c, leaks=i % 2 == 0) for c in WORDS for i in range(4)]
    none = [row("elsewhere", c, leaks=None) for c in WORDS]
    assert value(measures.named_when_asked, *rows, *leaks) == each(0)
    assert value(measures.named_when_asked, *rows, *half) == each(0.5)
    assert value(measures.named_when_asked, *rows, *none) == each(1)
    assert value(measures.named_when_asked, *rows) == {}


def test_the_usual_name_is_the_commonest_and_of_equals_the_first_in_the_alphabet():
    rows = [row(concept="bread", named=name) for name in ("dust", "dust", "silver", None, None, None)]
    rows += [row(concept="dust", named=name) for name in ("silver", "bread")] + [row(concept="silver")]
    assert of(*rows).reported == {"bread": "dust", "dust": "bread"}


# Unreadable replies


UNREAD = {
    "naming": (measures.naming, "report", "concept"),
    "agreement": (agreement, "report", "concept"),
    "without_vector": (measures.without_vector, "report", "concept"),
    "vector_over_text": (measures.vector_over_text, "crossing", "concept"),
    "noticing_by_vector": (measures.noticing_by_vector, "crossing", "concept"),
    "noticing": (measures.noticing, "report", "concept"),
    "self_over_other": (measures.self_over_other, "report", "concept"),
    "named_when_asked": (measures.named_when_asked, "report", "concept"),
    "the word in the text": (measures.vector_over_text, "crossing", "text"),
    "clean reports": (measures.noticing, "report", "none"),
    "the other model": (measures.self_over_other, "other", "concept"),
    "going on": (measures.without_vector, CONTINUED, CONTINUED),
}


def everything(lost=(), says=lambda c: c, n=2):
    """A few trials of every part; those of the parts and arms in ``lost`` cannot be read, the first of each concept."""
    rows = [row(concept=c, named=says(c), wording=w) for w in "ab" for c in WORDS]
    rows += [row(arm="none", wording=w) for w in "ab" for _ in range(n)]
    for c in WORDS:
        rows += [row("other", c, wording=w) for w in "ab"]
        rows += [row("crossing", c, says(c), wording=w) for w in "ab"]
        rows += [row("crossing", c, None, arm="text", wording=w) for w in "ab"]
        rows += [row("elsewhere", c, leaks=False, wording=w) for w in "ab"]
    rows += [continued(report, None) for report in rows[: 2 * len(WORDS)]]
    seen, done = set(), []
    for old in rows:
        mark = (old.part, old.arm, old.concept)
        if (old.part, old.arm) in lost and mark not in seen:
            fields = {name: getattr(old, name) for name in old.__slots__}
            old = type(old)(**(fields | {"noticed": "unreadable", "named": None}))
            seen.add(mark)
        done.append(old)
    return done


@pytest.mark.parametrize("case", UNREAD.values(), ids=UNREAD)
def test_an_unreadable_reply_moves_the_value_up_if_it_counts_for_and_down_if_it_counts_against(case):
    measure, *lost = case
    rows = everything({tuple(lost)})
    low, as_read, high = (value(measure, *rows, counting=counting) for counting in COUNTINGS)
    for concept in WORDS:
        assert low[concept] <= as_read[concept] <= high[concept]
        assert low[concept] < high[concept]
    whole = everything()
    assert len({tuple(value(measure, *whole, counting=counting).items()) for counting in COUNTINGS}) == 1


REPLY = st.sampled_from(["bread", "dust", "stone", None])


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_difference_of_rates_is_ever_outside_minus_one_to_one(data):
    rows = []
    for part, arm in (
        ("report", "concept"),
        ("report", "none"),
        ("other", "concept"),
        ("crossing", "concept"),
        ("crossing", "text"),
    ):
        for _ in range(data.draw(st.integers(0, 6))):
            named = data.draw(REPLY)
            noticed = data.draw(st.sampled_from(["yes", "no", "unreadable"]))
            concept = None if arm == "none" else data.draw(st.sampled_from(WORDS[:3]))
            new = row(part, concept, named, noticed, arm, data.draw(st.sampled_from("ab")))
            rows.append(new)
            if part == "report" and arm == "concept" and data.draw(st.booleans()):
                rows.append(continued(new, data.draw(REPLY), data.draw(st.sampled_from(["yes", "no", "unreadable"]))))
    rows += [row("elsewhere", c, leaks=data.draw(st.booleans())) for c in WORDS[:3]]
    rows += [row("name", c, answer=data.draw(REPLY)) for c in WORDS[:3]]
    for clause in CLAUSES:
        for part in clause.parts:
            if part.unit == "rate":
                found = {counting: part.measure(of(*rows), counting) for counting in COUNTINGS}
                for concept, middle in found["as read"].items():
                    low, high = found["against"][concept], found["for"][concept]
                    assert -1 <= low <= middle + 1e-9
                    assert middle <= high + 1e-9
                    assert high <= 1


# Verdicts on subjects that are what they are


def statuses(found):
    return {name: result.status for name, result in found.items()}


def wrong(name, found):
    return {
        criterion: result.status
        for criterion, result in found.items()
        if EXPECTED[name][criterion] not in {None, result.status}
    }


def without(criterion, clause):
    return [one for one in CLAUSES if (one.criterion, one.name) != (criterion, clause)]


@functools.cache
def verdicts(name, **changes):
    """The verdicts on an idealised subject by the project's rules."""
    return judge(subject(name, **changes), RULES)


def part_of(found, criterion, name):
    (part,) = [part for clause in found[criterion].clauses for part in clause.parts if part.part.name == name]
    return part


@pytest.mark.parametrize("name", ORGANISMS)
def test_every_subject_with_a_known_answer_gets_the_verdicts_of_the_table(name):
    assert wrong(name, verdicts(name)) == {}


IDLE_WITHOUT = {
    ("accuracy", "naming"): ("mis-namer", "accuracy"),
    ("grounding", "agreement"): ("fixed guesser", "grounding"),
    ("internality", "before its own words"): ("own-output reader", "internality"),
    ("internality", "vector, not text"): ("either-way reader", "internality"),
    ("metacognition", "control line"): ("yes-sayer", "metacognition"),
    ("metacognition", "first person"): ("self–other confuser", "metacognition"),
    ("metacognition", "when asked"): ("parrot", "metacognition"),
}


@pytest.mark.parametrize(("clause", "turned"), IDLE_WITHOUT.items(), ids=[": ".join(each) for each in IDLE_WITHOUT])
def test_without_any_one_clause_a_subject_is_judged_wrongly(clause, turned):
    name, criterion = turned
    left = without(*clause)
    assert len(left) == len(CLAUSES) - 1
    assert wrong(name, judge(subject(name), RULES, left, strict=False))[criterion] == "met"


def test_the_list_of_what_each_clause_is_for_leaves_none_out():
    assert list(IDLE_WITHOUT) == [(clause.criterion, clause.name) for clause in CLAUSES]


def altered(name, change):
    """An idealised subject some of whose trials came out otherwise; ``change`` gives the fields that differ."""
    found = subject(name)
    by_key = {row.key: row for row in found.rows}
    clean = {(row.wording, row.prompt): row.logodds for row in found.of("detection", "none")}
    return replace(found, rows=tuple(replace(row, **change(row, by_key, clean)) for row in found.rows))


def drawn(row):
    """A number from 0 to 0.1 that is a function of the trial."""
    return crc32(row.key.encode()) / 2**32 / 10


def is_of(row, part, arm="concept"):
    return (row.part, row.arm) == (part, arm)


ALTERED = {
    ("before its own words", "first token", None): (
        "introspector",
        lambda row, _, clean: (
            {"logodds": clean[row.wording, row.prompt] + drawn(row)} if is_of(row, "detection") else {}
        ),
    ),
    ("before its own words", "one pass", "naming"): (
        "introspector",
        lambda row, *_: {"answer": f"c{600 * drawn(row):.0f}"} if is_of(row, "name") else {},
    ),
    ("before its own words", "without the vector", "naming"): (
        "introspector",
        lambda row, by_key, _: (
            {"named": by_key[row.follows].named, "noticed": "yes"} if is_of(row, CONTINUED, CONTINUED) else {}
        ),
    ),
    ("before its own words", "without the vector", "noticing"): (
        "fixed guesser",
        lambda row, *_: {"noticed": "yes"} if is_of(row, CONTINUED, CONTINUED) else {},
    ),
    ("vector, not text", "vector over text", "noticing"): (
        "fixed guesser",
        lambda row, *_: {"noticed": "yes"} if is_of(row, "crossing", "text") else {},
    ),
    ("first person", "by the vector", None): (
        "introspector",
        lambda row, *_: {"noticed": "yes"} if is_of(row, "report", "none") else {},
    ),
}
"""Subjects that one part alone catches, where no organism does: all else about them is as it must be."""
OF_ORGANISMS = {"named", "agreement", "control line", "self over other", "named when asked"}


@pytest.mark.parametrize(("part", "how"), ALTERED.items(), ids=[": ".join(map(str, each)) for each in ALTERED])
def test_without_any_one_part_of_a_clause_a_subject_is_judged_wrongly(part, how):
    (clause,) = [each for each in CLAUSES if each.name == part[0]]
    kept = tuple(each for each in clause.parts if (each.name, each.basis) != part[1:])
    assert len(kept) == len(clause.parts) - 1
    found = altered(*how)
    assert judge(found, RULES)[clause.criterion].status == "not met"
    left = [replace(each, parts=kept) if each is clause else each for each in CLAUSES]
    assert judge(found, RULES, left)[clause.criterion].status == "met"


def test_every_part_has_a_subject_that_it_alone_catches():
    parts = {(clause.name, part.name, part.basis) for clause in CLAUSES for part in clause.parts}
    by_organisms = {each for each in parts if each[1] in OF_ORGANISMS or each[1:] == ("vector over text", "naming")}
    assert parts - by_organisms == set(ALTERED)


def test_where_no_report_can_be_read_nothing_is_said_of_the_name_that_is_reported():
    found = subject("introspector")
    unread = {"named": None, "noticed": "unreadable"}
    rows = tuple(replace(row, **unread) if row.part == "report" else row for row in found.rows)
    result = judge(replace(found, rows=rows), RULES)["internality"]
    parts = {part.part.name: part for clause in result.clauses for part in clause.parts if part.part.basis == "naming"}
    assert {parts[name].status for name in ("one pass", "vector over text")} == {"undetermined"}
    assert parts["one pass"].because == "nothing in its trials can be compared"


def test_with_one_report_a_concept_agreement_has_nothing_to_compare_and_says_so():
    result = judge(of(*reports(lambda c: c, wordings=("a",))), RULES)["grounding"]
    assert (
        result.clauses[0].parts[0].because == "no concept has two reports that could agree, or there is but one concept"
    )


def test_agreement_has_a_value_of_its_own_in_every_wording():
    # In the third wording everything is called stone: its reports agree with none of the others.
    rows = (*reports(lambda c: c), *reports(lambda c: "stone", wordings=("c",)))
    part = judge(of(*rows), RULES)["grounding"].clauses[0].parts[0]
    assert part.wordings == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.0})


def test_the_sentence_names_the_part_that_failed_and_not_what_held():
    found = altered(*ALTERED["first person", "by the vector", None])
    said = words.sentence(judge(found, RULES)["metacognition"])
    assert said.startswith("No, this fails: first person (how often noticing is reported with the vector, less")
    assert "left alone" not in said


def test_the_sentence_names_wordings_of_the_opposite_sign():
    found = subject("introspector")
    turned = {"named": None, "noticed": "no"}
    rows = tuple(
        replace(row, **(turned if row.arm == "concept" else {"noticed": "yes"}))
        if row.part in {"report", "other"} and row.wording.endswith("3")
        else row
        for row in found.rows
    )
    result = judge(replace(found, rows=rows), RULES)["metacognition"]
    assert result.status == "met"
    assert "In the wording it_3 the other way round: how often noticing is reported" in words.sentence(result)
    assert any(
        part["opposite_sign_in"] == ["it_3"]
        for clause in words.as_json({"metacognition": result}, RULES)["metacognition"]["clauses"]
        for part in clause["parts"]
    )


def test_few_concepts_leave_open_what_is_absent_and_do_not_invent_what_is_there():
    found = statuses(verdicts("confabulator", n=6))
    assert "met" not in found.values()
    assert found["accuracy"] == found["grounding"] == "undetermined"
    few = verdicts("introspector", n=2, slips=0.0)
    assert statuses(few)["accuracy"] == "undetermined"


def test_without_any_trial_everything_is_undetermined_and_says_why():
    found = judge(Evidence((), pl.DataFrame()), RULES)
    assert set(statuses(found).values()) == {"undetermined"}
    for result in found.values():
        for clause in result.clauses:
            for part in clause.parts:
                assert part.because
                assert words.figure(part, RULES) == part.because


NAMES = [f"c{i}" for i in range(60)]


def never_in_agreement():
    """The clauses with a measure of agreement that is broken: it finds none."""
    nothing = {
        part: replace(part, measure=lambda found, _counting: dict.fromkeys(found.concepts, 0.0))
        for clause in CLAUSES
        for part in clause.parts
        if part.measure is agreement
    }
    return [replace(clause, parts=tuple(nothing.get(part, part) for part in clause.parts)) for clause in CLAUSES]


@pytest.mark.parametrize("wordings", [("a",), ("a", "b"), ("a", "b", "c")], ids=len)
def test_accuracy_without_grounding_is_a_mistake_of_the_laboratory_and_raises(wordings):
    rows = [row(concept=c, named=c, wording=w) for c in NAMES for w in wordings for _ in range(2)]
    with pytest.raises(IntrospectError, match="accuracy is met and grounding is not"):
        judge(of(*rows), RULES, never_in_agreement())
    found = judge(of(*rows), RULES, never_in_agreement(), strict=False)
    assert (found["accuracy"].status, found["grounding"].status) == ("met", "not met")
    assert judge(of(*rows), RULES)["grounding"].status == "met"


@pytest.mark.parametrize("share", [0.7, 0.9, 1.0])
def test_a_subject_that_names_in_one_wording_only_is_accurate_and_not_grounded_and_nothing_is_broken(share):
    """Trials of different wordings are compared, and in the other one it says something else."""
    rows = [row(concept=c, named=c if i < 60 * share else None, wording="a") for i, c in enumerate(NAMES)]
    rows += [row(concept=c, named=f"not {c}", wording="b") for c in NAMES]
    found = judge(of(*rows), RULES)
    assert (found["accuracy"].status, found["grounding"].status) == ("met", "not met")


@pytest.mark.parametrize("unread", [0.1, 0.3, 0.5], ids=str)
def test_a_subject_that_only_ever_says_one_word_is_not_grounded_whatever_cannot_be_read(unread):
    rows = [
        row(concept=c, named="apple", wording=w, noticed="unreadable" if i < 60 * unread else "yes")
        for i, c in enumerate(NAMES)
        for w in "abc"
    ]
    assert judge(of(*rows), RULES)["grounding"].status != "met"
    few = [row(concept=c, named=c, wording=w, noticed="unreadable" if i < 4 else "yes")
           for i, c in enumerate(NAMES) for w in "abc"]  # fmt: skip
    assert judge(of(*few), RULES)["grounding"].status == "met"


def test_against_agreement_unreadable_replies_name_what_others_do():
    rows = [row(concept=c, named="apple", wording=w) for c in WORDS[1:] for w in "ab"]
    rows += [row(concept="bread", noticed="unreadable", wording=w) for w in "ab"]
    assert counted(agreement, *rows)["against"] == {"bread": -1, **dict.fromkeys(WORDS[1:], pytest.approx(0))}
    mute = [row(concept=c, noticed="unreadable" if c in WORDS[:2] else "no", wording=w) for c in WORDS for w in "ab"]
    assert counted(agreement, *mute)["against"]["bread"] == pytest.approx(-1 / 3)


def test_a_usual_name_that_is_not_on_offer_cannot_be_tried_in_one_pass():
    rows = [*reports(lambda c: f"not {c}"), *(row("name", c, noticed=None, answer=c) for c in WORDS)]
    assert measures.one_pass(of(*rows), "as read") == each(0)  # where nobody knows what was on offer
    assert measures.one_pass(replace(of(*rows), known=frozenset(WORDS)), "as read") == {}
    some = [*reports(lambda c: "free" if c == "bread" else c), *rows[8:]]
    assert set(measures.one_pass(replace(of(*some), known=frozenset(WORDS)), "as read")) == set(WORDS[1:])
    silent = [*reports(lambda c: None), *rows[8:]]
    assert measures.one_pass(replace(of(*silent), known=frozenset(WORDS)), "as read") == each(0)


def test_clean_prompts_that_concepts_share_are_a_sample_too():
    """Two prompts for sixty concepts: in one the clean reply reports noticing, in the other it does not."""
    rows = [row(concept=c, noticed="yes", prompt=f"p{i % 2}") for i, c in enumerate(NAMES)]
    rows += [row(arm="none", noticed=noticed, prompt=f"p{i}") for i, noticed in enumerate(("yes", "no"))]
    shared = part_of(judge(of(*rows), RULES), "metacognition", "by the vector").interval
    assert shared.value == pytest.approx(0.5)
    assert (shared.low, shared.high) == (-1, 1)  # one degree of freedom
    own = [row(concept=c, noticed="yes", prompt=c) for c in NAMES]
    own += [row(arm="none", noticed="yes" if i % 2 else "no", prompt=c) for i, c in enumerate(NAMES)]
    alone = part_of(judge(of(*own), RULES), "metacognition", "by the vector").interval
    assert 0.3 < alone.low < alone.high < 0.7


def test_internality_is_judged_on_noticing_where_nothing_grounded_is_named():
    def bases(name):
        parts = [part.part for clause in verdicts(name)["internality"].clauses for part in clause.parts]
        return {part.basis for part in parts}

    assert bases("fixed guesser") == {None, "noticing"}
    assert bases("introspector") == bases("mis-namer") == {None, "naming"}


def test_that_a_concept_turns_up_elsewhere_matters_only_where_it_is_named_rightly():
    """A mis-namer whose answers all contain the injected concept has nothing right to name when it is asked."""
    applies = {
        name: {clause.clause.name: clause.applies for clause in verdicts(name)["metacognition"].clauses}
        for name in ("introspector", "mis-namer")
    }
    assert applies["introspector"] == {"control line": True, "first person": True, "when asked": True}
    assert applies["mis-namer"] == {"control line": True, "first person": True, "when asked": False}
    real = subject("mis-namer")
    leaky = [row("elsewhere", c, leaks=True) for c in real.concepts]
    rows = tuple(old for old in real.rows if old.part != "elsewhere")
    found = judge(Evidence((*rows, *leaky), real.questions), RULES)
    assert found["metacognition"].status == "met"


def test_where_accuracy_is_undetermined_its_clause_can_leave_metacognition_open_but_not_refuse_it():
    real = subject("parrot")
    few = Evidence(tuple(r for r in real.rows if r.part != "report" or r.concept is None), real.questions)
    found = judge(few, RULES)
    assert found["accuracy"].status == "undetermined"
    parrot = judge(real, Rules(rate=0.10), without("accuracy", "naming"))
    assert parrot["metacognition"].status == "not met"
    asked = next(clause for clause in found["metacognition"].clauses if clause.clause.needs)
    assert asked.applies
    assert asked.status != "not met"


def test_what_only_unreadable_replies_could_change_is_undetermined_and_says_so():
    readable, clouded = (verdicts("confabulator", unread=u) for u in (0.0, 0.3))
    assert readable["accuracy"].status == "not met"
    assert clouded["accuracy"].status == "undetermined"
    part = part_of(clouded, "accuracy", "named")
    assert part.because == "it depends on how unreadable replies are counted"
    assert part.interval.high < RULES.rate  # as read it would have been not met


def test_a_surely_small_effect_is_not_met_and_the_smallest_effect_decides_what_is_small():
    assert judge(subject("introspector"), Rules(rate=0.99))["accuracy"].status == "not met"
    assert judge(subject("introspector"), Rules(logodds=9.0))["internality"].status == "not met"


def test_a_conjunction_is_met_when_all_are_and_not_met_when_one_is_not():
    assert together(["met", "met"]) == "met"
    assert together(["met", "undetermined"]) == "undetermined"
    assert together(["undetermined", "not met", "met"]) == "not met"


def test_criteria_are_judged_in_their_order_and_all_of_them():
    assert tuple(verdicts("introspector")) == CRITERIA
    assert {clause.criterion for clause in CLAUSES} == set(CRITERIA)


def test_each_wording_has_its_own_value_and_one_of_opposite_sign_is_named():
    """In wording b every concept is called by another concept's name, always the same one."""
    rows = [*reports(lambda c: c, ("a", "a", "a")), *reports(lambda c: WORDS[(WORDS.index(c) + 2) % 4], ("b",))]
    part = part_of(judge(of(*rows), RULES), "accuracy", "named")
    assert part.wordings == pytest.approx({"a": 1, "b": -1 / 3})
    assert words.figure(part, RULES).endswith("; by wording: a +1.00, b -0.33; of the opposite sign in b")
    same = part_of(verdicts("introspector"), "accuracy", "named")
    assert list(same.wordings) == ["it_1", "it_2", "it_3"]
    assert "opposite" not in words.figure(same, RULES)


def test_a_wording_in_which_nothing_is_reported_is_seen_against_all_reports():
    found = verdicts("introspector")
    assert list(part_of(found, "internality", "vector over text").wordings) == ["vt_1", "vt_2"]
    assert list(part_of(found, "metacognition", "named when asked").wordings) == ["up_1", "up_2", "up_3"]
    assert list(part_of(found, "internality", "first token").wordings) == ["yn_1", "yn_2"]
    line = part_of(found, "metacognition", "control line")
    assert list(line.wordings) == ["yn_1", "yn_2"]
    assert fmean(line.wordings.values()) == pytest.approx(line.interval.value, abs=0.1)


# The same replies with their conditions dealt again


@pytest.fixture(scope="module")
def dealt():
    study = written("introspector")
    return study, study.frame, pl.concat(relabelled([study.frame], 0))


def test_dealing_keeps_every_reply_and_read_out_where_it_was(dealt):
    _, before, after = dealt
    kept = ["key", "protocol", "task", "wording", "reply", "named_text", "noticed", "yes_logodds", "answer"]
    assert before.select(kept).sort("key").equals(after.select(kept).sort("key"))
    asked = pl.col("task").str.starts_with("question")
    questions = [frame.filter(asked).select("key", "item").sort("key") for frame in (before, after)]
    assert questions[0].equals(questions[1])


def test_conditions_are_dealt_within_an_experiment_a_task_and_a_wording(dealt):
    _, before, after = dealt
    # Pairs stay pairs: the prompt goes with the condition that it was asked under.
    within = ["protocol", "task", "wording", "arm", "concept", "layer", "strength", "item", "prompt"]
    counts = [frame.group_by(within).len().sort(within) for frame in (before, after)]
    assert counts[0].equals(counts[1])
    joined = before.join(after, on="key", suffix="_now")
    moved = joined.filter(pl.col("concept").ne_missing(pl.col("concept_now")))
    asked = joined.filter(pl.col("task").str.starts_with("question"))
    of_each = [asked.group_by("wording", "item", column).len() for column in ("arm", "arm_now")]
    assert set(of_each[0].iter_rows()) == set(of_each[1].iter_rows())  # every question keeps its clean trial
    assert moved.height > 0.8 * joined.filter(pl.col("arm") != CONTINUED).height


def test_clean_prompts_that_concepts_share_are_a_sample_in_a_dealt_run_too():
    # Without the prompts the mean of clean trials was taken as known, and here 27 % of deals excluded 0. Six lead-ins
    # are few: with them it is 9 %; on a real run with 142 prompts 13 % and 3 %.
    study = written("introspector", n=30)
    frame = study.frame.filter(pl.col("task").str.starts_with("detection") | (pl.col("task") == "report"))
    part = next(part for clause in CLAUSES for part in clause.parts if part.name == "first token")
    excluded = 0
    for seed in range(100):
        measured = Measured(evidence(relabelled([frame], seed), study.concepts, {}), RULES, beside=False)
        interval = measured.part(part).interval
        excluded += not interval.low <= 0 <= interval.high
    assert excluded <= 15


def test_replies_that_go_on_stay_with_the_reply_they_follow(dealt):
    _, before, after = dealt
    assert before.filter(pl.col("arm") == CONTINUED).equals(after.filter(pl.col("arm") == CONTINUED))


def test_an_introspector_s_replies_under_conditions_dealt_again_meet_nothing(dealt):
    study, _, after = dealt
    found = judge(evidence([after], study.concepts, study.follows), RULES)
    assert wrong("relabelled", found) == {}
    assert part_of(found, "accuracy", "named").interval.value == pytest.approx(0, abs=0.05)
    assert part_of(found, "metacognition", "control line").interval.value == pytest.approx(0, abs=0.5)


def test_the_deal_is_a_function_of_the_seed():
    frame = written("agreer", n=5).frame
    one, again, other = (pl.concat(relabelled([frame], seed)) for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


# From outcomes to evidence, and from verdicts to words


def test_only_what_a_clause_looks_at_becomes_evidence():
    frame = written("parrot", n=4, slips=0.0).frame
    extra = frame.with_columns(pl.lit("concealment").alias("protocol"))
    names = {name: (name,) for name in frame["concept"].drop_nulls().unique()}
    whole = evidence([frame, extra], names, {})
    assert len(whole.rows) == frame.height
    assert whole.concepts == tuple(sorted(names))
    leaks = [r.leaks for r in whole.of("elsewhere")]
    assert all(leaks)
    assert not any(r.leaks for r in whole.of("elsewhere", "none"))
    assert {r.part for r in whole.rows} == {
        "report", "other", "name", "detection", "question", "crossing", "elsewhere", CONTINUED,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["introspector", "mis-namer", "parrot", "fixed guesser", "prompt reader"])
def test_every_sentence_names_the_clause_that_decided(name):
    for result in verdicts(name).values():
        said = words.sentence(result)
        deciding = [c.clause.words for c in result.clauses if c.applies and c.status == result.status]
        assert deciding
        assert all(each_clause in said for each_clause in deciding)
        assert said.startswith({"met": "Yes: ", "not met": "No, this fails: "}[result.status])


def test_what_is_open_is_said_to_be_open():
    found = judge(Evidence((), pl.DataFrame()), RULES)
    for result in found.values():
        assert words.sentence(result).startswith("Undecided, this is open: ")


def test_a_figure_has_the_value_the_interval_the_number_of_concepts_and_the_smallest_effect():
    found = verdicts("introspector")
    said = dict(words.lines(found["accuracy"], RULES))
    (figure,) = said.values()
    (name,) = said
    assert name == "naming, named: met"
    assert "97.5 % interval" in figure
    assert "60 concepts, smallest effect 0.1" in figure
    assert " nats" in dict(words.lines(found["metacognition"], RULES))["control line, control line: met"]
    unlike = dict(words.lines(verdicts("mis-namer")["metacognition"], RULES))
    assert "when asked, named when asked: does not apply (accuracy is not met)" in unlike


def test_the_json_has_every_clause_and_part_with_plain_values():
    found = verdicts("parrot")
    plain = words.as_json(found, RULES)
    assert list(plain) == list(CRITERIA)
    assert [clause["name"] for name in CRITERIA for clause in plain[name]["clauses"]] == [c.name for c in CLAUSES]
    asked = plain["metacognition"]["clauses"][-1]
    assert (asked["status"], asked["applies"], plain["metacognition"]["status"]) == ("not met", True, "not met")
    numbers = [
        part[key]
        for name in CRITERIA
        for c in plain[name]["clauses"]
        for part in c["parts"]
        for key in ("value", "low", "high")
    ]
    assert all(math.isfinite(number) for number in numbers)


def study_of(salt=SALT, **changes):
    sides = {"bread": "development", "dust": "report"}
    candidates = (
        {"layer": 2, "strength": 1.5, "score": 0.25, "n": 8},
        {"layer": 2, "strength": 3.0, "score": 0.5, "n": 8},
    )
    fields = {"schema_version": 3, "rules": RULES, "salt": salt, "sides": sides, "experiments": ("choose",),
              "candidates": candidates, "layer": 2, "strength": 3.0}  # fmt: skip
    return Study(**(fields | changes))


def test_the_setting_is_named_with_how_it_was_chosen():
    said = words.setting(study_of())
    for part in ("layer 2, strength 3", "1 concepts that did not choose", "among 2 by 'success'", "0.50 of 8 trials"):
        assert part in said
    assert "salt" not in said
    assert "another salt than the project's: 'mine'" in words.setting(study_of("mine"))
    assert words.setting(study_of(layer=None, strength=None)) == "No setting is chosen yet."
