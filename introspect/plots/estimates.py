"""One rate with its interval, read out of one row of a tidy frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

Row = dict[str, Any]

METRICS: dict[str, str] = {
    "noticed": "reports noticing",
    "named": "names the concept",
    "success": "success",
    "coherent": "coherent",
    "readable": "readable",
}
"""The rates a frame holds and the words for them: what the reply does, not what the model has."""

INTERVALS = "95 % Wilson intervals at the effective sample size"


@dataclass(frozen=True, slots=True)
class Estimate:
    """How often something was seen in ``n`` trials, and the bounds of its rate."""

    count: int
    n: int
    n_units: int
    rate: float
    low: float
    high: float

    @property
    def above(self) -> float:
        """Length of the error bar above the rate."""
        return max(0.0, self.high - self.rate)

    @property
    def below(self) -> float:
        """Length of the error bar below the rate."""
        return max(0.0, self.rate - self.low)

    @property
    def custom(self) -> list[float]:
        """What ``HOVER`` shows, in its order."""
        return [self.count, self.n, self.n_units, self.low, self.high]


HOVER = (
    "%{customdata[0]} of %{customdata[1]} trials<br>interval %{customdata[3]:.1%} to %{customdata[4]:.1%}"
    "<br>distinct concepts or prompts: %{customdata[2]}<extra></extra>"
)


def estimate(row: Row, metric: str) -> Estimate | None:
    """Read one metric of one row; ``None`` where the row has no rate for it."""
    if row.get(f"{metric}_rate") is None:
        return None
    return Estimate(
        count=int(row[f"{metric}_count"]),
        n=int(row["n"]),
        n_units=int(row["n_units"]),
        rate=float(row[f"{metric}_rate"]),
        low=float(row[f"{metric}_low"]),
        high=float(row[f"{metric}_high"]),
    )


def of_arm(frame: pl.DataFrame, arm: str, metric: str) -> list[tuple[Row, Estimate]]:
    """List an arm's rows that have a rate for ``metric``; empty where the frame or the arm is."""
    rows = (row for row in frame.iter_rows(named=True) if row.get("arm") == arm)
    return [(row, found) for row in rows if (found := estimate(row, metric)) is not None]


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


def n_range(estimates: Iterable[Estimate], what: str) -> str:
    """Say how many trials stand behind each mark, such as ``n = 12 to 15 trials a cell``."""
    counts = sorted({each.n for each in estimates})
    if not counts:
        return f"n = 0 trials a {what}"
    span = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"n = {span} {'trial' if counts == [1] else 'trials'} a {what}"
