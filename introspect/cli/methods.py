"""``methods``: what a paper says of a run, written from its records."""

import sys
from typing import Annotated

import typer
from rich.text import Text

from introspect.cli.output import JsonOption, print_json
from introspect.cli.runs import CalibrationOption, GraderOption, RunArgument
from introspect.terminal import Console


def methods(
    folder: RunArgument,
    latex: Annotated[bool, typer.Option("--latex", help="Both for LaTeX, with the package booktabs.")] = False,
    grader: GraderOption = "rules",
    calibration: CalibrationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a methods paragraph and a table of results from a run's own records, as text or for LaTeX.

    introspect methods runs/01

    introspect methods runs/01 --latex > methods.tex
    """
    from introspect.analysis.analyze import analyze
    from introspect.report.methods import escape, latex_table
    from introspect.report.methods import methods as paragraph

    analysis = analyze(folder, grader, calibration)
    said, table = paragraph(analysis), latex_table(analysis)
    if as_json:
        print_json({"methods": said, "latex": {"methods": escape(said), "table": table}})
    elif latex:
        sys.stdout.write(f"{escape(said)}\n\n{table}")
    else:
        Console(highlight=False, soft_wrap=True).print(Text(said))
        analysis.show()
