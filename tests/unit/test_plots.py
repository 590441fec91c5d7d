"""Figures show the numbers of the frame, say what n and the error bars are, and say what is missing."""

import json
import re
from itertools import product
from pathlib import Path

import polars as pl
import pytest

from introspect.analysis.analyze import analyze
from introspect.analysis.effects import PAIRS
from introspect.analysis.findings import Finding
from introspect.analysis.metrics import BY_PROTOCOL, METRICS, PRIMARY
from introspect.analysis.profile import profiles
from introspect.analysis.runs import Run
from introspect.analysis.tables import ARM_ORDER
from introspect.errors import RunFolderError
from introspect.plots.arms import arms
from introspect.plots.confusion import confusion
from introspect.plots.dose_response import dose_response
from introspect.plots.estimates import axis_words, n_range, with_values
from introspect.plots.heatmap import heatmap
from introspect.plots.identification import identification
from introspect.plots.layers import layer_curves
from introspect.plots.per_concept import per_concept
from introspect.plots.profile import profile
from introspect.plots.questions import questions
from introspect.plots.ranks import ranks
from introspect.plots.run import file_name, run_figures
from introspect.plots.style import LOOKS, lacking, look
from introspect.plots.subjects import subjects
from introspect.plots.tasks import in_order
from introspect.plots.text import counted, interval, label, number, number_range, percent, visible
from introspect.plots.write import write_figures, write_text
from introspect.records import (
    CLEAN,
    SCHEMA_VERSION,
    Manifest,
    Plan,
    Prompt,
    Scores,
    SubjectIdentity,
    Trial,
    TrialSpec,
    VectorRef,
)

SPOKEN = ("noticed", "named", "success", "coherent", "readable")
CONCEPTS = ("bread", "dust", "silver")


def rate_row(arm, count, n=15, **where):
    rate = count / n
    row = {"arm": arm, "layer": None, "strength": None, "n": n, "n_units": 5} | where
    for metric in SPOKEN:
        row |= {f"{metric}_n": n, f"{metric}_count": count, f"{metric}_rate": rate}
        row |= {f"{metric}_low": rate / 2, f"{metric}_high": (1 + rate) / 2}
    return row


def mean_row(arm, value, metric="truth_logit", reach=0.5, **where):
    row = {"task": "choose", "arm": arm, "layer": None, "strength": None, "n": 12, "n_units": 4} | where
    low, high = (None, None) if reach is None else (value - reach, value + reach)
    estimate = {"n": 12, "count": None, "rate": value, "low": low, "high": high}
    return row | {f"{metric}_{part}": number for part, number in estimate.items()}


def frame_of(rows):
    return pl.DataFrame(rows, infer_schema_length=None)


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
    assert trace.customdata[0][0][:5] == pytest.approx((4, 15, 5, 2 / 15, 19 / 30))
    assert trace.customdata[0][0][5].startswith("27 %: 4 of 15 trials<br>interval 13–63 %")
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
        ("concep", "x"), ("concep", "x2"), ("matche", "x"), ("matche", "x2"),
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
    assert [bar.name.split()[0] for bar in figure.data] == ["concept", "matched", "no"]
    assert figure.data[0].x == ("reports noticing", "success")
    assert figure.data[0].y == pytest.approx((0.25, 0.25))
    assert figure.data[0].error_y.arrayminus == pytest.approx((0.125, 0.125))
    assert "concept vector 120 trials" in figure.layout.meta["caption"]
    assert "no injection 60 trials" in title_of(figure)


def test_a_metric_without_a_rate_has_no_bar_rather_than_a_zero():
    bare = {f"named_{part}": None for part in ("n", "count", "rate", "low", "high")}
    figure = arms(frame_of([rate_row("none", 1) | bare, rate_row("concept", 1)]), ("noticed", "named"))
    assert [bar.x for bar in figure.data] == [("reports noticing", "names the concept"), ("reports noticing",)]
    assert arms(frame_of([rate_row("none", 1) | bare]), ("noticed", "named")).data[0].x == ("reports noticing",)


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


def test_every_arm_has_words_and_a_colour_and_mark_that_no_other_arm_has():
    assert LOOKS.keys() == ARM_ORDER.keys()
    assert len({each.words for each in LOOKS.values()}) == len({each.symbol for each in LOOKS.values()}) == len(LOOKS)
    assert len({(each.colour, each.dash) for each in LOOKS.values()}) == len(LOOKS)
    assert look("<b>new</b>").name == "&lt;b&gt;new&lt;/b&gt;"


