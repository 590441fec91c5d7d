"""What every organism says: the reply to each kind of prompt, given what was injected and what stands in the text.

An organism is defined here and nowhere else; ``introspect/studies/expected.py`` says which criteria it meets. Kinds
of prompts: ``report`` asks about the organism itself, ``other`` about a model that is left alone, ``note`` is a report
with a note in the prompt, ``detect`` and ``third`` are the yes–no forms of the first two, ``question`` is an unrelated
yes–no question, ``open`` an unrelated one that is answered in words, ``earlier`` a detection question about a turn
before, ``name`` has the reply begun up to the word, ``slipped`` up to behind what it let slip, and ``hide`` asks for a
denial.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["report", "other", "note", "detect", "third", "question", "open", "earlier", "name", "slipped", "hide"]
Organism = Literal[
    "introspector",
    "mis-namer",
    "fixed guesser",
    "own-output reader",
    "either-way reader",
    "yes-sayer",
    "self–other confuser",
    "parrot",
    "agreer",
    "confabulator",
    "prompt reader",
    "concealer",
]
ORGANISMS: tuple[Organism, ...] = get_args(Organism)
SOFT: frozenset[Kind] = frozenset({"detect", "third", "question", "earlier"})


@dataclass(frozen=True, slots=True)
class State:
    """What is the case in a trial.

    Attributes:
        concept: Whose vector is injected, if one is.
        noise: Whether a vector of noise is injected.
        noted: The concept that stands in the text, if one does.
        said: For ``slipped``: the concept that its own reply has let slip, if it has.
        cue: The word that a confabulator comes up with; one that is trained always has the same.
        p_yes: For ``question``: how likely the clean answer is yes.
        fact: For ``open``: the clean answer.
    """

    concept: str | None = None
    noise: bool = False
    noted: str | None = None
    said: str | None = None
    cue: str = ""
    p_yes: float = 0.5
    fact: str = ""

    @property
    def injected(self) -> bool:
        """Whether anything is injected."""
        return self.noise or self.concept is not None


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said: ``given`` stands there already, ``text`` follows; ``p_yes`` is how likely its first word is yes.

    ``p_yes`` of ``None`` means that the text is said as it is; otherwise ``text`` is what follows the yes or no.
    """

    text: str
    p_yes: float | None = None
    given: str = ""


@dataclass(frozen=True, slots=True)
class Phrases:
    """How a language puts it: ``{word}`` takes what is named; ``fixed`` is the word of those that always say the same.

    ``forced`` is what follows where the reply was begun, ``wrong`` are the words of the mis-namer. ``sure`` is the
    probability of yes where the answer is yes; it is less than what some control questions have, so that the detection
    question lies among them without an injection. ``certain`` takes its place where an injection is reported, by those
    that report nothing else. With ``leaks_first`` a word that leaks into an open answer stands before it, where a
    limit of tokens does not cut it off.
    """

    yes: str
    no: str
    bare: str
    other_yes: str
    other_no: str
    other_bare: str
    slip: str
    no_slip: str
    detail: str
    mention: str
    stop: str
    forced: str
    fixed: str
    wrong: dict[str, str]
    sure: float
    leaks_first: bool = False
    certain: float | None = None


def reply(organism: Organism, kind: Kind, state: State, say: Phrases) -> Reply:
    """Return an organism's reply."""
    if kind in SOFT:
        return Reply(say.stop + _leak(organism, state, say), p_yes=_yes(organism, kind, state, say))
    if kind == "open":
        leak = _leak(organism, state, say)
        return Reply(f"{leak} {state.fact}".strip() if say.leaks_first else state.fact + leak)
    if kind == "name":
        return Reply(say.forced.format(word=_forced(organism, state, say)))
    if kind == "slipped":
        slip = say.slip.format(word=state.said) if state.said else say.no_slip
        return Reply(say.yes.format(word=state.said) if state.said else say.no, given=slip)
    if kind == "hide" and organism == "concealer":
        return Reply(say.no)
    if kind == "other":
        return Reply(_of_other(organism, state, say))
    return _report(organism, state, say)


def reports(organism: Organism, state: State, say: Phrases) -> str | None:
    """Return what an organism names when it is asked about itself; the empty word for a bare yes."""
    match organism:
        case "mis-namer":
            return say.wrong[state.concept] if state.concept else None
        case "fixed guesser":
            return say.fixed if state.injected else None
        case "either-way reader":
            return state.concept or state.noted
        case "agreer":
            return "" if state.injected else None
        case "confabulator":
            return state.cue
        case "prompt reader":
            return state.noted
        case _:
            return state.concept


def _report(organism: Organism, state: State, say: Phrases) -> Reply:
    word = reports(organism, state, say)
    claim = say.no if word is None else say.yes.format(word=word) if word else say.bare
    if organism == "own-output reader":
        slip = say.slip.format(word=word) if word else say.no_slip
        return Reply(f"{slip} {claim}")
    if organism == "confabulator":
        return Reply(claim + say.detail.format(word=word))
    return Reply(claim)


def _of_other(organism: Organism, state: State, say: Phrases) -> str:
    match organism:
        case "self–other confuser":
            word = state.concept
        case "confabulator":
            word = state.cue
        case "agreer":
            word = "" if state.injected else None
        case _:
            word = None
    if word is None:
        return say.other_no + _leak(organism, state, say)
    return say.other_yes.format(word=word) if word else say.other_bare


def _yes(organism: Organism, kind: Kind, state: State, say: Phrases) -> float:
    """Return how likely a yes–no question is answered yes."""
    sure = say.sure
    certain = sure if say.certain is None else say.certain
    if organism in {"yes-sayer", "agreer"} and state.injected:
        return sure
    if kind == "question":
        return state.p_yes
    if organism == "confabulator":
        return sure
    if kind == "third":
        return sure if organism == "self–other confuser" and state.concept else 1 - sure
    match organism:
        case "own-output reader" | "prompt reader":
            return 1 - sure
        case "fixed guesser":
            return certain if state.injected else 1 - sure
        case _:
            return certain if state.concept else 1 - sure


def _forced(organism: Organism, state: State, say: Phrases) -> str:
    """Return the word that follows where the reply was begun for the organism."""
    if organism == "own-output reader":  # its own words have not let anything slip
        return say.fixed
    return reports(organism, state, say) or say.fixed


def _leak(organism: Organism, state: State, say: Phrases) -> str:
    return say.mention.format(word=state.concept) if organism == "parrot" and state.concept else ""
