"""What stands beside the criteria and decides none of them, at the setting on which they are judged."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, variance
from typing import get_args

import numpy as np
import polars as pl

from introspect.analysis.control_line import ControlLine, control_line
from introspect.analysis.criteria import measures
from introspect.analysis.criteria.differences import means
from introspect.analysis.criteria.evidence import GONE_ON, Evidence, once
from introspect.analysis.criteria.measured import of_shared
from introspect.analysis.criteria.naming_beside import identified, of_its_own_choice, opaque, under_negated, unsteered
from introspect.analysis.criteria.results import RATES
from introspect.analysis.criteria.said import bounded, p_of
from introspect.analysis.crossed import with_items
from introspect.analysis.detection import Detection, detection
from introspect.analysis.findings.finding import Finding
from introspect.analysis.interval import LEVEL
from introspect.analysis.intervals import over_concepts
from introspect.analysis.permutation import holm
from introspect.analysis.rates import clustered_rate
from introspect.analysis.selectivity import selectivity
from introspect.graders.detail_scores import detail_counts
from introspect.records import ReaderKind, Readers
from introspect.terminal import counted

DETAILS = ("n", "checkable", "uncheckable", "scored", "true")
UNREAD = 1e-9
"""How far apart two countings of unreadable replies must be to be two."""


def beside(
    frames: Sequence[pl.DataFrame],
    evidence: Evidence,
    concepts: Mapping[str, Sequence[str]],
    temperature: float | None,
    level: float = LEVEL,
) -> list[Finding]:
    """Return what a study shows beyond the criteria, at the setting on which they are judged.

    Args:
        frames: Outcomes of the experiments on the half that is reported.
        evidence: The same as the criteria see it.
        concepts: Every form of every concept.
        temperature: Of the replies.
        level: Of the intervals of differences.
    """
    whole = once(pl.concat(frames)) if frames else pl.DataFrame()
    if whole.is_empty():
        return []
    report = whole.filter(
        (pl.col("protocol") == "injected_thought") & (pl.col("task") == "report") & ~pl.col("arm").is_in(GONE_ON)
    )
    asked = whole.filter(pl.col("protocol") == "yes_no")
    detect = asked.filter(pl.col("task").str.starts_with("detection"))
    return [
        *_line(control_line(asked)),
        *_detected("replies", report, temperature),
        *(each for task, part in _tasks(detect) for each in _detected(task, part, None)),
        *_with_lead_ins(evidence, level),
        *identified(report, concepts),
        *unsteered(evidence, level),
        *under_negated(evidence, level),
        *_selective(report, detect, level),
        *_earlier(evidence, level),
        *opaque(evidence, level),
        *of_its_own_choice(whole.filter(pl.col("task") == "choice"), concepts, level),
        *_detailed(report),
    ]


def _tasks(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (task,), part in frame.group_by(["task"], maintain_order=True):
        yield str(task), part


def _line(line: ControlLine) -> Iterator[Finding]:
    if line.score.value is None:
        return
    rows = [{"question": p.question, "clean": p.clean, "shift": p.shift} for p in line.points]
    if line.detection:
        rows.append({"question": "detection", "clean": line.detection.clean, "shift": line.detection.shift})
    slope, intercept = line.slope.value, line.intercept.value
    curved = f", {line.curved_score.value:+.2f} above a parabola" if line.curved_score.value is not None else ""
    because = line.undetermined_because
    open_ = f" The score is undetermined: {because}." if because else ""
    yield Finding(
        "control line",
        f"Control line over {line.n_questions} questions: slope {slope:+.2f} (compression), intercept {intercept:+.2f} "
        f"nats (bias towards yes). The detection question lies {line.score.value:+.2f} nats above it{curved}; of the "
        f"{len(line.placebos)} questions {line.n_above} lie as far above the line through the others, p = "
        f"{line.among:.3f} if detection is one of the lot.{open_}",
        pl.DataFrame(rows),
    )


def _detected(name: str, frame: pl.DataFrame, temperature: float | None) -> Iterator[Finding]:
    if frame.filter(pl.col("arm") == "concept").is_empty() or frame.filter(pl.col("arm") == "none").is_empty():
        return
    found: Detection = detection(frame, temperature)
    part = found.as_no
    d = (
        f"d′ {part.d_prime:.2f}, criterion {part.criterion:+.2f}"
        + (f" (from {part.n_pairs} prompts, one trial of each arm)" if part.n_pairs else "")
        if part.d_prime is not None
        else f"no d′: {part.because}"
    )
    drawn = "temperature not known" if found.temperature is None else f"temperature {found.temperature:g}"
    at = "scored" if found.readout == "scored" else drawn
    spread = found.spread
    area = f"; area under the curve {spread.auc:.2f}" if spread.auc is not None else ""
    if spread.d_a is not None and spread.ratio is not None:
        area += f", d_a {spread.d_a:.2f} at a ratio of σ(clean) to σ(injected) of {spread.ratio:.2f}"
    yield Finding(
        f"detection, {name}",
        f"Detection by {name} ({at}): hits {part.hits.count} of {part.hits.n} [{100 * part.hits.low:.0f}–"
        f"{100 * part.hits.high:.0f} %], false alarms {part.false_alarms.count} of {part.false_alarms.n} "
        f"[{100 * part.false_alarms.low:.0f}–{100 * part.false_alarms.high:.0f} %], from {found.signal.n_prompts} and "
        f"{found.noise.n_prompts} distinct prompts (95 % bounds); {d}{_if_read(found)}{area}.",
    )


def _if_read(found: Detection) -> str:
    """Say how many replies cannot be read, which count as no, and what there would be if they counted as yes."""
    lost = found.signal.n_unreadable, found.noise.n_unreadable
    if not any(lost):
        return ""
    part = found.as_yes
    d = f", d′ {part.d_prime:.2f}" if part.d_prime is not None else ""
    return (
        f"; {lost[0]} and {lost[1]} of these replies cannot be read and count as no: as yes {part.hits.count} and "
        f"{part.false_alarms.count} would notice{d}"
    )


def _selective(report: pl.DataFrame, detect: pl.DataFrame, level: float) -> Iterator[Finding]:
    """Set concepts against every family of noise; p are corrected by Holm for all of them."""
    found = [
        *(("replies", each) for each in selectivity(report) if each.measure == "rate"),
        *(("log-odds", each) for each in selectivity(detect) if each.measure == "logodds"),
    ]
    tested = [each.test.p_flip for _, each in found if each.test is not None]
    corrected = iter(holm(tested).tolist())
    for name, each in found:
        unit = "" if each.measure == "rate" else " nats"
        gap = over_concepts(each.values["gap"].to_list(), level, RATES if each.measure == "rate" else None)
        unread = ""
        against, in_favour = (mean(each.values[way].to_list()) for way in ("gap_against", "gap_for"))
        if in_favour - against > UNREAD:
            unread = f", from {against:+.2f} to {in_favour:+.2f} by how unreadable replies are counted"
            unread += " and so of either sign" if against < 0 < in_favour else ""
        p = (
            ""
            if each.test is None
            else f", p = {next(corrected):.4f} (signs flipped, Holm over {counted(len(tested), 'test')})"
        )
        yield Finding(
            f"selectivity, {name}, {each.family}",
            f"Selectivity by {name}: noticing under concepts less under {each.family} vectors at matched "
            f"{each.match or 'norm'}: {bounded(gap)}{unit}{unread}, {counted(each.mean.n_units, 'concept')}{p}.",
        )


def _with_lead_ins(evidence: Evidence, level: float) -> Iterator[Finding]:
    """Say how much oftener noticing is reported with the vector where the lead-ins, too, are but a sample."""
    cells = measures.noticing_cells(evidence)
    concepts, leads = ({key[place] for key in cells} for place in (0, 1))
    table = np.array([[cells.get((concept, lead), np.nan) for lead in sorted(leads)] for concept in sorted(concepts)])
    if min(len(concepts), len(leads)) < 2:
        return
    yield Finding(
        "noticing, lead-ins as a sample",
        f"Noticing with the vector less without, prompt by prompt, where lead-ins are a sample as concepts are: "
        f"{bounded(with_items(table, level, RATES))}, {len(concepts)} concepts and {len(leads)} lead-ins.",
    )


def observed(readers: Sequence[Readers], asked: pl.DataFrame) -> Iterator[Finding]:
    """Say what readers that know the vectors make of a study's trials, and how the subject compares with each.

    Args:
        readers: What they found, experiment by experiment; nothing is said without.
        asked: The yes–no trials, whose log-odds of detection are the subject's own evidence. Those that a reader
            read, too, are compared, each less the mean of the other clean trials asked alike, as the reader's are.
    """
    told = set() if asked.is_empty() else set(asked["key"])
    for kind in get_args(ReaderKind):
        rows = [row for each in readers for row in each.rows if row.kind == kind]
        reports = [row for row in rows if row.key not in told and row.arm == "concept"]
        detected = [row for row in rows if row.key in told]
        d = _apart(*([row.score for row in detected or rows if row.arm == arm] for arm in ("concept", "none")))
        if d is None or not reports:
            continue
        right = sum(row.named == row.concept for row in reports) / len(reports)
        own = _apart(*_own(asked, {row.key for row in detected})) if detected else None
        efficiency = ""
        if own is not None and d > 0:  # a subject that is moved the wrong way makes no use of what there is
            share = (max(own, 0) / d) ** 2
            efficiency = f"; on the same trials the subject's own d is {own:.2f}, an efficiency of {share:.2f}"
        yield Finding(
            f"third-party reader, {kind}",
            f"A reader that knows the vectors ({kind}, layer {readers[0].layer}, last prompt token) names "
            f"{100 * right:.0f} % of {len(reports)} rightly and tells injected from clean trials"
            f"{' of the detection question' if detected else ''} with d = {d:.2f}{efficiency}. It is an ideal "
            "observer: it says what could be reported, not who reports it.",
        )


def _own(asked: pl.DataFrame, keys: set[str]) -> tuple[list[float], list[float]]:
    """Return the subject's log-odds, injected and clean, each less the mean of the other clean trials asked alike."""
    clean = pl.col("yes_logodds").filter(pl.col("arm") == "none")
    alike = ["task", "wording"]
    frame = asked.filter(pl.col("key").is_in(keys) & pl.col("yes_logodds").is_not_null()).with_columns(
        clean.sum().over(alike).alias("sum"), clean.len().over(alike).alias("n")
    )
    here = pl.when(pl.col("arm") == "none")
    others = pl.col("n") - here.then(1).otherwise(0)
    mean_ = (pl.col("sum") - here.then(pl.col("yes_logodds")).otherwise(0.0)) / others
    frame = frame.filter(others > 0).with_columns((pl.col("yes_logodds") - mean_).alias("own"))
    injected, without = (frame.filter(pl.col("arm") == arm)["own"].to_list() for arm in ("concept", "none"))
    return injected, without


