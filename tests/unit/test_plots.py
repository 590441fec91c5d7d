"""Figures show the numbers of the frame, say what n and the error bars are, and say what is missing."""

import json

import polars as pl
import pytest

from introspect.errors import RunFolderError
from introspect.plots.arms import arms
from introspect.plots.dose_response import dose_response
from introspect.plots.estimates import METRICS, n_range
from introspect.plots.heatmap import heatmap
from introspect.plots.per_concept import per_concept
from introspect.plots.text import counted, interval, label, percent, visible
from introspect.plots.write import write_figures, write_text


def rate_row(arm, count, n=15, **where):
    rate = count / n
    row = {"arm": arm, "layer": None, "strength": None, "n": n, "n_units": 5} | where
    for metric in METRICS:
        row |= {f"{metric}_count": count, f"{metric}_rate": rate}
        row |= {f"{metric}_low": rate / 2, f"{metric}_high": (1 + rate) / 2}
    return row


@pytest.fixture
def rows():
    cells = [
        rate_row(arm, base + place, layer=layer, strength=strength)
        for arm, base in (("concept", 4), ("random", 0))
        for layer in (8, 20)
        for place, strength in enumerate((1.0, 2.0, 16.0, 4.0))
    ]
    return pl.DataFrame([*cells, rate_row("none", 1, n=60)], infer_schema_length=None)


@pytest.fixture
def concept_rows():
    return pl.DataFrame(
        [
            rate_row("concept", 2, concept="bread"),
            rate_row("concept", 9, concept="dust"),
            rate_row("concept", 2, concept="<i>satellite</i>"),
            rate_row("random", 1, concept="bread"),
            rate_row("none", 1, concept=None),
        ]
    )


def only(rows, *arms_kept):
    return rows.filter(pl.col("arm").is_in(arms_kept))


def title_of(figure):
    return f"{figure.layout.title.text} {figure.layout.title.subtitle.text}"


def test_the_heatmap_holds_the_rates_of_the_arm_cell_by_cell(rows):
    figure = heatmap(rows, "noticed", "concept")
    trace = figure.data[0]
    assert trace.x == ("1", "2", "4", "16")
    assert trace.y == ("8", "20")
    assert trace.z[0] == pytest.approx((4 / 15, 5 / 15, 7 / 15, 6 / 15))
    assert trace.text[1][0] == "27 % (n=15)"
    assert trace.customdata[0][0] == pytest.approx((4, 15, 5, 2 / 15, 19 / 30))
    assert (trace.zmin, trace.zmax) == (0, 1)
    assert "n = 15 trials a cell, 120 trials in all" in title_of(figure)


def test_a_cell_that_was_not_run_stays_blank_and_one_cell_is_a_heatmap_too(rows):
    ragged = rows.filter(~((pl.col("layer") == 8) & (pl.col("strength") == 16.0)))
    trace = heatmap(ragged, "named").data[0]
    assert trace.z[0][3] is None
    assert trace.text[0][3] == ""
    single = rows.filter((pl.col("layer") == 8) & (pl.col("strength") == 16.0))
    assert list(heatmap(single).data[0].z[0]) == pytest.approx([0.4])


def test_dose_response_draws_a_line_an_arm_and_layer_with_interval_error_bars(rows):
    figure = dose_response(rows, "noticed")
    lines = [trace for trace in figure.data if trace.error_y.array is not None]
    assert [(trace.name[:6], trace.xaxis) for trace in lines] == [
        ("concep", "x"), ("concep", "x2"), ("random", "x"), ("random", "x2"),
    ]  # fmt: skip
    assert lines[0].x == ("1", "2", "4", "16")
    assert lines[0].y == pytest.approx((4 / 15, 5 / 15, 7 / 15, 6 / 15))
    for rate, above, below in zip(lines[0].y, lines[0].error_y.array, lines[0].error_y.arrayminus, strict=True):
        assert rate + above == pytest.approx((1 + rate) / 2)
        assert rate - below == pytest.approx(rate / 2)
    assert [trace.showlegend for trace in lines] == [True, False, True, False]
    assert [note.text for note in figure.layout.annotations] == ["layer 8", "layer 20"]
    assert "Wilson" in title_of(figure)
    assert "n = 15 trials a point" in title_of(figure)


