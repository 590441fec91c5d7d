"""Signal detection: how well reports tell injected trials from clean ones, apart from a leaning towards yes.

Hits are reports of noticing under an injection, false alarms those without. d′ is how far apart the two arms are, the
criterion c how reluctant the reports are (positive: towards no), both in standard deviations of equal-variance normal
evidence. Rates of 0 and 1 have no finite d′, so half a report is added to both answers of both arms (Hautus 1995); this
pulls d′ towards 0 by an amount that depends on the arm's size, and arms of unequal size would be pulled unequally and
make a d′ out of nothing. Where arms differ in size d′ is that of pairs: every prompt that both have, with one of its
injected trials and one clean one, the first by their keys. Without such pairs none is given.

A read-out that draws nothing (scored, or temperature 0) gives the same answer to the same prompt and vector, which
counts once, however often it was asked. Where log-odds are known, the area under the curve and d_a ask for no common
variance, but for enough clean items to know a spread.

An unreadable reply stays in the denominator and is counted as no and, in a second reading, as yes. Nothing here mixes
noise vectors into the false alarms.

Source: Macmillan & Creelman (2005), chapters 1 to 3; Hautus (1995); Simpson & Fitter (1973) for d_a; DeLong, DeLong &
Clarke-Pearson (1988) for the area's error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import polars as pl
from scipy.stats import beta

from introspect.analysis.area import area, area_bounds
from introspect.analysis.rates import clustered_rate

Readout = Literal["scored", "greedy", "sampled", "unknown"]
Method = Literal["exact", "clustered"]
NOISE_ITEMS = 20
"""Items without a signal from which on their spread and order are used."""
FEWEST_PAIRS = 2
"""Prompts with and without a signal from which on there is a d′ where the arms differ in size."""
_ALIKE = (
    "task", "info", "wording", "item", "prompt", "concept", "draw", "layer", "strength", "match", "span", "where",
)  # fmt: skip
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``n`` answers in ``n_units`` concepts or lead-ins, with 95 % bounds and how they were found.

    ``exact`` is Clopper–Pearson's interval, over answers where every unit has one and over units where all of a kind
    agree; ``clustered`` is Wilson's at the effective size.
    """

    count: int
    n: int
    n_units: int
    low: float
    high: float
    method: Method

    @property
    def rate(self) -> float | None:
        """The share, ``None`` without answers."""
        return self.count / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What was asked of an arm: ``n_counted`` are trials, or where nothing is drawn distinct prompts × vectors."""

    n_trials: int
    n_prompts: int
    n_counted: int
    n_unreadable: int


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Hits and false alarms, and d′ and criterion in standard deviations, at one temperature.

    ``n_pairs`` is the number of prompts that d′ is from where not all answers are; ``because`` says why there is none.
    """

    hits: Share
    false_alarms: Share
    d_prime: float | None
    criterion: float | None
    temperature: float | None
    because: str | None
    n_pairs: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """What log-odds say without a common variance: area, its 95 % bounds, d_a, and σ(noise) / σ(signal).

    ``because`` says what is missing and why; there are no bounds where the arms do not overlap at all.
    """

    auc: float | None
    low: float | None
    high: float | None
    d_a: float | None
    ratio: float | None
    n_signal: int
    n_noise: int
    because: str | None


@dataclass(frozen=True, slots=True)
class Detection:
    """Signal detection in one cell; ``as_no`` and ``as_yes`` say what an unreadable reply counts as."""

    readout: Readout
    temperature: float | None
    signal: ArmCounts
    noise: ArmCounts
    as_no: Sensitivity
    as_yes: Sensitivity
    spread: Spread


