"""The differences that clauses are made of, each as one number a concept.

Every measure takes the evidence and a way of counting unreadable replies: as they were read, all for the clause, or
all against it. Where unreadable replies count for a clause, one under the vector is taken for the claim that is looked
for, and one in the control arm for its opposite; against it, the other way round.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from introspect.analysis.criteria.evidence import CONTINUED, RESUMED, Evidence, Row
from introspect.analysis.naming import Answer, Counting, above_others

Values = dict[str, float]
"""One number a concept."""
Measure = Callable[[Evidence, Counting], Values]
Reading = Callable[[Row], float | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a trial under a vector is from its clean twins; ``item`` is the prompt that it shares with them."""

    concept: str
    item: str | None
    value: float


Trials = Callable[[Evidence, Counting], list[Difference]]


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
    return means(_shifts(evidence, part, lambda row: row.logodds, lambda row: row.logodds))


def moved(evidence: Evidence, counting: Counting) -> list[Difference]:
    """Return what ``first_token`` is the mean of, trial by trial."""
    del counting
    return _shifts(evidence, "detection", lambda row: row.logodds, lambda row: row.logodds)


def _shifts(evidence: Evidence, part: str, under: Reading, without: Reading) -> list[Difference]:
    """Return how far each trial is from its clean twins."""
    clean = _Twins(evidence.of(part, "none"), without)
    return [
        Difference(row.concept, row.prompt, value - other)
        for row in evidence.of(part)
        if row.concept is not None and (value := under(row)) is not None and (other := clean.of(row)) is not None
    ]


def means(differences: Iterable[Difference]) -> Values:
    """Return the mean of every concept's trials."""
    found: dict[str, list[float]] = defaultdict(list)
    for each in differences:
        found[each.concept].append(each.value)
    return {concept: fmean(each) for concept, each in found.items()}


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
    usual = evidence.reported
    found = _crossed(
        evidence, counting, lambda row: row.named is not None and row.named == usual.get(row.concept or "")
    )
    return _where_read(evidence, found, counting)


def noticing_by_vector(evidence: Evidence, counting: Counting) -> Values:
    """How often noticing is reported with the vector and without the word, less with the word and no vector."""
    return _crossed(evidence, counting, lambda row: row.noticed == "yes")


def _crossed(evidence: Evidence, counting: Counting, claims: Callable[[Row], bool]) -> Values:
    vector = {c: _share(rows, claims, counting == "for") for c, rows in evidence.owned("crossing").items()}
    text = evidence.owned("crossing", "text")
    return {
        concept: value - _share(text[concept], claims, counting == "against")
        for concept, value in vector.items()
        if concept in text
    }


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
    """Return, by concept and prompt, how much oftener noticing is reported there with the vector than without.

    Unreadable replies report nothing.
    """
    clean: dict[str, list[float]] = defaultdict(list)
    for row in evidence.of("report", "none"):
        clean[row.prompt or ""].append(float(_noticed(row, unreadable=False)))
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in evidence.of("report"):
        if row.concept is not None and row.prompt is not None and row.prompt in clean:
            cells[row.concept, row.prompt].append(float(_noticed(row, unreadable=False)) - fmean(clean[row.prompt]))
    return {key: fmean(each) for key, each in cells.items()}


def self_over_other(evidence: Evidence, counting: Counting) -> Values:
    """How much oftener the subject reports noticing for itself than for a model that is left alone, with the vector."""
    own, other = evidence.owned("report"), evidence.owned("other")
    return {
        concept: _share(rows, _claims, counting == "for") - _share(other[concept], _claims, counting == "against")
        for concept, rows in own.items()
        if concept in other
    }


def named_when_asked(evidence: Evidence, counting: Counting) -> Values:
    """How often the concept is named when it is asked for, less how often it stands in unrelated answers."""
    asked = evidence.owned("report")
    elsewhere = evidence.owned("elsewhere")
    return {
        concept: _share(rows, lambda row: row.named == row.concept, counting == "for")
        - fmean([float(bool(row.leaks)) for row in elsewhere[concept]])
        for concept, rows in asked.items()
        if concept in elsewhere
    }


def _claims(row: Row) -> bool:
    return row.noticed == "yes"


def _noticed(row: Row, unreadable: bool) -> bool:
    return unreadable if row.unreadable else row.noticed == "yes"


def _share(rows: Sequence[Row], claims: Callable[[Row], bool], unreadable: bool) -> float:
    return sum(unreadable if row.unreadable else claims(row) for row in rows) / len(rows)


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
