"""The detection question against unrelated questions: matched by their clean odds, and cell by cell."""

import polars as pl

from introspect.analysis.effects import of_metric, units
from introspect.analysis.findings.finding import Finding, signed
from introspect.analysis.grid import detection_grid
from introspect.analysis.means import paired_difference
from introspect.analysis.tables import values

QUESTION = "question"


def yes_no(outcomes: pl.DataFrame, effects: pl.DataFrame) -> list[Finding]:
    """Compare the detection question's shift with those of questions that started at about the same odds."""
    found: list[Finding] = []
    for manner in ("words", "digits"):
        detection = outcomes.filter(pl.col("task") == f"detection/{manner}")
        asked = outcomes.filter(pl.col("task") == f"{QUESTION}/{manner}")
        if detection.is_empty() or asked.is_empty():
            continue
        clean = values(detection.filter(pl.col("arm") == "none"), "yes_logodds")["_hit"].mean()
        chosen, n_below, n_above = bracketing(asked, float(clean) if isinstance(clean, float) else 0.0)
        table = _corrected(detection, asked.filter(pl.col("item").is_in(chosen)))
        said = "; ".join(
            f"{row['arm']} {row['shift']:+.2f} against {row['controls']:+.2f}, difference {row['words']}"
            for row in table.iter_rows(named=True)
        )
        found.append(
            Finding(
                f"detection against matched questions, {manner}",
                f"{manner}: shift of the log-odds of yes, detection question against {len(chosen)} unrelated questions "
                f"whose clean log-odds bracket its own ({n_below} of all below, {n_above} above): {said}."
                + ("" if n_below and n_above else " The questions do not bracket it: the comparison is weak."),
                table.drop("words"),
            )
        )
        if (grid := detection_grid(outcomes, manner)) is not None:
            found.append(Finding(f"best cell, {manner}", grid.sentence, grid.table))
    return found


def bracketing(asked: pl.DataFrame, at: float, n: int = 5) -> tuple[list[str], int, int]:
    """Return the ``n`` questions nearest below and nearest above some log-odds, without injection, and all counts."""
    clean = values(asked.filter(pl.col("arm") == "none"), "yes_logodds")
    levels = clean.group_by("item", maintain_order=True).agg(pl.col("_hit").mean()).rows()
    below = sorted((at - level, item) for item, level in levels if level <= at)
    over = sorted((level - at, item) for item, level in levels if level > at)
    return [item for _, item in below[:n] + over[:n]], len(below), len(over)


def _corrected(detection: pl.DataFrame, controls: pl.DataFrame) -> pl.DataFrame:
    own, other = (of_metric(part, "yes_logodds") for part in (detection, controls))
    rows: list[dict[str, object]] = []
    for arm in own["arm"].unique(maintain_order=True).to_list():
        one, two = (part.filter(pl.col("arm") == arm) for part in (own, other))
        gap = paired_difference(units(one), units(two))
        rows.append({
            "arm": arm, "shift": one["effect"].mean(), "controls": two["effect"].mean(), "difference": gap.value,
            "low": gap.low, "high": gap.high, "n_units": gap.n_units, "words": signed(gap),
        })  # fmt: skip
    schema = {
        "arm": pl.String, "shift": pl.Float64, "controls": pl.Float64, "difference": pl.Float64, "low": pl.Float64,
        "high": pl.Float64, "n_units": pl.Int64, "words": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
