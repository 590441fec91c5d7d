"""The page of a run: complete, self-contained, true to the trials, and inert to whatever a model replied."""

import ast
import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import polars as pl
import pytest

import introspect
from introspect.analysis.findings import Finding
from introspect.analysis.metrics import BY_PROTOCOL, metrics_of
from introspect.errors import SpanError
from introspect.plots.arms import arms
from introspect.plots.heatmap import heatmap
from introspect.plots.style import LOOKS
from introspect.plots.text import visible
from introspect.records import (
    SCHEMA_VERSION,
    Also,
    Audit,
    Claim,
    Evidence,
    Manifest,
    Plan,
    Projection,
    Prompt,
    Scores,
    SubjectIdentity,
    Trial,
    TrialSpec,
    VectorRef,
    digest,
)
from introspect.report.asks import QUESTIONS
from introspect.report.assets import island, packed
from introspect.report.content import Entry
from introspect.report.design import design
from introspect.report.page import ReportContent, completeness, filters, render, write_report
from introspect.report.segments import mark, shade
from introspect.report.tables import plain, rates
from introspect.report.transcripts import audit_line, audit_lines, browser_data, listed, listing

SPOKEN = ("noticed", "named", "success", "coherent", "readable")
HOSTILE = "</script><script>alert(1)</script><!-- \x1b[2J \u202eevil\u202c <img src=x onerror=alert(2)> \u2028"


def make_spec(**changes):
    fields = {
        "protocol": "injected_thought", "subject": "toy", "dtype": "float32", "arm": "concept", "task": "report",
        "wording": "plain",
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
        audits=(audit or make_audit(),),
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


def make_scored(scores, **changes):
    spec = make_spec(where="prompt", max_new_tokens=0, **changes)
    audits = () if spec.vector is None else (make_audit(generated=0),)
    return Trial(key=spec.key, spec=spec, prompt="p1", finish="scored", audits=audits, scores=scores)


CHOICE = {
    "protocol": "identification", "task": "letters", "concept": "bread", "options": ("A", "B", "C"), "truth": "B",
    "fill": {"options": "A: dust\nB: bread\nC: <b>silver</b>"},
}  # fmt: skip


def row_of(arm, **where):
    row = {"task": "report", "info": "none", "arm": arm, "layer": None, "strength": None, "n": 40, "n_units": 8} | where
    for metric in SPOKEN:
        row |= {f"{metric}_n": 40, f"{metric}_count": 10}
        row |= {f"{metric}_rate": 0.25, f"{metric}_low": 0.1, f"{metric}_high": 0.5}
    return row


def mean_of(value, low, high, metric="rank_gain"):
    return {f"{metric}_n": 40, f"{metric}_count": None} | {
        f"{metric}_{part}": number for part, number in (("rate", value), ("low", low), ("high", high))
    }


NO_VALUE = {f"named_{part}": None for part in ("n", "count", "rate", "low", "high")}


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
    rows = pl.DataFrame([row_of("concept", layer=3, strength=4.0), row_of("none")])
    pooled = pl.DataFrame([row_of("none"), row_of("concept")])
    return ReportContent(
        manifest=manifest,
        verdict="The subject reports noticing more often when a concept is injected.",
        verdict_points=("25 % against 2 %.", "The intervals do not overlap."),
        pooled=pooled,
        rows=rows,
        per_concept=pl.DataFrame([row_of("concept", concept="bread")]),
        outcomes=pl.DataFrame(outcomes),
        trials=trials,
        claims={trials[0].key: make_claim(noticing, "I notice an injected thought", "bread")},
        prompts={"p1": PROMPT},
        figures={"heatmap": heatmap(rows), "arms": arms(pooled)},
        n_planned=5,
        metrics=metrics_of("injected_thought"),
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
        kind, text = next((attrs["type"], text) for attrs, text in self.scripts if attrs.get("id") == name)
        return json.loads(text if kind == "application/json" else gzip.decompress(base64.b64decode(text)))

    @property
    def runnable(self):
        return [text for attrs, text in self.scripts if not attrs.get("type", "").startswith("application/")]

    @property
    def policy(self):
        return next(attrs["content"] for _, attrs in self.tags if attrs.get("http-equiv") == "Content-Security-Policy")


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
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.runnable]
    assert "default-src 'none'" in page.policy
    scripts = re.search(r"script-src ([^;]+);", page.policy)[1]
    assert scripts.split() == [f"'sha256-{each}'" for each in hashes]
    assert "unsafe-eval" not in page.policy
    assert "unsafe-inline" not in page.policy


def test_the_policy_allows_only_the_style_that_is_in_the_page_and_an_empty_one(content):
    text = render(content)
    style = re.search(r"<style[^>]*>(.*?)</style>", text, flags=re.DOTALL)[1]
    allowed = re.search(r"style-src 'unsafe-hashes' ([^;]+);", Page(text).policy)[1]
    wanted = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (style, "")]
    assert allowed.split() == [f"'sha256-{each}'" for each in wanted]
    assert not any("style" in attrs for _, attrs in Page(text).tags)


