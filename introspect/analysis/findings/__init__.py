"""What a run shows, a sentence and a table at a time."""

import polars as pl

from introspect.analysis.findings.finding import Finding
from introspect.analysis.findings.pooled import pooled
from introspect.analysis.findings.special import FINDERS, nothing
from introspect.records import Effects

__all__ = ["Finding", "findings"]


def findings(protocol: str, outcomes: pl.DataFrame, effects: pl.DataFrame, matches: Effects | None) -> list[Finding]:
    """Return all findings of a run, what its experiment asks first.

    Args:
        protocol: The experiment.
        outcomes: One row a trial.
        effects: One row a cell and concept.
        matches: How well the effects of control vectors were matched, where that was asked for.
    """
    special = FINDERS.get(protocol, nothing)(outcomes, effects)
    return [*special, *pooled(outcomes, effects), *_matched(matches)]


def _matched(matches: Effects | None) -> list[Finding]:
    if matches is None or not matches.effects:
        return []
    n = sum(effect.matched for effect in matches.effects)
    table = pl.DataFrame([effect.model_dump() | {"matched": effect.matched} for effect in matches.effects])
    return [
        Finding(
            "matched effects",
            f"Control vectors were scaled to the concept vectors' effect on {matches.n_texts} neutral texts: "
            f"{n} of {len(matches.effects)} families × cells came within 15 % of it.",
            table,
        )
    ]