def test_a_figure_misses_a_random_arm_only_where_there_is_no_other_control():
    assert lacking(["concept"]) == ["random", "none"]
    assert lacking(["concept", "other", "none"]) == []
    assert lacking(["forced"]) == []


def test_arms_of_any_kind_stand_in_one_order():
    frame = frame_of([rate_row(arm, 3) for arm in ("none", "later", "other", "concept", "text")])
    assert [bar.name for bar in arms(frame, ("noticed",)).data] == [
        "concept vector", "concept as text", "after the prefill", "another concept, matched", "no injection",
    ]  # fmt: skip


def test_a_mean_is_a_point_on_an_axis_of_its_own_beside_the_shares():
    row = rate_row("concept", 3) | mean_row("concept", -0.4) | {"n": 15}
    figure = arms(frame_of([row]), ("noticed", "truth_logit"), chance={"noticed": 0.1})
    assert [(trace.type, trace.yaxis) for trace in figure.data] == [("bar", "y"), ("scatter", "y2")]
    assert figure.data[1].y == (-0.4,)
    assert figure.layout.yaxis.tickformat == ".0%"
    assert figure.layout.yaxis2.title.text == "log-odds of the right answer (nats)"
    assert figure.layout.yaxis2.zeroline
    assert figure.layout.yaxis2.range is None
    assert "Wilson intervals at the effective sample size; of means, 95 %" in figure.layout.meta["caption"]


def test_what_guessing_gives_is_a_line_at_its_height():
    figure = arms(frame_of([rate_row("concept", 3)]), ("noticed", "coherent"), chance={"noticed": 0.1})
    assert [(line.y0, line.y1, line.name) for line in figure.layout.shapes] == [(0.1, 0.1, "guessing")]
    rows = frame_of([mean_row("concept", 0.4, layer=3, strength=1.0)])
    assert any(line.y0 == line.y1 == 0 for line in dose_response(rows, "truth_logit").layout.shapes)
    assert (
        "what guessing gives, 10 %"
        in dose_response(frame_of([rate_row("concept", 3, layer=3, strength=1.0)]), chance=0.1).layout.meta["caption"]
    )


def test_a_mean_without_an_interval_has_no_bar_and_says_so():
    frame = frame_of([mean_row(arm, value, reach=None) for arm, value in (("concept", 1.0), ("none", 0.0))])
    figure = arms(frame, ("truth_logit",))
    assert figure.data[0].error_y.array == (None,)
    assert (
        figure.data[0].customdata[0][5] == "1.00: mean of 12 trials<br>no interval<br>distinct concepts or prompts: 4"
    )
    assert "fewer than two concepts or prompts has none" in figure.layout.meta["caption"]


def test_a_heatmap_of_means_with_both_signs_is_centred_on_zero():
    cells = [mean_row("concept", value, layer=3, strength=s) for s, value in ((1.0, -0.5), (2.0, 1.5))]
    trace = heatmap(frame_of(cells), "truth_logit").data[0]
    assert (trace.zmid, trace.zmin, trace.zmax) == (0, -1.5, 1.5)
    assert tuple(trace.text[0]) == ("−0.500 (n=12)", "1.50 (n=12)")
    assert trace.colorbar.title.text == "log-odds of the right answer (nats)"
    positive = heatmap(frame_of(cells[1:]), "truth_logit").data[0]
    assert positive.zmid is positive.zmax is None


def test_dose_response_of_a_mean_has_a_free_axis_and_a_band_for_every_arm_without_a_cell():
    cells = [mean_row("concept", value, layer=3, strength=s) for s, value in ((1.0, -0.5), (2.0, 1.5))]
    figure = dose_response(frame_of([*cells, mean_row("text", 2.0), mean_row("none", 0.1)]), "truth_logit")
    assert figure.layout.yaxis.range is None
    bands = [(shape.y0, shape.y1) for shape in figure.layout.shapes if shape.type == "rect"]
    assert bands == [(1.5, 2.5), pytest.approx((-0.4, 0.6))]
    assert "Without injection: 0.100 (−0.400 to 0.600, n = 12)." in figure.layout.meta["caption"]
    assert "Concept as text: 2.00" in figure.layout.meta["caption"]


