"""Rates of every cell, arm and concept, as tidy frames."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from introspect.analysis.rates import Rate, clustered_rate

METRICS = ("noticed", "named", "coherent", "success", "readable")
ARM_ORDER = {"concept": 0, "random": 1, "none": 2}


def rate_table(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return the rates of every group of trials.

    Args:
        frame: Outcomes, one row a trial.
        by: What makes a group, such as ``("arm", "layer", "strength")``.

    Returns:
        One row a group, with ``n``, ``n_units`` and, for every metric, its count, rate and bounds.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in per_unit(frame, by).iter_rows(named=True):
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    rows = [
        {**dict(zip(by, group, strict=True)), **_columns(units)}
        for group, units in sorted(groups.items(), key=lambda item: _order(by, item[0]))
    ]
    schema = {name: frame.schema[name] for name in by} | _column_types()
    return pl.DataFrame(rows, schema=schema)


def per_unit(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Count trials and outcomes of every concept (or prompt) in every group."""
    yes = {metric: pl.col(metric) for metric in METRICS if metric != "noticed"}
    yes["noticed"] = pl.col("noticed") == "yes"
    sums = [yes[metric].sum().cast(pl.Int64).alias(metric) for metric in METRICS]
    return frame.group_by([*by, "unit"], maintain_order=True).agg(pl.len().cast(pl.Int64).alias("n"), *sums)


def rate_of(frame: pl.DataFrame, arm: str, metric: str, readings: Sequence[str] = ("yes",)) -> Rate:
    """Return one arm's pooled rate; ``readings`` says which readings count as noticed."""
    counted = frame.filter(pl.col("arm") == arm).with_columns(
        pl.col("noticed").is_in(list(readings)).alias("_hit") if metric == "noticed" else pl.col(metric).alias("_hit")
    )
    units = counted.group_by("unit", maintain_order=True).agg(pl.len(), pl.col("_hit").sum())
    return clustered_rate(units["_hit"].to_list(), units["len"].to_list())


def _columns(units: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sizes = [unit["n"] for unit in units]
    columns: dict[str, Any] = {"n": sum(sizes), "n_units": len(sizes)}
    for metric in METRICS:
        rate = clustered_rate([unit[metric] for unit in units], sizes)
        columns |= {
            f"{metric}_count": rate.count,
            f"{metric}_rate": rate.rate,
            f"{metric}_low": rate.low,
            f"{metric}_high": rate.high,
        }
    return columns


def _column_types() -> dict[str, Any]:
    types: dict[str, Any] = {"n": pl.Int64, "n_units": pl.Int64}
    for metric in METRICS:
        types |= {f"{metric}_count": pl.Int64}
        types |= {f"{metric}_{part}": pl.Float64 for part in ("rate", "low", "high")}
    return types


def _order(by: Sequence[str], group: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        (ARM_ORDER.get(value, 9), str(value)) if name == "arm" else _sortable(value)
        for name, value in zip(by, group, strict=True)
    )


def _sortable(value: object) -> tuple[float, str]:
    if value is None:
        return -math.inf, ""
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))