def detection(
    frame: pl.DataFrame, temperature: float | None = None, *, signal: str = "concept", noise: str = "none"
) -> Detection:
    """Return signal detection of one task and cell.

    Args:
        frame: Outcomes of one task, layer and strength, with the trials without injection.
        temperature: Of the replies, where the frame has no such column; scored answers are at 0.
        signal: The arm in which reporting is right.
        noise: The arm in which it is a false alarm.

    Returns:
        All parts, those that the data do not give as ``None`` with the reason.
    """
    readout, temperature = _readout(frame, temperature)
    said = _said(frame, readout)
    arms = [said.filter(pl.col("arm") == name) for name in (signal, noise)]
    counted = [_counted(arm) if readout in {"scored", "greedy"} else arm for arm in arms]
    of_signal, of_noise = (_sizes(whole, part) for whole, part in zip(arms, counted, strict=True))
    as_no, as_yes = (_sensitivity(counted, yes, temperature) for yes in (("yes",), ("yes", "unreadable")))
    return Detection(readout, temperature, of_signal, of_noise, as_no, as_yes, _spread(*counted))


def d_prime(hits: int, false_alarms: int, n: int) -> tuple[float, float]:
    """Return d′ and criterion c of two arms of ``n`` trials each, with the log-linear correction.

    Source: Hautus (1995): half a trial is added to every count, one to every size.
    """
    hit, alarm = (_NORMAL.inv_cdf((count + 0.5) / (n + 1)) for count in (hits, false_alarms))
    return hit - alarm, -(hit + alarm) / 2


def sign_of(task: str) -> int:
    """Return 1 where a yes reports an injection, -1 where it denies one."""
    return -1 if task.partition("/")[0] == "inverted" else 1


