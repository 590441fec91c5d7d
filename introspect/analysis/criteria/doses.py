"""Dose, beside the criteria: how what is reported grows with the strength, on the half that chose the setting."""

from collections.abc import Iterator

import polars as pl

from introspect.analysis.dose import Curve, Dose, dose
from introspect.analysis.findings.finding import Finding

MEASURES = {"noticed": "noticing is reported", "named": "the injected concept is named"}


def doses(frame: pl.DataFrame, layer: int) -> Iterator[Finding]:
    """Say at which strength reports set in, how steeply, and what the strongest vectors still miss.

    Args:
        frame: Outcomes of an experiment on the whole grid; clean trials, if there are any, say how much is guessed.
        layer: The one that was chosen.
    """
    report = frame.filter((pl.col("protocol") == "injected_thought") & (pl.col("task") == "report"))
    under = report.filter((pl.col("arm") == "concept") & (pl.col("layer") == layer) & (pl.col("strength") > 0))
    if under["strength"].n_unique() < 2:
        return
    clean = report.filter(pl.col("arm") == "none")
    for name, words in MEASURES.items():
        hit = (pl.col("noticed") == "yes") if name == "noticed" else pl.col("named").fill_null(value=False)
        hits, guesses = (part.select(hit.alias("hit"))["hit"].to_list() for part in (under, clean))
        guess = sum(guesses) / len(guesses) if guesses else 0.0
        found = dose(under["strength"].to_list(), under["unit"].to_list(), hits, guess)
        shares = ", ".join(f"{s:g}: {100 * share:.0f} %" for s, share in found.table.select("strength", "share").rows())
        yield Finding(
            f"dose, {name}",
            f"Dose at layer {layer}, how often {words} by strength: {shares}. {_curve(found, known=bool(guesses))}",
            found.table,
        )


def _curve(found: Dose, known: bool) -> str:
    if found.curve is None:
        return f"No curve: {found.because}."
    curve = found.curve
    said = "; ".join(_with_bounds(curve, name) for name in ("threshold", "slope", "lapse"))
    guess = f"guessing {curve.guess:.2f} without injection" if known else "guessing taken to be 0: no clean trials"
    return f"{said[0].upper()}{said[1:]} ({guess}; bounds from {curve.n_concepts} concepts)."


def _with_bounds(curve: Curve, name: str) -> str:
    low, high = curve.bounds[name]
    unit = {"threshold": "", "slope": " σ a doubling", "lapse": ""}[name]
    bounds = "no interval" if low is None or high is None else f"[{low:.2f}, {high:.2f}]"
    return f"{name} {getattr(curve, name):.2f}{unit} {bounds}"
