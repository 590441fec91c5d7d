"""Differences over concepts in words."""

from collections.abc import Sequence

from introspect.analysis.interval import Interval
from introspect.analysis.permutation import paired


def bounded(interval: Interval) -> str:
    """Write a value with its interval and the level of that, such as ``+0.31 [+0.02, +0.60; 97.5 %]``."""
    if interval.value is None:
        return "no value"
    if interval.low is None or interval.high is None:
        return f"{interval.value:+.2f} (no interval)"
    return f"{interval.value:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}; {100 * interval.level:g} %]"


def p_of(values: Sequence[float]) -> str:
    """Write the p of flipped signs of one difference a concept."""
    return f", p = {paired(values, [0.0] * len(values)).p_flip:.4f}" if len(values) > 1 else ""
