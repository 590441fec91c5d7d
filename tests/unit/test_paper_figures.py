"""Figures for print have the width of a column, text that can be read, and say where they came from."""

import json
import re

import plotly.graph_objects as go
import pytest

from introspect.errors import FigureError
from introspect.plots.paper import FORMATS, WIDTH_IN, chromium, images, paper
from introspect.plots.style import GREY, PALETTE, dress
from introspect.plots.write import write_figures


def figure(n=3, min_width=0):
    lines = [go.Scatter(x=[1, 2], y=[0, i], name=f"arm number {i}") for i in range(n)]
    return dress(go.Figure(lines), "How often it is reported", "n is 15.", height=420, min_width=min_width)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_printed_figure_is_black_on_white_and_leaves_title_and_data_alone(columns):
    screen = figure()
    printed = paper(screen, columns)
    assert printed.layout.title.text is None
    assert printed.layout.meta["title"] == "How often it is reported"
    assert printed.layout.template.layout.paper_bgcolor == "white"
    assert printed.layout.width == round(WIDTH_IN[columns] * 128)
    assert [trace.y for trace in printed.data] == [trace.y for trace in screen.data]
    assert screen.layout.title.text == "How often it is reported"


def test_text_in_print_is_at_least_six_and_a_half_points():
    printed = paper(figure())
    sizes = [int(each) for each in re.findall(r'"size":\s*(\d+)', printed.layout.template.to_plotly_json().__str__())]
    fonts = [printed.layout.template.layout.font.size, printed.layout.template.layout.legend.font.size, *sizes]
    width_px, width_pt = printed.layout.width, WIDTH_IN[1] * 72
    assert min(fonts) * width_pt / width_px >= 6.5


def test_a_longer_legend_takes_room_below_and_none_from_the_drawing():
    few, many = paper(figure(2)), paper(figure(12))
    drawn = [each.layout.height - each.layout.margin.t - each.layout.margin.b for each in (few, many)]
    assert drawn[0] == drawn[1]
    assert many.layout.margin.b > few.layout.margin.b


def test_a_figure_of_many_panels_is_said_to_be_too_wide_for_one_column():
    assert not paper(figure(min_width=690), 1).layout.meta["readable"]
    assert paper(figure(min_width=690), 2).layout.meta["readable"]


def test_colours_are_told_apart_in_the_common_kinds_of_colour_blindness():
    """Machado, Oliveira and Fernandes (2009): what is seen without one kind of cone, at full severity."""
    import numpy as np

    without = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    assert PALETTE[-1] == GREY
    colours = np.array([[int(each[at : at + 2], 16) / 255 for at in (1, 3, 5)] for each in PALETTE])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for kind, matrix in without.items():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.4)
        gaps = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + np.eye(len(PALETTE))
        assert gaps[:-1, :-1].min() > 0.15, kind
        assert gaps[-1].min() > 0.07, kind  # grey is no injection, which also has a mark and a dash of its own


def test_without_a_browser_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chromium")
    assert chromium() is None
    with pytest.raises(FigureError, match="apt install chromium"):
        images({"one": paper(figure())})


@pytest.mark.skipif(chromium() is None, reason="no Chromium here")
def test_svg_and_pdf_have_the_width_that_was_asked_for(tmp_path):
    printed = {"one": paper(figure(), 1)}
    drawn = images(printed)
    assert set(drawn["one"]) == set(FORMATS)
    svg = drawn["one"]["svg"].decode()
    assert float(re.search(r'<svg[^>]* width="([\d.]+)"', svg)[1]) == pytest.approx(WIDTH_IN[1] * 96)
    assert "arm number 2" in svg
    box = re.search(rb"MediaBox \[0 0 ([\d.]+) ", drawn["one"]["pdf"])
    assert float(box[1]) == pytest.approx(WIDTH_IN[1] * 72, abs=0.5)
    write_figures(printed, tmp_path, {"n": 3}, drawn)
    sidecar = json.loads((tmp_path / "one.provenance.json").read_text())
    assert sidecar["files"] == ["one.html", "one.json", "one.svg", "one.pdf"]
    assert all((tmp_path / name).stat().st_size for name in sidecar["files"])
    assert (sidecar["title"], sidecar["columns"]) == ("How often it is reported", 1)


def test_the_sidecar_of_a_run_names_its_commit_plan_and_command(tmp_path):
    from handmade import replies_run

    from introspect.analysis.analyze import analyze
    from introspect.plots.provenance import commit, provenance
    from introspect.records import digest

    run = replies_run(tmp_path / "run", {"concept": ["Yes."], "none": ["No."]}, {"bread": ("bread",)})
    analysis = analyze(run)
    found = provenance(analysis, run, "introspect figures run --out x")
    assert found["n"] == 2
    assert found["command"] == "introspect figures run --out x"
    assert found["plan_hash"] == digest(analysis.run.manifest.plan.identity())
    assert found["commit"] == commit()
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", found["commit"])
