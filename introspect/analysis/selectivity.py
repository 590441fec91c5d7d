"""Is it the concept that is noticed, or any disturbance? Noticing under concepts less that under noise vectors.

A noise vector belongs to a concept: it has that concept vector's norm or, where effects are matched, its effect on
neutral text. The two are compared concept by concept, in the same task and wording, family by family, and each kind of
matching by itself. Noise vectors are injections; their yes is no false alarm and is never pooled with clean trials.

Source: Mayner (willmayner.com) for norm-matched random vectors; Nygaard (2026, Activation-Introspection) for training
that raises sensitivity and takes selectivity away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from introspect.analysis.detection import sign_of
from introspect.analysis.means import Mean, clustered_mean
from introspect.analysis.permutation import Paired, paired

Measure = Literal["rate", "logodds"]
FAMILIES = ("random", "covariance", "shuffled", "negated", "other")
"""Noise first; the negated vector and another concept's stand beside."""
_PAIRED = ("unit", "task", "info", "layer", "strength", "wording")
_SCHEMA: dict[str, Any] = {"concept": pl.String, "n": pl.Int64} | dict.fromkeys(
    ("under_concept", "under_noise", "gap", "gap_for", "gap_against"), pl.Float64
)


@dataclass(frozen=True, slots=True, eq=False)
class Selectivity:
    """Concept vectors against one family of noise.

    Attributes:
        family: Of the noise.
        match: What it has in common with the concept's vector, ``norm`` or ``effect``; ``None`` where not recorded.
        measure: ``rate`` of reported noticing, or mean ``logodds`` of reporting, in nats.
        values: One row a concept in alphabetic order: ``concept``, ``n`` trials of both arms, ``under_concept``,
            ``under_noise``, ``gap``; unreadable replies count as no there. In ``gap_for`` they count as yes under the
            concept alone, in ``gap_against`` under the noise alone.
        mean: Of the gaps, with 95 % bounds over concepts.
        test: Of the two arms, concept by concept; ``None`` with a single concept.
    """

    family: str
    match: str | None
    measure: Measure
    values: pl.DataFrame
    mean: Mean
    test: Paired | None


def selectivity(
    frame: pl.DataFrame, *, arm: str = "concept", families: Sequence[str] = FAMILIES
) -> tuple[Selectivity, ...]:
    """Return the selectivity against every family, kind of matching and measure that the frame has.

    Args:
        frame: Outcomes of one task and cell.
        arm: The arm with the concepts' vectors.
        families: The arms it is set against.

    Returns:
        Nothing for what was not run; only concepts and wordings that both arms have count, and each wording of a
        concept weighs the same.
    """
    found: list[Selectivity] = []
    for measure, table in _measured(frame):
        concepts = table.filter(pl.col("arm") == arm)
        for family in families:
            noise = table.filter(pl.col("arm") == family)
            for match in _matches(noise):
                values = _paired(concepts, noise.filter(pl.col("match").eq_missing(match)))
                if len(values):
                    mean = clustered_mean(values["gap"].to_list(), values["concept"].to_list())
                    test = (
                        paired(values["under_concept"].to_numpy(), values["under_noise"].to_numpy())
                        if len(values) > 1
                        else None
                    )
                    found.append(Selectivity(family, match, measure, values, mean, test))
    return tuple(found)


def _measured(frame: pl.DataFrame) -> list[tuple[Measure, pl.DataFrame]]:
    """Return the trials of each measure with its value, in three countings of unreadable replies."""
    missing = [name for name in ("match", "task", "noticed") if name not in frame.columns]
    whole = frame.with_columns([pl.lit(None, dtype=pl.String).alias(name) for name in missing])
    said = whole.filter(pl.col("noticed").is_not_null() & pl.col("unit").is_not_null())
    yes, unclear = (pl.col("noticed") == reading for reading in ("yes", "unreadable"))
    said = said.with_columns(yes.cast(pl.Float64).alias("_no"), (yes | unclear).cast(pl.Float64).alias("_yes"))
    tables: list[tuple[Measure, pl.DataFrame]] = [("rate", said)]
    if "yes_logodds" in whole.columns:
        scored = whole.filter(pl.col("yes_logodds").is_finite() & pl.col("unit").is_not_null())
        towards = pl.col("yes_logodds") * pl.col("task").fill_null("").map_elements(sign_of, return_dtype=pl.Int64)
        reports = (towards > 0).cast(pl.Float64)
        tables.append(("rate", scored.with_columns(reports.alias("_no"), reports.alias("_yes"))))
        tables.append(("logodds", scored.with_columns(towards.alias("_no"), towards.alias("_yes"))))
    return [(measure, table) for measure, table in tables if len(table)]


def _matches(noise: pl.DataFrame) -> list[str | None]:
    return sorted(noise["match"].unique().to_list(), key=lambda name: (name is None, name or ""))


def _paired(concepts: pl.DataFrame, noise: pl.DataFrame) -> pl.DataFrame:
    """Return one row a concept, from the wordings in which both arms were asked."""
    key = [name for name in _PAIRED if name in concepts.columns]
    first, second = (
        table.group_by(key).agg(pl.col("_no").mean(), pl.col("_yes").mean(), pl.len().cast(pl.Int64).alias("n"))
        for table in (concepts, noise)
    )
    both = first.join(second, on=key, how="inner", suffix="_noise", nulls_equal=True)
    values = both.group_by("unit").agg(
        (pl.col("n") + pl.col("n_noise")).sum().alias("n"),
        pl.col("_no").mean().alias("under_concept"),
        pl.col("_no_noise").mean().alias("under_noise"),
        (pl.col("_no") - pl.col("_no_noise")).mean().alias("gap"),
        (pl.col("_yes") - pl.col("_no_noise")).mean().alias("gap_for"),
        (pl.col("_no") - pl.col("_yes_noise")).mean().alias("gap_against"),
    )
    columns = [pl.col(name).cast(dtype) for name, dtype in _SCHEMA.items()]
    return values.rename({"unit": "concept"}).sort("concept").select(columns)
