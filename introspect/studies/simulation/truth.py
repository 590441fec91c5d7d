"""Made-up subjects by what every part of every clause comes to, and the settings that are tried."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from introspect.analysis.criteria import measures
from introspect.analysis.criteria.agreeing import agreement
from introspect.analysis.criteria.clauses import CRITERIA, Criterion
from introspect.analysis.criteria.measures import Measure
from introspect.records import Rules

Shape = Literal["skewed", "few"]
SHAPES: Mapping[Shape, str] = {"skewed": "skewed", "few": "all or none"}
"""How the effects of concepts are spread, and in words."""

N_CONCEPTS = 60
"""Of the half that is reported."""
N_LEADS = 50
"""Lead-ins of that half, which concepts share."""
N_NOTES, N_REQUESTS = 20, 20
"""Notes and unrelated requests of that half, likewise."""
SCATTER = 0.5
"""Standard deviation of the shift that each question has of its own, in nats."""
UNREADABLE, UNREADABLE_CLEAN = 0.08, 0.03
"""Shares of replies that cannot be read, with and without injection, halved and half as much again at the ends."""
HABIT, N_HABITS = 0.1, 20
"""How often a word is named out of habit where a concept's own is not, and among how many words."""
CLEAN_DETECTION = -1.0
REPLY, LOG_ODDS = 0.6, 3.0
"""Strong effects."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What every part comes to, in rates and (``first_token``, ``control_line``) in nats; then what leaves them as is.

    Attributes:
        naming: The injected concept is named, above the prior.
        agreement: Two trials with one vector name the same, above two with different ones. A subject that names
            rightly agrees with itself, so without agreement nothing is named but out of habit.
        first_token: Shift of the detection question.
        one_pass: The reported name is given in one pass, above the prior.
        without_vector: A name is reported and not repeated going on without the vector. Unreadable replies are taken
            for no repetition, so where every name is repeated some three in a hundred of them seem not to be.
        noticing_without_vector: Likewise for noticing.
        vector_over_text: The usual name is given with the vector alone less with the word alone.
        noticing_over_text: Likewise for noticing.
        control_line: Distance of the detection question from the line.
        self_over_other: Noticing is reported for oneself, above that for a model left alone.
        by_vector: Noticing is reported with the vector, above that without.
        when_asked: The concept is named when asked for, above its leaking into unrelated answers.
        slope: Of the control line; its bias follows from the shift and the distance of the detection question.
        word: How often the word alone brings about the name.
        noticed_word: How often the word alone brings about noticing.
    """

    naming: float = REPLY
    agreement: float = REPLY
    first_token: float = LOG_ODDS
    one_pass: float = REPLY
    without_vector: float = REPLY
    noticing_without_vector: float = REPLY
    vector_over_text: float = REPLY
    noticing_over_text: float = REPLY
    control_line: float = LOG_ODDS
    self_over_other: float = REPLY
    by_vector: float = REPLY
    when_asked: float = REPLY
    slope: float = -0.3
    word: float = 0.05
    noticed_word: float = 0.1

    @property
    def bias(self) -> float:
        """What the vectors add to every answer whose clean log-odds are even, in nats."""
        return self.first_token - self.control_line - self.slope * CLEAN_DETECTION

    def holds(self, criterion: Criterion) -> bool:
        """Whether all that the criterion asks for is there."""
        return all(getattr(self, name) > 0 for name in self.needed(criterion))

    def needed(self, criterion: Criterion) -> tuple[str, ...]:
        """Return the parts that decide a criterion."""
        kind = "noticing_" if self.agreement == 0 else ""
        over = "noticing_over_text" if kind else "vector_over_text"
        passes = () if kind else ("one_pass",)
        asked = ("when_asked",) if self.naming > 0 else ()
        return {
            "accuracy": ("naming",),
            "grounding": ("agreement",),
            "internality": ("first_token", *passes, f"{kind}without_vector", over),
            "metacognition": ("control_line", "self_over_other", "by_vector", *asked),
        }[criterion]

    def comes_to(self, part: str) -> float | None:
        """Return what a part comes to, ``None`` where that is not fixed.

        It is not of parts that decide nothing, of the detection question's where it is one like the others and so has a
        shift of its own in every study, and of names repeated without the vector always but for unreadable replies.
        """
        value: float = getattr(self, part)
        decides = any(part in self.needed(criterion) for criterion in CRITERIA)
        one_of_the_lot = self.control_line == 0 and part in {"first_token", "control_line"}
        nearly = value == 0 and part.endswith("without_vector")
        return None if one_of_the_lot or nearly or not decides else value


