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

from introspect.plots.estimates import INTERVALS, METRICS
from introspect.plots.style import ARM_WORDS
from introspect.plots.text import counted, visible
from introspect.plots.write import write_text
from introspect.records import digest
from introspect.report.content import ReportContent
from introspect.report.tables import lines
from introspect.report.transcripts import browser_data, island

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
    scripts = {"plotly": _inert(get_plotlyjs()), "page": _inert(_asset("page.js"))}
    figures = {name: _figure(name, figure) for name, figure in content.figures.items()}
    drawings = {name: figure.pop("drawing") for name, figure in figures.items()}
    environment = Environment(
        loader=PackageLoader("introspect", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        manifest=content.manifest,
        plan=content.manifest.plan,
        plan_hash=digest(content.manifest.plan.identity()),
        verdict=content.verdict,
        verdict_points=content.verdict_points,
        completeness=completeness(len(content.trials), content.n_planned),
        complete=len(content.trials) == content.n_planned,
        arm_words=ARM_WORDS,
        metric_words=METRICS,
        intervals=INTERVALS,
        pooled=lines(content.pooled, ()),
        cells=lines(content.rows, ("layer", "strength")),
        concepts=lines(content.per_concept, ("concept",)),
        figures=figures,
        style=Markup(_asset("page.css")),
        policy=policy(*scripts.values()),
        scripts={name: Markup(text) for name, text in scripts.items()},
        drawings=Markup(island(drawings)),
        transcripts=Markup(island(browser_data(content))),
    )


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


def _asset(name: str) -> str:
    return files("introspect.report").joinpath(name).read_text(encoding="utf-8")


def _inert(script: str) -> str:
    """Return a script that cannot close its own element, with the line ends an HTML parser hashes."""
    return script.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _shown(value: object) -> object:
    """Make text visible, and keep a percentage on one line; what is already markup passes."""
    return visible(value).replace(" %", "\u00a0%") if type(value) is str else value


def _figure(name: str, figure: go.Figure) -> dict[str, Any]:
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
