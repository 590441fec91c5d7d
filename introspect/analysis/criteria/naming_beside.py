"""What is named, beside the criteria: given noticing, by an unsteered reader, under negated vectors, and so on."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import polars as pl

from introspect.analysis.criteria.evidence import CONTINUED, RESUMED, Evidence, Row, by_concept
from introspect.analysis.criteria.results import RATES
from introspect.analysis.criteria.said import bounded, p_of
from introspect.analysis.findings.finding import Finding
from introspect.analysis.information import information
from introspect.analysis.intervals import over_concepts
from introspect.analysis.naming import Answer, above_others, identification, with_first_named
from introspect.words import matches


def identified(report: pl.DataFrame, concepts: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Say how often the injected concept is named, given noticing, and how much the names tell of the concepts."""
    if report.filter(pl.col("arm") == "concept").is_empty():
        return
    found = identification(with_first_named(report, concepts))
    share = found.given_noticing["excess"].drop_nulls().mean()
    wrong = found.wrong
    words = (
        f"; of {wrong.n_wrong} wrong guesses {100 * (wrong.share or 0):.0f} % are {wrong.word!r}" if wrong.word else ""
    )
    info, given = found.information, found.information_given_noticing
    above = f"{share:+.2f}" if isinstance(share, float) else "–"
    noise = "; ".join(
        f"under {family} noise {prior.n_named} of {prior.n} name something"
        + (f", most often {prior.top!r} ({100 * (prior.top_share or 0):.0f} %)" if prior.top else "")
        for family, prior in found.under_noise.items()
    )
    yield Finding(
        "identification",
        f"Identification given noticing, above the prior: {above}. Information between injected and named: "
        f"{info.bits:.2f} bits, {info.excess:+.2f} above its permutation null (p = {info.p:.4f}); of reports that "
        f"notice and name something {given.excess:+.2f} above (p = {given.p:.4f}){words}"
        f"{'; ' + noise if noise else ''}.",
    )


def unsteered(evidence: Evidence, level: float) -> Iterator[Finding]:
    """Say how the subject's names compare with those of a reader that has its words and not its state.

    The reader is the subject itself without the vector, going on from the transcript cut just before the claim. It is
    the one to beat: what it names, too, can be read off what was said before. Where nothing is claimed there is nothing
    to go on from, and neither names anything. Of replies that were drawn, those that go on with the vector stand for
    the subject.
    """
    who = "the subject itself, unsteered, going on from the transcript before the claim"
    yield from _read_on(evidence, evidence.going_on(CONTINUED), level, "unsteered reader", who)


def read_by_another(evidence: Evidence, theirs: Evidence, name: str, level: float) -> Iterator[Finding]:
    """Say the same of another model that goes on from the same transcripts.

    Args:
        evidence: The study's.
        theirs: What the other model said going on.
        name: Of the other model.
        level: Of the interval.
    """
    who = f"{name}, going on from the subject's transcript before the claim"
    yield from _read_on(evidence, theirs.going_on(CONTINUED), level, f"sibling reader, {name}", who)


def _read_on(evidence: Evidence, later: Mapping[str, Row], level: float, name: str, who: str) -> Iterator[Finding]:
    again = evidence.going_on(RESUMED)
    own = by_concept(row for row in evidence.of("report") if row.key in later or not _claims(row))
    if not later or not own:
        return
    rates = [
        (
            fmean(_named(again.get(row.key, row)) for row in rows),
            fmean(row.key in later and _named(later[row.key]) for row in rows),
        )
        for rows in own.values()
    ]
    gaps = [subject - reader for subject, reader in rates]
    subject, reader = (fmean(each) for each in zip(*rates, strict=True))
    yield Finding(
        name,
        f"A reader without the vectors ({who}) names the concept in {100 * reader:.0f} % where the subject does "
        f"in {100 * subject:.0f} %: difference {bounded(over_concepts(gaps, level, RATES))}, "
        f"{len(gaps)} concepts{p_of(gaps)}.",
    )