def test_the_arm_without_injection_is_a_band_as_wide_as_its_interval_in_every_panel(rows):
    figure = dose_response(rows, "noticed")
    bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    floors = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert {band.yref for band in bands} == {"y", "y2"}
    assert all((band.y0, band.y1) == pytest.approx((1 / 120, 61 / 120)) for band in bands)
    assert all(floor.y0 == floor.y1 == pytest.approx(1 / 60) for floor in floors)
    assert "Without injection: 2 % (1–51 %, n = 60)" in figure.layout.meta["caption"]


def test_an_error_bar_never_has_a_negative_length(rows):
    odd = rows.with_columns(noticed_low=pl.col("noticed_rate") + 1e-12, noticed_high=pl.col("noticed_rate") - 1e-12)
    bars = dose_response(odd).data[0].error_y
    assert min(*bars.array, *bars.arrayminus) == 0


def test_concepts_are_sorted_by_the_concept_arm_and_stand_beside_their_random_control(concept_rows):
    figure = per_concept(concept_rows, "noticed")
    random, concept = figure.data
    assert concept.y == ("bread", "&lt;i&gt;satellite&lt;/i&gt;", "dust")
    assert concept.x == pytest.approx((2 / 15, 2 / 15, 9 / 15))
    assert concept.error_x.array == pytest.approx(tuple((1 - rate) / 2 for rate in concept.x))
    assert (random.y, random.x) == (("bread",), pytest.approx((1 / 15,)))
    assert tuple(figure.layout.yaxis.categoryarray) == concept.y
    assert "n = 15 trials a bar" in title_of(figure)


def test_the_arms_stand_beside_each_other_with_their_intervals(rows):
    pooled = pl.DataFrame([rate_row("none", 1, n=60), rate_row("concept", 30, n=120), rate_row("random", 3, n=120)])
    figure = arms(pooled, ("noticed", "success"))
    assert [bar.name.split()[0] for bar in figure.data] == ["concept", "random", "no"]
    assert figure.data[0].x == ("reports noticing", "success")
    assert figure.data[0].y == pytest.approx((0.25, 0.25))
    assert figure.data[0].error_y.arrayminus == pytest.approx((0.125, 0.125))
    assert "concept vector 120 trials" in figure.layout.meta["caption"]
    assert "no injection 60 trials" in title_of(figure)


def test_a_metric_without_a_rate_has_no_bar_rather_than_a_zero():
    row = rate_row("none", 1) | {"named_rate": None, "named_low": None, "named_high": None}
    assert arms(pl.DataFrame([row]), ("noticed", "named")).data[0].x == ("reports noticing",)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda frame: heatmap(frame), "no grid"),
        (lambda frame: dose_response(frame), "no strength"),
        (lambda frame: per_concept(frame), "nothing to tell concepts apart"),
        (lambda frame: arms(frame), "no rate to draw"),
    ],
)
def test_an_empty_frame_gives_a_figure_that_says_so(draw, words):
    for frame in (pl.DataFrame(), pl.DataFrame([rate_row("none", 1, concept=None)]).clear()):
        figure = draw(frame)
        assert len(figure.data) == 0
        assert words in figure.layout.annotations[0].text.replace("<br>", " ")


def test_only_the_arm_without_injection_leaves_nothing_to_draw_over_strength(rows):
    control = only(rows, "none")
    assert "“concept” arm" in heatmap(control).layout.annotations[0].text
    assert len(dose_response(control).data) == 0
    assert "“concept” and “random” arms" in arms(control).layout.meta["caption"]


