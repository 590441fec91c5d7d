"""Two subjects part by part: the difference of every clause's value over the concepts that both were asked about."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance
from typing import Any

import polars as pl
from scipy import special

from introspect.analysis.criteria.clauses import Criterion
from introspect.analysis.criteria.results import CriterionResult, PartResult
from introspect.analysis.interval import LEVEL, Interval
from introspect.analysis.intervals import over_concepts
from introspect.analysis.permutation import benjamini_hochberg, holm, paired

Results = Mapping[Criterion, CriterionResult]
BOUNDS = (-2.0, 2.0)
"""The least and the largest difference of two differences of rates."""
SCHEMA = (
    dict.fromkeys(("criterion", "clause", "part", "unit"), pl.String)
    | dict.fromkeys(("first", "second", "difference", "low", "high"), pl.Float64)
    | {"n_concepts": pl.Int64}
    | dict.fromkeys(("p", "p_holm", "p_bh"), pl.Float64)
)


def between(first: Results, second: Results, level: float = LEVEL) -> pl.DataFrame:
    """Compare two studies, paired over concepts.

    Args:
        first: The verdicts on one subject.
        second: Those on another.
        level: Of the two-sided intervals.

    Returns:
        One row a part that both were judged by and that has two concepts in common (and two questions or lead-ins,
        where these are a sample): means over these concepts,
        ``difference`` (first less second) with bounds, two-sided ``p``, and p corrected for the number of parts by Holm
        and by Benjamini and Hochberg. p is that of flipped signs, or of Student's t where questions or lead-ins, which
        concepts share, are a sample as well: the variances that they add to the two subjects' values are summed, as
        if the two had been asked about different ones, which errs on the side of wide intervals.
    """
    others = dict(_parts(second))
    rows = [
        row
        for name, part in _parts(first)
        if name in others and (row := _row(name, part, others[name], level)) is not None
    ]
    p = [row["p"] for row in rows]
    whole = [row | {"p_holm": a, "p_bh": b} for row, a, b in zip(rows, holm(p), benjamini_hochberg(p), strict=True)]
    return pl.DataFrame(whole, schema=SCHEMA)


def _parts(results: Results) -> list[tuple[tuple[str, str, str], PartResult]]:
    return [
        ((criterion, clause.clause.name, part.part.words), part)
        for criterion, result in results.items()
        for clause in result.clauses
        for part in clause.parts
    ]


def _row(name: tuple[str, str, str], part: PartResult, other: PartResult, level: float) -> dict[str, Any] | None:
    shared = [concept for concept in part.values if concept in other.values]
    if len(shared) < 2:
        return None
    more = part.more + other.more
    fewest = min(len(shared), part.fewest, other.fewest)
    if more and fewest < 2:
        return None
    one, two = ([each.values[concept] for concept in shared] for each in (part, other))
    gaps = [a - b for a, b in zip(one, two, strict=True)]
    interval: Interval = over_concepts(gaps, level, BOUNDS if part.part.unit == "rate" else None, more, fewest)
    p = _students(gaps, more, fewest) if more else paired(one, two).p_flip
    return {
        "criterion": name[0], "clause": name[1], "part": part.part.name, "unit": part.part.unit,
        "first": sum(one) / len(one), "second": sum(two) / len(two), "difference": interval.value,
        "low": interval.low, "high": interval.high, "n_concepts": len(shared), "p": p,
    }  # fmt: skip


def _students(gaps: Sequence[float], more: float, fewest: int) -> float:
    """Return the two-sided p of Student's t where the mean has ``more`` variance than concepts give it."""
    t = fmean(gaps) / math.sqrt(variance(gaps) / len(gaps) + more)
    return float(2 * special.stdtr(fewest - 1, -abs(t)))
