"""Two runs of one plan, trial by trial: another subject, another format, another number format.

Trials are paired by everything in their specification but the subject, its number format and its vectors. Layers are
paired by their place in the plan, so that models of different depth can be compared at equal depth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import polars as pl

from introspect.analysis.analyze import Analysis
from introspect.analysis.effects import units
from introspect.analysis.findings.finding import signed
from introspect.analysis.means import Mean, paired_difference, standardised_effect
from introspect.records import Trial, digest

IGNORED = {"subject", "dtype", "vectors_hash", "layer"}


@dataclass(frozen=True, slots=True)
class TrialComparison:
    """How many paired trials came out alike.

    ``replies`` and ``choices`` are (equal, all); ``largest`` is the largest difference of an answer's log-probability,
    in nats.
    """

    n_paired: int
    n_unpaired: int
    replies: tuple[int, int]
    choices: tuple[int, int]
    largest: float | None

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        parts = [f"{self.n_paired} paired trials ({self.n_unpaired} without a partner)"]
        if self.replies[1]:
            parts.append(f"{self.replies[0]} of {self.replies[1]} replies equal word for word")
        if self.choices[1]:
            parts.append(f"{self.choices[0]} of {self.choices[1]} choices equal")
        if self.largest is not None:
            parts.append(f"log-probabilities of answers differ by at most {self.largest:.3g} nats")
        return ", ".join(parts) + "."


def pair_key(trial: Trial, layers: Mapping[int, int]) -> str:
    """Name what a trial shares with its partner in the other run."""
    fields: dict[str, Any] = trial.spec.model_dump(mode="json", exclude=IGNORED)
    return digest([fields, None if trial.spec.layer is None else layers[trial.spec.layer]])


def compare_trials(first: Analysis, second: Analysis) -> TrialComparison:
    """Pair the trials of two runs and count what came out alike."""
    one, two = (_by_key(analysis) for analysis in (first, second))
    both = [key for key in one if key in two]
    spoken = [key for key in both if one[key].finish != "scored"]
    scored = [key for key in both if one[key].scores and one[key].spec.options and two[key].scores]
    gaps = [abs(a - b) for key in scored for a, b in zip(_logprobs(one[key]), _logprobs(two[key]), strict=True)]
    return TrialComparison(
        n_paired=len(both),
        n_unpaired=len(one) + len(two) - 2 * len(both),
        replies=(sum(one[key].reply == two[key].reply for key in spoken), len(spoken)),
        choices=(sum(_choice(one[key]) == _choice(two[key]) for key in scored), len(scored)),
        largest=max(gaps) if gaps else None,
    )


def compare_effects(first: Analysis, second: Analysis, relative: float | None = None) -> pl.DataFrame:
    """Compare the effects of two runs, concept by concept, task by task, pooled over cells.

    Args:
        first: A run.
        second: Another one.
        relative: Take, at every layer, only the strength nearest to this share of the residual's norm: strengths as
            multiples of the raw vector do not mean the same in two models.

    Returns:
        One row a task, measure and arm in which both have a concept in common: ``first``, ``second`` (means over the
        concepts of both), ``difference`` (first less second, paired over concepts) with its bounds, and ``words``.
    """
    rows: list[dict[str, object]] = []
    by = ["task", "metric", "arm"]
    ours, theirs = (at_relative(analysis.effects, relative) for analysis in (first, second))
    for key, part in ours.group_by(by, maintain_order=True):
        other = theirs.filter(*(pl.col(name) == value for name, value in zip(by, key, strict=True)))
        if other.is_empty():
            continue
        one, two = units(part), units(other)
        gap: Mean = paired_difference(one, two)
        shared = one.keys() & two.keys()
        if not shared:
            continue
        means = [fmean(fmean(own[unit]) for unit in shared) for own in (one, two)]
        rows.append({
            **dict(zip(by, key, strict=True)), "first": means[0], "second": means[1],
            "difference": gap.value, "low": gap.low, "high": gap.high, "n_units": gap.n_units, "words": signed(gap),
        })  # fmt: skip
    schema = dict.fromkeys(by, pl.String) | dict.fromkeys(("first", "second", "difference", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=schema | {"n_units": pl.Int64, "words": pl.String})


def at_relative(effects: pl.DataFrame, wanted: float | None) -> pl.DataFrame:
    """Return, at every layer, the effects at the strength nearest to a relative one; all of them without one."""
    if wanted is None or effects["relative"].count() == 0:
        return effects
    gaps = (
        effects.filter(pl.col("strength").is_not_null() & (pl.col("relative") > 0))
        .group_by("layer", "strength")
        .agg((pl.col("relative").mean().log() - math.log(wanted)).abs().alias("_gap"))
        .sort("_gap")
        .group_by("layer", maintain_order=True)
        .first()
    )
    kept = effects.join(gaps, on=["layer", "strength"], how="semi")
    return pl.concat([kept, effects.filter(pl.col("strength").is_null())])


def common_relative(analyses: Sequence[Analysis]) -> float | None:
    """Return the relative strength that all runs come near: the median over all of their cells."""
    found = pl.concat([analysis.effects.select("relative") for analysis in analyses])["relative"].drop_nulls()
    middle = found.filter(found > 0).median()
    return float(middle) if isinstance(middle, int | float) else None


def side_by_side(analyses: Mapping[str, Analysis], relative: float | None = None) -> pl.DataFrame:
    """Return every run's effect of the concept vectors over its spread over concepts, task by task.

    Returns:
        ``subject`` (the run's name), ``experiment``, ``task``, ``effect``, ``low``, ``high``: pure numbers.
    """
    rows: list[dict[str, object]] = []
    for name, analysis in analyses.items():
        part = at_relative(analysis.effects, relative).filter(pl.col("arm").is_in(["concept", "forced"]))
        for (task, metric), cells in part.group_by(["task", "metric"], maintain_order=True):
            means = cells.group_by("unit", maintain_order=True).agg(pl.col("effect").mean())["effect"].to_list()
            found = standardised_effect(means)
            rows.append({
                "subject": name, "experiment": analysis.protocol, "task": f"{task}, {metric}", "effect": found.value,
                "low": found.low, "high": found.high,
            })  # fmt: skip
    text, numbers = ("subject", "experiment", "task"), ("effect", "low", "high")
    return pl.DataFrame(rows, schema=dict.fromkeys(text, pl.String) | dict.fromkeys(numbers, pl.Float64))


def _by_key(analysis: Analysis) -> dict[str, Trial]:
    trials = analysis.run.trials
    layers = sorted({trial.spec.layer for trial in trials if trial.spec.layer is not None})
    places = {layer: place for place, layer in enumerate(layers)}
    return {pair_key(trial, places): trial for trial in trials}


def _logprobs(trial: Trial) -> tuple[float, ...]:
    return trial.scores.logprobs if trial.scores else ()


def _choice(trial: Trial) -> int:
    values = _logprobs(trial)
    return max(range(len(values)), key=lambda i: values[i])