def test_plotly_is_in_the_page_once_and_not_at_all_without_figures(content, page):
    assert sum("Plotly, Inc." in text[:400] for _, text in page.scripts) == 1
    bare = render(replace(content, figures={}))
    assert len(bare) < 120_000
    assert "Plotly, Inc." not in bare


def test_the_question_stands_first_then_the_verdict_in_words(page):
    order = [
        page.text.index(words)
        for words in ("Does <it> report & name the thought?", "The subject reports noticing", "25 % against 2 %.")
    ]
    assert order == sorted(order)
    assert page.text.index("The arms, everything else pooled") > order[-1]


def test_the_page_says_how_many_of_the_planned_trials_are_in_it(page):
    assert "This page holds 3 of 5 planned trials; 2 are missing." in page.text
    assert completeness(5, 5, listed=True) == "All 5 planned trials are in this page (5 of 5)."
    assert completeness(1, 1, listed=True) == "All 1 planned trial is in this page (1 of 1)."
    assert completeness(7200, 7200, listed=False) == "All 7,200 planned trials were run (7,200 of 7,200)."
    assert completeness(7, 8, listed=False) == "There are 7 of 8 planned trials; 1 is missing."
    assert "-" not in completeness(120, 60, listed=True)  # a merged folder may hold more than its plan asks for


def test_the_tables_hold_the_rates_with_interval_and_count(content, page):
    assert "25 % 10–50 % 10/40" in page.text
    assert [line.arm for line in rates(content.pooled, ("arm",), SPOKEN).lines] == ["concept", "none"]
    cells = rates(content.rows, ("task", "info", "arm", "layer", "strength"), SPOKEN)
    assert cells.heads == ("arm", "layer", "strength")
    assert [line.head for line in cells.lines] == [("concept vector", "3", "4"), ("no injection", "–", "–")]
    mixed = pl.DataFrame([row_of("concept"), row_of("none") | NO_VALUE], infer_schema_length=None)
    assert rates(mixed, ("arm",), SPOKEN).lines[1].cells[1] is None
    assert "Nothing to show here yet." in render(replace(content, pooled=pl.DataFrame(), figures={}))


def test_a_measure_without_any_value_has_no_column():
    table = rates(pl.DataFrame([row_of("none") | NO_VALUE]), ("arm",), (*SPOKEN, "rank_gain"))
    assert table.columns == ["reports noticing", "success", "coherent", "readable"]


def test_a_mean_stands_in_the_table_as_a_number_with_its_interval():
    rows = [row_of("concept") | mean_of(-1.309, -2.0, 0.25), row_of("none") | mean_of(0.5, None, None)]
    cells = [line.cells[0] for line in rates(pl.DataFrame(rows), ("arm",), ("rank_gain",)).lines]
    assert [(cell.rate, cell.interval, cell.counts) for cell in cells] == [
        ("−1.31", "−2.00 to 0.250", "n = 40"), ("0.500", "no interval", "n = 40"),
    ]  # fmt: skip