def test_many_layers_and_few_strengths_are_drawn_over_the_layer(rows):
    figure = dose_response(rows, "noticed", over="layer")
    assert [note.text for note in figure.layout.annotations] == [f"strength {s}" for s in (1, 2, 4, 16)]
    assert figure.data[0].x == ("8", "20")
    assert figure.layout.meta["title"] == "Reports noticing, by layer"


def test_concepts_are_points_where_the_measure_is_a_mean():
    frame = frame_of([mean_row("concept", value, concept=name) for name, value in (("bread", 1.0), ("dust", -1.0))])
    figure = per_concept(frame, "truth_logit")
    assert (figure.data[0].type, figure.data[0].y, figure.data[0].x) == ("scatter", ("dust", "bread"), (-1.0, 1.0))
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(0, 0)]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-1.309, "−1.31"),
        (0.0421, "0.042"),
        (0.00004, "4e-05".replace("-", "−")),
        (1204.4, "1,204"),
        (99.97, "100"),
    ],
)
def test_a_mean_is_written_with_as_many_digits_as_say_something(value, written):
    assert number(value) == written


def test_an_interval_of_means_has_no_dash_that_could_be_a_sign():
    assert number_range(-0.5, 1.25) == "−0.500 to 1.25"


def test_an_axis_names_the_unit_of_a_mean():
    assert axis_words("yes_logodds") == "log-odds of yes (nats)"
    assert axis_words("digit") == "reported strength (0 to 9)"
    assert axis_words("chosen") == "chooses rightly"
    assert axis_words("mystery") == "mystery"


def traced(task, offset, reach=0.1, arm="forced"):
    return [
        mean_row(arm, offset + layer / 10, "above", reach, task=task, layer=layer) for layer in range(4)
    ] + [mean_row(arm, None, "above", None, task=task)]  # fmt: skip


def test_layer_curves_draw_each_pair_in_its_panel_with_bands_and_neutral_controls_thin():
    tasks = ("think", "dont_think", "rewarded", "punished", "exists", "exists_not")
    figure = layer_curves(frame_of([row for task in tasks for row in traced(task, 0.2)]), "above")
    assert [note.text for note in figure.layout.annotations] == [
        "think against don't think",
        "rewarded against punished",
    ]
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [(line.name, line.xaxis) for line in lines] == [
        ("think", "x"), ("don't think", "x"), ("rewarded", "x2"), ("punished", "x2"),
    ]  # fmt: skip
    assert lines[0].x == (0, 1, 2, 3)
    assert lines[0].y == pytest.approx((0.2, 0.3, 0.4, 0.5))
    band = next(trace for trace in figure.data if trace.fill == "toself")
    assert band.y == pytest.approx((0.3, 0.4, 0.5, 0.6, 0.4, 0.3, 0.2, 0.1))
    thin = [trace for trace in figure.data if trace.legendgroup == "neutral"]
    assert [trace.xaxis for trace in thin] == ["x", "x", "x2", "x2"]
    assert all(trace.line.width == 1 for trace in thin)
    assert [trace.showlegend for trace in thin] == [True, False, False, False]
    assert "only mention the word" in figure.layout.meta["caption"]


def test_layer_curves_without_intervals_have_no_bands():
    figure = layer_curves(frame_of(traced("think", 0.1, None) + traced("dont_think", 0.1, None)))
    assert not [trace for trace in figure.data if trace.fill]
    assert "no curve to draw" in layer_curves(pl.DataFrame()).layout.annotations[0].text


def asked(arm, task, value, concept="bread", item=None):
    cell = {"layer": None, "strength": None} if arm == "none" else {"layer": 3, "strength": 2.0}
    return {
        "task": task, "arm": arm, "info": "none", "wording": "plain", "prompt": f"{task}{item}", "item": item,
        "concept": None if arm == "none" else concept, "unit": concept, "relative": 0.1, "yes_logodds": value,
    } | cell  # fmt: skip


@pytest.fixture
def yes_no():
    levels = {("detection/words", None): -1.0, ("question/words", "Is <b> wet?"): 2.0, ("question/words", "Own?"): -2.0}
    return frame_of(
        [asked("none", task, level, item=item) for (task, item), level in levels.items()]
        + [
            asked(arm, task, level + shift, concept, item)
            for (task, item), level in levels.items()
            for arm, moved in (("concept", 0.8), ("random", 0.1))
            for concept, shift in (("bread", moved), ("dust", moved + 0.2))
        ]
    )