def under_negated(evidence: Evidence, level: float) -> Iterator[Finding]:
    """Say whether a concept is named under its vector more often than under that vector turned around."""
    own, negated = by_concept(evidence.of("report")), by_concept(evidence.of("report", "negated"))
    shared = [concept for concept in own if concept in negated]
    if not shared:
        return
    rates = [[fmean(map(_named, rows[concept])) for concept in shared] for rows in (own, negated)]
    gaps = [one - other for one, other in zip(*rates, strict=True)]
    words = Counter(row.named for concept in shared for row in negated[concept] if row.named is not None)
    most = f"; named most often under negated vectors is {words.most_common(1)[0][0]!r}" if words else ""
    yield Finding(
        "negated vector",
        f"The concept is named under its vector in {100 * fmean(rates[0]):.0f} % and under the negated one in "
        f"{100 * fmean(rates[1]):.0f} %: difference {bounded(over_concepts(gaps, level, RATES))}, {len(shared)} "
        f"concepts{p_of(gaps)}{most}.",
    )


def _claims(row: Row) -> bool:
    return row.named is not None or row.noticed == "yes"


def _named(row: Row) -> bool:
    return row.named == row.concept and not row.unreadable


def opaque(evidence: Evidence, level: float) -> Iterator[Finding]:
    """Say whether the concept is found by a code that the vector could not push towards the output.

    A code's prior is how often it is chosen under other concepts of the same prompt, which have the same codes.
    """
    rows = [row for row in evidence.of("codes") if row.concept is not None and row.answer is not None]
    if not rows:
        return
    answers = [Answer(row.concept or "", (row.wording, row.prompt), row.answer, unreadable=False) for row in rows]
    found = above_others(answers, lambda concept: concept)
    values = [each.excess for each in found.values() if each.excess is not None]
    told = information([a.concept for a in answers], [a.said for a in answers], [a.block for a in answers])
    if not values:
        return
    right = fmean(float(answer.said == answer.concept) for answer in answers)
    yield Finding(
        "opaque codes",
        f"By opaque codes the injected concept is chosen in {100 * right:.0f} % of {len(rows)} trials, "
        f"{bounded(over_concepts(values, level, RATES))} above its prior under others of its group, {len(values)} "
        f"concepts{p_of(values)}; {told.bits:.2f} bits, {told.excess:+.2f} above their permutation null "
        f"(p = {told.p:.4f}).",
    )


def of_its_own_choice(frame: pl.DataFrame, concepts: Mapping[str, Sequence[str]], level: float) -> Iterator[Finding]:
    """Say how often the injected concept is what a subject chooses that reports no thought and may name any.

    A concept that is chosen so is not named as a thought: the state leaks into words.

    Args:
        frame: Outcomes of the task ``choice``.
        concepts: Every form of every concept.
        level: Of the interval.
    """
    under = frame.filter((pl.col("arm") == "concept") & pl.col("concept").is_not_null())
    if under.is_empty():
        return
    noticed = {arm: _share(frame.filter(pl.col("arm") == arm)["noticed"].to_list()) for arm in ("concept", "none")}
    clean = "" if noticed["none"] is None else f" ({100 * noticed['none']:.0f} % without)"
    values = _chosen(under.filter(pl.col("noticed") == "no"), concepts)
    found = over_concepts(list(values.values()), level, RATES)
    yield Finding(
        "concept of its own choice",
        f"Asked to name any concept if there is none, {100 * (noticed['concept'] or 0):.0f} % of {len(under)} replies "
        f"under the vector report noticing{clean}. Of those that deny it the injected concept stands in "
        f"{bounded(found)} more than in denials under other vectors, {len(values)} "
        f"concepts{p_of(list(values.values()))}.",
    )


def _share(readings: Sequence[str | None]) -> float | None:
    return fmean(float(reading == "yes") for reading in readings) if readings else None


def _chosen(denied: pl.DataFrame, concepts: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return how often each concept stands in the denials under its vector, less in those under the others."""
    replies: dict[str, list[str]] = {}
    for concept, reply in denied.select("concept", "reply").iter_rows():
        replies.setdefault(concept, []).append(reply or "")
    found: dict[str, float] = {}
    for concept in replies:
        has = {
            other: fmean(float(matches(reply, concepts.get(concept, (concept,)))) for reply in said)
            for other, said in replies.items()
        }
        own = has.pop(concept)
        if has:
            found[concept] = own - fmean(has.values())
    return found