def test_a_table_names_task_and_information_text_where_there_is_more_than_one_in_the_order_of_the_experiment():
    rows = [row_of(arm, task=task, info=info) for task in ("choice", "report") for arm, info in
            (("none", "none"), ("concept", "none"), ("concept", "accurate"))]  # fmt: skip
    table = rates(pl.DataFrame(rows), ("task", "info", "arm", "layer"), SPOKEN, "injected_thought")
    assert table.heads == ("task", "info", "arm")
    assert [line.head for line in table.lines][:3] == [
        ("report", "accurate", "concept vector"), ("report", "none", "concept vector"),
        ("report", "none", "no injection"),
    ]  # fmt: skip


def test_a_table_that_nobody_could_read_is_cut_and_says_so(content):
    many = pl.DataFrame([row_of("concept", layer=layer, strength=1.0) for layer in range(1600)])
    assert (len(rates(many, ("layer",), SPOKEN).lines), rates(many, ("layer",), SPOKEN).n_omitted) == (1500, 100)
    assert "The first 1500 of 1600 rows" in Page(render(replace(content, rows=many, figures={}))).text


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
        assert (shown["arm"], shown["task"], shown["layer"], shown["strength"]) == (
            trial.spec.arm, trial.spec.task, trial.spec.layer, trial.spec.strength,
        )  # fmt: skip
    assert [trial["tags"][0][0] for trial in trials] == ["reports noticing", "not graded", "not graded"]
    assert [trial["concept"] for trial in trials] == ["bread", "bread", None]


def test_a_reply_that_tries_to_leave_its_place_stays_text(content, page):
    assert not any("alert(1)" in text for text in page.runnable)
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
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed(value))
    assert json.loads(gzip.decompress(base64.b64decode(packed(value)))) == value
    assert packed(value) == packed(dict(value))


def test_every_input_has_a_label_and_every_table_a_caption(content):
    page = Page(render(replace(content, findings=(Finding("f", "s", pl.DataFrame({"n": [1]})),))))
    labelled = {attrs["for"] for tag, attrs in page.tags if tag == "label"}
    inputs = {attrs["id"] for tag, attrs in page.tags if tag in {"input", "select"}}
    assert inputs == labelled
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") == 4
    assert "#trials?arm=concept&layer=3&strength=4" in [attrs.get("href") for tag, attrs in page.tags if tag == "a"]
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
    assert not trial["audit_fits"]
    assert trial["grade"].endswith("incoherent (loops)")


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
    shown = browsed(Page(written.read_text(encoding="utf-8")).data("data-transcripts"))
    assert reply_text(shown[0]) == "half ⟦U+D83D⟧"


def test_the_page_says_what_the_experiment_asks_word_for_word(content, page):
    asked = {}
    for file in (Path(introspect.__file__).parent / "protocols").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Protocol":
                words = {each.arg: each.value.value for each in node.keywords if isinstance(each.value, ast.Constant)}
                asked[words["name"]] = words["question"]
    assert asked == QUESTIONS
    assert QUESTIONS["injected_thought"] in page.text
    plan = content.manifest.plan.model_copy(update={"question": ""})
    alone = Page(render(replace(content, manifest=content.manifest.model_copy(update={"plan": plan}))))
    assert alone.text.count(QUESTIONS["injected_thought"]) == 2


def test_findings_stand_between_verdict_and_numbers_each_with_its_table(content):
    table = pl.DataFrame(
        {
            "arm": ["concept"],
            "metric": ["noticed"],
            "effect": [-0.125],
            "low": [None],
            "n_units": [1200],
            "held": [True],
        }
    )
    findings = (Finding("dose <b>", "It rises by +0.31 [+0.02, +0.60].", table), Finding("second", "Nothing else."))
    page = Page(render(replace(content, findings=findings)))
    places = [page.text.index(words) for words in ("do not overlap.", "+0.31 [+0.02, +0.60]", "Nothing else.")]
    assert places == sorted(places)
    assert page.text.index("The arms, everything else pooled") > places[-1]
    assert "dose <b>" in page.text
    assert "concept vector reports noticing −0.125 – 1,200 yes" in page.text
    assert ("a", {"href": "#findings"}) in page.tags
    assert ("a", {"href": "#findings"}) not in Page(render(content)).tags


