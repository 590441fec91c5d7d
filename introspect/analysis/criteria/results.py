"""What parts, clauses and criteria came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import variance
from typing import Literal

from introspect.analysis.criteria.clauses import Clause, Criterion, Part
from introspect.analysis.criteria.differences import Values
from introspect.analysis.interval import Interval
from introspect.records import Rules

Status = Literal["met", "not met", "undetermined"]
RATES = (-1.0, 1.0)
"""The least and the largest difference of two rates."""
LEADS = "clean lead-ins"
"""What a part's samples are called, beside concepts, where concepts share the prompts that they are compared with."""


def least(part: Part, rules: Rules) -> float:
    """Return a part's smallest effect."""
    return rules.rate if part.unit == "rate" else rules.logodds


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part came to; ``because`` says why it is undetermined where the interval does not.

    ``spread`` is the standard deviation of the concepts' values with the share in it of questions, on the control line,
    and of clean prompts that concepts share: the standard error times the root of the number of concepts. It is
    ``None`` with fewer than two concepts. ``beside`` counts what is a sample beside concepts and adds to it. ``sides``
    are the two shares of which the value is the difference, where it is one of two arms.
    """

    part: Part
    interval: Interval
    status: Status
    values: Values
    wordings: Mapping[str, float]
    because: str | None = None
    spread: float | None = None
    beside: Mapping[str, int] = field(default_factory=dict)
    sides: tuple[float, float] | None = None

    @property
    def fewest(self) -> int:
        """How large the smallest sample is: concepts, or what is one beside them."""
        return min((len(self.values), *self.beside.values()))

    @property
    def more(self) -> float:
        """The variance of the mean over concepts from what is a sample beside them."""
        if not self.beside or self.spread is None:
            return 0.0
        return max(0.0, self.spread**2 - variance(self.values.values())) / len(self.values)


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """What a clause came to; ``applies`` is false where another criterion is not met that it rests on."""

    clause: Clause
    status: Status
    parts: tuple[PartResult, ...]
    applies: bool = True


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """What a criterion came to; ``because`` says why it is undetermined where its clauses do not."""

    name: Criterion
    status: Status
    clauses: tuple[ClauseResult, ...]
    because: str | None = None
