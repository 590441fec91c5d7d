"""The simulated verdicts as the tables of ``docs/coverage.md``: a wrong "met", none at all, intervals that miss."""

from collections.abc import Iterable, Sequence
from itertools import chain
from statistics import fmean
from typing import Any

import polars as pl
from scipy import stats

from introspect.analysis.criteria.clauses import CLAUSES, CRITERIA
from introspect.studies.simulation.truth import NAMES, SHAPES

PARTS = {NAMES[part.measure]: clause.criterion for clause in CLAUSES for part in clause.parts}
"""The criterion of every part."""
EVERYTHING, BUT, TWICE = "nothing", "all but ", "twice "
BESIDE = " by noticing"


def verdict_tables(found: pl.DataFrame) -> str:
    """Return the tables in Markdown: wrong verdicts and their sums, verdicts left open, intervals.

    Args:
        found: What ``simulate`` returns; settings that are not there have no row.
    """
    return "\n\n".join((nil_table(found), sums(found), twice_table(found), coverage_table(found)))


def nil_table(found: pl.DataFrame) -> str:
    """Return the shares of "met" and "not met" where a criterion does not hold, in per cent."""
    rows = []
    for criterion, nil, setting in _nil():
        cells = [_row(found, setting, shape, "criterion", criterion) for shape in SHAPES]
        if all(cells):
            shares = [_percent(cell, status) for status in ("met", "not_met") for cell in cells if cell]
            rows.append([criterion, nil, *shares])
    heads = [f"{status}, {shape}" for status in ("met", "not met") for shape in SHAPES.values()]
    return _markdown(["criterion", "nil", *heads], rows)


def sums(found: pl.DataFrame) -> str:
    """Return how often "met" was wrong: in the worst setting, and by criterion in all of them."""
    every: dict[str, list[dict[str, Any]]] = {criterion: [] for criterion in CRITERIA}
    for criterion, _, setting in _nil():
        cells = (_row(found, setting, shape, "criterion", criterion) for shape in SHAPES)
        every[criterion] += [cell for cell in cells if cell]
    worst = max(chain.from_iterable(every.values()), key=lambda cell: cell["met"] / cell["runs"], default=None)
    if worst is None:
        return "No setting in which a criterion does not hold."
    counts = (
        f"{sum(cell['met'] for cell in cells):,} of {sum(cell['runs'] for cell in cells):,} ({criterion})"
        for criterion, cells in every.items()
    )
    return f'"Met" where it is wrong: at most {_bounded(worst, "met")} % of a setting\'s studies; {", ".join(counts)}.'


def twice_table(found: pl.DataFrame) -> str:
    """Return how often a criterion at twice its smallest effects is left undetermined, in per cent with exact bounds.

    Behind it stands the part that is left open most often.
    """
    rows = []
    for setting in found["setting"].unique(maintain_order=True):
        name = setting.removeprefix(TWICE)
        if name == setting:
            continue
        for criterion in CRITERIA if name == "all" else [name.removesuffix(BESIDE)]:
            cells = [_row(found, setting, shape, "criterion", criterion) for shape in SHAPES]
            if all(cells):
                shares = [_bounded(cell, "undetermined") for cell in cells if cell]
                rows.append([name, criterion, *shares, _open_part(found, setting, criterion)])
    heads = [f"undetermined, {shape}" for shape in SHAPES.values()]
    return _markdown(["at twice", "criterion", *heads, "the part that is left open most often"], rows)


def coverage_table(found: pl.DataFrame) -> str:
    """Return how often the interval of each part holds what the part comes to, in per cent of the intervals."""
    rows = []
    for part in PARTS:
        cells = found.filter(pl.col("name") == part, pl.col("truth").is_not_null()).to_dicts()
        if not cells:
            continue
        held = [1 - (cell["below"] + cell["above"]) / cell["intervals"] for cell in cells]
        at = min(range(len(cells)), key=held.__getitem__)
        worst = cells[at]
        sides = (f"{100 * worst[side] / worst['intervals']:.1f}" for side in ("below", "above"))
        shares = (f"{100 * share:.1f}" for share in (fmean(held), held[at]))
        width = f"{fmean(cell['width'] for cell in cells):.2f}"
        rows.append(
            [f"`{part}`", f"{len(cells)}", *shares, f"{worst['setting']}, {SHAPES[worst['shape']]}", *sides, width]
        )
    heads = ["part", "settings", "mean", "worst", "worst at", "truth below", "truth above", "mean width"]
    return _markdown(heads, rows)


def _nil() -> Iterable[tuple[str, str, str]]:
    """Yield criterion, what is nil, and the setting in which it is."""
    for criterion in CRITERIA:
        yield criterion, "everything", EVERYTHING
        yield from ((criterion, f"`{part}`", f"{BUT}{part}") for part, owner in PARTS.items() if owner == criterion)


def _open_part(found: pl.DataFrame, setting: str, criterion: str) -> str:
    """Return the part that is looked at and left open in most studies, with its shares of all studies."""
    shares: dict[str, list[float]] = {}
    for part in (name for name, owner in PARTS.items() if owner == criterion):
        for shape in SHAPES:
            whole, own = _row(found, setting, shape, "criterion", criterion), _row(found, setting, shape, "part", part)
            share = own["undetermined"] / whole["runs"] if own and whole else 0.0
            shares.setdefault(part, []).append(100 * share)
    part = max(shares, key=lambda name: max(shares[name]))
    return f"`{part}`: {', '.join(f'{share:.1f}' for share in shares[part])}"


def _row(found: pl.DataFrame, setting: str, shape: str, kind: str, name: str) -> dict[str, Any] | None:
    own = found.filter(setting=setting, shape=shape, kind=kind, name=name)
    return own.row(0, named=True) if len(own) else None


def _percent(cell: dict[str, Any], status: str) -> str:
    return f"{100 * cell[status] / cell['runs']:.1f}"


def _bounded(cell: dict[str, Any], status: str) -> str:
    bounds = stats.binomtest(cell[status], cell["runs"]).proportion_ci(method="exact")
    return f"{_percent(cell, status)} [{100 * bounds.low:.1f}, {100 * bounds.high:.1f}]"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(each)} |" for each in (heads, ["---"] * len(heads), *rows))
