"""What is named first, and how often that is the injected word, above the subject's habit of naming that word.

The *hit rate* of a concept is how often its word is named first under its own vector; its *prior* is how often that
same word is named first when another concept was injected, in the same cell and wording, every other concept weighing
the same. A subject that always says
"apple" hits apple always, and its prior for apple is as high: the difference is 0. What is named under noise vectors
stands beside. Of a list of words only the first counts, so that a long list earns nothing.

Every concept has one value, the mean over wordings (each weighs the same) and over the trials of a wording; intervals
over concepts are the caller's. An unreadable reply stays in the denominator, and can be counted ``for`` the subject
(it named the injected word) or ``against`` it (it named nothing right, and named every other concept to equal parts);
``as read`` it claims nothing.

Source: Lederman & Mahowald (2026, arXiv 2603.05414) on wrong guesses that fall on one word; Pearson-Vogel et al. (2026,
arXiv 2602.20031) on mutual information.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal, NamedTuple

import polars as pl

from introspect.analysis.information import PERMUTATIONS, GuessPrior, Information, guess_prior, information
from introspect.words import mention

Counting = Literal["as read", "for", "against"]
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


class Answer(NamedTuple):
    """What was said in a trial under a concept's vector; ``block`` are the trials that were asked alike."""

    concept: str
    block: Hashable
    said: str | None
    unreadable: bool


class Above(NamedTuple):
    """How often a word is said under its concept, and under others, in ``n`` trials; ``None`` where there is no other.

    Rates are means over blocks.
    """

    n: int
    hit: float | None
    prior: float | None

    @property
    def excess(self) -> float | None:
        """The first less the second."""
        return None if self.hit is None or self.prior is None else self.hit - self.prior


@dataclass(frozen=True, slots=True)
class Naming:
    """Identification in one cell.

    ``given_noticing`` is the frame of ``naming_values`` over the trials that report noticing. ``information`` is of all
    trials, silence being an answer; ``information_given_noticing`` of those that report noticing and name something.
    ``under_noise`` is what noise vectors bring about, by arm.
    """

    given_noticing: pl.DataFrame
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
    """Return outcomes with the column ``named_first``: ``None`` also where the reply is unreadable."""
    texts = frame["named_text"].unique().to_list()
    read = {text: first_named(text, forms_by_concept) for text in texts}
    firsts = [read[text] for text in frame["named_text"].to_list()]
    found = frame.with_columns(pl.Series(COLUMN, firsts, dtype=pl.String))
    if "noticed" not in frame.columns:
        return found
    return found.with_columns(pl.when(~pl.col("noticed").eq_missing("unreadable")).then(COLUMN))


def above_others(
    answers: Iterable[Answer], wanted: Callable[[str], str | None], counting: Counting = "as read"
) -> dict[str, Above]:
    """Return how often what is wanted of a concept is said under its vector, and under those of other concepts.

    Args:
        answers: One a trial.
        wanted: The word that is looked for under a concept; a concept without one is left out.
        counting: What unreadable replies count as.

    Returns:
        By concept. Blocks in which a concept is alone say nothing about its prior and are left out of its rates.
    """
    blocks: dict[Hashable, dict[str, list[Answer]]] = {}
    for answer in answers:
        blocks.setdefault(answer.block, {}).setdefault(answer.concept, []).append(answer)
    found: dict[str, list[tuple[int, float | None, float | None]]] = {}
    for owned in blocks.values():
        for concept, each in _of_block(owned, wanted, counting):
            found.setdefault(concept, []).append(each)
    return {concept: _over_blocks(parts) for concept, parts in found.items()}


def naming_values(frame: pl.DataFrame, *, given_noticing: bool = False, arm: str = "concept") -> pl.DataFrame:
    """Return every concept's hit rate, naming prior, and the first less the second.

    Args:
        frame: Outcomes with ``named_first``. The choices of a task without a reply may stand there as well.
        given_noticing: Take only the trials that report noticing.
        arm: The arm whose vectors act.

    Returns:
        One row a concept in alphabetic order: ``concept``, ``n`` trials, ``hit``, ``prior``, ``excess``; the rates are
        null where there is no other concept to compare with.
    """
    trials = _trials(frame, arm, given_noticing)
    names = [name for name in _BLOCK if name in trials.columns]
    answers = (
        Answer(concept, block, said, noticed == "unreadable")
        for (concept, said, noticed), block in zip(
            trials.select("concept", COLUMN, "noticed").iter_rows(),
            trials.select(names).iter_rows() if names else [()] * len(trials),
            strict=True,
        )
    )
    found = above_others(answers, lambda concept: concept)
    rows = [(concept, each.n, each.hit, each.prior, each.excess) for concept, each in sorted(found.items())]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


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
    trials, noticed = (_trials(frame, arm, given) for given in (False, True))
    both = [_information(part, seed, n_permutations) for part in (trials, noticed.filter(pl.col(COLUMN).is_not_null()))]
    return Naming(
        given_noticing=naming_values(frame, given_noticing=True, arm=arm),
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


def _trials(frame: pl.DataFrame, arm: str, given_noticing: bool) -> pl.DataFrame:
    trials = frame.filter((pl.col("arm") == arm) & pl.col("concept").is_not_null())
    if "noticed" not in trials.columns:
        trials = trials.with_columns(pl.lit(None, dtype=pl.String).alias("noticed"))
    return trials.filter(pl.col("noticed") == "yes") if given_noticing else trials


def _of_block(
    owned: Mapping[str, Sequence[Answer]], wanted: Callable[[str], str | None], counting: Counting
) -> Iterable[tuple[str, tuple[int, float | None, float | None]]]:
    """Yield trials, hit rate and prior of every concept injected in a block, without rates where it is alone."""
    lost = {concept: sum([each.unreadable for each in answers]) / len(answers) for concept, answers in owned.items()}
    everywhere: dict[str, float] = defaultdict(float)
    for answers in owned.values():
        counts: dict[str, int] = {}
        for each in answers:
            if each.said is not None and not each.unreadable:
                counts[each.said] = counts.get(each.said, 0) + 1
        for name, count in counts.items():
            everywhere[name] += count / len(answers)
    others, all_lost = len(owned) - 1, sum(lost.values())
    for concept, answers in owned.items():
        name = wanted(concept)
        if name is None:
            continue
        n = len(answers)
        if not others:
            yield concept, (n, None, None)
            continue
        hit = sum([each.said == name and not each.unreadable for each in answers]) / n
        prior = (everywhere.get(name, 0.0) - hit) / others
        prior += (all_lost - lost[concept]) / others**2 if counting == "against" else 0.0
        hit += lost[concept] if counting == "for" else 0.0
        yield concept, (n, hit, min(1.0, max(0.0, prior)))  # sums of shares are off by rounding


def _over_blocks(parts: Sequence[tuple[int, float | None, float | None]]) -> Above:
    hits = [hit for _, hit, _ in parts if hit is not None]
    priors = [prior for *_, prior in parts if prior is not None]
    n = sum(n for n, *_ in parts)
    return Above(n, fmean(hits), fmean(priors)) if hits and priors else Above(n, None, None)


def _information(trials: pl.DataFrame, seed: int, n_permutations: int) -> Information:
    block = [name for name in _BLOCK if name in trials.columns]
    blocks = trials.select(block).rows() if block else None
    return information(trials["concept"].to_list(), trials[COLUMN].to_list(), blocks, seed, n_permutations)