def test_a_missing_arm_is_named_in_the_caption(rows, concept_rows):
    figure = dose_response(only(rows, "concept"))
    assert "“random” and “none” arms" in figure.layout.meta["caption"]
    assert not figure.layout.shapes
    assert "“random” arm." in per_concept(only(concept_rows, "concept")).layout.meta["caption"]
    assert per_concept(only(concept_rows, "random")).data[0].y == ("bread",)


def test_no_figure_names_a_missing_arm_when_all_are_there(rows, concept_rows):
    for figure in (dose_response(rows), per_concept(concept_rows)):
        assert "No " not in figure.layout.meta["caption"]


def test_a_title_from_a_plan_is_text_and_not_markup(rows, concept_rows):
    hostile = "<a href='javascript:alert(1)'>x</a>\u202e"
    pooled = only(rows, "none")
    for figure in (
        heatmap(rows, title=hostile),
        dose_response(rows, title=hostile),
        per_concept(concept_rows, title=hostile),
        arms(pooled, title=hostile),
    ):
        assert figure.layout.title.text == "&lt;a href='javascript:alert(1)'&gt;x&lt;/a&gt;⟦U+202E⟧"
        assert figure.layout.meta["title"].startswith("<a")


def test_backgrounds_are_transparent_so_that_a_page_may_be_dark(rows):
    layout = heatmap(rows).layout.template.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize(
    ("rate", "written"), [(0, "0 %"), (0.001, "<1 %"), (0.12, "12 %"), (0.999, ">99 %"), (1, "100 %")]
)
def test_a_rate_near_the_edge_is_not_written_as_the_edge(rate, written):
    assert percent(rate) == written


def test_numbers_are_written_with_their_nouns():
    assert counted(1, "trial") == "1 trial"
    assert counted(1200, "trial") == "1,200 trials"
    assert interval(0.04, 0.31) == "4–31 %"
    assert n_range([], "cell") == "n = 0 trials a cell"


def test_characters_that_act_on_the_screen_are_shown_by_signs():
    assert visible("a\x1b[31m\x7f\x85\u202e\u2066\u200b\u2028\ud800b") == (
        "a␛[31m␡⟦U+0085⟧⟦U+202E⟧⟦U+2066⟧⟦U+200B⟧⟦U+2028⟧⟦U+D800⟧b"
    )
    plain = "line\n\ttab – “quotes” 面包 👩‍🚀"
    assert visible(plain) == plain
    assert label("a<b>&") == "a&lt;b&gt;&amp;"


def test_figures_are_written_with_their_data_and_their_provenance(tmp_path, rows):
    figure = heatmap(rows, title="</script><script>alert(1)</script>")
    written = write_figures({"heatmap_noticed": figure}, tmp_path / "figures", {"run": "runs/01", "n": 120})
    assert [path.name for path in written] == [
        "heatmap_noticed.html", "heatmap_noticed.json", "heatmap_noticed.provenance.json",
    ]  # fmt: skip
    page, data, sidecar = (path.read_text(encoding="utf-8") for path in written)
    assert 'src="plotly.min.js"' in page
    assert "http" not in page.split("<script", 1)[0]
    assert "<script>alert" not in page
    assert json.loads(data)["data"][0]["text"][0][0] == "27 % (n=15)"
    assert json.loads(sidecar) == {
        "run": "runs/01",
        "n": 120,
        "figure": "heatmap_noticed",
        "files": ["heatmap_noticed.html", "heatmap_noticed.json"],
    }
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {path.name for path in written} | {
        "plotly.min.js"
    }


def test_the_same_figure_gives_the_same_bytes(tmp_path, rows):
    first, second = (write_figures({"a": heatmap(rows)}, tmp_path / name, {}) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_a_figure_cannot_be_named_out_of_its_folder(tmp_path, rows):
    with pytest.raises(RunFolderError, match="cannot be a file"):
        write_figures({"../escape": heatmap(rows)}, tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    assert write_figures({}, tmp_path, {}) == []


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path):
    target = write_text(tmp_path / "page.html", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "new \ud800")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