def test_every_question_stands_at_its_clean_log_odds_and_at_its_shift(yes_no):
    figure = questions(yes_no, {"Is <b> wet?": "detection", "Own?": "own"})
    assert [note.text for note in figure.layout.annotations] == [
        "concept vector, in words", "matched random vector, in words",
    ]  # fmt: skip
    points = {(trace.name, trace.xaxis): trace for trace in figure.data if trace.mode == "markers"}
    detection = points["is there an injected thought?", "x"]
    assert (detection.x, detection.y) == ((-1.0,), pytest.approx((0.9,)))
    assert points["is there an injected thought?", "x2"].y == pytest.approx((0.2,))
    framed = points["unrelated, in the detection question's frame", "x"]
    assert (framed.x, framed.y) == ((2.0,), pytest.approx((0.9,)))
    assert framed.customdata[0].startswith("Is &lt;b&gt; wet?<br>without injection 2.00<br>shift 0.900")
    assert framed.marker.size < detection.marker.size


def test_the_line_of_even_odds_takes_all_certainty_away(yes_no):
    figure = questions(yes_no)
    line = figure.data[0]
    assert [x + y for x, y in zip(line.x, line.y, strict=True)] == [0, 0]
    assert "only makes answers less certain" in figure.layout.meta["caption"]
    assert {trace.name for trace in figure.data if trace.mode == "markers"} == {
        "is there an injected thought?", "unrelated question",
    }  # fmt: skip
    assert "no shift to draw" in questions(yes_no.filter(pl.col("arm") == "none")).layout.annotations[0].text


def choices(pairs, arm="concept"):
    return frame_of([{"task": "letters", "arm": arm, "concept": own, "answer": chosen} for own, chosen in pairs])


def test_confusion_counts_choices_and_frames_the_diagonal():
    pairs = [("dust", "dust"), ("dust", "apple"), ("bread", "dust"), ("bread", None), ("bread", "dust")]
    figure = confusion(choices(pairs), "letters")
    trace = figure.data[0]
    assert trace.y == ("bread", "dust")
    assert trace.x == ("bread", "dust", "(none of them)", "apple")
    assert [list(line) for line in trace.z] == [[0, 2, 1, 0], [0, 1, 0, 1]]
    assert [(shape.x0, shape.y0) for shape in figure.layout.shapes] == [(-0.5, -0.5), (0.5, 0.5)]
    assert "n = 5 trials, all cells together; 1 (20 %) on the framed diagonal" in figure.layout.meta["caption"]
    assert "nothing to confuse" in confusion(choices(pairs), "codes").layout.annotations[0].text


def test_confusion_puts_the_rarest_of_many_other_answers_into_one_column():
    pairs = [("dust", f"w{number:02}") for number in range(20)] + [("dust", "dust")]
    trace = confusion(choices(pairs), "letters").data[0]
    assert len(trace.x) == 1 + 12 + 1
    assert (trace.x[-1], trace.z[0][-1], sum(trace.z[0])) == ("8 other words", 8, 21)


def test_ranks_are_drawn_as_ranks_and_said_to_show_steering_only():
    rows = [
        {"arm": arm, "strength": strength, "layer": 3, "concept": "bread", "rank_report": 1.0, "rank_gain": 2.0}
        for arm, strength in (("concept", 2.0), ("concept", 4.0), ("none", None))
    ]
    figure = ranks(frame_of([*rows, rows[0] | {"rank_report": None, "rank_gain": None}]))
    assert [note.text for note in figure.layout.annotations] == ["strength 2", "strength 4"]
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [(trace.name, trace.xaxis) for trace in points] == [
        ("concept vector", "x"), ("no injection", "x"), ("concept vector", "x2"), ("no injection", "x2"),
    ]  # fmt: skip
    assert (points[0].x, points[0].y) == (pytest.approx((1000,)), pytest.approx((10,)))
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"
    assert "no evidence of introspection, and no criterion uses it" in figure.layout.meta["caption"]