def test_a_long_table_of_a_finding_is_cut(content):
    table = plain(pl.DataFrame({"layer": list(range(100))}))
    assert (len(table.rows), table.n_omitted, table.is_number) == (80, 20, (True,))
    findings = (Finding("long", "Many.", pl.DataFrame({"layer": list(range(100))})),)
    assert "20 more are in the run's analysis as JSON" in render(replace(content, findings=findings))


def test_every_measure_is_defined_and_what_guessing_gives_is_said(content):
    page = Page(render(replace(content, metrics=metrics_of("identification"))))
    for metric in metrics_of("identification"):
        assert f"{metric.words} {metric.definition}" in page.text
    assert "guessing gives one over the number of answers on offer" in page.text
    assert "guessing gives 0" in page.text
    assert ("details", {"id": "definitions"}) in page.tags


def test_the_design_is_what_the_trials_have_where_the_plan_leaves_it_open(content):
    plan = Plan(name="x", protocol="identification", depths=(0.5,))
    assert (plan.arms, plan.span, plan.where, plan.layers) == (None, None, None, None)
    trials = [make_scored(Scores(), **CHOICE, layer=layer, strength=2.0) for layer in (7, 3)]
    said = design(plan, trials)
    assert said == (
        "identification; task letters; arm concept; layers 3, 7; strength 2; injected into the prompt (span “trial”); "
        "control vectors matched by norm; 1 sample a cell; nothing generated; seed 0"
    )
    assert "nothing injected" in design(plan, [make_scored(Scores(), **CHOICE, vector=None, layer=None, strength=None)])
    assert "depths 0.5" in design(plan, [])
    assert "at most 20 new tokens" in design(plan, content.trials)


@pytest.mark.parametrize("protocol", BY_PROTOCOL)
def test_a_run_of_any_experiment_has_a_page_before_its_first_trial(protocol, content):
    manifest = content.manifest.model_copy(update={"plan": Plan(name="x", protocol=protocol)})
    bare = {"trials": [], "claims": {}, "outcomes": pl.DataFrame(schema={"key": pl.String}), "figures": {}}
    frames = dict.fromkeys(("pooled", "rows", "per_concept"), pl.DataFrame())
    page = Page(render(replace(content, manifest=manifest, metrics=metrics_of(protocol), **bare, **frames)))
    assert QUESTIONS[protocol] in page.text
    assert "holds 0 of 5 planned trials" in page.text


def one(content, trial, outcome=None, **changes):
    frame = pl.DataFrame([{"key": trial.key} | (outcome or {})])
    return browsed(browser_data(replace(content, trials=[trial], outcomes=frame, **changes)))[0]


def test_a_scored_trial_shows_its_answers_with_their_shares_of_the_mass_and_marks_the_right_one(content):
    trial = make_scored(Scores(logprobs=(-1.0, -2.0, -1.0 - 1.0986), mass=0.6), **CHOICE)
    outcome = {"chosen": False, "truth_logit": -0.5, "mass": 0.6, "noticed": None}
    shown = one(content, trial, outcome, metrics=metrics_of("identification"))
    assert [(answer[:2], answer[3:]) for answer in shown["answers"]] == [
        (["A", "dust"], [False, True]), (["B", "bread"], [True, False]), (["C", "<b>silver</b>"], [False, False]),
    ]  # fmt: skip
    assert [answer[2] for answer in shown["answers"]] == pytest.approx([0.588, 0.216, 0.196], abs=1e-3)
    assert sum(answer[2] for answer in shown["answers"]) == pytest.approx(1, abs=1e-3)
    assert shown["grade"] == "log-odds of the right answer: −0.500 · mass on the answers: 0.600"
    assert shown["tags"] == [("wrong answer", "")]
    assert (shown["reply"], shown["finish"]) == ([], "scored")
    assert shown["where"] == "letters, layer 3, strength 4, wording plain, sample 0"


