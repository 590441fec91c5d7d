"""The best of many cells is worth what is left of it once the choice is paid for."""

import math

import numpy as np
import polars as pl
import pytest

from introspect.analysis.control_line import control_line
from introspect.analysis.grid import P, detection_grid, grids, naming_grid

NAMES = [f"c{i:02}" for i in range(24)]
FORMS = {name: (name,) for name in NAMES}
CELLS = [(layer, strength) for layer in (1, 2, 3) for strength in (1.0, 2.0)]


def reports(right, seed=0, unread=()):
    """Reports in six cells; in the cells of ``right`` the concept is named, elsewhere another at random."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "protocol": "injected_thought", "task": "report", "arm": "concept", "layer": cell[0], "strength": cell[1],
            "wording": wording, "sample": 0, "concept": name,
            "named_text": name if cell in right else str(rng.choice(NAMES)),
            "noticed": "unreadable" if cell in unread else "yes",
        }
        for cell in CELLS for wording in "ab" for name in NAMES
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_a_cell_in_which_concepts_are_named_is_found_by_every_correction():
    grid = naming_grid(reports({(2, 2.0)}), FORMS)
    table = grid.table
    assert list(zip(table["layer"], table["strength"], strict=True)) == CELLS
    best = table.filter((pl.col("layer") == 2) & (pl.col("strength") == 2.0)).row(0, named=True)
    assert best["value"] == pytest.approx(1)
    assert grid.p == best["p_best"] < 0.01
    assert best["p"] <= best["p_bh"] <= best["p_holm"] < 0.01
    others = table.filter(pl.col("value") < 0.5)
    assert len(others) == 5
    assert others["p_best"].min() > 0.05
    assert "Naming, injected concepts dealt again, in the best of 6 cells" in grid.sentence
    assert "1 cells by Holm and 1 by Benjamini" in grid.sentence


def test_what_cannot_be_read_names_nothing():
    assert naming_grid(reports({(2, 2.0)}, unread={(2, 2.0)}), FORMS).table["value"].max() < 0.5


def test_cells_with_other_trials_cannot_be_dealt_alike():
    frame = reports(set())
    assert naming_grid(frame.slice(0, len(frame) - 1), FORMS) is None
    assert naming_grid(frame.filter(pl.col("concept") == "c00"), FORMS) is None
    assert naming_grid(frame.clear(), FORMS) is None
    again = frame.filter(pl.col("wording") == "b").with_columns(sample=pl.lit(1, pl.Int64))
    assert naming_grid(pl.concat([frame, again]), FORMS) is not None  # a wording may have more samples of all concepts
    lacks = (pl.col("wording") == "b") & (pl.col("concept") == "c00")
    assert naming_grid(frame.filter(~lacks), FORMS) is None  # alike in all cells, but concepts cannot be dealt whole


def questions(above, n=24, seed=1):
    """Yes–no questions in six cells: biased towards yes everywhere, and detection ``above`` the line in one cell."""
    rng = np.random.default_rng(seed)
    clean = {"detection": 0.1} | {f"q{i}": level for i, level in enumerate(np.linspace(-2, 2, n))}
    rows = []
    for item, level in clean.items():
        task = "detection/words" if item == "detection" else "question/words"
        fixed = {"protocol": "yes_no", "task": task, "wording": "a", "item": item, "prompt": item, "mass": 0.9}
        rows.append(fixed | {"arm": "none", "layer": None, "strength": None, "unit": item, "yes_logodds": level})
        for cell in CELLS:
            for name in NAMES:
                odds = level + 1 + rng.normal(0, 0.5) + (above.get(cell, 0.0) if item == "detection" else 0.0)
                rows.append(
                    fixed | {"arm": "concept", "layer": cell[0], "strength": cell[1], "unit": name, "yes_logodds": odds}
                )
    return pl.DataFrame(rows, infer_schema_length=None)


def test_detection_above_the_control_line_is_tested_by_flipping_concepts_in_all_cells_together():
    frame = questions({(3, 1.0): 2.0})
    grid = detection_grid(frame)
    one = control_line(frame.filter(((pl.col("layer") == 3) & (pl.col("strength") == 1)) | pl.col("layer").is_null()))
    best = grid.table.sort("value").row(-1, named=True)
    assert (best["layer"], best["strength"], best["n_concepts"]) == (3, 1.0, len(NAMES))
    assert best["value"] == pytest.approx(one.score.value)
    assert grid.p == best["p_best"] < 0.01
    assert grid.table["p_best"].sort()[1] > 0.05
    assert grid.p_among == 1 / 25
    assert best["p_among"] == 1 / 25
    assert "among the control questions' own best cells p = 0.0400" in grid.sentence
    assert detection_grid(questions({})).p > 0.05


def test_a_question_like_the_others_does_not_stand_out_among_them_whatever_the_signs_say():
    """Every question has a shift of its own in all cells; the signs of concepts, which share it, know nothing of it."""
    among, flipped = [], []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        frame = questions({}, seed=seed)
        own = {item: rng.normal(0, 0.5) for item in sorted(frame["item"].unique())}
        shift = [own[item] if arm == "concept" else 0.0 for item, arm in frame.select("item", "arm").iter_rows()]
        grid = detection_grid(frame.with_columns(pl.col("yes_logodds") + pl.Series(shift)))
        among.append(grid.p_among)
        flipped.append(grid.p)
    assert np.mean(np.array(flipped) < 0.05) > 0.2
    assert np.mean(np.array(among) <= 0.05) < 0.12


def test_cells_without_a_score_have_no_p_and_say_why():
    frame = questions({(3, 1.0): 2.0})
    odd = (pl.col("layer") == 3) & (pl.col("strength") == 1.0)
    grid = detection_grid(frame.with_columns(mass=pl.when(odd).then(0.001).otherwise(pl.col("mass"))))
    assert len(grid.table) == len(CELLS)
    left = grid.table.filter(odd).row(0, named=True)
    assert left["value"] > 1.5
    assert {left[name] for name in P} == {None}
    assert "hardly any mass" in left["because"]
    assert grid.p > 0.05
    assert "in the best of 5 cells (1 more are undetermined)" in grid.sentence
    nowhere = detection_grid(frame.with_columns(mass=pl.lit(0.001)))
    assert (nowhere.p, nowhere.p_among) == (None, None)
    assert "is undetermined in all 6 cells: the answers have hardly any mass" in nowhere.sentence


def test_without_questions_or_in_a_single_cell_there_is_no_grid_of_detection():
    frame = questions({})
    assert detection_grid(frame, "digits") is None
    assert detection_grid(frame.filter(pl.col("task") == "detection/words")) is None
    assert detection_grid(frame.filter((pl.col("layer") == 1) & (pl.col("strength") == 1))) is None


def test_an_experiment_has_the_grids_of_what_it_asked():
    found = grids(questions({}), FORMS)
    assert [each.measure for each in found] == ["detection/words"]
    assert [each.measure for each in grids(reports(set()), FORMS)] == ["naming"]
    assert all(math.isfinite(p) for p in found[0].table["p_holm"])
