"""Many made-up studies a setting, judged and counted."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from importlib import resources
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
from scipy import stats

from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.criteria.judge import conclude
from introspect.analysis.criteria.measured import Measured
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
        without grounding, at which a real study stops.
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
    raised = 0
    for run in range(n_runs):
        verdicts = dict(_verdicts(study(setting, zlib.crc32(f"{seed} {setting} {run}".encode())), rules))
        raised += (verdicts["criterion", "accuracy"], verdicts["criterion", "grounding"]) == ("met", "not met")
        for key, status in verdicts.items():
            own = counts.setdefault(key, dict.fromkeys(("met", "not met", "undetermined"), 0))
            own[status] += 1
    rows = [_row(setting, kind, name, own) | {"raised": raised / n_runs} for (kind, name), own in counts.items()]
    return pl.DataFrame(rows)


def _verdicts(found: Evidence, rules: Rules) -> Iterator[tuple[tuple[str, str], str]]:
    for name, result in conclude(Measured(found, rules, beside=False), strict=False).items():
        yield ("criterion", name), result.status
        for clause in result.clauses:
            yield from ((("part", NAMES[each.part.measure]), each.status) for each in clause.parts)


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
