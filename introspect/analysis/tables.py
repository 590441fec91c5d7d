"""Rates and means of every cell, arm and concept, as tidy frames."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from introspect.analysis.means import clustered_mean
from introspect.analysis.metrics import METRICS as KNOWN
from introspect.analysis.rates import Rate, clustered_rate

METRICS = ("noticed", "named", "coherent", "success", "readable")
ARM_ORDER = {
    name: index
    for index, name in enumerate(
        (
            "concept", "both", "text", "later", "random", "covariance", "shuffled", "negated", "other", "swap",
            "amplify", "forced", "sampled", "none",
        )
    )
}  # fmt: skip
PARTS = ("count", "rate", "low", "high")


def rate_table(frame: pl.DataFrame, by: Sequence[str], metrics: Sequence[str] = METRICS) -> pl.DataFrame:
    """Return the rates and means of every group of trials.

    Args:
        frame: Outcomes, one row a trial.
        by: What makes a group, such as ``("arm", "layer", "strength")``.
        metrics: Which measures.

    Returns:
        One row a group, with ``n``, ``n_units`` and, for every measure, ``_n`` (trials that have it), ``_count`` (of a
        share), ``_rate`` (the share or the mean) and bounds; null where no trial of the group has the measure.
    """
    groups = dict(frame.group_by(list(by), maintain_order=True))
    rows = [
        {**dict(zip(by, key, strict=True)), **_columns(part, metrics)}
        for key, part in sorted(groups.items(), key=lambda item: _order(by, item[0]))
    ]
    return pl.DataFrame(rows, schema={name: frame.schema[name] for name in by} | _column_types(metrics))


def rate_of(frame: pl.DataFrame, arm: str, metric: str, readings: Sequence[str] = ("yes",)) -> Rate:
    """Return one arm's pooled rate over the trials that have the measure; ``readings`` are those counted as noticed."""
    counted = frame.filter(pl.col("arm") == arm).with_columns(
        pl.col("noticed").is_in(list(readings)).alias("_hit") if metric == "noticed" else pl.col(metric).alias("_hit")
    )
    return _rate(counted.filter(pl.col("_hit").is_not_null()))


def values(frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return the rows that have a measure, its value in the column ``_hit``."""
    column = pl.col("noticed") == "yes" if metric == "noticed" else pl.col(metric)
    return frame.with_columns(column.alias("_hit")).filter(pl.col("_hit").is_not_null())


def _rate(counted: pl.DataFrame) -> Rate:
    units = counted.group_by("unit", maintain_order=True).agg(pl.len(), pl.col("_hit").sum())
    return clustered_rate(units["_hit"].to_list(), units["len"].to_list())


def _columns(part: pl.DataFrame, metrics: Sequence[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {"n": len(part), "n_units": part["unit"].n_unique()}
    for metric in metrics:
        columns |= {f"{metric}_{name}": value for name, value in _estimate(part, metric).items()}
    return columns


def _estimate(part: pl.DataFrame, metric: str) -> dict[str, Any]:
    found = values(part, metric)
    if found.is_empty():
        return {"n": 0, **dict.fromkeys(PARTS)}
    if KNOWN[metric].kind == "share":
        rate = _rate(found)
        return {"n": rate.n, "count": rate.count, "rate": rate.rate, "low": rate.low, "high": rate.high}
    mean = clustered_mean(found["_hit"].to_list(), found["unit"].to_list())
    return {"n": mean.n, "count": None, "rate": mean.value, "low": mean.low, "high": mean.high}


def _column_types(metrics: Sequence[str]) -> dict[str, Any]:
    types: dict[str, Any] = {"n": pl.Int64, "n_units": pl.Int64}
    for metric in metrics:
        types |= {f"{metric}_n": pl.Int64, f"{metric}_count": pl.Int64}
        types |= {f"{metric}_{part}": pl.Float64 for part in ("rate", "low", "high")}
    return types


def _order(by: Sequence[str], group: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        (ARM_ORDER.get(value, 99), str(value)) if name == "arm" else _sortable(value)
        for name, value in zip(by, group, strict=True)
    )


def _sortable(value: object) -> tuple[float, str]:
    if value is None:
        return -math.inf, ""
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))
