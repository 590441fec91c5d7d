"""The differences that clauses are made of, each as one number a concept.

Every measure takes the evidence and a way of counting unreadable replies: as they were read, all for the clause, or
all against it. Where unreadable replies count for a clause, one under the vector is taken for the claim that is looked
for, and one in the control arm for its opposite; against it, the other way round.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from introspect.analysis.criteria.differences import Difference, Said, Values, less, means
from introspect.analysis.criteria.evidence import CONTINUED, RESUMED, Evidence, Row
from introspect.analysis.naming import Answer, Counting, above_others

Measure = Callable[[Evidence, Counting], Values]
Reading = Callable[[Row], float | None]
Trials = Callable[[Evidence, Counting], list[Difference]]
Arms = Callable[[Evidence, Counting], tuple[Said, Said]]


def naming(evidence: Evidence, counting: Counting) -> Values:
    """How often the first thing named is the injected concept, less how often it is named under other concepts.

    Both in the same wording.
    """
    return _above_others(evidence.of("report"), lambda row: row.named, lambda concept: concept, counting)


def first_token(evidence: Evidence, counting: Counting) -> Values:
    """How far the vector moves the first token's log-odds of yes to the detection question."""
    del counting  # log-odds are always readable
    return shift(evidence, "detection")


def shift(evidence: Evidence, part: str) -> Values:
    """How far the vector moves the log-odds of yes in a part, against the clean twins."""
    return means(shifts(evidence, part))


def shifts(evidence: Evidence, part: str) -> list[Difference]:
    """Return what ``shift`` is the mean of, trial by trial."""
    return _shifts(evidence, part, lambda row: row.logodds, lambda row: row.logodds)


def moved(evidence: Evidence, counting: Counting) -> list[Difference]:
    """Return what ``first_token`` is the mean of, trial by trial."""
    del counting
    return shifts(evidence, "detection")


def _shifts(evidence: Evidence, part: str, under: Reading, without: Reading) -> list[Difference]:
    """Return how far each trial is from its clean twins."""
    clean = _Twins(evidence.of(part, "none"), without)
    return [
        Difference(row.concept, row.item or row.prompt, value - other)
        for row in evidence.of(part)
        if row.concept is not None and (value := under(row)) is not None and (other := clean.of(row)) is not None
    ]


def one_pass(evidence: Evidence, counting: Counting) -> Values:
    """How often the likeliest name in one pass is the one that is reported, less how often under other concepts.

    Concepts that are usually reported under a name which is not on offer cannot be tried, and are left out.
    """
    usual = evidence.reported
    found = _above_others(evidence.of("name"), lambda row: row.answer, usual.get, "as read")
    tried = {concept: value for concept, value in found.items() if evidence.offers(usual.get(concept))}
    return _where_read(evidence, tried, counting)


def _where_read(evidence: Evidence, values: Values, counting: Counting) -> Values:
    """Return values about the name that is reported; nobody knows it where no report of a concept can be read."""
    unknown = evidence.unread
    if counting == "as read":
        return {concept: value for concept, value in values.items() if concept not in unknown}
    return {c: float(counting == "for") if c in unknown else value for c, value in values.items()}


def without_vector(evidence: Evidence, counting: Counting) -> Values:
    """How often a name is given that the same subject does not give without the vector, going on from just before."""
    return _continued(evidence, counting, lambda row, other: row.named is not None and row.named == other.named)


def noticing_without_vector(evidence: Evidence, counting: Counting) -> Values:
    """How often noticing is reported where the same subject does not report it going on without the vector."""
    return _continued(
        evidence, counting, lambda row, other: row.noticed == "yes" and other.noticed == "yes", noticed=True
    )


def _continued(
    evidence: Evidence, counting: Counting, same: Callable[[Row, Row], bool], noticed: bool = False
) -> Values:
    """Return how often a claim is made, less how often it is made without the vector, too.

    A reply that was drawn makes its claim by chance as well: then the claim is looked for again with the vector, as it
    is without. A claim that nothing goes on from is taken for one like the others of its concept, and counts as given
    up without the vector for the clause and as kept against it.
    """
    later, again = evidence.going_on(CONTINUED), evidence.going_on(RESUMED)
    found: Values = {}
    claimed = False
    for concept, rows in evidence.owned("report").items():
        readable = [row for row in rows if not row.unreadable]
        claims = [row for row in readable if (row.noticed == "yes" if noticed else row.named is not None)]
        silent = (len(rows) - len(readable)) * float(counting == "for")
        pairs = [(row, later[row.key]) for row in claims if row.key in later]
        kept = [float(same(*pair)) if not pair[1].unreadable else float(counting == "against") for pair in pairs]
        made = [
            float(same(row, other)) if not other.unreadable else float(counting == "for")
            for row, _ in pairs
            if (other := again.get(row.key)) is not None
        ]
        claimed |= bool(claims)
        share = (fmean(made) if made else 1.0) - fmean(kept) if kept else 0.0
        n_lost = len(claims) - len(pairs)
        if claims and not pairs and counting == "as read":
            continue
        lost = {"as read": share, "for": 1.0, "against": 0.0}[counting] * n_lost
        found[concept] = (share * len(pairs) + lost + silent) / len(rows)
    return found if later or not claimed else {}


def vector_over_text(evidence: Evidence, counting: Counting) -> Values:
    """How often the usual name is given with the vector and without the word, less with the word and no vector."""
    return _where_read(evidence, less(*names_crossed(evidence, counting)), counting)


