"""The page of a battery: the layer profiles of all experiments, then each of them, then every trial."""

from pathlib import Path

from introspect.analysis.battery import Battery
from introspect.plots.battery import battery_figures
from introspect.plots.write import write_text
from introspect.report.figures import Drawings
from introspect.report.page import subject_name
from introspect.report.several import LEDE, Shown, render_several


def battery_page(battery: Battery, out: Path | None = None) -> Path:
    """Write the page of a folder of runs, by default ``report.html`` in it; each run has its own page beside it."""
    target = out or battery.path / "report.html"
    drawings = Drawings()
    runs = [
        Shown.of(subject_name(analysis.run.manifest.subject), name, analysis)
        for name, analysis in battery.analyses.items()
    ]
    profiles = {
        "sentences": [finding.sentence for finding in battery.findings()],
        "figures": [drawings.add(name, figure) for name, figure in battery_figures(battery).items()],
    }
    title = f"Battery: {battery.path.name}"
    text = render_several(runs, target.parent, drawings, title=title, lede=(LEDE,), above={"profiles": profiles})
    return write_text(target, text)
