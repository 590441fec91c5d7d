"""Many made-up studies a setting, judged and counted."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from importlib import resources
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
from scipy import stats

from introspect.analysis.criteria.clauses import Criterion
from introspect.analysis.criteria.judge import conclude
from introspect.analysis.criteria.measured import Measured
from introspect.analysis.criteria.results import CriterionResult, Status
from introspect.analysis.interval import Interval
from introspect.progress import track
from introspect.records import Rules
from introspect.studies.simulation.draw import study
from introspect.studies.simulation.truth import NAMES, Setting, settings


def simulate(
    n_runs: int,
    seed: int = 0,
    chosen: Sequence[Setting] | None = None,
    rules: Rules | None = None,
    workers: int = 1,
    out: Path | None = None,
) -> pl.DataFrame:
    """Judge many made-up studies of each setting.

    Args:
        n_runs: Studies a setting.
        seed: Of all draws.
        chosen: Those of ``settings()`` unless given.
        rules: Of the verdicts; the defaults unless given.
        workers: Processes.
        out: Keep every setting's counts in this folder once they are there, and take from it what the same code left.

    Returns:
        One row a setting and criterion (or ``part``), with counts ``met``, ``not_met`` and ``undetermined`` of
        ``runs``; ``error`` is the share of runs that say met where that is wrong (``holds`` is false), else of those
        that leave it undetermined, with its exact 95 % bounds. ``raised`` is the share of runs that find accuracy
        without grounding, at which a real study stops. Of a part, ``below`` and ``above`` count the ``intervals`` that
        the ``truth`` lies below or above, where it is fixed (``Truth.comes_to``); ``value`` and ``width`` are means.
    """
    every = list(settings() if chosen is None else chosen)
    tally = partial(_kept, out=out, n_runs=n_runs, seed=seed, rules=rules or Rules())
    found: list[pl.DataFrame] = []
    with track(f"{n_runs} studies a setting", len(every)) as advance, ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers, get_context("spawn"))) if workers > 1 else None
        for frame in pool.map(tally, every) if pool else map(tally, every):
            found.append(frame)
            advance(1, str(frame["setting"][0]))
    return pl.concat(found)


def _kept(setting: Setting, out: Path | None, n_runs: int, seed: int, rules: Rules) -> pl.DataFrame:
    """Return a setting's counts: those of the folder, where they are there, else new ones, which are left there."""
    if out is None:
        return _tally(setting, n_runs, seed, rules)
    path = out / f"{zlib.crc32(f'{setting} {n_runs} {seed} {rules} {_code()}'.encode()):08x}.parquet"
    if path.exists():
        return pl.read_parquet(path)
    found = _tally(setting, n_runs, seed, rules)
    out.mkdir(parents=True, exist_ok=True)
    found.write_parquet(part := path.with_suffix(".part"))
    part.replace(path)
    return found


@cache
def _code() -> int:
    """Return a checksum of what draws and judges."""
    folders = (Path(str(resources.files("introspect") / name)) for name in ("analysis", "studies/simulation"))
    return zlib.crc32(b"".join(path.read_bytes() for folder in folders for path in sorted(folder.rglob("*.py"))))


def _tally(setting: Setting, n_runs: int, seed: int, rules: Rules) -> pl.DataFrame:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    intervals: dict[tuple[str, str], list[Interval]] = {}
    raised = 0
    for run in range(n_runs):
        evidence = study(setting, zlib.crc32(f"{seed} {setting} {run}".encode()))
        found = conclude(Measured(evidence, rules, beside=False), strict=False)
        raised += (found["accuracy"].status, found["grounding"].status) == ("met", "not met")
        for key, status, interval in _verdicts(found):
            own = counts.setdefault(key, dict.fromkeys(("met", "not met", "undetermined"), 0))
            own[status] += 1
            intervals.setdefault(key, []).extend([interval] if interval else [])
    rows = [
        _row(setting, kind, name, own) | _covered(setting, name, intervals[kind, name]) | {"raised": raised / n_runs}
        for (kind, name), own in counts.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _verdicts(
    found: Mapping[Criterion, CriterionResult],
) -> Iterator[tuple[tuple[str, str], Status, Interval | None]]:
    for name, result in found.items():
        yield ("criterion", name), result.status, None
        for clause in result.clauses:
            for each in clause.parts:
                yield ("part", NAMES[each.part.measure]), each.status, each.interval


def _covered(setting: Setting, part: str, intervals: Sequence[Interval]) -> dict[str, Any]:
    """Return how a part's intervals, replies as they are read, lie to what the truth says that it comes to."""
    bounds = [(each.low, each.high) for each in intervals if each.low is not None and each.high is not None]
    values = [each.value for each in intervals if each.value is not None]
    truth = setting.truth.comes_to(part) if bounds else None
    return {
        "truth": truth,
        "value": fmean(values) if values else None,
        "intervals": len(bounds),
        "below": None if truth is None else sum(truth < low for low, _ in bounds),
        "above": None if truth is None else sum(truth > high for _, high in bounds),
        "width": fmean([high - low for low, high in bounds]) if bounds else None,
    }


def _row(setting: Setting, kind: str, name: Any, counts: Mapping[str, int]) -> dict[str, Any]:  # noqa: ANN401 - a name
    holds = setting.truth.holds(name) if kind == "criterion" else getattr(setting.truth, name) > 0
    runs = sum(counts.values())
    wrong = counts["undetermined" if holds else "met"]
    bounds = stats.binomtest(wrong, runs).proportion_ci(method="exact")
    return {
        "setting": setting.name,
        "shape": setting.shape,
        "n_concepts": setting.n_concepts,
        "n_leads": setting.n_leads,
        "scatter": setting.scatter,
        "kind": kind,
        "name": name,
        "holds": holds,
        "runs": runs,
        **{status.replace(" ", "_"): count for status, count in counts.items()},
        "error": wrong / runs,
        "low": float(bounds.low),
        "high": float(bounds.high),
    }
