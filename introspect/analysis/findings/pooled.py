"""Arm against arm, pooled over the grid: no cell is chosen, so nothing is read off the trials that chose it."""

import polars as pl

from introspect.analysis.effects import arms_in, by_unit
from introspect.analysis.findings.finding import Finding, above, signed
from introspect.analysis.means import Mean, clustered_mean, paired_difference
from introspect.analysis.metrics import METRICS
from introspect.analysis.rates import Rate, clustered_rate, difference
from introspect.analysis.tables import values

CONTROLS = ("random", "covariance", "shuffled", "negated", "other", "swap", "amplify", "later", "text")
NO_MEAN = Mean(None, None, None, 0, 0)


def arm_table(outcomes: pl.DataFrame, effects: pl.DataFrame) -> pl.DataFrame:
    """Return, for every task and arm, its change against no injection, and how far the concept vectors' exceeds it."""
    rows: list[dict[str, object]] = []
    for (task, metric), part in effects.group_by(["task", "metric"], maintain_order=True):
        trials = outcomes.filter(pl.col("task") == task)
        for arm in arms_in(part):
            mean = change(trials, part, str(metric), arm)
            more = beyond(trials, part, str(metric), arm) if arm != "concept" else NO_MEAN
            rows.append({
                "task": task, "metric": metric, "arm": arm, "effect": mean.value, "low": mean.low, "high": mean.high,
                "n": mean.n, "n_units": mean.n_units, "concept_more": more.value, "concept_more_low": more.low,
                "concept_more_high": more.high,
            })  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA)


def change(trials: pl.DataFrame, effects: pl.DataFrame, metric: str, arm: str) -> Mean:
    """Return an arm's change against no injection.

    Shares are compared as rates of unpaired trials (Newcombe), so that the clean trials' own uncertainty is in the
    interval; means as differences from each trial's clean twin, concepts being the sampling unit.
    """
    if METRICS[metric].kind == "share" and arm in trials["arm"]:
        return _gap(trials, metric, arm, "none")
    part = effects.filter(pl.col("arm") == arm)
    return clustered_mean(part["effect"].to_list(), part["unit"].to_list())


def beyond(trials: pl.DataFrame, effects: pl.DataFrame, metric: str, arm: str) -> Mean:
    """Return how far the concept vectors' change exceeds a control's, concept by concept where it is a mean."""
    if METRICS[metric].kind == "share":
        return _gap(trials, metric, "concept", arm)
    return paired_difference(by_unit(effects, "concept"), by_unit(effects, arm))


def _gap(trials: pl.DataFrame, metric: str, first: str, second: str) -> Mean:
    one, two = (_rate(trials, metric, arm) for arm in (first, second))
    if not one.n or not two.n:
        return NO_MEAN
    low, high = difference(one, two)
    return Mean(one.rate - two.rate, low, high, one.n, one.n_units)


def _rate(trials: pl.DataFrame, metric: str, arm: str) -> Rate:
    found = values(trials.filter(pl.col("arm") == arm), metric)
    units = found.group_by("unit", maintain_order=True).agg(pl.len(), pl.col("_hit").sum())
    return clustered_rate(units["_hit"].to_list(), units["len"].to_list())


SCHEMA = {
    "task": pl.String,
    "metric": pl.String,
    "arm": pl.String,
    "effect": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "n_units": pl.Int64,
    "concept_more": pl.Float64,
    "concept_more_low": pl.Float64,
    "concept_more_high": pl.Float64,
}


def pooled(outcomes: pl.DataFrame, effects: pl.DataFrame) -> list[Finding]:
    """Put every task's arms into a sentence."""
    if effects.is_empty():
        return []
    table = arm_table(outcomes, effects)
    found: list[Finding] = []
    for (task, metric), rows in table.group_by(["task", "metric"], maintain_order=True):
        if "concept" not in rows["arm"]:
            continue
        words = METRICS[str(metric)].words
        said = ", ".join(f"{row['arm']} {signed(_mean(row))}" for row in rows.iter_rows(named=True))
        found.append(
            Finding(
                f"{task}: {words}",
                f"{task}, change of “{words}” against no injection, pooled over the grid: {said}. {_beyond(rows)}",
                rows,
            )
        )
    return found


def exceeds(rows: pl.DataFrame) -> bool:
    """Whether the concept vectors change the measure, and more than every control does, given a task's rows.

    Both in the direction that speaks for the experiment's claim.
    """
    controls = rows.filter(pl.col("arm").is_in(CONTROLS))
    own = rows.filter(pl.col("arm") == "concept")
    if controls.is_empty() or own.is_empty():
        return False
    sign = METRICS[str(rows["metric"][0])].sign
    changes = above(_signed(_mean(own.row(0, named=True)), sign))
    return changes and all(above(_signed(_mean(row, "concept_more"), sign)) for row in controls.iter_rows(named=True))


def _signed(mean: Mean, sign: int) -> Mean:
    """Turn a mean around where less of it is what counts."""
    if sign > 0 or mean.value is None or mean.low is None or mean.high is None:
        return mean
    return Mean(-mean.value, -mean.high, -mean.low, mean.n, mean.n_units)


def _beyond(rows: pl.DataFrame) -> str:
    controls = rows.filter(pl.col("arm").is_in(CONTROLS))
    if controls.is_empty():
        return "There is no control vector to compare with."
    said = "; ".join(
        f"against {row['arm']} {signed(_mean(row, 'concept_more'))}" for row in controls.iter_rows(named=True)
    )
    does = "goes beyond" if exceeds(rows) else "does not go beyond"
    return f"The concept vectors' change {does} no injection and every control ({said})."


def _mean(row: dict[str, object], name: str = "effect") -> Mean:
    """Read a mean out of a row of the arm table."""
    low, high = ("low", "high") if name == "effect" else (f"{name}_low", f"{name}_high")
    return Mean(row[name], row[low], row[high], 0, 0)  # pyright: ignore[reportArgumentType]


def cell_table(effects: pl.DataFrame) -> pl.DataFrame:
    """Return the mean effect over concepts in every cell."""
    rows: list[dict[str, object]] = []
    by = ["task", "info", "metric", "arm", "layer", "strength"]
    for key, part in effects.group_by(by, maintain_order=True):
        mean = clustered_mean(part["effect"].to_list(), part["unit"].to_list())
        rows.append({
            **dict(zip(by, key, strict=True)), "relative": part["relative"].mean(), "depth": part["depth"][0],
            "effect": mean.value, "low": mean.low, "high": mean.high, "n_units": mean.n_units,
        })  # fmt: skip
    schema = {name: effects.schema[name] for name in by} | {
        "relative": pl.Float64, "depth": pl.Float64, "effect": pl.Float64, "low": pl.Float64, "high": pl.Float64,
        "n_units": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
