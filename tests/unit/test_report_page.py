"""The page of a run: complete, self-contained, true to the trials, and inert to whatever a model replied."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import plotly.graph_objects as go
import polars as pl
import pytest

from introspect.errors import SpanError
from introspect.plots.arms import arms
from introspect.plots.estimates import METRICS
from introspect.plots.heatmap import heatmap
from introspect.plots.text import visible
from introspect.records import (
    SCHEMA_VERSION,
    Audit,
    Claim,
    Evidence,
    Manifest,
    Plan,
    Prompt,
    SubjectIdentity,
    Trial,
    TrialSpec,
    VectorRef,
    digest,
)
from introspect.report.page import ReportContent, completeness, render, write_report
from introspect.report.segments import mark, shade
from introspect.report.tables import lines
from introspect.report.transcripts import audit_line, browser_data, island

HOSTILE = "</script><script>alert(1)</script><!-- \x1b[2J \u202eevil\u202c <img src=x onerror=alert(2)> \u2028"


def make_spec(**changes):
    fields = {
        "protocol": "injected_thought", "subject": "toy", "dtype": "float32", "arm": "concept", "wording": "plain",
        "wording_hash": "w", "vector": VectorRef(family="concept", concept="bread"), "vectors_hash": "v", "layer": 3,
        "strength": 4.0, "span": "trial", "where": "both", "sample": 0, "max_new_tokens": 20, "temperature": 1.0,
    }  # fmt: skip
    return TrialSpec(**(fields | changes))


def make_audit(spans=((2, 4),), generated=3, **changes):
    planned = sum(stop - start for start, stop in spans)
    fields = {
        "layer": 3, "prompt_spans": spans, "planned_prompt": planned, "planned_generated": generated,
        "edited_prompt": planned, "edited_generated": generated, "vector_norm": 12.0, "delta_norm": 48.0,
        "residual_norm": 96.0, "relative_strength": 0.5,
    }  # fmt: skip
    return Audit(**(fields | changes))


NOTHING = make_audit(
    (), 0, layer=None, vector_norm=0.0, delta_norm=0.0, residual_norm=0.0, relative_strength=0.0
)  # fmt: skip
PROMPT = Prompt(
    id="p1", text="Trial 1: do you notice?", format="chat",
    offsets=((0, 0), (0, 5), (5, 7), (7, 8), (8, 11), (11, 15), (15, 22), (22, 23)),
)  # fmt: skip


def make_trial(reply, audit=None, **changes):
    spec = make_spec(**changes)
    return Trial(
        key=spec.key, spec=spec, prompt="p1", reply=reply, reply_tokens=(1, 2), finish="stop",
        audit=audit or make_audit(),
    )  # fmt: skip


def make_claim(reply, stretch, named):
    start, name = reply.index(stretch), reply.index(named)
    return Claim(
        grader="rules",
        noticed="yes",
        named=(Evidence(rule="noun_after_about", start=name, stop=name + len(named), text=named),),
        order="noticed_first",
        coherent=True,
        evidence=(Evidence(rule="i_notice", start=start, stop=start + len(stretch), text=stretch),),
    )


def rates(arm, **where):
    row = {"arm": arm, "layer": None, "strength": None, "n": 40, "n_units": 8} | where
    for metric in METRICS:
        row |= {f"{metric}_count": 10, f"{metric}_rate": 0.25, f"{metric}_low": 0.1, f"{metric}_high": 0.5}
    return row


def outcome(trial, **changes):
    fields = {
        "key": trial.key, "arm": trial.spec.arm, "concept": None, "layer": trial.spec.layer,
        "strength": trial.spec.strength, "wording": "plain", "sample": 0, "noticed": "yes", "named": True,
        "named_text": "bread", "coherent": True, "refuses": False, "success": True,
    }  # fmt: skip
    return fields | changes


@pytest.fixture
def content():
    noticing = "😀 I notice an injected thought, about bread."
    trials = [
        make_trial(noticing),
        make_trial(HOSTILE, vector=VectorRef(family="random", concept="bread", draw=1), arm="random", where="prompt"),
        make_trial("Nothing here.", NOTHING, arm="none", vector=None, layer=None, strength=None),
    ]
    outcomes = [outcome(trials[0]), outcome(trials[1], noticed="no", named=False, named_text="", success=False)]
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        introspect_version="0.1.0",
        created="2026-11-24T00:00:00Z",
        plan=Plan(name="01", question="Does <it> report & name the thought?", layers=(3,), strengths=(4.0,)),
        subject=SubjectIdentity(
            name="toy", fingerprint="f" * 32, format="chat", dtype="float32", n_layers=4, d_model=16
        ),
        n_planned=5,
        vectors_hash="vectors-hash",
        wordings={"plain": "hash"},
        concepts={"words": ("bread",)},
        machine={"gpu": "none at all"},
        packages={"torch": "2.7"},
    )
    rows = pl.DataFrame([rates("concept", layer=3, strength=4.0), rates("none")])
    pooled = pl.DataFrame([rates("none"), rates("concept")])
    return ReportContent(
        manifest=manifest,
        verdict="The subject reports noticing more often when a concept is injected.",
        verdict_points=("25 % against 2 %.", "The intervals do not overlap."),
        pooled=pooled,
        rows=rows,
        per_concept=pl.DataFrame([rates("concept", concept="bread")]),
        outcomes=pl.DataFrame(outcomes),
        trials=trials,
        claims={trials[0].key: make_claim(noticing, "I notice an injected thought", "bread")},
        prompts={"p1": PROMPT},
        figures={"heatmap": heatmap(rows), "arms": arms(pooled)},
        n_planned=5,
    )


class Page(HTMLParser):
    """Every start tag with its attributes, the text of every script, and all text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.words, self._inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else None
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "script":
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)
        elif self._inside is None:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def data(self, name):
        return json.loads(next(text for attrs, text in self.scripts if attrs.get("id") == name))


