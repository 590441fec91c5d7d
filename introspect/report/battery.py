"""The page of a battery: one line an experiment with its verdict and a link to its page, and the layer profiles."""

from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from introspect.analysis.battery import Battery
from introspect.plots.battery import battery_figures
from introspect.plots.write import write_text
from introspect.report.asks import QUESTIONS
from introspect.report.page import asset, environment, figure_parts, inert, policy
from introspect.report.transcripts import island


def battery_page(battery: Battery, out: Path | None = None) -> Path:
    """Write the page of a folder of runs, by default ``report.html`` in it; each run has its own page beside it."""
    scripts = {"plotly": inert(get_plotlyjs()), "page": inert(asset("page.js"))}
    figures = {name: figure_parts(name, figure) for name, figure in battery_figures(battery).items()}
    drawings = {name: figure.pop("drawing") for name, figure in figures.items()}
    runs = [
        {
            "name": name,
            "href": f"{name}/report.html",
            "question": QUESTIONS.get(analysis.protocol, ""),
            "subject": f"{analysis.run.manifest.subject.name}, {analysis.run.manifest.subject.dtype}",
            "n": f"{len(analysis.run.trials):,}",
            "verdict": analysis.verdict.sentence,
        }
        for name, analysis in battery.analyses.items()
    ]
    text = (
        environment()
        .get_template("battery.html.j2")
        .render(
            title=f"Battery: {battery.path.name}",
            subjects=sorted({analysis.run.manifest.subject.name for analysis in battery.analyses.values()}),
            runs=runs,
            sentences=[finding.sentence for finding in battery.findings()],
            figures=figures,
            style=Markup(asset("page.css")),
            policy=policy(*scripts.values()),
            scripts={name: Markup(script) for name, script in scripts.items()},
            drawings=Markup(island(drawings)),
        )
    )
    return write_text(out or battery.path / "report.html", text)
