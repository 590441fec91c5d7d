"""``run`` and ``analyze``: from a plan to numbers."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from introspect.cli.criteria import print_forecasts, print_study
from introspect.cli.executors import (
    AddressOption,
    ExecutorOption,
    GpusOption,
    WorkersOption,
    chosen,
    duration,
    print_forecasts_of,
)
from introspect.cli.output import JsonOption, print_json
from introspect.terminal import Console, json_text

if TYPE_CHECKING:
    from introspect.records import Plan
    from introspect.sweeps.estimate import Estimate
    from introspect.sweeps.prepare import Prepared
    from introspect.sweeps.ray_pool import RayExecutor

    How = RayExecutor | Literal["dry run"] | None

RunArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)]
GraderOption = Annotated[
    str, typer.Option(help="rules, or judge or the name of a grader whose claims introspect grade left in a run.")
]
CalibrationOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What introspect calibrate wrote of that grader.", show_default=False),
]


def run(  # noqa: PLR0913 - one option each
    plan: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="What to run.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/NAME of the plan.")] = None,
    max_trials: Annotated[int | None, typer.Option(help="A seeded, balanced subset of so many trials.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the plan; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print cells, trials, time and memory; run nothing.")
    ] = False,
    executor: ExecutorOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a plan, or a battery of them, into a folder; the same command again goes on where it stopped.

    With --executor ray several workers, each with a subject of its own, share the trials; without --address they are
    started on this machine.

    introspect run experiments/01_injected_thought/plan.toml --out runs/01 --max-trials 60

    introspect run experiments/battery/plan.toml --out runs/battery --dry-run

    introspect run experiments/01_injected_thought/plan.toml --set subject=model.gguf --set samples=1 --dry-run

    introspect run experiments/battery/plan.toml --out runs/battery --executor ray --workers 2
    """
    from introspect.sweeps.plans import is_battery, is_study, load_plan
    from introspect.sweeps.prepare import default_folder, prepare
    from introspect.sweeps.run import sweep

    where = chosen(executor, address, workers, gpus_per_worker)
    if where is not None and dry_run:
        print_forecasts_of(where, _plans_of(plan, overrides or []), max_trials)
        return
    if is_study(plan):
        _study(plan, out, max_trials, overrides or [], "dry run" if dry_run else where, as_json)
        return
    if is_battery(plan):
        _battery(plan, out, max_trials, overrides or [], "dry run" if dry_run else where, as_json)
        return
    loaded = load_plan(plan, overrides or [])
    folder = out or default_folder(loaded)
    if dry_run:
        from introspect.sweeps.estimate import estimate

        prepared = prepare(loaded, max_trials)
        cost = estimate(prepared)
        if as_json:
            print_json({"experiment": loaded.name} | asdict(cost))
        else:
            _print_estimate(prepared, cost)
        return
    with where or nullcontext():
        sweep(loaded, folder, max_trials, executor=where)
    _next(folder, as_json)


def _plans_of(plan: Path, overrides: list[str]) -> "list[Plan]":
    """Return the plans of a file: of a study about what it will run."""
    from introspect.studies.study import planned
    from introspect.sweeps.plans import is_battery, is_study, load_battery, load_plan, load_study

    if is_study(plan):
        return planned(*load_study(plan, overrides))
    return load_battery(plan, overrides) if is_battery(plan) else [load_plan(plan, overrides)]


def _study(
    plan: Path, out: Path | None, max_trials: int | None, overrides: list[str], where: "How", as_json: bool
) -> None:
    from introspect.errors import PlanError
    from introspect.studies.study import planned, run_study
    from introspect.sweeps.plans import load_study

    if max_trials is not None:
        message = "a study runs whole or not at all: its verdicts need every trial; lower n_concepts or samples instead"
        raise PlanError(message)
    if where == "dry run":
        from introspect.sweeps.battery import prepare_battery

        rules, plans = load_study(plan, overrides)
        prepared = prepare_battery(planned(rules, plans))
        if as_json:
            print_json(_printed_costs(prepared))
            return
        _print_battery(prepared)
        reported = [spec for each in prepared if each.plan.name not in rules.on_grid for spec in each.everything]
        print_forecasts(reported, rules)
        return
    folder = out or Path("runs") / (plan.parent.name if plan.stem in {"plan", "study"} else plan.stem)
    with where or nullcontext():
        run_study(plan, folder, overrides, executor=where)
    _next(folder, as_json)


def _battery(
    plan: Path, out: Path | None, max_trials: int | None, overrides: list[str], where: "How", as_json: bool
) -> None:
    from introspect.sweeps.battery import prepare_battery, run_battery
    from introspect.sweeps.plans import load_battery

    plans = load_battery(plan, overrides)
    folder = out or Path("runs") / (plan.parent.name if plan.stem == "plan" else plan.stem)
    if where == "dry run":
        prepared = prepare_battery(plans, max_trials)
        if as_json:
            print_json(_printed_costs(prepared))
        else:
            _print_battery(prepared)
        return
    with where or nullcontext():
        run_battery(plans, folder, max_trials, where)
    _next(folder, as_json)


def _costs(prepared: "list[Prepared]") -> "list[Estimate]":
    from introspect.progress import track
    from introspect.sweeps.estimate import estimate

    found: list[Estimate] = []
    with track("estimate", len(prepared)) as advance:
        for each in prepared:
            found.append(estimate(each))
            advance(1, each.plan.name)
    return found


def _printed_costs(prepared: "list[Prepared]") -> list[dict[str, Any]]:
    costs = zip(prepared, _costs(prepared), strict=True)
    return [{"experiment": each.plan.name} | asdict(cost) for each, cost in costs]