def test_sentences_on_offer_are_shown_without_the_marks_of_their_spans(content):
    fill = {"lines": "A: {{line_a}}It rains.{{/line_a}}\nB: {{line_b}}It snows.{{/line_b}}"}
    asked = CHOICE | {"protocol": "localisation", "task": "locate", "fill": fill, "options": ("A", "B")}
    shown = one(content, make_scored(Scores(logprobs=(-1.0, -2.0), mass=0.5), **asked))
    assert [answer[1] for answer in shown["answers"]] == ["It rains.", "It snows."]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (Scores(ranks=(900, 1000, 7)), "Rank of bread at the report: 7, median 950 at the 2 tokens before."),
        (Scores(surprisal=(1.0, 3.0)), "Surprisal of 2 tokens: mean 2.00, highest 3.00 nats."),
        (
            Scores(curves={"cosine": (0.1, 0.5, 0.2), "baseline": (0.0, 0.1, 0.3)}),
            "Cosine above other words: highest 0.400 at layer 1, −0.100 at the last of 3 layers.",
        ),
        (Scores(), ""),
    ],
)
def test_what_was_read_off_a_pass_is_said_in_a_line(content, scores, words):
    assert one(content, make_scored(scores, concept="bread"))["reading"] == words


def test_a_reply_is_graded_by_the_measures_of_its_experiment(content):
    reply = "I meant to say it."
    trial = make_trial(reply, protocol="intended_or_prefilled", task="explain", concept="bread", where="prompt")
    claim = Claim(grader="rules", noticed="unreadable", coherent=True)
    outcome = {"apologised": False, "meant": True, "readable": True, "noticed": "unreadable"}
    shown = one(
        content, trial, outcome, claims={trial.key: claim}, metrics=metrics_of("intended_or_prefilled")
    )  # fmt: skip
    assert shown["grade"] == "calls it a slip: no · claims to have meant it: yes · readable: yes"
    assert shown["tags"] == [("claims to have meant it", "yes")]


def test_the_noticing_trial_has_its_tags_and_its_grade(content):
    shown = browsed(browser_data(content))[0]
    assert shown["tags"] == [("reports noticing", "yes"), ("names the concept", "yes"), ("success", "yes")]
    assert shown["grade"].startswith("Noticed: yes · named: bread, noticing before naming · names the concept: yes")
    ungraded = browsed(browser_data(content))[2]
    assert ungraded["tags"] == [("not graded", "doubt")]


