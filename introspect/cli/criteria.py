"""``validate``, and what ``run`` and ``analyze`` do with a study."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from introspect.terminal import Console, json_text

if TYPE_CHECKING:
    from introspect.analysis.grid import Grid
    from introspect.analysis.studies import StudyAnalysis
    from introspect.records import Rules, TrialSpec
    from introspect.studies.validate import Validation

FULL = 20
"""Seeds of trials of the whole validation."""
COLOURS = {"met": "green", "not met": "red", "undetermined": "yellow"}


def print_study(analysis: "StudyAnalysis", as_json: bool) -> None:
    """Print the criteria first, then what they rest on, what stands beside them, and remarks."""
    from introspect.analysis.criteria import words

    study, results = analysis.study, analysis.results
    remarks = analysis.remarks
    if as_json:
        content = {
            "study": str(analysis.path),
            "subject": analysis.subject,
            "setting": study.model_dump(mode="json"),
            "optimism": analysis.optimism,
            "choice": analysis.choice,
            "incomplete": analysis.incomplete,
            "criteria": words.as_json(results, study.rules),
            "grids": [
                {"measure": grid.measure, "p": grid.p, "p_among": grid.p_among, "cells": grid.table.to_dicts()}
                for grid in analysis.grids
            ],
            "beside": [{"name": each.name, "sentence": each.sentence} for each in analysis.beside],
            "remarks": remarks,
        }
        sys.stdout.write(json_text(content) + "\n")
        return
    console = Console(highlight=False)
    console.print(_criteria_table(analysis))
    for sentence in analysis.choice:
        console.print(Text(sentence))
    for name, result in results.items():
        console.rule(Text(words.TITLES[name]), align="left")
        for what, figure in words.lines(result, study.rules):
            console.print(Text(f"  {what}"))
            console.print(Text(f"    {figure}", style="dim"))
    for grid in analysis.grids:
        console.print(_grid_table(grid))
    for title, sentences in (
        ("beside the criteria", [each.sentence for each in analysis.beside]),
        ("remarks", remarks),
    ):
        console.rule(Text(title), align="left")
        for sentence in sentences:
            console.print(Text(f"  {sentence}"))


def _grid_table(grid: "Grid") -> Table:
    table = Table(title=Text(f"exploration: {grid.measure}, cell by cell"), box=SIMPLE_HEAD, pad_edge=False)
    table.title_justify = "left"
    for head in (
        "layer",
        "strength",
        "concepts",
        "value",
        "p",
        "p of the best",
        "p Holm",
        "p B–H",
        "p among questions",
    ):
        table.add_column(head, justify="right")
    for layer, strength, n, value, *p, _ in grid.table.iter_rows():
        numbers = ("–" if each is None else f"{each:.4f}" for each in p)
        table.add_row(str(layer), f"{strength:g}", str(n), "–" if value is None else f"{value:+.2f}", *numbers)
    return table


def _criteria_table(analysis: "StudyAnalysis") -> Table:
    from introspect.analysis.criteria import words

    table = Table(title=Text(f"The four criteria: {analysis.subject}"), box=SIMPLE_HEAD, pad_edge=False)
    table.title_justify = "left"
    for head in ("criterion", "verdict", "what it rests on"):
        table.add_column(head)
    for name, result in analysis.results.items():
        title = f"{words.TITLES[name]}: {words.MEANS[name]}"
        table.add_row(Text(title), Text(result.status, style=COLOURS[result.status]), Text(words.sentence(result)))
    return table


def print_forecasts(specs: "list[TrialSpec]", rules: "Rules") -> None:
    """Print, before anything is run, the smallest effect that each part of each clause could show."""
    from introspect.analysis.criteria.beforehand import ASSUMPTIONS, SAID, forecasts

    table = Table(title=Text("the smallest effect that four of five runs would find"), box=SIMPLE_HEAD, pad_edge=False)
    table.title_justify = "left"
    table.add_column("part")
    for head in ("concepts", "counts from", *(each.name for each in ASSUMPTIONS)):
        table.add_column(head, justify="right")
    for each in forecasts(specs, rules):
        unit = "" if each.part.unit == "rate" else " nats"
        name = f"{each.clause.criterion}: {each.part.name}" + (f" ({each.part.basis})" if each.part.basis else "")
        shown = [f"{value:.2f}{unit}" if value is not None else "–" for value in each.detectable]
        table.add_row(Text(name), str(each.n_concepts), f"{each.least:g}{unit}", *shown)
        if each.because:
            table.add_row(Text(f"  undetermined: {each.because}", style="yellow"))
    console = Console(highlight=False)
    console.print(table)
    console.print(Text(SAID))


def sibling(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study that is finished.", show_default=False)],
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="smollm2, a hub id, a folder or a GGUF file.", show_default=False)
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="How it is loaded: adapter, dtype, device, …; repeatable."),
    ] = None,
) -> None:
    """Let another model go on from a study's reports, cut just before the claim, without any vector.

    What it names there, too, could be read off the words. introspect analyze DIR and introspect report DIR then say how
    often it does, beside the subject without its vector. The same command goes on where it stopped.

    introspect sibling runs/15 smollm2

    introspect sibling runs/15 org/model --set dtype=bfloat16 --set device_map=auto
    """
    from introspect.studies.sibling import read_along

    written = read_along(folder, subject, changes or ())
    console = Console(highlight=False, soft_wrap=True)
    for each in written:
        console.print(Text(f"read: {each}"))
    console.print(Text(f"next: introspect analyze {folder}"))


def validate(  # noqa: PLR0913 - one option each
    seed: Annotated[int, typer.Option(min=0, help="Of the trials: other noise, lead-ins and notes dealt anew.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="So many seeds of trials, from --seed on.")] = 1,
    full: Annotated[bool, typer.Option("--full", help="Twenty seeds of trials, and all forms: hours.")] = False,
    organisms: Annotated[
        list[str] | None, typer.Option("--organism", metavar="NAME", help="Only these; repeatable.", show_default=False)
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(help="tiny, lora (on the embedded model) or all. [default: tiny]", show_default=False),
    ] = None,
    training_seed: Annotated[int | None, typer.Option(help="Only organisms of this training seed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the studies in this folder.", show_default=False)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at a time; default one a processor.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Put the laboratory on trial: judge subjects whose answer is known, and compare.

    Exit code 1 if a verdict is not the expected one, or, where all are tried, a clause decides none.

    introspect validate

    introspect validate --seed 7 --organism parrot --organism introspector --json

    introspect validate --form lora
    """
    from introspect.errors import UnknownNameError
    from introspect.organisms.catalog import select
    from introspect.studies.expected import EXPECTED, RELABELLED
    from introspect.studies.validate import validate as run_validation

    n = FULL if full else seeds
    for name in organisms or ():
        if name not in EXPECTED:
            raise UnknownNameError("organism", name, list(EXPECTED))
    named = ["introspector" if name == RELABELLED else name for name in organisms or ()]  # its replies, dealt again
    chosen = select(named, form or ("all" if full else "tiny"), training_seed)
    found = run_validation(range(seed, seed + n), chosen, out, workers)
    if as_json:
        sys.stdout.write(json_text(found.to_json(), indent=1) + "\n")
    else:
        _print(found)
    if found.wrong or found.idle:
        raise typer.Exit(1)


