"""The audit of an injection: what was measured where it acted; a trial that differs from its plan is refused."""

import math
from collections.abc import Sequence

from introspect.errors import AuditError
from introspect.measure import MEASURES
from introspect.records import Audit, Edit
from introspect.spans import Span
from introspect.vectors.vector import ConceptVector

NORMS_AGREE = 1e-5
"""How far two float32 norms of one vector may be apart, as a fraction: devices sum in different orders."""


def audited(
    vector: ConceptVector, span: Span, sums: Sequence[float], eps: float, fed_back: int, edit: Edit = "add"
) -> Audit:
    """Turn what was measured of one injection into its audit.

    Args:
        vector: What was to be added, with its strength.
        span: Where it was to be added.
        sums: One number for each of ``MEASURES``.
        eps: The residual stream's precision: the distance from 1 to the next number.
        fed_back: Reply tokens that were fed back.
        edit: What was to be done.

    Raises:
        AuditError: What was measured differs from what was planned.
    """
    measured = dict(zip(MEASURES, sums, strict=True))
    if not all(math.isfinite(value) for value in (*sums, vector.norm)):
        message = f"the injection at layer {vector.layer} overflowed: its size or the residual stream is not finite"
        raise AuditError(message)
    edited = measured["prompt"] + measured["generated"]
    n = max(edited, 1.0)
    audit = Audit(
        layer=vector.layer,
        edit=edit,
        prompt_spans=span.prompt,
        planned_prompt=span.n_prompt,
        planned_generated=fed_back if span.generated else 0,
        edited_prompt=round(measured["prompt"]),
        edited_generated=round(measured["generated"]),
        vector_norm=vector.norm,
        delta_norm=measured["delta"] / n,
        residual_norm=measured["residual"] / n,
        relative_strength=measured["delta"] / measured["residual"] if measured["residual"] else 0.0,
    )
    # The sum is rounded to the residual's own precision, half a unit in the last place of every component. Where the
    # change depends on what is there, its direction is a quotient of norms besides.
    size = float(vector.delta.norm())
    tolerance = 2 * eps * (audit.residual_norm + size) + (0.0 if edit == "add" else NORMS_AGREE * size)
    _verify(audit, measured["stray"], measured["error"] / n, tolerance)
    return audit


def _verify(audit: Audit, stray: float, error: float, tolerance: float) -> None:
    """Refuse a trial whose injection is not the planned one."""
    problems = [
        f"{name}: planned {planned} positions, edited {edited}"
        for name, planned, edited in (
            ("prompt", audit.planned_prompt, audit.edited_prompt),
            ("reply", audit.planned_generated, audit.edited_generated),
        )
        if planned != edited
    ]
    if stray:
        problems.append(f"{stray:.0f} positions outside the span changed")
    if not (math.isfinite(error) and error <= tolerance):
        problems.append(
            f"the change is off by {error:.3g} (tolerance {tolerance:.3g}, its norm {audit.delta_norm:.3g})"
        )
    if problems:
        message = f"the injection at layer {audit.layer} is not the planned one ({'; '.join(problems)})"
        raise AuditError(message)
