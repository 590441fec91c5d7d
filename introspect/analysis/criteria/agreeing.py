"""Whether two trials with one vector name the same, and more often than two with different vectors do.

A single unreadable reply can name one thing only. For agreement it names what most of the readable ones that it is
compared with do; against it, it names what most trials of other concepts do, and agrees with no other of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from introspect.analysis.criteria.evidence import Evidence, Row
from introspect.analysis.naming import Counting

UNREADABLE = {"for": "\0alike", "against": "\0apart"}
ALIKE = "\0same"
"""What unreadable replies all name, against agreement, where those that can be read name nothing."""
Names = dict[str, list[str | None]]
"""What is named in the trials of a concept, by wording."""


def agreement(evidence: Evidence, counting: Counting, about: str | None = None) -> dict[str, float]:
    """How often two trials with one vector name the same, less how often two with different vectors do.

    The two differ in wording, or in the sample where there is one wording.

    Args:
        evidence: Trials of one setting.
        counting: Of unreadable replies.
        about: A wording, if one of the two is to be in it; any by default.
    """
    rows, n = evidence.owned("report"), len(evidence.concepts)
    names = {concept: _by_wording(own, counting) for concept, own in rows.items()}
    taken = _taken(names) if counting == "against" else names
    total = _totals(taken)
    sizes = Counter(wording for own in names.values() for wording, said in own.items() for _ in said)
    found: dict[str, float] = {}
    for concept, own in names.items():
        within = _within(own, about)
        if within is None or n < 2:
            continue
        between = fmean(
            [
                _shared(name, total[other], taken[concept].get(other, []), sizes[other])
                for wording, said in taken[concept].items()
                if about in {None, wording}
                for name in said
                for other in _compared(wording, total)
            ]
        )
        found[concept] = within - between
    return found


def _totals(names: Mapping[str, Names]) -> dict[str, Counter[str]]:
    """Count all names of each wording."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for own in names.values():
        for wording, said in own.items():
            found[wording].update(name for name in said if name is not None)
    return found


def _compared(wording: str, wordings: Iterable[str]) -> list[str]:
    """Return the wordings whose trials those of a wording are compared with: the others, or itself if there is none."""
    return [each for each in wordings if each != wording] or [wording]


def _taken(names: Mapping[str, Names]) -> dict[str, Names]:
    """Let every unreadable reply name what most of other concepts' readable trials do that it is compared with.

    Where none of these names anything all unreadable ones name the same.
    """
    apart = UNREADABLE["against"]
    total = _totals(names)
    found: dict[str, Names] = {}
    for concept, own in names.items():
        found[concept] = {}
        for wording, said in own.items():
            usual: str | None = None
            if apart in said:
                counted: Counter[str] = Counter()
                for other in _compared(wording, total):
                    counted += total[other] - Counter(name for name in own.get(other, []) if name is not None)
                del counted[apart]
                usual = min(counted, key=lambda name: (-counted[name], name), default=ALIKE)
            found[concept][wording] = [usual if name == apart else name for name in said]
    return found


def _by_wording(rows: Iterable[Row], counting: Counting) -> Names:
    found: Names = defaultdict(list)
    for row in rows:
        found[row.wording].append(UNREADABLE.get(counting) if row.unreadable else row.named)
    return found


def _within(names: Mapping[str, Sequence[str | None]], about: str | None) -> float | None:
    """Return the share of pairs, of different wordings or else of different samples, that name the same."""
    flat = [(wording, name) for wording, said in names.items() for name in said]
    n_pairs, agree = 0, 0
    might: dict[int, Counter[str]] = defaultdict(Counter)  # what unreadable replies are compared with
    for i, (one, first) in enumerate(flat):
        for j, (other, second) in enumerate(flat[:i]):
            if (len(names) > 1 and one == other) or about not in {None, one, other}:
                continue
            n_pairs += 1
            agree += first is not None and first == second and first != UNREADABLE["against"]
            for place, name, partner in ((i, first, second), (j, second, first)):
                if name == UNREADABLE["for"] and partner not in {None, name}:
                    might[place][partner or ""] += 1
    agree += sum(max(each.values()) for each in might.values())
    return agree / n_pairs if n_pairs else None


def _shared(name: str | None, total: Counter[str], own: Sequence[str | None], size: int) -> float:
    """Return the share of other concepts' trials of a wording that name this."""
    others = size - len(own)
    if name is None or others < 1 or name == UNREADABLE["for"]:
        return 0.0
    return (total[name] - sum(each == name for each in own)) / others
