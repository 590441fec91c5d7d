"""Effects: what an arm changes, concept by concept, against the clean trials it is paired with.

A trial's twin is the clean trial of the same prompt; where there is none, the clean trials of the same task, wording
and information text stand in for it. The effect of a concept at a cell is the mean over its trials of the measure
less its twins'. In intentional control it is the difference between a task and its counterpart, paired by sentence
and wording.
"""

from collections.abc import Sequence

import polars as pl

from introspect.analysis.metrics import primary
from introspect.analysis.tables import values

SCHEMA = {
    "task": pl.String,
    "info": pl.String,
    "metric": pl.String,
    "arm": pl.String,
    "layer": pl.Int64,
    "strength": pl.Float64,
    "relative": pl.Float64,
    "unit": pl.String,
    "depth": pl.Float64,
    "effect": pl.Float64,
    "n": pl.UInt32,
}
CELL = ("task", "info", "arm", "layer", "strength")
PAIRS = (
    ("think", "dont_think"),
    ("rewarded", "punished"),
    ("pleased", "saddened"),
    ("gift", "harm"),
    ("exists", "exists_not"),
    ("often", "often_not"),
    ("aside", "aside_not"),
    ("mine_rewarded", "mine_punished"),
)
"""Tasks of intentional control that favour thinking of the word, and their counterparts."""
NEUTRAL = tuple(f"{first} − {second}" for first, second in PAIRS[4:])
"""The pairs that only mention the word."""


def effects(frame: pl.DataFrame, protocol: str, n_layers: int) -> pl.DataFrame:
    """Return the effect of every concept in every cell, by each task's primary measure.

    Args:
        frame: Outcomes.
        protocol: The experiment.
        n_layers: Of the subject: depth is layer / (n_layers - 1).

    Returns:
        One row a cell and concept, in the unit of the measure.
    """
    if protocol == "intentional_control":
        parts = [part for metric in ("above", "centred_above") for part in _gaps(frame, metric)]
    else:
        tasks = frame["task"].unique(maintain_order=True).to_list()
        chosen = [(task, primary(protocol, task)) for task in tasks]
        parts = [of_metric(frame.filter(pl.col("task") == task), metric) for task, metric in chosen if metric]
    whole = pl.concat([pl.DataFrame(schema=SCHEMA), *(part.select(list(SCHEMA)) for part in map(_cast, parts))])
    return whole.with_columns((pl.col("layer") / max(n_layers - 1, 1)).alias("depth"))


def of_metric(frame: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Return every concept's effect on one measure in every cell of the injected arms."""
    found = values(frame, metric).with_columns(pl.col("_hit").cast(pl.Float64))
    clean = found.filter((pl.col("arm") == "none") & pl.col("layer").is_null())
    twins = clean.group_by("task", "info", "prompt", "item").agg(pl.col("_hit").mean().alias("_twin"))
    alike = clean.group_by("task", "info", "wording").agg(pl.col("_hit").mean().alias("_alike"))
    injected = found.filter(pl.col("arm") != "none")
    joined = injected.join(twins, on=["task", "info", "prompt", "item"], how="left", nulls_equal=True).join(
        alike, on=["task", "info", "wording"], how="left"
    )
    changed = joined.with_columns((pl.col("_hit") - pl.coalesce("_twin", "_alike")).alias("effect"))
    changed = changed.filter(pl.col("effect").is_not_null())
    return changed.group_by([*CELL, "unit"], maintain_order=True).agg(
        pl.col("effect").mean(), pl.col("relative").mean(), pl.len().alias("n"), pl.lit(metric).first().alias("metric")
    )


def _gaps(frame: pl.DataFrame, metric: str) -> list[pl.DataFrame]:
    """Return, pair by pair of tasks, every concept's difference at every layer."""
    found = values(frame, metric).filter(pl.col("layer").is_not_null())
    key = ["arm", "info", "wording", "sample", "layer", "unit"]
    parts: list[pl.DataFrame] = []
    for favouring, counterpart in PAIRS:
        one, two = (found.filter(pl.col("task") == task) for task in (favouring, counterpart))
        both = one.select([*key, "strength", "relative", "_hit"]).join(
            two.select([*key, pl.col("_hit").alias("_other")]), on=key
        )
        if both.is_empty():
            continue
        named = both.with_columns(
            (pl.col("_hit") - pl.col("_other")).alias("effect"), pl.lit(f"{favouring} − {counterpart}").alias("task")
        )
        parts.append(
            named.group_by([*CELL, "unit"], maintain_order=True).agg(
                pl.col("effect").mean(),
                pl.col("relative").mean(),
                pl.len().alias("n"),
                pl.lit(metric).first().alias("metric"),
            )
        )
    return parts


def by_unit(frame: pl.DataFrame, arm: str) -> dict[str, list[float]]:
    """Return the effects of an arm, cell by cell, for each concept."""
    return units(frame.filter(pl.col("arm") == arm))


def units(frame: pl.DataFrame) -> dict[str, list[float]]:
    """Return effects, cell by cell, for each concept."""
    return {str(unit): part["effect"].to_list() for (unit,), part in frame.group_by(["unit"], maintain_order=True)}


def arms_in(frame: pl.DataFrame, first: Sequence[str] = ("concept",)) -> list[str]:
    """Return the arms of an effects frame, the concept's first."""
    found = frame["arm"].unique(maintain_order=True).to_list()
    return [arm for arm in first if arm in found] + [arm for arm in found if arm not in first]


def _cast(frame: pl.DataFrame) -> pl.DataFrame:
    missing = [pl.lit(None).alias(name) for name in SCHEMA if name not in frame.columns]
    whole = frame.with_columns(missing)
    return whole.with_columns([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()])
