"""Dose, beside the criteria: how what is reported grows with the strength, on the half that chose the setting.

What is reported is noticing, the concept, and how strong the thought is said to be.
"""

from collections.abc import Iterator

import polars as pl
from scipy.stats import permutation_test, spearmanr

from introspect.analysis.dose import Curve, Dose, dose
from introspect.analysis.findings.finding import Finding
from introspect.graders.detail_scores import how_strong

LEAST_CLAIMS = 10
"""Replies that say how strong, from which on that is set against the strength."""
DEALS = 999
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
        if name == "named":  # a clean trial is about no concept, and any of them counts as named there
            guess /= under["unit"].n_unique()
        found = dose(under["strength"].to_list(), under["unit"].to_list(), hits, guess)
        shares = ", ".join(f"{s:g}: {100 * share:.0f} %" for s, share in found.table.select("strength", "share").rows())
        yield Finding(
            f"dose, {name}",
            f"Dose at layer {layer}, how often {words} by strength: {shares}. {_curve(found, known=bool(guesses))}",
            found.table,
        )

    yield from _claimed(under, layer)


def _claimed(under: pl.DataFrame, layer: int) -> Iterator[Finding]:
    """Say whether replies that tell how strong the thought is tell it by the strength."""
    read = {reply: how_strong(reply or "") for reply in under["reply"].unique()}
    said = [(strength, read[reply]) for strength, reply in under.select("strength", "reply").rows()]
    claims = [each for each in said if each[1] is not None]
    strengths, degrees = ([each[place] for each in claims] for place in (0, 1))
    if len(claims) < LEAST_CLAIMS or min(len(set(strengths)), len(set(degrees))) < 2:
        return
    found = permutation_test(
        (strengths,), lambda dealt: spearmanr(dealt, degrees)[0], permutation_type="pairings", n_resamples=DEALS, rng=0
    )
    yield Finding(
        "dose, said to be strong",
        f"Of {len(under)} replies at layer {layer} {len(claims)} say how strong the thought is; that and the strength "
        f"have a rank correlation of {found.statistic:+.2f} (p = {found.pvalue:.4f}, strengths dealt again).",
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
