"""Claimed detail against what was injected: single details, how strong a thought is said to be, and counts of both.

What can be claimed is read in ``introspect/graders/details.py``.
"""

import re
from typing import Any

import polars as pl

from introspect.graders.details import read_details
from introspect.records import Evidence

_ONE = re.compile(r"(?:only|exactly|just) ")
_DEGREES = (
    (1, re.compile(r"\b(?:weak|faint|mild|subtle|slight)(?:ly|er)?\b")),
    (2, re.compile(r"\bmoderate(?:ly)?\b")),
    (
        3,
        re.compile(
            r"\b(?:strong|intense|powerful|overwhelming|overpowering|dominant|vivid|prominent|pronounced|loud|forceful"
            r"|insistent|persistent)(?:ly|er)?\b"
        ),
    ),
)
_FIGURE = 12
"""Characters behind a claim of strength in which its figure may stand."""
_PART_OF = re.compile(r"(\d+(?:\.\d+)?) ?(%|percent|/ ?10|out of (?:10|ten))")
_LAYER = re.compile(r"\b(?:layer|block) (\d+)")
_FROM_TRIAL = "trial"
"""The span that begins where the trial is announced."""
_TRIAL = re.compile(r"\btrial\b")
_BEFORE_TRIAL = re.compile(r"\b(?:before|prior to|until) (?:[a-z]+ ){0,5}?trial\b")
_OTHER_TRIAL = re.compile(
    r"\b(?:second|third|last|previous|preceding|earlier|next|other) trial\b|\btrial (?:[2-9]|1\d|two|three|four|five)\b"
)
_SENTENCE = re.compile(r"[.;:!?\n]")
_PHRASE = 48
"""Characters behind a claim of place or time in which it may say of what."""


def is_true(detail: Evidence, layer: int | None, span: str | None = None, reply: str = "") -> bool | None:
    """Return whether a checkable detail fits what was injected; ``None`` where that cannot be said.

    Args:
        detail: Of what was injected: one vector, in one layer.
        layer: Where; ``None`` if nothing was injected, and then every detail of it is made up.
        span: The name of the span.
        reply: What the detail stands in.

    Returns:
        Numbers of thoughts and of a layer are compared. Where in the text and since when can be told where the
        vector acts from the announcement of the trial on and the reply speaks of the trial: before it is wrong. How
        strong it is has to be seen over several strengths (``how_strong``).
    """
    if layer is None:
        return False
    match detail.rule.partition(":")[2]:
        case "number":
            return _ONE.match(detail.text.lower()) is not None
        case "place" if place := _LAYER.search(detail.text.lower()):
            return int(place[1]) == layer
        case "place" | "time" if span == _FROM_TRIAL:
            return _since_the_trial(detail, reply)
        case _:
            return None


def _since_the_trial(detail: Evidence, reply: str) -> bool | None:
    """Return whether a claim of place or time says that it was with the trial, or before it; ``None``: neither."""
    behind = _SENTENCE.split(reply[detail.stop : detail.stop + _PHRASE])[0]
    said = f"{reply[detail.start : detail.stop]}{behind}".lower()
    if not _TRIAL.search(said) or _OTHER_TRIAL.search(said):
        return None
    return not _BEFORE_TRIAL.search(said)


def how_strong(reply: str) -> int | None:
    """Return how strong a reply says that the thought is: 1 weak, 2 moderate, 3 strong; ``None`` where it does not say.

    A share, such as 7 out of 10, counts by thirds; where several degrees are claimed the first counts.
    """
    claims = (each for each in read_details(reply).checkable if each.rule == "checkable:strength")
    said = next((reply[each.start : each.stop + _FIGURE].lower() for each in claims), "")
    if part := _PART_OF.search(said):
        share = float(part[1]) / (100 if part[2] in {"%", "percent"} else 10)
        return 1 + (share >= 1 / 3) + (share >= 2 / 3)
    found = [(match.start(), degree) for degree, words_ in _DEGREES if (match := words_.search(said))]
    return min(found)[1] if found else None


def detail_counts(frame: pl.DataFrame) -> pl.DataFrame:
    """Count the replies with details, in every arm and unit.

    Args:
        frame: Outcomes; rows without a reply are left out.

    Returns:
        One row an arm and unit: ``arm``, ``injected`` (any arm but ``none``), ``unit``, ``n`` replies, how many of
        them have ``checkable`` and ``uncheckable`` detail, how many single details could be ``scored`` against what was
        injected, and how many of these are ``true``. Rates and intervals over units are the caller's.
    """
    spoken = frame.filter(pl.col("noticed").is_not_null())  # an empty reply is one; what was only scored is none
    read = {reply: read_details(reply) for reply in spoken["reply"].unique()}
    found = [read[reply] for reply in spoken["reply"]]
    layers = [None if arm == "none" else layer for arm, layer in spoken.select("arm", "layer").iter_rows()]
    spans = spoken["span"] if "span" in spoken.columns else [None] * len(spoken)
    scores = [
        [score for detail in each.checkable if (score := is_true(detail, layer, span, reply)) is not None]
        for each, layer, span, reply in zip(found, layers, spans, spoken["reply"], strict=True)
    ]
    columns: dict[str, Any] = {
        "checkable": [len(each.checkable) > 0 for each in found],
        "uncheckable": [len(each.uncheckable) > 0 for each in found],
        "scored": [len(each) for each in scores],
        "true": [sum(each) for each in scores],
    }
    marked = spoken.with_columns(
        (pl.col("arm") != "none").alias("injected"),
        *(pl.Series(name, values).cast(pl.Int64) for name, values in columns.items()),
    )
    return marked.group_by("arm", "injected", "unit", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("n"), *(pl.col(name).sum().cast(pl.Int64) for name in columns)
    )