@pytest.fixture
def page(content):
    return Page(render(content))


def browsed(data):
    return [dict(zip(data["fields"], row, strict=True)) for row in data["trials"]]


def reply_text(trial):
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in trial["reply"])


def test_the_page_loads_nothing_from_anywhere(page):
    for tag, attrs in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
        assert "src" not in attrs
        assert attrs.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in attrs)


def test_the_policy_allows_only_the_scripts_that_are_in_the_page(page):
    rule = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    runnable = [text for attrs, text in page.scripts if attrs.get("type") != "application/json"]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runnable]
    assert "default-src 'none'" in rule
    assert re.findall(r"'sha256-([^']+)'", rule) == hashes
    assert "unsafe-eval" not in rule
    assert "script-src 'unsafe-inline'" not in rule


def test_plotly_is_in_the_page_once_and_not_at_all_without_figures(content, page):
    assert sum("Plotly, Inc." in text[:400] for _, text in page.scripts) == 1
    bare = render(replace(content, figures={}))
    assert len(bare) < 60_000
    assert "Plotly, Inc." not in bare


def test_the_question_stands_first_then_the_verdict_in_words(page):
    order = [
        page.text.index(words)
        for words in ("Does <it> report & name the thought?", "The subject reports noticing", "25 % against 2 %.")
    ]
    assert order == sorted(order)
    assert page.text.index("The arms, everything else pooled") > order[-1]


def test_the_page_says_how_many_of_the_planned_trials_are_in_it(page):
    assert "This page holds 3 of 5 planned trials; 2 are missing from it." in page.text
    assert completeness(5, 5) == "All 5 planned trials are in this page (5 of 5)."
    assert completeness(1, 1) == "All 1 planned trial is in this page (1 of 1)."


def test_the_tables_hold_the_rates_with_interval_and_count(content, page):
    assert "25 % 10–50 % 10/40" in page.text
    assert [line.arm for line in lines(content.pooled, ())] == ["concept", "none"]
    assert [line.head for line in lines(content.rows, ("layer", "strength"))] == [("3", "4"), ("–", "–")]
    assert lines(pl.DataFrame([rates("none") | {"named_rate": None}]), ())[0].cells[1] is None
    assert "Nothing to show here yet." in render(replace(content, pooled=pl.DataFrame(), figures={}))