def _next(folder: Path, as_json: bool = False) -> None:
    if as_json:
        print_json({"folder": folder})
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(f"trials in {folder}; next: introspect analyze {folder}, introspect report {folder}")
    )


def analyze(
    folder: RunArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    cells: Annotated[bool, typer.Option(help="Also print every cell of the grid.")] = False,
    grader: GraderOption = "rules",
    calibration: CalibrationOption = None,
) -> None:
    """Grade a run by rules and print its rates with intervals, arm by arm, and the verdict in words.

    With --grader the claims of another grader are read instead, and with --calibration its errors are taken out.

    introspect analyze runs/01 --cells

    introspect analyze runs/01 --json
    """
    from introspect.analysis.analyze import analyze as analyze_run
    from introspect.analysis.studies import analyze_study, is_study_folder

    if is_study_folder(folder):
        only_rules(grader, calibration, "a study's criteria are read")
        print_study(analyze_study(folder), as_json)
        return
    if is_battery_folder(folder):
        only_rules(grader, calibration, "a battery is read")
        _analyze_battery(folder, as_json)
        return
    analysis = analyze_run(folder, grader, calibration)
    if as_json:
        sys.stdout.write(json_text(analysis.to_json()) + "\n")
    else:
        analysis.show(cells)


def only_rules(grader: str, calibration: Path | None, what: str) -> None:
    """Refuse another grader, or a calibration, where the rules alone are read."""
    if grader != "rules" or calibration is not None:
        from introspect.errors import JudgeError

        asked = grader if calibration is None else f"--calibration {calibration}"
        message = f"{what} by the rules; for {asked} name one of its run folders"
        raise JudgeError(message)


def is_battery_folder(folder: Path) -> bool:
    """Whether a folder holds run folders and is none itself."""
    return folder.is_dir() and not (folder / "manifest.json").exists() and any(folder.glob("*/manifest.json"))


def _analyze_battery(folder: Path, as_json: bool) -> None:
    from introspect.analysis.battery import load_battery_runs
    from introspect.split import other_salt

    battery = load_battery_runs(folder)
    if as_json:
        content = {
            "runs": {name: analysis.to_json() for name, analysis in battery.analyses.items()},
            "findings": [{"name": each.name, "sentence": each.sentence} for each in battery.findings()],
        }
        sys.stdout.write(json_text(content) + "\n")
        return
    console = Console(highlight=False)
    for name, analysis in battery.analyses.items():
        console.rule(Text(name), align="left")
        console.print(Text(analysis.verdict.sentence, style="bold"))
        for said in filter(None, (analysis.run.so_far, other_salt(analysis.run.manifest.plan.salt))):
            console.print(Text(said, style="yellow"))
        for finding in analysis.findings:
            console.print(Text(f"  {finding.sentence}"))
    console.rule(Text("layer profiles"), align="left")
    for finding in battery.findings():
        console.print(Text(finding.sentence))


def _print_battery(prepared: "list[Prepared]") -> None:
    from introspect.split import other_salt

    table = Table(title="battery (dry run)", title_justify="left")
    for name in ("experiment", "cells", "trials", "time at most"):
        table.add_column(name, justify="left" if name == "experiment" else "right")
    seconds, trials = 0.0, 0
    for each, cost in zip(prepared, _costs(prepared), strict=True):
        seconds, trials = seconds + cost.seconds, trials + cost.n_trials
        table.add_row(each.plan.name, str(cost.n_cells), str(cost.n_trials), duration(cost.seconds))
    table.add_row("all", "", str(trials), duration(seconds), style="bold")
    console = Console(highlight=False)
    console.print(table)
    for said in {other_salt(each.plan.salt) for each in prepared} - {None}:
        console.print(Text(str(said), style="yellow"))


def _print_estimate(prepared: "Prepared", cost: "Estimate") -> None:
    plan, identity = prepared.plan, prepared.subject.identity
    table = Table(title=f"{plan.name} on {identity.name} (dry run)", title_justify="left", show_header=False)
    rows = {
        "subject": f"{identity.n_layers} layers of width {identity.d_model}, {identity.dtype}, {identity.format}",
        "arms": ", ".join(dict.fromkeys(spec.arm for spec in prepared.specs)),
        "tasks": ", ".join(dict.fromkeys(spec.task for spec in prepared.specs)),
        "layers": ", ".join(str(layer) for layer in sorted({s.layer for s in prepared.specs if s.layer is not None})),
        "strengths": ", ".join(f"{strength:g}" for strength in plan.strengths),
        "concepts": f"{len(prepared.concepts.names)}: {', '.join(prepared.concepts.names[:8])}"
        + (" …" if len(prepared.concepts.names) > 8 else ""),
        "wordings": ", ".join(prepared.wordings),
        "split": f"{plan.side or 'both sides'}, salt {plan.salt!r}",
        "cells": str(cost.n_cells),
        "trials": f"{cost.n_trials} of {cost.n_all} in the plan, {cost.rows} rows at a time ({cost.way})",
        "time": f"at most {duration(cost.seconds)} (measured on this machine, replies of full length)",
        "tokens": f"{cost.load.n_prefixes:,} prefixes of {cost.load.prefix_tokens:,} tokens, "
        f"{cost.load.own_tokens:,} of the trials' own, at most {cost.load.reply_tokens:,} of replies",
        "memory": f"{cost.weights_mib:.0f} MiB weights and {cost.cache_mib:.0f} MiB of cache",
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    Console(highlight=False).print(table)
