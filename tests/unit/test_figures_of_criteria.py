"""What a criterion rests on as a figure, and what a click on a mark of any figure asks for."""

import polars as pl
import pytest

from introspect.plots.criteria import COLUMNS, criterion
from introspect.plots.dose_response import dose_response
from introspect.plots.heatmap import heatmap
from introspect.plots.per_concept import per_concept

PARTS = [
    ("a", "how often it names", "rate", 0.5, 0.3, 0.7, 0.1, "met", 40, 0.975),
    ("b", "how often it names", "rate", 0.0, -0.05, 0.05, 0.1, "not met", 40, 0.975),
    ("a", "shift of yes", "log-odds", 1.5, -0.5, 3.5, 0.5, "undetermined", 38, 0.975),
]


def parts(rows=PARTS):
    return pl.DataFrame(rows, schema=list(COLUMNS), orient="row")


def row(arm, **where):
    counts = {"named_n": 4, "named_count": 1, "named_rate": 0.25, "named_low": 0.1, "named_high": 0.5}
    return {"task": "report", "info": "none", "arm": arm, "n": 4, "n_units": 2, **counts, **where}


def test_every_part_stands_with_its_interval_in_the_panel_of_its_unit():
    figure = criterion(parts(), "Accurate")
    rates = [trace for trace in figure.data if trace.xaxis == "x"]
    assert [trace.x[0] for trace in rates] == [0.5, 0.0]
    assert [trace.error_x.array[0] for trace in rates] == pytest.approx([0.2, 0.05])
    assert [trace.x for trace in figure.data if trace.xaxis == "x2" and trace.x] == [(1.5,)]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["a", "b"]
    assert "over 38 to 40 concepts" in figure.layout.meta["caption"]


def test_the_mark_says_the_verdict_and_grey_runs_to_the_smallest_effect():
    figure = criterion(parts(), "Accurate")
    assert [trace.marker.symbol[0] for trace in figure.data if trace.x] == ["circle", "circle-open", "circle-dot"]
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes if shape.type == "rect"] == [(0, 0.1), (0, 0.5)]


def test_a_criterion_without_values_says_so():
    nothing = parts([("a", "p", "rate", None, None, None, 0.1, "undetermined", 0, 0.975)])
    assert "No part" in criterion(nothing, "Accurate").layout.annotations[0].text
    assert "No part" in criterion(parts([]), "Accurate").layout.annotations[0].text


def test_a_mark_leads_to_the_trials_of_its_cell_or_concept():
    grid = pl.DataFrame([row("concept", layer=layer, strength=strength) for layer in (1, 3) for strength in (1.0, 2.0)])
    cells = heatmap(grid, "named")
    assert cells.layout.meta["trials"] == {"x": "strength", "y": "layer", "fixed": {"task": "report", "info": "none"}}
    assert cells.data[0].meta == {"arm": "concept"}
    doses = dose_response(grid, "named")
    assert doses.layout.meta["trials"]["x"] == "strength"
    assert [trace.meta for trace in doses.data] == [{"arm": "concept", "layer": layer} for layer in ("1", "3")]
    words = per_concept(pl.DataFrame([row("concept", concept="bread", task=task) for task in ("a", "b")]), "named")
    assert words.layout.meta["trials"] == {"y": "concept", "fixed": {"info": "none"}}