NAMES: Mapping[Measure | None, str] = {
    measures.naming: "naming",
    agreement: "agreement",
    measures.first_token: "first_token",
    measures.one_pass: "one_pass",
    measures.without_vector: "without_vector",
    measures.noticing_without_vector: "noticing_without_vector",
    measures.vector_over_text: "vector_over_text",
    measures.noticing_by_vector: "noticing_over_text",
    None: "control_line",
    measures.self_over_other: "self_over_other",
    measures.noticing: "by_vector",
    measures.named_when_asked: "when_asked",
}
"""The parts of the clauses by their measures."""
NOTHING = Truth(**dict.fromkeys(NAMES.values(), 0.0), slope=0.0, word=0.02)
UNNAMED = replace(Truth(), naming=0.0, agreement=0.0, one_pass=0.0, without_vector=HABIT * (1 - UNREADABLE),
                  vector_over_text=0.0, when_asked=0.0)  # fmt: skip
"""All that there can be where nothing is named but out of habit: noticing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A made-up subject, asked about so many concepts behind so many lead-ins; effects are ``skewed`` or ``few``.

    ``scatter`` is how far questions differ in what an injection does to them, in nats.
    """

    name: str
    truth: Truth
    shape: Shape
    n_concepts: int = N_CONCEPTS
    n_leads: int = N_LEADS
    scatter: float = SCATTER

    def __str__(self) -> str:
        behind = "" if self.n_leads == N_LEADS else f" behind {self.n_leads}"
        apart = "" if self.scatter == SCATTER else f" scatter {self.scatter:g}"
        return f"{self.name} {self.shape} {self.n_concepts}{behind}{apart}"


def settings(n_concepts: int = N_CONCEPTS, n_leads: int = N_LEADS, scatter: float = SCATTER) -> list[Setting]:
    """Return all settings; none was left out for what came out of it."""
    truths = {"nothing": NOTHING, **_all_but_one(), **_twice()}
    shapes: tuple[Shape, ...] = ("skewed", "few")
    rest = n_concepts, n_leads, scatter
    return [Setting(name, truth, shape, *rest) for name, truth in truths.items() for shape in shapes]


def _all_but_one() -> dict[str, Truth]:
    """Return subjects of which all is strong but one part; where a word alone does as much, it does it often."""
    often = {"vector_over_text": {"word": 0.5}, "noticing_over_text": {"noticed_word": 0.5}}
    found = {"all but agreement": UNNAMED, "all but naming": replace(Truth(), naming=0.0, when_asked=0.0)}
    for name in NAMES.values():
        whole = UNNAMED if name.startswith("noticing_") else Truth()
        found.setdefault(f"all but {name}", replace(whole, **{name: 0.0}, **often.get(name, {})))
    return found


def _twice() -> dict[str, Truth]:
    """Return subjects at twice the smallest effects, in all at once or in one criterion.

    Names that agree so seldom are seldom right, so there naming, and what rests on names, is at twice its smallest,
    too; a concept that is seldom named rightly is named when asked for no more often than that.
    """
    rules, nats = Rules(), ("first_token", "control_line")
    effects = {name: 2 * (rules.logodds if name in nats else rules.rate) for name in NAMES.values()}
    found = {"twice all": replace(Truth(), **effects)}
    with_names = {"naming", "one_pass", "without_vector", "vector_over_text", "when_asked"}
    for criterion in CRITERIA:
        names = {*Truth().needed(criterion), *(with_names if criterion == "grounding" else ())}
        names |= {"when_asked"} if criterion == "accuracy" else set()
        found[f"twice {criterion}"] = replace(Truth(), **{name: effects[name] for name in names})
    names = UNNAMED.needed("internality")
    found["twice internality by noticing"] = replace(UNNAMED, **{name: effects[name] for name in names})
    return found
