"""One thing that a run shows: a sentence, and the table behind it."""

from dataclasses import dataclass

import polars as pl

from introspect.analysis.means import Mean


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A sentence with its numbers in it, and the table they come from."""

    name: str
    sentence: str
    table: pl.DataFrame | None = None


def signed(mean: Mean, digits: int = 2) -> str:
    """Write a difference with its interval, such as ``+0.31 [+0.02, +0.60]``."""
    if mean.value is None:
        return "no value"
    if mean.low is None or mean.high is None:
        return f"{mean.value:+.{digits}f} (no interval: fewer than two concepts)"
    if mean.low == mean.high:
        return f"{mean.value:+.{digits}f} (no interval: all concepts alike)"
    return f"{mean.value:+.{digits}f} [{mean.low:+.{digits}f}, {mean.high:+.{digits}f}]"


def above(mean: Mean) -> bool:
    """Whether the whole interval lies above zero; an interval without width says nothing."""
    return mean.low is not None and mean.high is not None and 0 < mean.low < mean.high