def test_the_footer_says_where_the_numbers_come_from(content, page):
    manifest = content.manifest
    wanted = ["f" * 32, digest(manifest.plan.identity()), "2026-11-24", "gpu none at all", "torch 2.7"]
    for words in [*wanted, "introspect 0.1.0", "vectors-hash"]:
        assert words in page.text


def test_every_trial_comes_back_out_of_the_page(content, page):
    trials = browsed(page.data("data-transcripts"))
    assert [trial["key"] for trial in trials] == [trial.key for trial in content.trials]
    for shown, trial in zip(trials, content.trials, strict=True):
        assert reply_text(shown) == visible(trial.reply)
        assert (shown["arm"], shown["layer"], shown["strength"]) == (
            trial.spec.arm, trial.spec.layer, trial.spec.strength,
        )  # fmt: skip
    assert [trial["noticed"] for trial in trials] == ["yes", "no", None]
    assert [trial["concept"] for trial in trials] == ["bread", "bread", None]


def test_a_reply_that_tries_to_leave_its_place_stays_text(content, page):
    assert not any("alert(1)" in text for attrs, text in page.scripts if attrs.get("type") != "application/json")
    assert len(page.scripts) == 4
    raw = render(content)
    assert "<script>alert" not in raw
    assert not re.search(
        "[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069\u2028\u2029]", raw.rsplit("<script", 2)[0]
    )
    shown = reply_text(browsed(page.data("data-transcripts"))[1])
    assert "␛[2J" in shown
    assert "⟦U+202E⟧evil⟦U+202C⟧" in shown


def test_hostile_words_in_the_plan_stay_text_too(content):
    plan = content.manifest.plan.model_copy(update={"question": HOSTILE, "name": "<svg onload=alert(3)>"})
    page = Page(render(replace(content, manifest=content.manifest.model_copy(update={"plan": plan}), verdict=HOSTILE)))
    assert len(page.scripts) == 4
    assert not any(tag in {"svg", "img"} for tag, _ in page.tags)
    assert "<svg onload=alert(3)>" in page.text


def test_the_script_never_builds_markup_from_data(page):
    script = page.scripts[-1][1]
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest"):
        assert word not in script


def test_an_island_has_no_character_that_markup_is_made_of():
    value = {"a": "<>&\u2028\u2029é", "b": [1, None, True]}
    written = island(value)
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == value


def test_every_input_has_a_label_and_every_table_a_caption(page):
    labelled = {attrs["for"] for tag, attrs in page.tags if tag == "label"}
    inputs = {attrs["id"] for tag, attrs in page.tags if tag in {"input", "select"}}
    assert inputs == labelled
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") == 3
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags


def test_the_figures_are_drawn_from_the_same_data_with_their_words_set_by_the_page(content, page):
    drawings = page.data("data-figures")
    assert list(drawings) == ["heatmap", "arms"]
    assert drawings["heatmap"]["data"][0]["z"] == [[0.25]]
    assert "title" not in drawings["arms"]["layout"]
    assert content.figures["arms"].layout.meta["caption"] in page.text


def test_a_figure_from_elsewhere_keeps_its_own_title(content):
    figure = go.Figure(layout={"title": {"text": "mine"}})
    page = Page(render(replace(content, figures={"own": figure})))
    assert page.data("data-figures")["own"]["layout"]["title"]["text"] == "mine"
    assert ("figure", {"id": "figure-own"}) in page.tags


def test_the_shading_covers_exactly_the_tokens_of_the_span():
    assert shade(PROMPT, [(2, 4)]) == [("Trial", False), (" 1", True), (":", True), (" do you notice?", False)]
    assert shade(PROMPT, [(1, 2), (7, 8)]) == [("Trial", True), (" 1: do you notice", False), ("?", True)]
    assert shade(PROMPT, []) == [(PROMPT.text, False)]


def test_a_token_without_text_is_never_shaded():
    assert shade(PROMPT, [(0, 1)]) == [(PROMPT.text, False)]
    assert "".join(text for text, _ in shade(PROMPT, [(0, 8)])) == PROMPT.text


