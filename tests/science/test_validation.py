"""The laboratory on trial, small: trained organisms that name alike and differ in a clause, through the public path.

Three and the run dealt again in `make test`, those of the other clauses in `make slow`; all clauses on made-up
evidence in tests/unit/test_criteria.py; the whole table, both forms and more seeds in `introspect validate`.
"""

import re
from dataclasses import replace

import pytest

HERE = ("introspector", "yes-sayer", "parrot")
OTHERS = ("own-output reader", "either-way reader", "self–other confuser")
"""With those, one for each clause, besides the introspector."""


def judged(names, folder):
    from introspect.organisms.catalog import specimen
    from introspect.studies.validate import validate

    return validate([3], [specimen("tiny", name, 0) for name in names], folder)


def turned(validation):
    """Who is judged wrongly when a clause is left out, by clause."""
    return {name: {cell.organism for cell in cells} for name, cells in validation.without.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("validation")


@pytest.fixture(scope="module")
def validation(root):
    return judged(HERE, root)


def test_every_verdict_on_a_trained_organism_is_the_expected_one(validation):
    assert {(cell.organism, cell.criterion): cell.got for cell in validation.wrong} == {}
    assert sum(cell.expected is not None for cell in validation.cells) == 4 * len(HERE) + 4


def test_what_has_no_effect_because_its_conditions_were_dealt_again_meets_nothing(validation):
    dealt = {cell.criterion: cell.got for cell in validation.cells if cell.organism == "relabelled"}
    assert set(dealt.values()) == {"not met"}
    assert len(dealt) == 4


def test_without_any_one_clause_an_organism_is_judged_wrongly(validation):
    without = turned(validation)
    assert "yes-sayer" in without["metacognition: control line"]
    assert "parrot" in without["metacognition: when asked"]
    assert "relabelled" in without["accuracy: naming"]
    assert "relabelled" in without["grounding: agreement"]


def test_a_clause_that_decides_nothing_counts_only_where_the_whole_table_was_tried(validation):
    from introspect.studies.expected import EXPECTED

    name = "metacognition: control line"
    without = dict.fromkeys(validation.without, validation.cells[:1]) | {name: ()}
    assert replace(validation, without=without).idle == ()
    all_of_them = tuple(replace(validation.cells[0], organism=organism) for organism in EXPECTED)
    tried = replace(validation, cells=all_of_them, without=without)
    assert tried.idle == (name,)
    assert tried.to_json()["idle_clauses"] == [name]


@pytest.mark.slow  # three more studies
def test_the_other_clauses_are_judged_rightly_and_wrongly_without_them(root):
    validation = judged(OTHERS, root)
    assert {(cell.organism, cell.criterion): cell.got for cell in validation.wrong} == {}
    assert sum(cell.expected is not None for cell in validation.cells) == 4 * len(OTHERS) - 1
    without = turned(validation)
    assert "own-output reader" in without["internality: before its own words"]
    assert "either-way reader" in without["internality: vector, not text"]
    assert "self–other confuser" in without["metacognition: first person"]
    own = {part["part"]: part["status"] for part in validation.parts if part["organism"] == "own-output reader"}
    assert {own[name] for name in ("first token", "one pass", "without the vector")} == {"not met"}


@pytest.mark.slow
def test_a_sibling_finds_in_the_words_what_is_there_and_nothing_else(root):
    """The own-output reader of the other training seed reads words: its fellow's say the concept, others' do not."""
    from introspect.analysis.studies import analyze_study
    from introspect.organisms.catalog import specimen
    from introspect.studies.sibling import read_along

    judged(("introspector", "own-output reader"), root)
    sibling = specimen("tiny", "own-output reader", 1)
    shares = {}
    for name in ("introspector", "own-output-reader"):
        study = root / f"tiny-{name}-0-seed3"
        read_along(study, sibling.subject, [f"adapter={sibling.adapter}"])
        found = {each.name: each.sentence for each in analyze_study(study).beside}
        (sentence,) = [said for each, said in found.items() if each.startswith("sibling reader")]
        shares[name] = int(re.search(r"names the concept in (\d+) %", sentence)[1])
    assert shares["own-output-reader"] > 90
    assert shares["introspector"] < 10


def test_every_part_rests_on_enough_concepts_to_exclude_a_small_effect(validation):
    sizes = [part["n_concepts"] for part in validation.parts if part["applies"] and part["organism"] == "introspector"]
    assert min(sizes) >= 50


@pytest.mark.slow  # one more study
def test_detail_is_made_up_by_the_confabulator_and_not_by_the_introspector(root, validation):
    from introspect.analysis.studies import analyze_study
    from introspect.graders.detail_scores import detail_counts
    from introspect.organisms.catalog import specimen
    from introspect.studies.validate import folder_of

    judged(["confabulator"], root)
    shares = {}
    for name in ("introspector", "confabulator"):
        study = analyze_study(root / f"{folder_of(specimen('tiny', name, 0))}-seed3")
        counts = detail_counts(study.frames["report"])
        shares[name] = {
            injected: part["uncheckable"].sum() / part["n"].sum() for (injected,), part in counts.group_by("injected")
        }
    assert max(shares["introspector"].values()) < 0.05
    assert min(shares["confabulator"].values()) > 0.9


def test_a_reader_that_knows_the_vectors_finds_what_was_injected(validation, root):
    from introspect.analysis.studies import analyze_study
    from introspect.organisms.catalog import specimen
    from introspect.studies.validate import folder_of
    from introspect.sweeps.reading import read_readers

    study = analyze_study(root / f"{folder_of(specimen('tiny', 'introspector', 0))}-seed3")
    readers = read_readers(study.path / "report")
    found = {finding.name for finding in study.beside}
    for kind, least in (
        ("nearest vector", 0.95),
        ("probe", 0.95),
        ("logit lens", 0.2),
    ):  # a lens early in a model sees little
        injected = [row for row in readers.rows if row.arm == "concept" and row.kind == kind]
        assert sum(row.named == row.concept for row in injected) > least * len(injected)
        assert f"third-party reader, {kind}" in found
    assert "unsteered reader" in found