def noticing_by_vector(evidence: Evidence, counting: Counting) -> Values:
    """How often noticing is reported with the vector and without the word, less with the word and no vector."""
    return less(*noticing_crossed(evidence, counting))


def names_crossed(evidence: Evidence, counting: Counting) -> tuple[Said, Said]:
    """Return whether the usual name is given, with the vector alone and with the word alone."""
    usual = evidence.reported
    return _crossing(
        evidence, counting, lambda row: row.named is not None and row.named == usual.get(row.concept or "")
    )


def noticing_crossed(evidence: Evidence, counting: Counting) -> tuple[Said, Said]:
    """Return whether noticing is reported, with the vector alone and with the word alone."""
    return _crossing(evidence, counting, _claims)


def _crossing(evidence: Evidence, counting: Counting, claims: Callable[[Row], bool]) -> tuple[Said, Said]:
    return (
        _said(evidence.owned("crossing"), claims, counting == "for"),
        _said(evidence.owned("crossing", "text"), claims, counting == "against"),
    )


def noticing(evidence: Evidence, counting: Counting) -> Values:
    """How much oftener noticing is reported with the vector than without."""
    return means(reporting(evidence, counting))


def reporting(evidence: Evidence, counting: Counting) -> list[Difference]:
    """Return what ``noticing`` is the mean of, trial by trial."""
    return _shifts(
        evidence,
        "report",
        lambda row: float(_noticed(row, counting == "for")),
        lambda row: float(_noticed(row, counting == "against")),
    )


def noticing_cells(evidence: Evidence) -> dict[tuple[str, str], float]:
    """Return, by concept and lead-in, how much oftener noticing is reported there with the vector than without.

    Prompt by prompt; unreadable replies report nothing.
    """
    clean: dict[str, list[float]] = defaultdict(list)
    for row in evidence.of("report", "none"):
        clean[row.prompt or ""].append(float(_noticed(row, unreadable=False)))
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in evidence.of("report"):
        if row.concept is not None and row.prompt is not None and row.prompt in clean:
            gap = float(_noticed(row, unreadable=False)) - fmean(clean[row.prompt])
            cells[row.concept, row.item or row.prompt].append(gap)
    return {key: fmean(each) for key, each in cells.items()}


def self_over_other(evidence: Evidence, counting: Counting) -> Values:
    """How much oftener the subject reports noticing for itself than for a model that is left alone, with the vector."""
    return less(*persons(evidence, counting))


def persons(evidence: Evidence, counting: Counting) -> tuple[Said, Said]:
    """Return whether noticing is reported with the vector, of itself and of the other model."""
    return (
        _said(evidence.owned("report"), _claims, counting == "for"),
        _said(evidence.owned("other"), _claims, counting == "against"),
    )


def named_when_asked(evidence: Evidence, counting: Counting) -> Values:
    """How often the concept is named when it is asked for, less how often it stands in unrelated answers.

    An empty answer to an unrelated request cannot be read: for the clause the concept does not stand in it, against it
    the concept might have.
    """
    return less(*asked_for(evidence, counting))


def asked_for(evidence: Evidence, counting: Counting) -> tuple[Said, Said]:
    """Return whether the concept is said with the vector, where it is asked for and in unrelated answers."""
    elsewhere = evidence.owned("elsewhere")
    return (
        _said(evidence.owned("report"), lambda row: row.named == row.concept, counting == "for", shared=False),
        {
            concept: [(row.item, float(counting == "against" if row.leaks is None else row.leaks)) for row in rows]
            for concept, rows in elsewhere.items()
        },
    )


def _claims(row: Row) -> bool:
    return row.noticed == "yes"


def _said(
    owned: Mapping[str, Sequence[Row]], claims: Callable[[Row], bool], unreadable: bool, shared: bool = True
) -> Said:
    """Return of every trial of each concept what it shares with others, if that is asked, and whether it claims."""
    return {
        concept: [(row.item if shared else None, float(unreadable if row.unreadable else claims(row))) for row in rows]
        for concept, rows in owned.items()
    }


def _noticed(row: Row, unreadable: bool) -> bool:
    return unreadable if row.unreadable else row.noticed == "yes"


def _above_others(
    rows: Sequence[Row], said: Callable[[Row], str | None], wanted: Callable[[str], str | None], counting: Counting
) -> Values:
    """Return how often what is wanted of a concept is said under it, less under the others of the same wording."""
    answers = [Answer(row.concept, row.wording, said(row), row.unreadable) for row in rows if row.concept is not None]
    found = above_others(answers, wanted, counting)
    owned = dict.fromkeys(answer.concept for answer in answers)
    if len(owned) < 2:
        return dict.fromkeys(owned, 0.0)  # it cannot be told from a habit
    values = {concept: found[concept].excess if concept in found else 0.0 for concept in owned}
    return {concept: value for concept, value in values.items() if value is not None}


class _Twins:
    """The clean trials that others are compared with: of the same prompt, or else of the same wording and task."""

    def __init__(self, rows: Iterable[Row], value: Callable[[Row], float | None]) -> None:
        prompts: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        wordings: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in rows:
            number = value(row)
            if number is not None:
                prompts[row.task, row.prompt].append(number)
                wordings[row.task, row.wording].append(number)
        self._prompts = {key: fmean(each) for key, each in prompts.items() if key[1] is not None}
        self._wordings = {key: fmean(each) for key, each in wordings.items()}

    def of(self, row: Row) -> float | None:
        """Return the mean of the twins of a trial."""
        own = self._prompts.get((row.task, row.prompt or ""))
        return own if own is not None else self._wordings.get((row.task, row.wording))
