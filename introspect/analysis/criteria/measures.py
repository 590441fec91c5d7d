"""The differences that clauses are made of, each as one number a concept.

Every measure takes the evidence and a way of counting unreadable replies: as they were read, all for the clause, or
all against it. Where unreadable replies count for a clause, one under the vector is taken for the claim that is looked
for, and one in the control arm for its opposite; against it, the other way round. A single unreadable reply can name
one thing only: for agreement it names what most of the readable ones that it is compared with do; against it, it agrees
with the trials of other concepts, K in all, at a rate of 1/K.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from introspect.analysis.criteria.evidence import CONTINUED, Evidence, Row, by_concept
from introspect.analysis.naming import Answer, Counting, above_others

Values = dict[str, float]
"""One number a concept."""
Measure = Callable[[Evidence, Counting], Values]


def naming(evidence: Evidence, counting: Counting) -> Values:
    """How often the first thing named is the injected concept, less how often it is named under other concepts.

    Both in the same wording.
    """
    return _above_others(evidence.of("report"), lambda row: row.named, lambda concept: concept, counting)


def agreement(evidence: Evidence, counting: Counting) -> Values:
    """How often two trials with one vector name the same, less how often two with different vectors do.

    The two differ in wording, or in the sample where there is one wording.
    """
    rows, n = by_concept(evidence.of("report")), len(evidence.concepts)
    names = {concept: _by_wording(own, counting) for concept, own in rows.items()}
    total: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for own in names.values():
        for wording, said in own.items():
            total[wording].update(name for name in said if name is not None)
            sizes[wording] += len(said)
    found: Values = {}
    for concept, own in names.items():
        within = _within(own)
        if within is None or n < 2:
            continue
        between = fmean(
            _shared(name, total[other], own.get(other, []), sizes[other], n)
            for wording, said in own.items()
            for name in said
            for other in ([each for each in total if each != wording] or [wording])
        )
        found[concept] = within - between
    return found


UNREADABLE = {"for": "\0alike", "against": "\0apart"}


def _by_wording(rows: Iterable[Row], counting: Counting) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        found[row.wording].append(UNREADABLE.get(counting) if row.unreadable else row.named)
    return found


def _within(names: Mapping[str, Sequence[str | None]]) -> float | None:
    """Return the share of pairs, of different wordings or else of different samples, that name the same."""
    flat = [(wording, name) for wording, said in names.items() for name in said]
    n_pairs, agree = 0, 0
    might: dict[int, Counter[str]] = defaultdict(Counter)  # what unreadable replies are compared with
    for i, (one, first) in enumerate(flat):
        for j, (other, second) in enumerate(flat[:i]):
            if len(names) > 1 and one == other:
                continue
            n_pairs += 1
            agree += first is not None and first == second and first != UNREADABLE["against"]
            for place, name, partner in ((i, first, second), (j, second, first)):
                if name == UNREADABLE["for"] and partner not in {None, name}:
                    might[place][partner or ""] += 1
    agree += sum(max(each.values()) for each in might.values())
    return agree / n_pairs if n_pairs else None


def _shared(name: str | None, total: Counter[str], own: Sequence[str | None], size: int, n: int) -> float:
    """Return the share of other concepts' trials of a wording that name this."""
    others = size - len(own)
    if name is None or others < 1 or name == UNREADABLE["for"]:
        return 0.0
    if name == UNREADABLE["against"]:
        return 1 / n
    return (total[name] - sum(each == name for each in own)) / others


def first_token(evidence: Evidence, counting: Counting) -> Values:
    """How far the vector moves the first token's log-odds of yes to the detection question."""
    del counting  # log-odds are always readable
    return shift(evidence, "detection")


def shift(evidence: Evidence, part: str) -> Values:
    """How far the vector moves the log-odds of yes in a part, against the clean twins."""
    clean = _Twins(evidence.of(part, "none"), lambda row: row.logodds)
    found: Values = {}
    for concept, rows in by_concept(evidence.of(part)).items():
        shifts = [
            row.logodds - other for row in rows if row.logodds is not None and (other := clean.of(row)) is not None
        ]
        if shifts:
            found[concept] = fmean(shifts)
    return found