def _print(found: "Validation") -> None:
    from introspect.analysis.criteria.clauses import CRITERIA

    console = Console(highlight=False)
    table = Table(title=Text("Subjects with known answers"), box=SIMPLE_HEAD, pad_edge=False)
    table.title_justify = "left"
    for head in ("organism", "form", "trained", "seed", *CRITERIA):
        table.add_column(head)
    rows: dict[tuple[str, str, int, int], dict[str, Text]] = {}
    for cell in found.cells:
        mark = "" if cell.expected is None else " ✓" if cell.right else f" ✗ (expected {cell.expected})"
        style = "dim" if cell.expected is None else "green" if cell.right else "bold red"
        own = rows.setdefault((cell.organism, cell.form, cell.training_seed, cell.seed), {})
        own[cell.criterion] = Text(f"{cell.got}{mark}", style=style)
    for (organism, form, training_seed, seed), own in rows.items():
        table.add_row(organism, form, str(training_seed), str(seed), *(own[name] for name in CRITERIA))
    console.print(table)
    n = sum(cell.expected is not None for cell in found.cells)
    console.print(
        Text(f"{n - len(found.wrong)} of {n} verdicts as expected; cells without a mark have no known answer.")
    )
    for name, cells in found.without.items():
        turned = ", ".join(f"{cell.organism} ({cell.criterion})" for cell in cells)
        style = "bold red" if name in found.idle else "dim"
        console.print(Text(f"without the clause {name}, these would be wrong: {turned or 'none'}", style=style))
