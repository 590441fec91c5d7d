"""Do features that an injection lights up predict the report?

For each feature: how active it is with the injection and without, and the area under the curve for the report, that is
how often it is more active in a trial whose reply reports noticing than in one whose reply denies it. Concepts are the
units of the interval. An area over several strengths says only that both rise with the strength: read one at a
time. Features are ranked by how much the injection changes them, never by the area, so that the areas
are not the best of many; how many features there were stands beside.
"""

from typing import Any

import polars as pl

from introspect.analysis.area import area, area_bounds

FEATURES = {
    "key": pl.String,
    "concept": pl.String,
    "feature": pl.Int64,
    "steered": pl.Float64,
    "plain": pl.Float64,
    "reported": pl.Boolean,
}
"""One row a trial and feature; ``reported`` is null where the reply does not answer."""


def predictive(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row a feature, the most changed first.

    Args:
        frame: Rows of the schema ``FEATURES``, of trials with an injection.

    Returns:
        ``feature``, ``steered``, ``plain`` and ``change`` (means over trials), ``n``, ``n_reported``, ``n_denied``,
        and ``auc`` with ``low`` and ``high``, null where all replies read the same.
    """
    rows = [_row(int(index[0]), group) for index, group in frame.group_by("feature", maintain_order=True)]
    names = ("feature", "steered", "plain", "change", "n", "n_reported", "n_denied", "auc", "low", "high")
    whole = {"feature", "n", "n_reported", "n_denied"}
    schema = {name: pl.Int64 if name in whole else pl.Float64 for name in names}
    return pl.DataFrame(rows, schema=schema).sort(pl.col("change").abs(), descending=True, maintain_order=True)


def _row(feature: int, group: pl.DataFrame) -> dict[str, Any]:
    reported, denied = (
        group.filter(pl.col("reported") == reads).select(pl.col("steered").alias("towards"), unit="concept")
        for reads in (True, False)
    )
    row: dict[str, Any] = {
        "feature": feature,
        "steered": group["steered"].mean(),
        "plain": group["plain"].mean(),
        "change": (group["steered"] - group["plain"]).mean(),
        "n": len(group),
        "n_reported": len(reported),
        "n_denied": len(denied),
    }
    if reported.is_empty() or denied.is_empty():
        return row | {"auc": None, "low": None, "high": None}
    low, high = area_bounds(reported, denied)
    return row | {"auc": area(reported["towards"].to_list(), denied["towards"].to_list()), "low": low, "high": high}
