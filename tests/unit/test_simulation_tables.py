"""The tables of ``docs/coverage.md`` are what was counted, and what was counted is kept and taken up again."""

import polars as pl
import pytest

from introspect.studies.simulation import settings, simulate, verdict_tables
from introspect.studies.simulation.tables import PARTS, nil_table, sums, twice_table


def row(setting, shape, name, met, not_met, undetermined, kind="criterion"):
    return {
        "setting": setting, "shape": shape, "kind": kind, "name": name, "met": met, "not_met": not_met,
        "undetermined": undetermined, "runs": met + not_met + undetermined,
    }  # fmt: skip


COUNTED = pl.DataFrame(
    [
        row("nothing", "skewed", "accuracy", 0, 30, 170),
        row("nothing", "few", "accuracy", 2, 0, 198),
        row("all but one_pass", "skewed", "internality", 4, 196, 0),
        row("all but one_pass", "few", "internality", 10, 100, 90),
        row("all but one_pass", "skewed", "accuracy", 200, 0, 0),
        row("all but one_pass", "few", "accuracy", 200, 0, 0),
        row("all but naming", "few", "accuracy", 0, 0, 200),  # its other shape was not run
        row("twice all", "skewed", "internality", 180, 0, 20),
        row("twice all", "few", "internality", 100, 0, 100),
        row("twice all", "skewed", "one_pass", 200, 0, 0, "part"),
        row("twice all", "few", "one_pass", 140, 0, 60, "part"),
        row("twice all", "few", "noticing_over_text", 0, 0, 10, "part"),  # looked at in ten studies only
    ]
)


def test_a_criterion_that_does_not_hold_has_a_row_and_one_that_holds_has_none():
    lines = nil_table(COUNTED).splitlines()[2:]
    assert lines == [
        "| accuracy | everything | 0.0 | 1.0 | 15.0 | 0.0 |",
        "| internality | `one_pass` | 2.0 | 5.0 | 98.0 | 50.0 |",
    ]


def test_the_worst_setting_is_named_with_its_bounds_and_all_are_summed():
    said = sums(COUNTED)
    assert "at most 5.0 [2.4, 9.0] % of a setting's studies" in said
    assert "2 of 600 (accuracy), 0 of 0 (grounding), 14 of 400 (internality)" in said
    assert sums(COUNTED.clear()) == "No setting in which a criterion does not hold."


def test_what_is_left_open_most_often_is_counted_in_all_studies():
    (line,) = twice_table(COUNTED).splitlines()[2:]
    assert line == "| all | internality | 10.0 [6.2, 15.0] | 50.0 [42.9, 57.1] | `one_pass`: 0.0, 30.0 |"


def test_every_part_of_a_clause_belongs_to_its_criterion():
    assert PARTS["when_asked"] == "metacognition"
    assert PARTS["noticing_over_text"] == "internality"
    assert len(PARTS) == 12


@pytest.mark.parametrize("name", ["twice all", "nothing"])
def test_counts_are_kept_by_setting_and_what_is_there_is_not_drawn_again(tmp_path, name):
    chosen = [each for each in settings(24) if each.name == name]
    found = simulate(2, chosen=chosen, out=tmp_path)
    assert found.equals(simulate(2, chosen=chosen))
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == len(chosen) == 2
    kept[0].write_bytes(kept[1].read_bytes())
    assert not simulate(2, chosen=chosen, out=tmp_path).equals(found)
    simulate(3, chosen=chosen[:1], out=tmp_path)
    simulate(2, seed=1, chosen=chosen[:1], out=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    assert verdict_tables(found)
