"""One share or mean with its interval, read out of one row of a tidy frame, and the axis that it belongs on."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from introspect.analysis.metrics import METRICS, Kind, Metric
from introspect.plots.style import MEAN_AXIS, RATE_AXIS
from introspect.plots.text import interval, number, number_range, percent

Row = dict[str, Any]

INTERVALS: dict[Kind, str] = {
    "share": "95 % Wilson intervals at the effective sample size",
    "mean": "95 % intervals with concepts as the units",
}
"""What the bounds of a frame are."""

_UNITS = {"rank_gain": "log10 of the rank", "rank_report": "log10 of the rank", "digit": "0 to 9", "mass": "0 to 1"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """How often something was seen in ``n`` trials or its mean over them, with bounds.

    Only a share has a ``count``. A mean has no bounds where fewer than two concepts stand behind it.
    """

    n: int
    n_units: int
    rate: float
    low: float | None
    high: float | None
    count: int | None = None

    @property
    def is_share(self) -> bool:
        """Whether this is a share of trials and not a mean."""
        return self.count is not None

    @property
    def above(self) -> float | None:
        """Length of the error bar above the value."""
        return None if self.high is None else max(0.0, self.high - self.rate)

    @property
    def below(self) -> float | None:
        """Length of the error bar below the value."""
        return None if self.low is None else max(0.0, self.rate - self.low)

    @property
    def value(self) -> str:
        """The share or the mean in writing."""
        return percent(self.rate) if self.is_share else number(self.rate)

    @property
    def bounds(self) -> str:
        """The interval in writing; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        return interval(self.low, self.high) if self.is_share else number_range(self.low, self.high)

    @property
    def counts(self) -> str:
        """What stands behind it, such as ``10/40`` or ``n = 40``."""
        return f"n = {self.n:,}" if self.count is None else f"{self.count:,}/{self.n:,}"

    @property
    def custom(self) -> list[float | str | None]:
        """The numbers of the point and, last, what ``HOVER`` shows of them."""
        return [self.count, self.n, self.n_units, self.low, self.high, self._sentence]

    @property
    def _sentence(self) -> str:
        behind = f"mean of {self.n:,} trials" if self.count is None else f"{self.count:,} of {self.n:,} trials"
        bounds = f"interval {self.bounds}" if self.bounds else "no interval"
        return f"{self.value}: {behind}<br>{bounds}<br>distinct concepts or prompts: {self.n_units:,}"


HOVER = "%{customdata[5]}<extra></extra>"


def metric_of(name: str) -> Metric:
    """Return what a measure is; one that nobody has described is a share that is called by its column."""
    return METRICS.get(name) or Metric(name, name, "share", "")


def words(name: str) -> str:
    """Return what axes and tables call a measure."""
    return metric_of(name).words


def heading_words(name: str) -> str:
    """Return what a heading begins with."""
    text = words(name)
    return text[:1].upper() + text[1:]


def axis_words(name: str) -> str:
    """Return the title of a measure's axis: its words and, of a mean, its unit."""
    metric = metric_of(name)
    named = re.search(r", in (\w+)$", metric.definition)
    unit = _UNITS.get(name) or (named[1] if named else "")
    return f"{metric.words} ({unit})" if unit and metric.kind == "mean" else metric.words


def value_axis(name: str) -> dict[str, Any]:
    """Return the axis of a measure: of a share from 0 to 100 %, of a mean free and with a line at zero."""
    return RATE_AXIS if metric_of(name).kind == "share" else MEAN_AXIS


def chance_of(name: str, given: float | None = None) -> float | None:
    """Return what guessing gives: the number that is passed or, where it is fixed, the measure's own."""
    own = metric_of(name).chance
    return given if given is not None else own if isinstance(own, float) else None


def guessing(name: str, given: float | None = None) -> str:
    """Say what guessing gives, in a sentence for a caption; empty where that is not known."""
    chance = chance_of(name, given)
    if chance is None:
        return ""
    return f"Dotted: what guessing gives, {percent(chance) if metric_of(name).kind == 'share' else number(chance)}."


def estimate(row: Row, metric: str) -> Estimate | None:
    """Read one measure of one row; ``None`` where the row has no value for it."""
    if row.get(f"{metric}_rate") is None:
        return None
    count, low, high = (row.get(f"{metric}_{part}") for part in ("count", "low", "high"))
    n = row.get(f"{metric}_n")
    return Estimate(
        n=int(row["n"] if n is None else n),
        n_units=int(row["n_units"]),
        rate=float(row[f"{metric}_rate"]),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        count=None if count is None else int(count),
    )


def of_arm(frame: pl.DataFrame, arm: str, metric: str) -> list[tuple[Row, Estimate]]:
    """List an arm's rows that have a value of ``metric``; empty where the frame or the arm is."""
    rows = (row for row in frame.iter_rows(named=True) if row.get("arm") == arm)
    return [(row, found) for row in rows if (found := estimate(row, metric)) is not None]


def with_values(frame: pl.DataFrame, metrics: Iterable[str]) -> list[str]:
    """Return the measures of which a frame has at least one value."""
    return [name for name in metrics if f"{name}_rate" in frame.columns and frame[f"{name}_rate"].count()]


def error_bars(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Return the plotly error bars of a trace, one for each estimate."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [each.above for each in estimates],
        "arrayminus": [each.below for each in estimates],
        "thickness": 1.6,
        "width": 4,
    }


def bars_are(estimates: Sequence[Estimate]) -> str:
    """Say what the error bars of some estimates are, and that some are missing where some are."""
    kinds: list[Kind] = [kind for kind in INTERVALS if any(each.is_share == (kind == "share") for each in estimates)]
    said = f"Error bars are {'; of means, '.join(INTERVALS[kind] for kind in kinds)}."
    if all(each.bounds for each in estimates):
        return said
    return f"{said} A mean of fewer than two concepts or prompts has none."


def n_range(estimates: Iterable[Estimate], what: str) -> str:
    """Say how many trials stand behind each mark, such as ``n = 12 to 15 trials a cell``."""
    counts = sorted({each.n for each in estimates})
    if not counts:
        return f"n = 0 trials a {what}"
    span = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"n = {span} {'trial' if counts == [1] else 'trials'} a {what}"
