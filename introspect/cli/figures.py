"""``figures``: a run, battery or study drawn, for a screen or for print."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from introspect.cli.output import JsonOption, print_json, written
from introspect.cli.runs import CalibrationOption, GraderOption, RunArgument, is_battery_folder, only_rules
from introspect.terminal import Console

if TYPE_CHECKING:
    from introspect.analysis.analyze import Analysis
    from introspect.plots.paper import Columns

Figures = dict[str, Any]


class Style(StrEnum):
    """What figures are for."""

    screen = "screen"
    paper = "paper"


def figures(  # noqa: PLR0913 - one option each
    folder: RunArgument,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")],
    style: Annotated[Style, typer.Option(help="paper: black on white, also SVG and PDF.")] = Style.screen,
    columns: Annotated[int, typer.Option(min=1, max=2, help="Of a paper, how many a figure fills.")] = 1,
    grader: GraderOption = "rules",
    calibration: CalibrationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a run's figures as HTML and JSON, for a paper also as SVG and PDF, each with where it came from.

    One column is 3.25 inches wide, two are 6.75; titles and captions are in the sidecars. SVG and PDF need Chromium.

    introspect figures runs/01 --out figures/01

    introspect figures runs/01 --out figures/01 --style paper --columns 2
    """
    command = _command(folder, out, style, columns)
    drawing = _Drawing(out, columns if style is Style.paper else None)
    if is_battery_folder(folder):
        only_rules(grader, calibration, "a battery is read")
        _battery(folder, command, drawing)
    else:
        _run(folder, command, drawing, grader, calibration)
    if as_json:
        print_json(written(drawing.files))
        return
    console = Console(highlight=False, soft_wrap=True)
    for sentence in drawing.sayings:
        console.print(Text(sentence, style="yellow"))
    console.print(Text(f"{drawing.n} figures in {out}"))


class _Drawing:
    """Where figures go and how; what was written, and what is to be said of it."""

    def __init__(self, out: Path, columns: int | None) -> None:
        self.out, self.columns = out, columns
        self.n, self.files, self.sayings = 0, list[Path](), list[str]()

    def write(self, figures: Figures, sidecar: dict[str, Any], inside: str = "") -> None:
        """Write figures, into a folder inside the one of all."""
        from introspect.plots.paper import images, paper, readable
        from introspect.plots.write import write_figures

        if self.columns is None:
            self.files += write_figures(figures, self.out / inside, sidecar)
        else:
            columns: Columns = 1 if self.columns == 1 else 2
            printed = {name: paper(figure, columns) for name, figure in figures.items()}
            self.files += write_figures(printed, self.out / inside, sidecar, images(printed))
            narrow = [name for name, figure in printed.items() if not readable(figure)]
            if narrow and columns == 1:
                self.sayings.append(f"one column is narrow for {', '.join(narrow)}: draw them with --columns 2")
        self.n += len(figures)


def _command(folder: Path, out: Path, style: Style, columns: int) -> str:
    printed = f" --style paper --columns {columns}" if style is Style.paper else ""
    return f"introspect figures {folder} --out {out}{printed}"


def _run(folder: Path, command: str, drawing: _Drawing, grader: str, calibration: Path | None) -> None:
    from introspect.analysis.analyze import analyze
    from introspect.plots.provenance import provenance
    from introspect.plots.run import run_figures

    analysis: Analysis = analyze(folder, grader, calibration)
    if analysis.caution:
        drawing.sayings.append(analysis.caution)
    drawing.write(run_figures(analysis), provenance(analysis, folder, command))


def _battery(folder: Path, command: str, drawing: _Drawing) -> None:
    from introspect.analysis.battery import load_battery_runs
    from introspect.plots.battery import battery_figures
    from introspect.plots.provenance import commit, provenance
    from introspect.plots.run import run_figures

    battery = load_battery_runs(folder)
    for name, analysis in battery.analyses.items():
        drawing.write(run_figures(analysis), provenance(analysis, folder / name, command), name)
    n = sum(len(analysis.run.trials) for analysis in battery.analyses.values())
    hashes = {name: analysis.run.manifest.plan.name for name, analysis in battery.analyses.items()}
    sidecar = {"run": str(folder), "command": command, "commit": commit(), "runs": hashes, "n": n}
    drawing.write(battery_figures(battery), sidecar)
