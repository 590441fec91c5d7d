"""``report``: one self-contained page of a run, or of several side by side."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from introspect.cli.runs import CalibrationOption, GraderOption, is_battery_folder, only_rules
from introspect.terminal import Console


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR …", help="Runs, batteries or studies.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="The page; default report.html in the (first) folder.")] = None,
    grader: GraderOption = "rules",
    calibration: CalibrationOption = None,
) -> None:
    """Write a run as one self-contained page: the question, the verdict, the figures, every trial.

    Several studies give one page that opens with their criteria side by side; several runs, or a battery, one page with
    the same experiment of all subjects side by side. docs/report.md says how to read it.

    introspect report runs/01 --out page.html

    introspect report runs/study runs/introspector
    """
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.analysis.studies import is_study_folder
    from introspect.report.build import report_page

    console = Console(highlight=False, soft_wrap=True)
    studies = [folder for folder in folders if is_study_folder(folder)]
    if studies or len(folders) > 1 or is_battery_folder(folders[0]):
        only_rules(grader, calibration, "several runs on one page are read")
    if studies:
        _report_studies(folders, out, console)
    elif len(folders) > 1:
        _report_several(folders, out, console)
    elif is_battery_folder(folders[0]):
        _report_battery(folders[0], out, console)
    else:
        console.print(Text(f"wrote {report_page(analyze_run(folders[0], grader, calibration), out)}"))


def _report_studies(folders: list[Path], out: Path | None, console: Console) -> None:
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.analysis.studies import analyze_study
    from introspect.report.build import report_page
    from introspect.report.study import study_page

    studies = [analyze_study(folder) for folder in folders]
    analyses = [{name: analyze_run(run) for name, run in each.runs.items()} for each in studies]
    for own in analyses:
        for analysis in own.values():
            console.print(Text(f"wrote {report_page(analysis)}"))
    console.print(Text(f"wrote {study_page(studies, analyses, out)}"))


def _report_battery(folder: Path, out: Path | None, console: Console) -> None:
    from introspect.analysis.battery import load_battery_runs
    from introspect.report.battery import battery_page
    from introspect.report.build import report_page

    battery = load_battery_runs(folder)
    for analysis in battery.analyses.values():
        console.print(Text(f"wrote {report_page(analysis)}"))
    console.print(Text(f"wrote {battery_page(battery, out)}"))


def _report_several(folders: list[Path], out: Path | None, console: Console) -> None:
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.report.build import report_page
    from introspect.report.several import several_page

    runs = [run for folder in folders for run in _runs_of(folder)]
    analyses = [(run.name if run not in folders else "", analyze_run(run)) for run in runs]
    named = [(name or analysis.run.manifest.plan.name, analysis) for name, analysis in analyses]
    for _, analysis in named:
        console.print(Text(f"wrote {report_page(analysis)}"))
    console.print(Text(f"wrote {several_page(named, out or folders[0] / 'report_several.html')}"))


def _runs_of(folder: Path) -> list[Path]:
    """Return the run folders of a battery, or the folder itself."""
    if not is_battery_folder(folder):
        return [folder]
    return sorted(entry.parent for entry in folder.glob("*/manifest.json"))