def test_the_profile_lays_experiments_on_one_axis_of_depth():
    effects = [
        {"experiment": name, "unit": unit, "depth": depth, "effect": peak - abs(depth - peak) + place / 10}
        for name, peak in (("detect", 0.7), ("own", 0.5))
        for depth in (0.25, 0.5, 0.75)
        for place, unit in enumerate(CONCEPTS)
    ]
    found = profiles(pl.DataFrame(effects), n_resamples=50)
    figure = profile(found, readable=pl.DataFrame({"depth": [0.25], "name": ["readable replies"], "value": [0.9]}))
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [line.name for line in lines] == ["detect", "own", "readable replies"]
    assert lines[0].x == (0.25, 0.5, 0.75)
    assert list(lines[1].y) == found.filter(pl.col("experiment") == "own")["effect"].to_list()
    assert len({line.line.color for line in lines}) == len({line.marker.symbol for line in lines}) == 3
    assert [line.yaxis for line in lines] == ["y", "y", "y2"]
    assert figure.layout.yaxis2.title.text == "share"
    assert "3 concepts a point" in figure.layout.meta["caption"]
    alone = profile(found)
    assert "yaxis2" not in alone.to_dict()["layout"]
    assert "still able to do" not in alone.layout.meta["caption"]


def test_what_is_no_share_stands_below_the_profile_on_its_own_axis():
    one = {"experiment": ["a"], "depth": [0.5], "effect": [1.0], "low": [None], "high": [None], "n_units": [2]}
    damage = pl.DataFrame({"depth": [0.5] * 2, "name": ["facts", "surprisal"], "value": [0.5, 3.0]})
    figure = profile(pl.DataFrame(one), damage)
    assert (figure.layout.yaxis2.title.text, figure.layout.yaxis3.title.text) == ("share", "surprisal")
    assert [trace.yaxis for trace in figure.data] == ["y", "y2", "y3"]


def test_subjects_stand_side_by_side_with_their_intervals():
    rows = [
        {"subject": subject, "experiment": "yes_no", "task": task, "effect": effect, "low": low, "high": 2.0}
        for subject, low in (("small", 0.5), ("large", None))
        for task, effect in (("detection/words", 1.0), ("inverted/words", None))
    ]
    figure = subjects(frame_of(rows))
    assert [(dots.name, dots.y, dots.x) for dots in figure.data] == [
        ("small", ("yes no: detection/words",), (1.0,)), ("large", ("yes no: detection/words",), (1.0,)),
    ]  # fmt: skip
    assert figure.data[0].error_x.arrayminus == (0.5,)
    assert figure.data[1].customdata == ("1.00 (no interval)",)
    assert "A dot without a bar has no interval." in figure.layout.meta["caption"]
    assert (
        "nothing to compare" in subjects(frame_of(rows).filter(pl.col("effect").is_null())).layout.annotations[0].text
    )


def test_bits_stand_beside_what_chance_gives():
    frame = pl.DataFrame(
        {"task": ["letters"], "arm": ["concept"], "bits": [0.9], "null": [0.6], "p": [0.03], "n": [40]}
    )
    bars, nulls = identification(frame).data
    assert (bars.x, bars.y, nulls.y) == (("letters",), (0.9,), (0.6,))
    assert bars.customdata == ("0.600 by chance, p = 0.030, n = 40",)
    assert "“random” arm" in identification(frame).layout.meta["caption"]


def test_tasks_stand_in_the_order_of_their_experiment():
    assert in_order("concealment", ["choose/deny", "say/plain", "yes_no/deny", "say/deny", "say/deny"]) == [
        "say/deny", "say/plain", "yes_no/deny", "choose/deny",
    ]  # fmt: skip
    assert in_order("intentional_control", ["aside", "dont_think", "think"]) == ["think", "dont_think", "aside"]
    assert file_name("arms", "detect/words", "") == "arms_detect_words"


def spec_of(protocol, task, arm, concept, layer, strength, **more):
    clean = layer is None
    return TrialSpec(
        protocol=protocol, subject="toy", dtype="float32", arm=arm, task=task, wording="plain", wording_hash="w",
        concept=concept, vector=None if clean else VectorRef(family="concept", concept=concept), vectors_hash="v",
        layer=layer, strength=strength, span="trial", where="prompt", sample=0, max_new_tokens=0, temperature=1.0,
        **more,
    )  # fmt: skip


def trial_of(spec, reply="", scores=None):
    finish = "stop" if scores is None else "scored"
    audits = () if spec.vector is None else (CLEAN.model_copy(update={"layer": spec.layer}),)
    return Trial(key=spec.key, spec=spec, prompt="p", reply=reply, finish=finish, audits=audits, scores=scores)


