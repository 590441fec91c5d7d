"""What a run says, in words: whether reports of noticing and naming depend on the injected concept.

Pooled over the whole grid: no cell is chosen, so nothing is read off the trials that chose it. A statement is made
only if it holds when every unreadable reply counts as noticing and also when it counts as not noticing.
"""

from dataclasses import dataclass

import polars as pl

from introspect.analysis.effects import NEUTRAL, by_unit
from introspect.analysis.findings.finding import above, signed
from introspect.analysis.findings.pooled import arm_table, exceeds
from introspect.analysis.means import paired_difference
from introspect.analysis.rates import Rate, difference
from introspect.analysis.tables import rate_of

ARM_NAMES = {"concept": "concept vector", "random": "random vector of the same norm", "none": "no injection"}
COUNTINGS = (("yes",), ("yes", "unreadable"))
"""Readings that count as noticed: unreadable replies against, then for."""

ENOUGH_READABLE = 0.5
"""Share of readable replies below which the verdict says that the question was hardly answered."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence, and what it rests on, a sentence each."""

    sentence: str
    points: tuple[str, ...]


def verdict(frame: pl.DataFrame) -> Verdict:
    """Put an outcomes frame of the injected-thought protocol into words."""
    arms = [arm for arm in ARM_NAMES if (frame["arm"] == arm).any()]
    points = tuple(_counts(frame, arm) for arm in arms)
    missing = [ARM_NAMES[arm] for arm in ARM_NAMES if arm not in arms]
    if missing:
        return Verdict(f"No verdict: there are no trials in the arm {' and '.join(missing)}.", points)
    noticing = {_exceeds(frame, "noticed", readings) for readings in COUNTINGS}
    graded = all(rate_of(frame, arm, "named").n for arm in arms)
    naming = _exceeds(frame, "named", ("yes",)) if graded else None
    points += (_gap(frame, "noticed", "reports noticing"),)
    points += (_gap(frame, "named", "names the concept"),) if graded else ()
    return Verdict(_sentence(noticing, naming) + _caveat(frame), points)


def verdict_of(outcomes: pl.DataFrame, effects: pl.DataFrame) -> Verdict:
    """Put an experiment that is read task by task into words.

    A task counts if the concept vectors' effect goes beyond no injection and beyond every control in the run, the
    intervals lying on the side that speaks for the experiment's claim. Findings stand beside it.
    """
    if (outcomes["protocol"] == "competence").any():
        return Verdict(
            "This experiment makes no claim: its findings say how able the subject stays at each cell, and every other "
            "experiment is to be read beside them.",
            (),
        )
    table = arm_table(outcomes, effects)
    tasks = table.filter(pl.col("arm") == "concept")["task"].unique(maintain_order=True).to_list()
    if not tasks:
        return _control(effects)
    over = [task for task in tasks if exceeds(table.filter(pl.col("task") == task))]
    if not over:
        return Verdict("In no task does the concept vectors' effect go beyond that of every control.", ())
    return Verdict(
        f"The concept vectors' effect goes beyond no injection and every control in {len(over)} of {len(tasks)} tasks "
        f"({', '.join(over)}), pooled over the grid and not corrected for their number. That an answer depends on the "
        "injection does not show by itself that it is about the state.",
        (),
    )


def _control(effects: pl.DataFrame) -> Verdict:
    """Put intentional control into words: does the instruction move the trace more than merely mentioning the word?"""
    traced = effects.filter(pl.col("metric") == "above")
    if traced.is_empty():
        return Verdict("No verdict: there are no trials under concept vectors yet.", ())
    told = by_unit(traced.filter(pl.col("task") == "think − dont_think"), "forced")
    mentioned = by_unit(traced.filter(pl.col("task").is_in(NEUTRAL)), "forced")
    gap = paired_difference(told, mentioned)
    if gap.value is None:
        return Verdict("No verdict: forced trials of think, don't think and the neutral controls are missing.", ())
    does = "moves" if above(gap) else "does not move"
    return Verdict(
        f"Over all layers, an instruction to think of a word against one not to {does} the word's trace more than the "
        f"neutral controls do (difference {signed(gap, 4)} in cosine, paired over concepts).",
        (),
    )


def _caveat(frame: pl.DataFrame) -> str:
    """Say so where the replies hardly answer the question: a null from them is no proof of absence."""
    readable = rate_of(frame, "concept", "readable")
    if readable.rate >= ENOUGH_READABLE:
        return ""
    return (
        f" Only {100 * readable.rate:.0f} % of the replies under the concept vector say whether anything was noticed, "
        "so this subject can hardly be asked this way."
    )


def _sentence(noticing: set[bool], naming: bool | None) -> str:
    if len(noticing) > 1:
        return (
            "Undecided: whether noticing is reported more often under the concept vector than in both controls "
            "depends on how the unreadable replies are counted."
        )
    noticed = noticing == {True}
    if naming is None:
        return (
            f"Pooled over the grid, the subject {'reports' if noticed else 'does not report'} noticing more often "
            "under the concept vector than in both controls. What it names was not graded in every arm."
        )
    if noticed and naming:
        return (
            "Pooled over the grid, the subject reports noticing and names the concept more often under the concept "
            "vector than in both controls. That is evidence of reports that depend on the injection; it does not "
            "show by itself that they are about the state rather than the state leaking into words."
        )
    if noticed:
        return (
            "Pooled over the grid, the subject reports noticing more often under the concept vector than in both "
            "controls, but does not name the concept more often."
        )
    if naming:
        return (
            "Pooled over the grid, the subject does not report noticing more often under the concept vector than in "
            "both controls. It names the concept more often, which the vector can bring about by leaking into words."
        )
    return (
        "No evidence of introspection in this run: under the concept vector the subject neither reports noticing nor "
        "names the concept more often than in both controls."
    )


def _exceeds(frame: pl.DataFrame, metric: str, readings: tuple[str, ...]) -> bool:
    concept = rate_of(frame, "concept", metric, readings)
    return all(difference(concept, rate_of(frame, arm, metric, readings))[0] > 0 for arm in ("random", "none"))


def _counts(frame: pl.DataFrame, arm: str) -> str:
    noticed, named = rate_of(frame, arm, "noticed"), rate_of(frame, arm, "named")
    readable, coherent = rate_of(frame, arm, "readable"), rate_of(frame, arm, "coherent")
    unit = "prompts" if arm == "none" else "concepts"
    names = "names one of the run's concepts" if arm == "none" else "names the concept"
    return (
        f"{ARM_NAMES[arm].capitalize()} ({noticed.n} trials, {noticed.n_units} {unit}): reports noticing in "
        f"{_share(noticed)}, {names} in {_share(named)}; {readable.count} replies readable, {coherent.count} coherent."
    )


def _gap(frame: pl.DataFrame, metric: str, words: str) -> str:
    concept = rate_of(frame, "concept", metric)
    parts: list[str] = []
    for arm in ("random", "none"):
        control = rate_of(frame, arm, metric)
        low, high = difference(concept, control)
        gap = f"{100 * (concept.rate - control.rate):+.0f} points [{100 * low:+.0f}, {100 * high:+.0f}]"
        parts.append(f"{gap} against {ARM_NAMES[arm]}")
    return f"Difference in how often the subject {words}: {', '.join(parts)} (95 %)."


def _share(rate: Rate) -> str:
    if not rate.n:
        return "an unknown share (not graded)"
    return f"{rate.count} ({100 * rate.rate:.0f} %, interval {100 * rate.low:.0f}–{100 * rate.high:.0f} %)"
