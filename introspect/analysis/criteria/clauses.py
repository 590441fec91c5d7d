"""The clauses of the four criteria: each one difference with one arm, one statistic, and a smallest effect.

*Accurate*: the report names the state. *Grounded*: what is named changes when the state does. *Internal*: the report
is not read off the subject's own words or its prompt. *Metacognitive*: the report is about the state, not the state
leaking into words; these are tests of behaviour, and none of them shows a representation of the state as such.

Source: the four criteria of Lindsey (2025), section on what introspection is; the clauses are ours, after Hahami et al.
(2026) for the control line, Lederman and Mahowald (2026) for the third person, Singh, Linzen and Ravfogel (2026) for
vector against text.
"""

from dataclasses import dataclass
from typing import Literal

from introspect.analysis.criteria import measures
from introspect.analysis.criteria.agreeing import agreement
from introspect.analysis.criteria.measures import Arms, Measure, Trials

Criterion = Literal["accuracy", "grounding", "internality", "metacognition"]
CRITERIA: tuple[Criterion, ...] = ("accuracy", "grounding", "internality", "metacognition")
Unit = Literal["rate", "log-odds"]
Basis = Literal["naming", "noticing"]


REPORT, CLEAN = ("report", "concept"), ("report", "none")
PASS, OTHER, ELSEWHERE = ("name", "concept"), ("other", "concept"), ("elsewhere", "concept")
VECTOR, TEXT = ("crossing", "concept"), ("crossing", "text")
ASKED, ASKED_CLEAN = ("detection", "concept"), ("detection", "none")
CONTROLS, CONTROLS_CLEAN = ("question", "concept"), ("question", "none")


@dataclass(frozen=True, slots=True)
class Part:
    """One difference; ``measure`` of ``None`` is the distance from the control line.

    ``compares`` are the trials that it compares, as parts and arms of the evidence, those under the vector first; the
    reports it needs besides. ``basis`` says when it counts: always (``None``), where naming is judged, or where
    noticing is. ``spoken`` is false where nothing compared is a reply, which might be unreadable. What concepts share
    is a sample, too: ``trials`` gives the single differences where it is clean prompts, ``arms`` what is said in the
    two arms where it is notes or unrelated requests; ``shared`` is what it is called.
    """

    name: str
    words: str
    unit: Unit
    measure: Measure | None
    compares: tuple[tuple[str, str], ...]
    basis: Basis | None = None
    trials: Trials | None = None
    arms: Arms | None = None
    shared: str = "clean lead-ins"
    spoken: bool = True


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause; it is met when all its parts are, and not met when one is not.

    ``needs`` is a criterion without which the clause does not apply.
    """

    criterion: Criterion
    name: str
    words: str
    parts: tuple[Part, ...]
    needs: Criterion | None = None


CLAUSES: tuple[Clause, ...] = (
    Clause(
        "accuracy",
        "naming",
        "names the injected concept, beyond how often it names that concept anyway",
        (
            Part(
                "named",
                "how often the first thing named is the injected concept, less how often it is under other concepts",
                "rate",
                measures.naming,
                (REPORT,),
            ),
        ),
    ),
    Clause(
        "grounding",
        "agreement",
        "names the same under the same vector, and something else under another",
        (
            Part(
                "agreement",
                "how often two trials with one vector name the same, less how often two with different vectors do",
                "rate",
                agreement,
                (REPORT,),
            ),
        ),
    ),
    Clause(
        "internality",
        "before its own words",
        "the effect is there before the subject's own words can tell",
        (
            Part(
                "first token",
                "shift of the first token's log-odds of yes",
                "log-odds",
                measures.first_token,
                (ASKED, ASKED_CLEAN),
                trials=measures.moved,
                spoken=False,
            ),
            Part(
                "one pass",
                "how often one pass gives the name that is reported, less how often it does under other concepts",
                "rate",
                measures.one_pass,
                (PASS,),
                "naming",
            ),
            Part(
                "without the vector",
                "how often a name is given that is not given going on without the vector from just before the claim",
                "rate",
                measures.without_vector,
                (REPORT,),
                "naming",
            ),
            Part(
                "without the vector",
                "how often noticing is reported and is not, going on without the vector from just before the claim",
                "rate",
                measures.noticing_without_vector,
                (REPORT,),
                "noticing",
            ),
        ),
    ),
    Clause(
        "internality",
        "vector, not text",
        "the report follows the vector and not a word in the text",
        (
            Part(
                "vector over text",
                "how often the usual name is given with the vector alone, less with the word in the text alone",
                "rate",
                measures.vector_over_text,
                (VECTOR, TEXT),
                "naming",
                arms=measures.names_crossed,
                shared="notes",
            ),
            Part(
                "vector over text",
                "how often noticing is reported with the vector alone, less with the word in the text alone",
                "rate",
                measures.noticing_by_vector,
                (VECTOR, TEXT),
                "noticing",
                arms=measures.noticing_crossed,
                shared="notes",
            ),
        ),
    ),
    Clause(
        "metacognition",
        "control line",
        "the detection question moves further than unrelated questions with the same clean answer",
        (
            Part(
                "control line",
                "distance of the detection question from the control line",
                "log-odds",
                None,
                (ASKED, ASKED_CLEAN, CONTROLS, CONTROLS_CLEAN),
                spoken=False,
            ),
        ),
    ),
    Clause(
        "metacognition",
        "first person",
        "reports noticing for itself more than for a model that is left alone",
        (
            Part(
                "self over other",
                "how often noticing is reported with the vector, less how often it is for a model that is left alone",
                "rate",
                measures.self_over_other,
                (REPORT, OTHER),
                arms=measures.persons,
                shared="lead-ins",
            ),
            Part(
                "by the vector",
                "how often noticing is reported with the vector, less how often it is without",
                "rate",
                measures.noticing,
                (REPORT, CLEAN),
                trials=measures.reporting,
            ),
        ),
    ),
    Clause(
        "metacognition",
        "when asked",
        "names the concept when asked for it more often than it turns up elsewhere",
        (
            Part(
                "named when asked",
                "how often the concept is named when asked for, less how often it stands in unrelated answers",
                "rate",
                measures.named_when_asked,
                (REPORT, ELSEWHERE),
                arms=measures.asked_for,
                shared="unrelated requests",
            ),
        ),
        needs="accuracy",
    ),
)