SPOKEN_TASKS = {
    "report",
    "choice",
    "open",
    "think",
    "repeat",
    "explain",
    "say",
    "other",
    "summarise",
    "translate",
    "count",
    "continue",
}
LABELS = {
    "rate": tuple("0123456789"),
    "compare": ("A", "B"),
    "source": ("A", "B"),
    "words": CONCEPTS,
    "name": CONCEPTS,
    "think": CONCEPTS,
}
YES_NO = {"detect", "yes_no", *PRIMARY["yes_no"]}


def trials_of(protocol, task, arm, concept, layer, strength):
    """Make up the trial of a cell; numbers differ from concept to concept so that there are intervals."""
    level = CONCEPTS.index(concept) / 3 + (strength or 0) / 4
    options = ("yes", "no") if task in YES_NO else LABELS.get(task, tuple("ABC"))
    spoken = task in SPOKEN_TASKS and protocol != "competence"
    options = () if (spoken and task != "think") or task in {"forced", "perplexity"} else options
    fill = {"lead": "It rains.", "sentence": "It is late."}
    if task == "question":
        fill["question"] = "Is it late?"
    if task in {"choose", "letters", "codes"}:
        fill["options"] = "\n".join(f"{letter}: {name}" for letter, name in zip("ABC", CONCEPTS, strict=True))
    truth = options[CONCEPTS.index(concept) % len(options)] if options else None
    spec = spec_of(protocol, task, arm, concept, layer, strength, fill=fill, options=options, truth=truth)
    if spoken:
        return trial_of(spec, f"Yes, I notice an injected thought about {concept}.")
    if task == "forced":
        return trial_of(spec, scores=Scores(ranks=(900, 800, 9 + CONCEPTS.index(concept))))
    if task == "perplexity":
        return trial_of(spec, scores=Scores(surprisal=(2.0 + level, 3.0)))
    logprobs = tuple(-1.0 - place - level for place in range(len(options)))
    return trial_of(spec, scores=Scores(logprobs=logprobs, mass=0.6))


def traces_of(task, concept):
    spec = spec_of("intentional_control", task, "forced", concept, None, None, fill={"sentence": "It is late."})
    level = CONCEPTS.index(concept) / 100
    curve = {"cosine": (0.1 + level, 0.2, 0.1), "baseline": (0.0, 0.01, 0.02)}
    return trial_of(spec, scores=Scores(curves=curve))


def run_of(protocol, trials, **plan):
    subject = SubjectIdentity(name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=5, d_model=8)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION, introspect_version="0", created="2026-11-24", subject=subject,
        plan=Plan(name="x", protocol=protocol, **plan), vectors_hash="v", wordings={}, machine={}, packages={},
        concepts={name: (name,) for name in CONCEPTS}, n_planned=len(trials),
    )  # fmt: skip
    return Run(Path("x"), manifest, tuple(trials), {"p": Prompt(id="p", text="", format="chat", offsets=())})


def made_up(protocol, tasks=None, layers=(1, 3), strengths=(1.0, 2.0)):
    if protocol == "intentional_control":
        return run_of(protocol, [traces_of(task, concept) for pair in PAIRS for task in pair for concept in CONCEPTS])
    cells = [("none", None, None), *(("concept", *cell) for cell in product(layers, strengths))]
    return run_of(
        protocol,
        [
            trials_of(protocol, task, arm, concept, layer, strength)
            for task in tasks or PRIMARY[protocol]
            for concept in CONCEPTS
            for arm, layer, strength in cells
        ],
    )


@pytest.fixture(scope="module")
def drawn():
    """Every experiment's made-up run, and its figures."""
    found = {}
    for protocol in BY_PROTOCOL:
        analysis = analyze(made_up(protocol))
        found[protocol] = analysis, run_figures(analysis)
    return found


@pytest.mark.parametrize("protocol", BY_PROTOCOL)
def test_every_experiment_has_figures_and_none_of_them_is_empty(protocol, drawn):
    _, figures = drawn[protocol]
    assert figures
    assert not [name for name, figure in figures.items() if not figure.data]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in figures)
    assert all(figure.layout.meta["title"] for figure in figures.values())


@pytest.mark.parametrize("protocol", [protocol for protocol in BY_PROTOCOL if protocol != "intentional_control"])
def test_every_task_has_its_arms_and_its_primary_measure_over_the_grid(protocol, drawn):
    analysis, figures = drawn[protocol]
    tasks = set(analysis.pooled["task"])
    assert tasks == set(PRIMARY[protocol])
    for task in tasks - ({"report"} if protocol == "injected_thought" else set()):
        metric = PRIMARY[protocol][task]
        assert {f"arms_{task}", f"heatmap_{task}_{metric}", f"dose_response_{task}_{metric}"} <= figures.keys()
        bars = {name for trace in figures[f"arms_{task}"].data for name in trace.x}
        pooled = analysis.pooled.filter(pl.col("task") == task)
        assert bars == {METRICS[name].words for name in with_values(pooled, BY_PROTOCOL[protocol])}


