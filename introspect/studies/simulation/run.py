"""Many made-up studies a setting, judged and counted."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import polars as pl
from scipy import stats

from introspect.analysis.criteria.evidence import Evidence
from introspect.analysis.criteria.judge import Measured, conclude
from introspect.records import Rules
from introspect.studies.simulation.draw import study
from introspect.studies.simulation.truth import NAMES, Setting, settings


def simulate(
    n_runs: int,
    seed: int = 0,
    chosen: Sequence[Setting] | None = None,
    rules: Rules | None = None,
    workers: int = 1,
) -> pl.DataFrame:
    """Judge many made-up studies of each setting.

    Args:
        n_runs: Studies a setting.
        seed: Of all draws.
        chosen: Those of ``settings()`` unless given.
        rules: Of the verdicts; the defaults unless given.
        workers: Processes.

    Returns:
        One row a setting and criterion (or ``part``), with counts ``met``, ``not_met`` and ``undetermined`` of
        ``runs``; ``error`` is the share of runs that say met where that is wrong (``holds`` is false), else of those
        that leave it undetermined, with its exact 95 % bounds. ``raised`` is the share of runs that find accuracy
        without grounding, at which a real study stops.
    """
    every = list(settings() if chosen is None else chosen)
    tally = partial(_tally, n_runs=n_runs, seed=seed, rules=rules or Rules())
    if workers == 1:
        return pl.concat([tally(setting) for setting in every])
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return pl.concat(list(pool.map(tally, every)))


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
        "kind": kind,
        "name": name,
        "holds": holds,
        "runs": runs,
        **{status.replace(" ", "_"): count for status, count in counts.items()},
        "error": wrong / runs,
        "low": float(bounds.low),
        "high": float(bounds.high),
    }