def test_what_was_read_under_the_tokens_is_shown_first_at_the_layer_behind_the_injected_one(content):
    trial = content.trials[0]
    read = Projection(
        key=trial.key, direction="direction of bread", tokens=("Trial", " 1", "\u202e"), n_prompt=2, injected=(1,),
        layers=(2, 3, 4), values=((0.12345, 1.0, -2.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
    )  # fmt: skip
    found = browser_data(replace(content, projections={trial.key: read}))["projections"]
    assert list(found) == [trial.key]
    assert found[trial.key]["tokens"] == [["Trial", False], [" 1", True], ["⟦U+202E⟧", False]]
    assert (found[trial.key]["injected_at"], found[trial.key]["shown"]) == (3, 2)
    assert found[trial.key]["values"][0] == [0.123, 1.0, -2.0]
    assert browser_data(content)["projections"] == {}


def test_a_page_of_a_sample_says_of_how_many_transcripts(content):
    page = Page(render(replace(content, n_trials=1_000_000, n_planned=1_000_000, figures={})))
    assert "3 of 1,000,000 transcripts, sampled; the numbers rest on all." in page.text
    assert "All 1,000,000 planned trials are in this page" not in page.text


def test_several_injections_are_all_shaded_and_all_audited(content):
    spec = make_spec(where="prompt", span="line_a", also=(Also(span="line_b", strength=0.5),))
    audits = (make_audit(((1, 2),), 0), make_audit(((4, 5),), 0, edited_prompt=9))
    trial = Trial(key=spec.key, spec=spec, prompt="p1", finish="scored", audits=audits, scale=1.5)
    data = browser_data(replace(content, trials=[trial]))
    shown = browsed(data)[0]
    assert [text for text, shaded in data["prompts"][shown["prompt"]] if shaded] == ["Trial", " do"]
    assert [line[:9] for line in shown["audits"]] == ["“line_a”:", "“line_b”:", "strength "]
    assert "scaled by 1.5" in audit_lines(trial)[2]
    assert not shown["audit_fits"]


def test_the_filters_are_those_that_tell_the_trials_of_the_run_apart(content):
    assert filters([Entry("", "", content)]) == ["arm", "layer", "strength", "verdict"]
    scored = [
        make_scored(Scores(logprobs=(0.0, -1.0, -2.0)), **CHOICE | {"task": task}) for task in ("letters", "codes")
    ]
    assert filters([Entry("", "", replace(content, trials=scored))]) == ["task", "verdict"]
    assert filters([Entry("a", "x", content), Entry("b", "x", content)])[0] == "subject"
    assert filters([Entry("", "", replace(content, trials=[]))]) == []


def test_every_arm_has_a_mark_of_its_own_in_the_tables():
    style = (Path(introspect.__file__).parent / "report" / "assets" / "page.css").read_text(encoding="utf-8")
    assert all(f".arm-{arm}::before" in style for arm in LOOKS if arm != "none")


def test_all_replies_are_listed_and_a_seeded_sample_of_scored_trials():
    scored = [make_scored(Scores(), **CHOICE, sample=sample) for sample in range(20)]
    spoken = [make_trial("x", sample=sample) for sample in range(3)]
    trials = [*scored[:10], *spoken, *scored[10:]]
    kept = listed(trials, seed=1, most=5)
    assert kept == [trial for trial in trials if trial in kept]
    assert sum(trial.finish == "scored" for trial in kept) == 5
    assert all(trial in kept for trial in spoken)
    assert listed(trials, seed=1, most=5) == kept != listed(trials, seed=2, most=5)
    assert listed(trials, seed=1, most=20) == trials
    assert listing(trials, most=5).startswith("Listed are all 3 trials with a reply and a random sample of 5 of the 20")
    assert listing(trials, most=20) == ""


def test_a_page_of_five_thousand_scored_trials_stays_small_and_says_what_it_left_out(content):
    text = "Some words of a long prompt that is unlike all others. " * 40
    offsets = tuple((at, at + 5) for at in range(0, len(text) - 5, 5))
    prompts = {
        f"q{sample}": Prompt(id=f"q{sample}", text=text, format="chat", offsets=offsets) for sample in range(5000)
    }
    audit = make_audit(((10, 400),), 0)
    options = tuple("ABCDEFGHIJ")
    fill = {"options": "\n".join(f"{letter}: something longer" for letter in options)}
    asked = CHOICE | {"options": options, "fill": fill}
    spec = make_spec(where="prompt", **asked)
    scores = Scores(logprobs=tuple(-float(place) for place in range(10)), mass=0.9)
    trials = [
        Trial.model_construct(
            key=f"{sample:032x}", spec=spec, prompt=f"q{sample}", reply="", reply_tokens=(), finish="scored",
            audits=(audit,), scores=scores, scale=1.0,
        )
        for sample in range(5000)
    ]  # fmt: skip
    outcomes = pl.DataFrame({"key": [trial.key for trial in trials], "chosen": True, "mass": 0.9})
    whole = replace(
        content, trials=trials, outcomes=outcomes, prompts=prompts, claims={}, metrics=metrics_of("identification")
    )
    page = render(whole)
    assert len(page.encode()) < 20_000_000
    assert len(Page(page).data("data-transcripts")["trials"]) == 1500
    assert "a random sample of 1,500 of the 5,000 trials without one" in page
