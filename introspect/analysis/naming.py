"""What is named first, and how often that is the injected word, above the subject's habit of naming that word.

The *hit rate* of a concept is how often its word is named first under its own vector; its *prior* is how often that
same word is named first when another concept was injected, in the same cell and wording. A subject that always says
"apple" hits apple always, and its prior for apple is as high: the difference is 0. What is named under noise vectors
stands beside. Of a list of words only the first counts, so that a long list earns nothing.

Every concept has one value, the mean over wordings (each weighs the same) and over the trials of a wording; intervals
over concepts are the caller's. An unreadable reply stays in the denominator, and can be counted ``for`` the subject
(it named the injected word) or ``against`` it (it named nothing right, and named every other concept to equal parts).

Source: Lederman & Mahowald (2026, arXiv 2603.05414) on wrong guesses that fall on one word; Pearson-Vogel et al. (2026,
arXiv 2602.20031) on mutual information.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from jaxtyping import Float

from introspect.analysis.information import PERMUTATIONS, GuessPrior, Information, guess_prior, information
from introspect.words import mention

Counting = Literal["as_read", "for", "against"]
COLUMN = "named_first"
_BLOCK = ("task", "info", "layer", "strength", "wording")
_JOINED = re.compile(r"\s*(?:[,;/|]|\band\b|\bor\b|&)\s*", flags=re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the|some)\s+(?=\w)")
_SCHEMA: dict[str, Any] = {"concept": pl.String, "n": pl.Int64} | dict.fromkeys(("hit", "prior", "excess"), pl.Float64)


@dataclass(frozen=True, slots=True)
class WrongGuess:
    """The commonest thing named first that was not injected, and its share of all such; the "apple index"."""

    word: str | None
    share: float | None
    n_wrong: int


@dataclass(frozen=True, slots=True)
class Naming:
    """Identification in one cell.

    ``values`` are the frames of ``naming_values`` by counting, ``given_noticing`` likewise over the trials that report
    noticing. ``information`` is that of all trials, silence being an answer; ``information_given_noticing`` that of
    trials that report noticing and name something. ``under_noise`` is what noise vectors bring about, by arm.
    """

    values: Mapping[Counting, pl.DataFrame]
    given_noticing: Mapping[Counting, pl.DataFrame]
    information: Information
    information_given_noticing: Information
    wrong: WrongGuess
    under_noise: Mapping[str, GuessPrior]


def first_named(named_text: str | None, forms_by_concept: Mapping[str, Sequence[str]]) -> str | None:
    """Return the first thing that a reply names.

    Args:
        named_text: What it names, in order, joined by semicolons; each may itself be a list ("bread, milk and salt").
        forms_by_concept: The forms of every concept of the run.

    Returns:
        The concept whose form stands first in the first thing, of several there the one with the longest form;
        without any the thing itself, case and article left out. ``None`` where nothing is named.
    """
    for phrase in (named_text or "").split(";"):
        start = next((at for at, sign in enumerate(phrase) if sign.isalnum()), None)
        if start is None:
            continue
        rest = phrase[start:]
        later = _JOINED.search(rest)
        head = rest[: later.start()] if later and later.start() else rest
        found = [
            (at, -len(form), concept)
            for concept, forms in forms_by_concept.items()
            for form in forms
            if (at := mention(rest, (form,))) is not None and at < len(head)
        ]
        if found:
            return min(found)[-1]
        return _ARTICLE.sub("", " ".join(head.casefold().split())).strip(" \"'“”‘’.!?()[]*_")
    return None


def with_first_named(frame: pl.DataFrame, forms_by_concept: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Return outcomes with the column ``named_first``; every distinct text is read once."""
    texts = frame["named_text"].unique().to_list()
    read = {text: first_named(text, forms_by_concept) for text in texts}
    firsts = [read[text] for text in frame["named_text"].to_list()]
    return frame.with_columns(pl.Series(COLUMN, firsts, dtype=pl.String))


def naming_values(
    frame: pl.DataFrame, counting: Counting = "as_read", *, given_noticing: bool = False, arm: str = "concept"
) -> pl.DataFrame:
    """Return every concept's hit rate, naming prior, and the first less the second.

    Args:
        frame: Outcomes with ``named_first``. The choices of a task without a reply may stand there as well.
        counting: What unreadable replies count as.
        given_noticing: Take only the trials that report noticing; where unreadable replies count for or against,
            these are taken as reporting it.
        arm: The arm whose vectors act.

    Returns:
        One row a concept in alphabetic order: ``concept``, ``n`` trials, ``hit``, ``prior``, ``excess``. Wordings in
        which a concept was the only one say nothing about its prior and are left out; without any other the rates are
        null.
    """
    trials = _trials(frame, arm, counting, given_noticing)
    found: dict[str, list[tuple[int, float, float]]] = {}
    block = [name for name in _BLOCK if name in trials.columns]
    for part in trials.partition_by(block, maintain_order=True) if block and len(trials) else [trials]:
        for concept, each in _of_block(part, counting).items():
            found.setdefault(concept, []).append(each)
    rows: list[dict[str, Any]] = []
    for concept in sorted(found):
        each = np.array(found[concept])
        with_prior = each[~np.isnan(each[:, 2])]
        hit, prior = with_prior[:, 1:].mean(axis=0).tolist() if len(with_prior) else (None, None)
        excess = None if hit is None or prior is None else hit - prior
        rows.append(
            {"concept": concept, "n": int(each[:, 0].sum()), "hit": hit, "prior": prior, "excess": excess}
        )  # fmt: skip
    return pl.DataFrame(rows, schema=_SCHEMA)


