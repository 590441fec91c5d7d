"""The page of a run: one HTML file that needs no network, no server and no other file.

Every piece of data reaches the page either through the template, which escapes it, or through a JSON island that no
HTML parser can mistake for markup and that the script turns into text nodes. A content security policy names the two
scripts by their hashes, so that nothing else would run even if something slipped through.
"""

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from introspect.analysis.metrics import Metric
from introspect.plots.estimates import INTERVALS
from introspect.plots.text import counted, number, percent, visible
from introspect.plots.write import write_text
from introspect.records import digest
from introspect.report.asks import QUESTIONS
from introspect.report.content import ReportContent
from introspect.report.design import design
from introspect.report.tables import Table, plain, rates
from introspect.report.transcripts import browser_data, island, listing, of_packed

__all__ = ["ReportContent", "render", "write_report"]


def write_report(out: Path, content: ReportContent) -> Path:
    """Write the page of a run.

    Args:
        out: The file to write; a folder gets a ``report.html``.
        content: What the page shows.

    Returns:
        The file.
    """
    return write_text(out / "report.html" if out.is_dir() else out, render(content))


def render(content: ReportContent) -> str:
    """Return the page as text."""
    scripts = {"plotly": inert(get_plotlyjs()), "page": inert(asset("page.js"))}
    figures = {name: figure_parts(name, figure) for name, figure in content.figures.items()}
    drawings = {name: figure.pop("drawing") for name, figure in figures.items()}
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            _words(content),
            figures=figures,
            style=Markup(asset("page.css")),
            policy=policy(*scripts.values()),
            scripts={name: Markup(text) for name, text in scripts.items()},
            drawings=Markup(island(drawings)),
            transcripts=Markup(island(browser_data(content))),
        )
    )


def environment() -> Environment:
    """Return the template engine: everything is escaped, and nothing may be left undefined."""
    return Environment(
        loader=PackageLoader("introspect", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _words(content: ReportContent) -> dict[str, Any]:
    """Return everything on the page that is text or numbers."""
    plan, trials = content.manifest.plan, content.trials
    names = [metric.name for metric in content.metrics]
    return {
        "manifest": content.manifest,
        "plan": plan,
        "asks": QUESTIONS.get(plan.protocol, ""),
        "plan_hash": digest(plan.identity()),
        "design": design(plan, trials),
        "verdict": content.verdict,
        "verdict_points": content.verdict_points,
        "findings": [(each, None if each.table is None else plain(each.table)) for each in content.findings],
        "completeness": completeness(content.n_trials, content.n_planned),
        "complete": content.n_trials == content.n_planned,
        "listing": listing(trials) if content.n_trials == len(trials) else of_packed(len(trials), content.n_trials),
        "definitions": [(metric, chance_words(metric)) for metric in content.metrics],
        "intervals": INTERVALS,
        "trials_word": "readings" if _is_read_by_layer(content) else "trials",
        "filters": filters(content, names),
        **_tables(content, names),
    }


def _tables(content: ReportContent, names: list[str]) -> dict[str, Table]:
    protocol = content.manifest.plan.protocol
    return {
        "pooled": rates(content.pooled, ("task", "arm"), names, protocol),
        "cells": rates(content.rows, ("task", "info", "arm", "layer", "strength"), names, protocol),
        "concepts": rates(content.per_concept, ("task", "arm", "concept"), names, protocol),
    }


def _is_read_by_layer(content: ReportContent) -> bool:
    """Whether one trial has a row a layer, so that what the tables count is more than trials."""
    return any(trial.scores is not None and bool(trial.scores.curves) for trial in content.trials)


def chance_words(metric: Metric) -> str:
    """Say what guessing gives; empty where that is not fixed."""
    if metric.chance is None:
        return ""
    if metric.chance == "options":
        return "guessing gives one over the number of answers on offer"
    return f"guessing gives {percent(metric.chance) if metric.kind == 'share' else number(metric.chance)}"


def filters(content: ReportContent, names: list[str]) -> list[str]:
    """Return the fields by which the transcripts can be filtered: those that tell this run's trials apart."""
    specs = [trial.spec for trial in content.trials]
    fields = ("task", "info", "arm", "concept", "layer", "strength")
    several = [field for field in fields if len({getattr(spec, field) for spec in specs}) > 1]
    graded = [field for field in ("noticed", "named") if field in names]
    return [*several, *graded, *(["right"] if any(spec.truth is not None for spec in specs) else [])]


def completeness(n: int, n_planned: int) -> str:
    """Say how much of the plan is in the page."""
    if n == n_planned:
        return f"All {counted(n_planned, 'planned trial')} {'is' if n == 1 else 'are'} in this page ({n} of {n})."
    missing = n_planned - n
    return f"This page holds {n:,} of {counted(n_planned, 'planned trial')}; {missing:,} are missing from it."


def policy(*scripts: str) -> str:
    """Return the content security policy under which just these scripts run and nothing is loaded."""
    hashes = " ".join(f"'sha256-{_base64_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _base64_digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def asset(name: str) -> str:
    """Return a file of the page's own."""
    return files("introspect.report").joinpath(name).read_text(encoding="utf-8")


def inert(script: str) -> str:
    """Return a script that cannot close its own element, with the line ends an HTML parser hashes."""
    return script.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _shown(value: object) -> object:
    """Make text visible, and keep a percentage on one line; what is already markup passes."""
    return visible(value).replace(" %", "\u00a0%") if type(value) is str else value


def figure_parts(name: str, figure: go.Figure) -> dict[str, Any]:
    """Split a figure into its words, which the page sets itself, and its drawing."""
    drawing = json.loads(str(figure.to_json()))
    meta = drawing["layout"].get("meta") or {}
    if "title" in meta:
        drawing["layout"].pop("title", None)
        drawing["layout"].pop("height", None)
        drawing["layout"]["height"] = meta["height"]
        drawing["layout"].setdefault("margin", {})["t"] = 36
    return {
        "title": meta.get("title", name),
        "caption": meta.get("caption", ""),
        "min_width": int(meta.get("min_width", 0)),
        "height": int(drawing["layout"].get("height", 450)),
        "drawing": {"data": drawing["data"], "layout": drawing["layout"]},
    }
