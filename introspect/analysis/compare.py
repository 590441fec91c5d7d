"""Two runs of one plan, trial by trial: another subject, another format, another number format.

Trials are paired by everything in their specification but the subject, its number format and its vectors. Layers are
paired by their place in the plan, so that models of different depth can be compared at equal depth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from introspect.analysis.analyze import Analysis
from introspect.analysis.findings.finding import signed
from introspect.analysis.means import Mean, paired_difference
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


def compare_effects(first: Analysis, second: Analysis) -> pl.DataFrame:
    """Compare the effects of two runs, concept by concept, task by task, pooled over cells.

    Returns:
        One row a task, measure and arm of both: ``first``, ``second`` (means over concepts), ``difference`` (first
        less second, paired over concepts) with its bounds, and ``words``.
    """
    rows: list[dict[str, object]] = []
    by = ["task", "metric", "arm"]
    for key, part in first.effects.group_by(by, maintain_order=True):
        other = second.effects.filter(*(pl.col(name) == value for name, value in zip(by, key, strict=True)))
        if other.is_empty():
            continue
        gap: Mean = paired_difference(_units(part), _units(other))
        rows.append({
            **dict(zip(by, key, strict=True)), "first": part["effect"].mean(), "second": other["effect"].mean(),
            "difference": gap.value, "low": gap.low, "high": gap.high, "n_units": gap.n_units, "words": signed(gap),
        })  # fmt: skip
    schema = dict.fromkeys(by, pl.String) | dict.fromkeys(("first", "second", "difference", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema=schema | {"n_units": pl.Int64, "words": pl.String})


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


def _units(frame: pl.DataFrame) -> Mapping[str, list[float]]:
    return {str(unit): part["effect"].to_list() for (unit,), part in frame.group_by(["unit"], maintain_order=True)}