def identification(
    frame: pl.DataFrame, *, arm: str = "concept", seed: int = 0, n_permutations: int = PERMUTATIONS
) -> Naming:
    """Return all that is said about identification in one cell.

    Args:
        frame: Outcomes of one task and cell with ``named_first``, other arms with them.
        arm: The arm whose vectors act.
        seed: Of the permutations, which deal what was named again within a wording.
        n_permutations: How many.
    """
    countings: tuple[Counting, ...] = ("as_read", "for", "against")
    trials = _trials(frame, arm, "as_read", given_noticing=False)
    noticed = _trials(frame, arm, "as_read", given_noticing=True).filter(pl.col(COLUMN).is_not_null())
    both = [_information(part, seed, n_permutations) for part in (trials, noticed)]
    return Naming(
        values={counting: naming_values(frame, counting, arm=arm) for counting in countings},
        given_noticing={
            counting: naming_values(frame, counting, given_noticing=True, arm=arm) for counting in countings
        },
        information=both[0],
        information_given_noticing=both[1],
        wrong=wrong_guess(trials["concept"].to_list(), trials[COLUMN].to_list()),
        under_noise=named_under_noise(frame, concept_arm=arm),
    )


def wrong_guess(injected: Sequence[str], named: Sequence[str | None]) -> WrongGuess:
    """Return the commonest wrong guess; of equally common ones the first in the alphabet."""
    wrong = Counter(name for truth, name in zip(injected, named, strict=True) if name is not None and name != truth)
    n = sum(wrong.values())
    if not n:
        return WrongGuess(None, None, 0)
    word, count = min(wrong.items(), key=lambda item: (-item[1], item[0]))
    return WrongGuess(word, count / n, n)


def named_under_noise(
    frame: pl.DataFrame, families: Sequence[str] = ("random", "covariance", "shuffled"), concept_arm: str = "concept"
) -> dict[str, GuessPrior]:
    """Return what is named first under the vectors of every noise family there is."""
    there = [name for name in frame["arm"].unique(maintain_order=True) if name in families and name != concept_arm]
    return {name: guess_prior(frame.filter(pl.col("arm") == name)[COLUMN].to_list()) for name in sorted(there)}


def _trials(frame: pl.DataFrame, arm: str, counting: Counting, given_noticing: bool) -> pl.DataFrame:
    trials = frame.filter((pl.col("arm") == arm) & pl.col("concept").is_not_null())
    if "noticed" not in trials.columns:
        trials = trials.with_columns(pl.lit(None, dtype=pl.String).alias("noticed"))
    if not given_noticing:
        return trials
    return trials.filter(pl.col("noticed").is_in(["yes"] if counting == "as_read" else ["yes", "unreadable"]))


def _of_block(part: pl.DataFrame, counting: Counting) -> dict[str, tuple[int, float, float]]:
    """Return (trials, hit rate, prior) of every concept injected in a block; NaN for a prior without others."""
    concepts = sorted(part["concept"].unique())
    place = {name: i for i, name in enumerate(concepts)}
    named: Float[np.ndarray, "injected named"] = np.zeros((len(concepts), len(concepts)))
    sizes = np.zeros(len(concepts), dtype=np.int64)
    for concept, first, noticed in part.select("concept", COLUMN, "noticed").iter_rows():
        row = place[concept]
        sizes[row] += 1
        if noticed == "unreadable" and counting != "as_read":
            named[row] += _unreadable(row, len(concepts), counting)
        elif first in place:
            named[row, place[first]] += 1
    rates = named / sizes[:, None]
    hits = np.diag(rates)
    others = (rates.sum(axis=0) - hits) / (len(concepts) - 1) if len(concepts) > 1 else np.full(1, math.nan)
    return {name: (int(sizes[i]), float(hits[i]), float(others[i])) for name, i in place.items()}


def _unreadable(row: int, n: int, counting: Counting) -> Float[np.ndarray, " named"]:
    """Return what an unreadable reply is taken to name: the injected word, or every other one in equal parts."""
    own = np.arange(n) == row
    return own.astype(float) if counting == "for" else ~own / max(n - 1, 1)


def _information(trials: pl.DataFrame, seed: int, n_permutations: int) -> Information:
    block = [name for name in _BLOCK if name in trials.columns]
    blocks = trials.select(block).rows() if block else None
    return information(trials["concept"].to_list(), trials[COLUMN].to_list(), blocks, seed, n_permutations)