def test_byte_tokens_of_one_character_are_one_shaded_piece():
    prompt = Prompt(id="emoji", text="a😀b", format="chat", offsets=((0, 1), (1, 2), (1, 2), (1, 2), (2, 3)))
    assert shade(prompt, [(2, 4)]) == [("a", False), ("😀", True), ("b", False)]
    wider = prompt.model_copy(update={"offsets": ((0, 2), (1, 3))})
    assert shade(wider, [(0, 2)]) == [("a😀", True), ("b", True)]


def test_a_span_beyond_the_prompt_is_an_error_and_not_a_shorter_shade():
    with pytest.raises(SpanError, match="8 tokens"):
        shade(PROMPT, [(6, 9)])


def test_evidence_is_marked_where_the_grader_found_it_also_after_an_emoji():
    reply = "😀 I notice it, about bread."
    claim = make_claim(reply, "I notice", "bread")
    assert mark(reply, claim) == [
        "😀 ", ("I notice", "i_notice", "evidence"), " it, about ", ("bread", "noun_after_about", "named"), ".",
    ]  # fmt: skip


def test_overlapping_evidence_names_both_rules_and_loses_no_text():
    reply = "a thought of bread"
    claim = make_claim(reply, "thought of bread", "bread")
    assert mark(reply, claim)[-1] == ("bread", "i_notice, noun_after_about", "named")
    beyond = claim.model_copy(update={"evidence": (Evidence(rule="r", start=2, stop=99, text=""),)})
    assert "".join(piece if isinstance(piece, str) else piece[0] for piece in mark(reply, beyond)) == reply
    assert mark("", None) == []


def test_prompts_are_stored_once_for_each_shading(content):
    data = browser_data(content)
    assert len(data["prompts"]) == 2
    injected, random, none = browsed(data)
    assert injected["prompt"] == random["prompt"] != none["prompt"]
    assert [text for text, shaded in data["prompts"][none["prompt"]] if shaded] == []
    assert [text for text, shaded in data["prompts"][injected["prompt"]] if shaded] == [" 1", ":"]


def test_the_reply_is_shaded_only_where_generated_tokens_were_injected_into(content):
    assert [trial["reply_injected"] for trial in browsed(browser_data(content))] == [True, False, False]
    generated = make_trial("x", where="generated", audit=make_audit(()))
    trial = browsed(browser_data(replace(content, trials=[generated], outcomes=pl.DataFrame())))[0]
    assert trial["reply_injected"]


def test_the_audit_is_one_line_and_a_misfit_is_flagged(content):
    assert audit_line(make_audit()) == (
        "planned 2 prompt + 3 generated positions, edited 2 + 3 · ‖v‖ 12 · ‖Δh‖ 48 · ‖h‖ 96 · relative strength 0.5"
    )
    assert audit_line(NOTHING) == "nothing planned, nothing edited"
    odd = make_trial("x", make_audit(edited_generated=2))
    claim = Claim(grader="rules", noticed="unreadable", coherent=False, incoherent_because="loops")
    trial = browsed(browser_data(replace(content, trials=[odd], claims={odd.key: claim})))[0]
    assert (trial["audit_fits"], trial["because"]) == (False, "loops")


def test_the_page_is_written_to_a_file_or_into_a_folder(tmp_path, content):
    content = replace(content, figures={})
    assert write_report(tmp_path, content) == tmp_path / "report.html"
    named = write_report(tmp_path / "deep" / "page.html", content)
    assert named.read_text(encoding="utf-8") == (tmp_path / "report.html").read_text(encoding="utf-8")


def test_no_button_of_a_figure_hands_its_data_to_a_web_service(page):
    script = page.scripts[-1][1]
    assert 'modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]' in script


def test_a_trial_whose_reply_is_half_a_character_does_not_stop_the_page(tmp_path, content):
    broken = make_trial("", sample=9).model_copy(update={"reply": "half \ud83d"})
    written = write_report(tmp_path, replace(content, trials=[broken], figures={}))
    assert "half ⟦U+D83D⟧" in written.read_text(encoding="utf-8")