def clopper_pearson(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share of ``n`` unrelated trials; (0, 1) without trials."""
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return low, high


def share(counts: Sequence[int], sizes: Sequence[int]) -> Share:
    """Return the pooled share of units with ``counts`` of ``sizes`` answers."""
    pairs = [(count, size) for count, size in zip(counts, sizes, strict=True) if size]
    count, n, k = sum(count for count, _ in pairs), sum(size for _, size in pairs), len(pairs)
    if n == k or count in {0, n}:
        low, high = clopper_pearson(k if count == n else count, k)
        return Share(count, n, k, low, high, "exact")
    rate = clustered_rate([count for count, _ in pairs], [size for _, size in pairs])
    return Share(count, n, k, rate.low, rate.high, "clustered")


def _readout(frame: pl.DataFrame, temperature: float | None) -> tuple[Readout, float | None]:
    """Say how answers come about, and at which temperature."""
    if "yes_logodds" in frame.columns and frame["yes_logodds"].is_not_null().any():
        return "scored", 0.0
    if "temperature" in frame.columns and frame["temperature"].n_unique() == 1:
        temperature = frame["temperature"][0]
    if temperature is None:
        return "unknown", None
    return ("sampled" if temperature > 0 else "greedy"), float(temperature)


def _said(frame: pl.DataFrame, readout: Readout) -> pl.DataFrame:
    """Return the trials with the columns ``reads`` (yes, no, unreadable) and ``towards`` (log-odds of reporting)."""
    if readout == "scored":
        signs = pl.col("task").map_elements(sign_of, return_dtype=pl.Int64) if "task" in frame.columns else pl.lit(1)
        scored = frame.filter(pl.col("yes_logodds").is_not_null()).with_columns(
            (pl.col("yes_logodds") * signs).alias("towards")
        )
        reads = pl.when(pl.col("towards") > 0).then(pl.lit("yes")).otherwise(pl.lit("no"))
        return scored.with_columns(reads.alias("reads"))
    noticed = pl.col("noticed") if "noticed" in frame.columns else pl.lit(None, dtype=pl.String)
    said = frame.with_columns(noticed.alias("reads"), pl.lit(None, dtype=pl.Float64).alias("towards"))
    return said.filter(pl.col("reads").is_not_null())


def _counted(arm: pl.DataFrame) -> pl.DataFrame:
    """Count every distinct prompt × vector once; a noise family draws a vector a sample."""
    key = [name for name in _ALIKE if name in arm.columns]
    if "draw" not in arm.columns and "sample" in arm.columns and not set(arm["arm"]) <= {"concept", "none", "negated"}:
        key.append("sample")
    return arm.unique(key, keep="first", maintain_order=True)


def _sizes(arm: pl.DataFrame, counted: pl.DataFrame) -> ArmCounts:
    n_prompts = arm["prompt"].n_unique() if "prompt" in arm.columns else 0
    return ArmCounts(len(arm), n_prompts, len(counted), int((counted["reads"] == "unreadable").sum()))


def _sensitivity(arms: Sequence[pl.DataFrame], yes: tuple[str, ...], temperature: float | None) -> Sensitivity:
    hits, alarms = (_share_of(arm, yes) for arm in arms)
    because, n_pairs = None, None
    n_hits, n_alarms, n = hits.count, alarms.count, hits.n
    if not hits.n or not alarms.n:
        because = f"there are {hits.n} trials with a signal and {alarms.n} without"
    elif temperature is None:
        because = "the temperature is not known"
    elif hits.n != alarms.n:
        pairs = _pairs(*arms)
        n = n_pairs = len(pairs[0])
        n_hits, n_alarms = (int(arm["reads"].is_in(list(yes)).sum()) for arm in pairs)
        if n < FEWEST_PAIRS:
            because = (
                f"the correction needs arms of one size; there are {hits.n} and {alarms.n} answers, and {n} prompts "
                "that both arms have"
            )
    if because:
        return Sensitivity(hits, alarms, None, None, temperature, because)
    return Sensitivity(hits, alarms, *d_prime(n_hits, n_alarms, n), temperature, None, n_pairs)


def _pairs(signal: pl.DataFrame, noise: pl.DataFrame) -> list[pl.DataFrame]:
    """Return one trial of every prompt that both arms have: the first by its key."""
    if not {"prompt", "key"} <= set(signal.columns):
        return [signal.clear(), noise.clear()]
    shared = set(signal["prompt"]) & set(noise["prompt"])
    return [
        arm.filter(pl.col("prompt").is_in(shared)).sort("key").unique("prompt", keep="first", maintain_order=True)
        for arm in (signal, noise)
    ]


def _share_of(arm: pl.DataFrame, yes: tuple[str, ...]) -> Share:
    units = arm.group_by("unit", maintain_order=True).agg(pl.len(), pl.col("reads").is_in(list(yes)).sum().alias("yes"))
    return share(units["yes"].to_list(), units["len"].to_list())


def _spread(signal: pl.DataFrame, noise: pl.DataFrame) -> Spread:
    pair = [arm.filter(pl.col("towards").is_finite()) for arm in (signal, noise)]
    above, below = (arm["towards"].to_numpy() for arm in pair)
    n, m = len(above), len(below)
    n_items = pair[1]["item"].n_unique() if "item" in noise.columns else m  # a lead-in in another wording is no other
    because = None
    if not n + m:
        because = "replies have no log-odds"
    elif n_items < NOISE_ITEMS:
        because = f"{n_items} items without a signal are fewer than {NOISE_ITEMS}"
    elif n < 2:
        because = f"there are {n} items with a signal"
    if because:
        return Spread(None, None, None, None, None, n, m, because)
    low, high = area_bounds(*pair)
    found: dict[str, Any] = {"auc": area(above.tolist(), below.tolist()), "low": low, "high": high}
    deviations = float(above.std(ddof=1)), float(below.std(ddof=1))
    if max(deviations) == 0:
        return Spread(**found, d_a=None, ratio=None, n_signal=n, n_noise=m, because="the log-odds have no spread")
    d_a = float(above.mean() - below.mean()) / math.sqrt((deviations[0] ** 2 + deviations[1] ** 2) / 2)
    ratio = deviations[1] / deviations[0] if deviations[0] else None
    return Spread(**found, d_a=d_a, ratio=ratio, n_signal=n, n_noise=m, because=None)