def one_pass(evidence: Evidence, counting: Counting) -> Values:
    """How often the likeliest name in one pass is the one that is reported, less how often under other concepts."""
    del counting
    usual = reported(evidence)
    return _above_others(evidence.of("name"), lambda row: row.answer, usual.get, "as read")


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
    later = {row.follows: row for row in evidence.of(CONTINUED, CONTINUED) if row.follows}
    found: dict[str, list[float]] = defaultdict(list)
    for row in evidence.of("report"):
        claims = not row.unreadable and (row.noticed == "yes" if noticed else row.named is not None)
        other = later.get(row.key)
        if row.concept is None or (claims and other is None):
            continue
        first = float(claims) if not row.unreadable else float(counting == "for")
        second = 0.0
        if claims and other is not None:
            second = float(same(row, other)) if not other.unreadable else float(counting == "against")
        found[row.concept].append(first - second)
    return {concept: fmean(each) for concept, each in found.items()}


def vector_over_text(evidence: Evidence, counting: Counting) -> Values:
    """How often the usual name is given with the vector and without the word, less with the word and no vector."""
    usual = reported(evidence)
    return _crossed(evidence, counting, lambda row: row.named is not None and row.named == usual.get(row.concept or ""))


def noticing_by_vector(evidence: Evidence, counting: Counting) -> Values:
    """How often noticing is reported with the vector and without the word, less with the word and no vector."""
    return _crossed(evidence, counting, lambda row: row.noticed == "yes")


def _crossed(evidence: Evidence, counting: Counting, claims: Callable[[Row], bool]) -> Values:
    vector = {c: _share(rows, claims, counting == "for") for c, rows in by_concept(evidence.of("crossing")).items()}
    text = by_concept(evidence.of("crossing", "text"))
    return {
        concept: value - _share(text[concept], claims, counting == "against")
        for concept, value in vector.items()
        if concept in text
    }


def noticing(evidence: Evidence, counting: Counting) -> Values:
    """How much oftener noticing is reported with the vector than without."""
    clean = _Twins(evidence.of("report", "none"), lambda row: float(_noticed(row, counting == "against")))
    found: Values = {}
    for concept, rows in by_concept(evidence.of("report")).items():
        shifts = [
            float(_noticed(row, counting == "for")) - other for row in rows if (other := clean.of(row)) is not None
        ]
        if shifts:
            found[concept] = fmean(shifts)
    return found


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
    own, other = by_concept(evidence.of("report")), by_concept(evidence.of("other"))
    return {
        concept: _share(rows, _claims, counting == "for") - _share(other[concept], _claims, counting == "against")
        for concept, rows in own.items()
        if concept in other
    }


def named_when_asked(evidence: Evidence, counting: Counting) -> Values:
    """How often the concept is named when it is asked for, less how often it stands in unrelated answers."""
    asked = by_concept(evidence.of("report"))
    elsewhere = by_concept(evidence.of("elsewhere"))
    return {
        concept: _share(rows, lambda row: row.named == row.concept, counting == "for")
        - fmean(float(bool(row.leaks)) for row in elsewhere[concept])
        for concept, rows in asked.items()
        if concept in elsewhere
    }


def reported(evidence: Evidence) -> dict[str, str]:
    """Return what is named most often under each concept's vector, in replies that can be read.

    Concepts under which nothing is named are left out.
    """
    found: dict[str, str] = {}
    for concept, rows in by_concept(evidence.of("report")).items():
        counted = Counter(row.named for row in rows if row.named is not None and not row.unreadable)
        if counted:
            found[concept] = min(counted, key=lambda name: (-counted[name], name))
    return found


def _claims(row: Row) -> bool:
    return row.noticed == "yes"


def _noticed(row: Row, unreadable: bool) -> bool:
    return unreadable if row.unreadable else row.noticed == "yes"


def _share(rows: Sequence[Row], claims: Callable[[Row], bool], unreadable: bool) -> float:
    return fmean(float(unreadable if row.unreadable else claims(row)) for row in rows)


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