def _apart(signal: Sequence[float], noise: Sequence[float]) -> float | None:
    """Return the difference of means over the pooled standard deviation."""
    if min(len(signal), len(noise)) < 2:
        return None
    pooled = math.sqrt((variance(signal) + variance(noise)) / 2)
    return (mean(signal) - mean(noise)) / pooled if pooled > 0 else None


def _earlier(evidence: Evidence, level: float) -> Iterator[Finding]:
    """Say what a vector does that reaches the answer through the cache alone."""
    trials = measures.shifts(evidence, "earlier")
    values, (more, n_leads) = list(means(trials).values()), of_shared(trials)
    p = "" if more else p_of(values)  # flipped signs take the clean prompts as they are
    if values:
        yield Finding(
            "earlier turn",
            "Injected into an earlier turn only, which reaches the answer through the cache alone: log-odds of yes "
            f"move by {bounded(over_concepts(values, level, None, more, n_leads))} nats, "
            f"{counted(len(values), 'concept')}{p}. "
            "It shows a report of a past state and does not exclude a leak.",
        )


def _detailed(report: pl.DataFrame) -> Iterator[Finding]:
    """Count claims beyond noticing and naming; a concept is one unit, however many families of noise it has."""
    arm = pl.col("arm")
    kind = pl.when(arm == "none").then(pl.lit("without injection"))
    kind = kind.when(arm == "concept").then(pl.lit("with a concept injected")).otherwise(pl.lit("with another vector"))
    kinds = detail_counts(report).with_columns(kind.alias("kind"))
    counts = kinds.group_by("kind", "unit", maintain_order=True).agg(pl.col(*DETAILS).sum())
    parts: list[str] = []
    for (name,), part in counts.group_by("kind", maintain_order=True):
        rates = [clustered_rate(part[which].to_list(), part["n"].to_list()) for which in ("checkable", "uncheckable")]
        said = " and ".join(
            f"{100 * rate.rate:.0f} % [{100 * rate.low:.0f}–{100 * rate.high:.0f}; 95 %] {which}"
            for rate, which in zip(rates, ("checkable", "not checkable"), strict=True)
        )
        scored = int(part["scored"].sum())
        fits = f" ({int(part['true'].sum())} of {scored} details that can be scored are true)" if scored else ""
        parts.append(f"{name} {said}, of {counted(rates[0].n, 'reply', 'replies')}{fits}")
    if parts:
        yield Finding("confabulated detail", f"Claims beyond noticing and naming: {'; '.join(parts)}.")