def test_the_report_keeps_its_short_names_and_the_forced_report_is_not_a_rate(drawn):
    figures = drawn["injected_thought"][1]
    assert list(figures)[:8] == [
        "arms", "heatmap_noticed", "heatmap_named", "heatmap_coherent", "dose_response_noticed", "dose_response_named",
        "per_concept_named", "per_concept_noticed",
    ]  # fmt: skip
    assert {"ranks", "heatmap_forced_rank_gain", "heatmap_choice_noticed", "profile"} <= figures.keys()
    assert not any("forced_noticed" in name for name in figures)
    assert "arms" not in run_figures(analyze(made_up("injected_thought", ["choice"])))
    before = run_figures(analyze(run_of("injected_thought", [])))
    assert "no rate to draw" in before["arms"].layout.annotations[0].text


def test_each_experiment_has_the_figure_that_answers_its_question(drawn):
    assert "layer_curves_forced_above" in drawn["intentional_control"][1]
    assert next(iter(drawn["yes_no"][1])) == "questions"
    assert {"confusion_letters", "confusion_codes", "confusion_words"} <= drawn["identification"][1].keys()
    assert {"confusion_think", "confusion_choose"} <= drawn["thought_vs_text"][1].keys()
    assert not any(name.startswith("confusion") for name in drawn["localisation"][1])


def test_guessing_among_three_options_is_drawn_at_a_third(drawn):
    figure = drawn["localisation"][1]["arms_locate"]
    assert [shape.y0 for shape in figure.layout.shapes] == [pytest.approx(1 / 3), 0]


def test_a_grid_of_one_strength_is_drawn_over_layers_and_a_single_cell_not_at_all():
    figures = run_figures(analyze(made_up("localisation", strengths=(2.0,))))
    assert "by_layer_locate_truth_logit" in figures
    assert not any(name.startswith("dose_response") for name in figures)
    single = run_figures(analyze(made_up("localisation", layers=(1,), strengths=(2.0,))))
    assert list(single) == ["arms_locate", "heatmap_locate_truth_logit"]


def test_information_texts_are_not_pooled_in_a_grid():
    run = made_up("localisation")
    more = [trial.spec.model_copy(update={"info": "accurate"}) for trial in run.trials]
    both = [trial_of(spec, scores=trial.scores) for spec, trial in zip(more, run.trials, strict=True)]
    figures = run_figures(analyze(run_of("localisation", [*run.trials, *both])))
    names = [f"heatmap_locate_truth_logit_info_{info}" for info in ("none", "accurate")]
    assert set(names) <= figures.keys()
    assert figures[names[0]].data[0].text[0][0].endswith("(n=3)")
    assert "accurate information text" in figures[names[1]].layout.meta["title"]


def test_bits_are_drawn_where_a_finding_has_them():
    analysis = analyze(made_up("identification"))
    table = pl.DataFrame({"task": ["letters"], "arm": ["concept"], "bits": [1.0], "null": [0.2], "p": [0.1], "n": [12]})
    with_bits = {slot: getattr(analysis, slot) for slot in analysis.__slots__} | {
        "findings": (Finding("i", "s", table),)
    }
    assert "identification" in run_figures(type(analysis)(**with_bits))


def test_enormous_bands_over_few_concepts_do_not_flatten_the_profile():
    from introspect.plots.profile import profile

    columns = {"experiment": ["a", "a"], "depth": [0.0, 1.0], "effect": [0.5, 1.0], "n_units": [4, 4]}
    wide = profile(pl.DataFrame(columns | {"low": [-90.0, 0.5], "high": [40.0, 1.5]}))
    assert tuple(wide.layout.yaxis.range) == (-2.5, 2.5)
    assert "cut off" in wide.layout.meta["caption"]
    narrow = profile(pl.DataFrame(columns | {"low": [0.2, 0.5], "high": [0.9, 1.5]}))
    assert narrow.layout.yaxis.range is None
    assert "cut off" not in narrow.layout.meta["caption"]
