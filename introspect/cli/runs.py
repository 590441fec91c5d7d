"""``run``, ``analyze``, ``figures`` and ``report``: from a plan to a page."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from introspect.sweeps.estimate import Estimate
    from introspect.sweeps.prepare import Prepared

RunArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)]


def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="What to run.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/NAME of the plan.")] = None,
    max_trials: Annotated[int | None, typer.Option(help="A seeded, balanced subset of so many trials.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the plan; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print cells, trials, time and memory; run nothing.")
    ] = False,
) -> None:
    """Run a plan into a folder; the same command again goes on where it stopped.

    introspect run experiments/01_injected_thought/plan.toml --out runs/01 --max-trials 60

    introspect run experiments/01_injected_thought/plan.toml --set subject=model.gguf --set samples=1 --dry-run
    """
    from introspect.sweeps.plans import load_plan
    from introspect.sweeps.prepare import default_folder, prepare
    from introspect.sweeps.run import sweep

    loaded = load_plan(plan, overrides or [])
    folder = out or default_folder(loaded)
    if dry_run:
        from introspect.sweeps.estimate import estimate

        prepared = prepare(loaded, max_trials)
        _print_estimate(prepared, estimate(prepared))
        return
    sweep(loaded, folder, max_trials)
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(f"trials in {folder}; next: introspect analyze {folder}, introspect report {folder}")
    )


def analyze(
    folder: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    cells: Annotated[bool, typer.Option(help="Also print every cell of the grid.")] = False,
) -> None:
    """Grade a run by rules and print its rates with intervals, arm by arm, and the verdict in words.

    introspect analyze runs/01 --cells

    introspect analyze runs/01 --json
    """
    from introspect.analysis.analyze import analyze as analyze_run

    analysis = analyze_run(folder)
    if as_json:
        sys.stdout.write(json.dumps(analysis.to_json(), indent=2, ensure_ascii=False) + "\n")
    else:
        analysis.show(cells)


def figures(
    folder: RunArgument,
    out: Annotated[Path, typer.Option(help="Folder for the figures.")],
) -> None:
    """Draw a run's figures as HTML and JSON, each with a sidecar that says where it came from.

    introspect figures runs/01 --out figures/01

    introspect figures runs/demo --out runs/demo/figures
    """
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.plots.run import run_figures
    from introspect.plots.write import write_figures
    from introspect.records import digest

    analysis = analyze_run(folder)
    manifest = analysis.run.manifest
    provenance = {
        "run": str(folder),
        "command": f"introspect figures {folder} --out {out}",
        "plan": manifest.plan.name,
        "plan_hash": digest(manifest.plan.identity()),
        "subject": manifest.subject.fingerprint,
        "n": len(analysis.run.trials),
        "n_planned": manifest.n_planned,
        "introspect": manifest.introspect_version,
    }
    written = write_figures(run_figures(analysis), out, provenance)
    Console(highlight=False).print(Text(f"{len(written) // 3} figures in {out}"))


def report(
    folder: RunArgument,
    out: Annotated[Path | None, typer.Option(help="The page; default report.html in the run folder.")] = None,
) -> None:
    """Write a run as one self-contained page: the question, the verdict, the figures, every transcript.

    introspect report runs/01

    introspect report runs/01 --out page.html
    """
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.report.build import report_page

    page = report_page(analyze_run(folder), out)
    Console(highlight=False, soft_wrap=True).print(Text(f"wrote {page}"))


def _print_estimate(prepared: "Prepared", cost: "Estimate") -> None:
    from introspect.sweeps.cells import layers_of

    plan, identity = prepared.plan, prepared.subject.identity
    table = Table(title=f"{plan.name} on {identity.name} (dry run)", title_justify="left", show_header=False)
    rows = {
        "subject": f"{identity.n_layers} layers of width {identity.d_model}, {identity.dtype}, {identity.format}",
        "arms": ", ".join(plan.arms),
        "layers": ", ".join(str(layer) for layer in layers_of(plan, identity)),
        "strengths": ", ".join(f"{strength:g}" for strength in plan.strengths),
        "concepts": f"{len(prepared.concepts.names)}: {', '.join(prepared.concepts.names[:8])}"
        + (" …" if len(prepared.concepts.names) > 8 else ""),
        "wordings": ", ".join(prepared.wordings),
        "cells": str(cost.n_cells),
        "trials": f"{cost.n_trials} of {cost.n_all} in the plan, {cost.rows} rows at a time ({cost.way})",
        "time": f"at most {_duration(cost.seconds)} (measured on this machine, replies of full length)",
        "memory": f"{cost.weights_mib:.0f} MiB weights and {cost.cache_mib:.0f} MiB of cache",
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console(highlight=False).print(table)


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
