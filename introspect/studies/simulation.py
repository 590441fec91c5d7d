"""How often the rules of the four criteria give a wrong verdict, or none, on subjects made up with a known truth.

A made-up subject is given by its ``Truth``: what every part of every clause comes to, replies as they are read, with
all the concepts that there could be. Its evidence is drawn trial by trial and judged as a study's is. Nothing is as
the estimators assume. Effects of concepts are skew or all-or-none; the arms of one concept are correlated; wordings
shift every rate and have words of their own that are named out of habit; log-odds have heavy tails, and control
questions effects of their own that all concepts share; a reply under injection is unreadable more often than one
without, most often under the concepts that work. Rates are solved for, so that the truth is what it is said to be.

The settings were written down before the first full run. In some nothing is there at all, or all that a criterion
asks for is there and strong but for one part, which is nil; in these the criterion must not be met. In the others its
parts are there at twice their smallest effects, and the question is how often that is left undetermined.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from typing import Any, Literal

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int
from scipy import special, stats
from scipy.optimize import root_scalar

from introspect.analysis.criteria import measures
from introspect.analysis.criteria.clauses import CRITERIA, Criterion
from introspect.analysis.criteria.evidence import CONTINUED, Evidence, Row
from introspect.analysis.criteria.judge import judge
from introspect.analysis.criteria.measures import Measure
from introspect.analysis.means import generator
from introspect.records import Rules

Shape = Literal["skewed", "few"]
Array = Float[np.ndarray, "..."]
Said = Int[np.ndarray, "concept wording"]
Yes = Bool[np.ndarray, "concept wording"]

N_CONCEPTS = 60
"""Of the half that is reported."""
SHIFTS = np.array([-0.5, 0.0, 0.6])
"""Of the three wordings, in log-odds of a rate."""
UNREADABLE, UNREADABLE_CLEAN = 0.08, 0.03
"""Shares of replies that cannot be read, with and without injection, halved and half as much again at the ends."""
WORKING = 0.95
"""Rate of the concepts that work, where the others never do."""
SHARED = 0.5
"""Correlation of the arms of one concept, on the normal scale."""
HABIT, N_HABITS = 0.1, 20
"""How often a word is named out of habit where a concept's own is not, and among how many words."""
HABITS = (1 / np.arange(1, N_HABITS + 1)) / (1 / np.arange(1, N_HABITS + 1)).sum()
BASE = 0.05
"""Noticing that is reported for no reason."""
N_LEADS, N_QUESTIONS = 50, 24
CLEAN_DETECTION = -1.0
ASKED = np.array([-0.3, 0.3])
"""What the two wordings of yes–no questions add to their clean log-odds."""
SPREAD, BIAS_SPREAD, QUESTION_SPREAD, LEAD_SPREAD, NOISE = 1.0, 0.4, 0.5, 0.3, 0.4
"""Of the effects of concepts, of their biases, of questions and of lead-ins, in nats; the noise is on four degrees."""
MASS = 0.6
GRID = (np.arange(4000) + 0.5) / 4000
"""Concepts from the one that works least to the one that works most, for means over all that there could be."""
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


NAMES: Mapping[Measure | None, str] = {
    measures.naming: "naming",
    measures.agreement: "agreement",
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
    """A made-up subject, asked about so many concepts, whose effects are ``skewed`` or all-or-none (``few``)."""

    name: str
    truth: Truth
    shape: Shape
    n_concepts: int = N_CONCEPTS

    def __str__(self) -> str:
        return f"{self.name} {self.shape} {self.n_concepts}"


def settings(n_concepts: int = N_CONCEPTS) -> list[Setting]:
    """Return all settings; none was left out for what came out of it."""
    truths = {"nothing": NOTHING, **_all_but_one(), **_twice()}
    return [Setting(name, truth, shape, n_concepts) for name, truth in truths.items() for shape in ("skewed", "few")]


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


def simulate(
    n_runs: int,
    seed: int = 0,
    chosen: Sequence[Setting] | None = None,
    rules: Rules | None = None,
    workers: int = 1,
) -> pl.DataFrame:
    """Judge many made-up studies of each setting.

    Args:
        n_runs: Studies a setting.
        seed: Of all draws.
        chosen: Those of ``settings()`` unless given.
        rules: Of the verdicts; the defaults unless given.
        workers: Processes.

    Returns:
        One row a setting and criterion (or ``part``), with counts ``met``, ``not_met`` and ``undetermined`` of
        ``runs``; ``error`` is the share of runs that say met where that is wrong (``holds`` is false), else of those
        that leave it undetermined, with its exact 95 % bounds. ``raised`` is the share of runs that find accuracy
        without grounding, at which a real study stops.
    """
    every = list(settings() if chosen is None else chosen)
    tally = partial(_tally, n_runs=n_runs, seed=seed, rules=rules or Rules())
    if workers == 1:
        return pl.concat([tally(setting) for setting in every])
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return pl.concat(list(pool.map(tally, every)))


def study(setting: Setting, seed: int = 0) -> Evidence:
    """Return the evidence of one made-up study."""
    return _Draw(setting, generator(seed)).evidence()


def _tally(setting: Setting, n_runs: int, seed: int, rules: Rules) -> pl.DataFrame:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    raised = 0
    for run in range(n_runs):
        verdicts = dict(_verdicts(study(setting, zlib.crc32(f"{seed} {setting} {run}".encode())), rules))
        raised += (verdicts["criterion", "accuracy"], verdicts["criterion", "grounding"]) == ("met", "not met")
        for key, status in verdicts.items():
            own = counts.setdefault(key, dict.fromkeys(("met", "not met", "undetermined"), 0))
            own[status] += 1
    rows = [_row(setting, kind, name, own) | {"raised": raised / n_runs} for (kind, name), own in counts.items()]
    return pl.DataFrame(rows)


def _verdicts(found: Evidence, rules: Rules) -> Iterator[tuple[tuple[str, str], str]]:
    for name, result in judge(found, rules, strict=False).items():
        yield ("criterion", name), result.status
        for clause in result.clauses:
            yield from ((("part", NAMES[each.part.measure]), each.status) for each in clause.parts)


def _row(setting: Setting, kind: str, name: Any, counts: Mapping[str, int]) -> dict[str, Any]:  # noqa: ANN401 - a name
    holds = setting.truth.holds(name) if kind == "criterion" else getattr(setting.truth, name) > 0
    runs = sum(counts.values())
    wrong = counts["undetermined" if holds else "met"]
    bounds = stats.binomtest(wrong, runs).proportion_ci(method="exact")
    return {
        "setting": setting.name,
        "shape": setting.shape,
        "n_concepts": setting.n_concepts,
        "kind": kind,
        "name": name,
        "holds": holds,
        "runs": runs,
        **{status.replace(" ", "_"): count for status, count in counts.items()},
        "error": wrong / runs,
        "low": float(bounds.low),
        "high": float(bounds.high),
    }


# Rates


def _works(shape: Shape, mean: float, uniform: Array) -> Array:
    """Return rates of so much on average from uniform numbers: a power of them, or all or none."""
    if mean <= 0:
        return np.zeros_like(uniform)
    if shape == "skewed":
        return uniform ** ((1 - mean) / mean)
    rate = max(WORKING, mean)
    return np.where(uniform > 1 - mean / rate, rate, 0.0)


def _worded(rate: Array) -> Array:
    """Return the rate in each wording, on a last axis."""
    with np.errstate(divide="ignore"):
        return special.expit(special.logit(rate)[..., None] + SHIFTS)


def _readable(share: float, uniform: Array) -> Array:
    """Return how likely a reply can be read, the less so the more a concept works, on a last axis."""
    return 1 - share * (0.5 + uniform)[..., None]


def _solved(value: Callable[[float], float], target: float) -> float:
    """Return the mean rate at which a value comes to its target."""
    if target <= 0:
        return 0.0
    return root_scalar(lambda mean: value(mean) - target, bracket=(1e-6, 1 - 1e-6), method="brentq").root


def _read(shape: Shape, mean: float, unreadable: float) -> float:
    """Return how often a claim is made and can be read."""
    return float((_worded(_works(shape, mean, GRID)) * _readable(unreadable, GRID)).mean())


@lru_cache(maxsize=1024)
def _mean(shape: Shape, target: float, unreadable: float) -> float:
    """Return the rate before unreadable replies are lost."""
    return _solved(lambda mean: _read(shape, mean, unreadable), target)


@dataclass(frozen=True, slots=True)
class _Model:
    """The mean rates behind a truth, before wordings shift them and unreadable replies are lost.

    Attributes:
        own: A report under the vector gives the concept's own name.
        right: Share of the concepts whose own name is the right one; the others have a wrong one each.
        claims: Noticing is reported where nothing is named.
        clean: Noticing is reported without the vector.
        other: Noticing is reported for a model left alone.
        leak: The concept stands in an unrelated answer.
        answer: One pass gives the name that is reported, where one is.
        repeats: A name is given again going on without the vector.
        goes_on: Noticing is reported again where the name is not given again.
        usual: The usual name is given in the crossing, with the vector alone and with the word alone.
        noted: Noticing is reported there where it is not given.
    """

    own: float
    right: float
    claims: float
    clean: float
    other: float
    leak: float
    answer: float
    repeats: float
    goes_on: float
    usual: tuple[float, float]
    noted: tuple[float, float]


@lru_cache(maxsize=256)
def _model(truth: Truth, shape: Shape) -> _Model:
    reads = _readable(UNREADABLE, GRID)
    own = _solved(partial(_agreeing, shape), truth.agreement)
    says = _worded(_works(shape, own, GRID))
    right = truth.naming / float((says * reads).mean()) if own else 0.0
    named = says + (1 - says) * HABIT
    all_named = float((named * reads).mean())
    noticed = max(all_named, BASE + max(truth.by_vector, truth.self_over_other, truth.noticing_without_vector))
    usual = 1 - float((1 - named * reads).prod(axis=-1).mean())
    repeats = min(1.0, max(0.0, 1 - truth.without_vector / all_named) / (1 - UNREADABLE_CLEAN))
    again = (1 - truth.noticing_without_vector / noticed) / (1 - UNREADABLE_CLEAN)
    same = repeats * all_named / noticed
    vector, noticed_vector = truth.word + truth.vector_over_text, truth.noticed_word + truth.noticing_over_text
    pairs = ((vector, noticed_vector, UNREADABLE), (truth.word, truth.noticed_word, UNREADABLE_CLEAN))
    with_vector, with_word = (_mean(shape, name / usual, unread) for name, _, unread in pairs)
    noted = [
        _extra(shape, usual * _worded(_works(shape, mean, GRID)), max(name, notice), unread)
        for mean, (name, notice, unread) in zip((with_vector, with_word), pairs, strict=True)
    ]
    hits = truth.naming + (1 - UNREADABLE) * HABIT * (1 - float(says.mean())) / N_CONCEPTS
    return _Model(
        own=own,
        right=right,
        claims=_extra(shape, named, noticed, UNREADABLE),
        clean=_mean(shape, noticed - truth.by_vector, UNREADABLE_CLEAN),
        other=_mean(shape, noticed - truth.self_over_other, UNREADABLE),
        leak=_solved(partial(_unshifted, shape), hits - truth.when_asked),
        answer=min(WORKING, (truth.one_pass / usual + 1 / N_CONCEPTS) / (1 + 1 / N_CONCEPTS)),
        repeats=repeats,
        goes_on=min(1.0, max(0.0, (again - same) / (1 - same) if same < 1 else 0.0)),
        usual=(with_vector, with_word),
        noted=(noted[0], noted[1]),
    )


def _agreeing(shape: Shape, mean: float) -> float:
    """Return how often two trials of one concept in different wordings give its own name, both readable."""
    rate = _worded(_works(shape, mean, GRID)) * _readable(UNREADABLE, GRID)
    return float(np.mean([rate[:, i] * rate[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]))


def _unshifted(shape: Shape, mean: float) -> float:
    return float(_worded(_works(shape, mean, GRID)).mean())


def _extra(shape: Shape, named: Array, target: float, unreadable: float) -> float:
    """Return how often noticing must be reported where nothing is named, for so much in all; who names, notices."""
    reads = _readable(unreadable, GRID)

    def noticing(mean: float) -> float:
        return float(((named + (1 - named) * _worded(_works(shape, mean, GRID))) * reads).mean())

    return _solved(noticing, target) if target > noticing(0.0) + 1e-6 else 0.0


# One study


class _Draw:
    """One study being drawn."""

    def __init__(self, setting: Setting, rng: np.random.Generator) -> None:
        self._truth, self._n = setting.truth, setting.n_concepts
        self._shape: Shape = setting.shape
        self._model, self._rng = _model(setting.truth, setting.shape), rng
        self._common = rng.normal(size=(2, self._n))
        concepts = [f"c{i:03}" for i in range(self._n)]
        self._words: list[str | None] = [*concepts, *(f"w{i:03}" for i in range(self._n)), None]
        self._leads = rng.permutation(self._n) % N_LEADS
        self.rows: list[Row] = []

    def evidence(self) -> Evidence:
        """Draw all trials."""
        self._reports()
        usual = self._usual()
        self._passes(usual)
        self._crossing("concept", usual, 0, UNREADABLE)
        self._crossing("text", usual, 1, UNREADABLE_CLEAN)
        questions = self._questions()
        return Evidence(tuple(self.rows), questions)

    def _arm(self, kind: int) -> Float[np.ndarray, " concept"]:
        """Return how well each concept works in an arm, from 0 to 1; arms of one kind are correlated."""
        return special.ndtr(np.sqrt(SHARED) * self._common[kind] + np.sqrt(1 - SHARED) * self._rng.normal(size=self._n))

    def _says(self, mean: float, uniform: Float[np.ndarray, " n"]) -> Bool[np.ndarray, "n wording"]:
        rate = _worded(_works(self._shape, mean, uniform))
        return self._rng.random(rate.shape) < rate

    def _lost(self, share: float, uniform: Float[np.ndarray, " n"]) -> Bool[np.ndarray, "n wording"]:
        return self._rng.random((len(uniform), len(SHIFTS))) >= _readable(share, uniform)

    def _reports(self) -> None:
        """Draw the reports with the vector, how they go on without it, those about another model, those without it."""
        works, rng = self._arm(0), self._rng
        own = np.arange(self._n) + self._n * (rng.random(self._n) >= self._model.right)
        habits = np.stack(
            [rng.choice(rng.permutation(N_HABITS), size=self._n, p=HABITS) for _ in SHIFTS], axis=1
        ) % self._n  # fmt: skip
        else_named = np.where(rng.random(habits.shape) < HABIT, habits, -1)
        named = np.where(self._says(self._model.own, works), own[:, None], else_named)
        lost = self._lost(UNREADABLE, works)
        noticed = (named >= 0) | self._says(self._model.claims, works)
        named[lost] = -1
        self._replies("report", "concept", named, noticed, lost)
        self._going_on(named, noticed & ~lost)
        other = self._arm(0)
        nothing = np.full_like(named, -1)
        self._replies("other", "concept", nothing, self._says(self._model.other, other), self._lost(UNREADABLE, other))
        leads = rng.random(N_LEADS)
        clean = self._says(self._model.clean, leads)
        self._replies("report", "none", np.full(clean.shape, -1), clean, self._lost(UNREADABLE_CLEAN, leads))
        leaks = self._says(self._model.leak, self._arm(0))
        self._rows("elsewhere", "concept", {"leaks": leaks.tolist()})

    def _going_on(self, named: Said, noticed: Yes) -> None:
        """Draw what the claims go on to say without the vector; words of some concepts give the claim away."""
        rng = self._rng
        gives_away = _works(self._shape, self._model.repeats, self._arm(1))[:, None]
        same = (named >= 0) & (rng.random(named.shape) < gives_away)
        again = same | (rng.random(named.shape) < self._model.goes_on)
        lost = rng.random(named.shape) < UNREADABLE_CLEAN
        for i, j in zip(*np.nonzero((named >= 0) | noticed), strict=True):
            said = self._words[named[i, j]] if same[i, j] and not lost[i, j] else None
            reading = "unreadable" if lost[i, j] else "yes" if again[i, j] else "no"
            self.rows.append(
                self._one(CONTINUED, CONTINUED, int(i), int(j), named=said, noticed=reading, follows=f"report {i} {j}")
            )

    def _usual(self) -> Int[np.ndarray, " concept"]:
        """Return what is named most often under each concept, -1 where nothing is."""
        found = measures.reported(Evidence(tuple(self.rows), pl.DataFrame()))
        places = {word: place for place, word in enumerate(self._words) if word}
        return np.array([places[found[word]] if word in found else -1 for word in self._words[: self._n] if word])

    def _passes(self, usual: Int[np.ndarray, " concept"]) -> None:
        rate = _works(self._shape, self._model.answer if self._truth.one_pass else 0.0, self._arm(1))[:, None]
        guess = self._rng.integers(self._n, size=(self._n, len(SHIFTS)))
        hit = (self._rng.random(guess.shape) < rate) & (usual >= 0)[:, None]
        answers = np.where(hit, usual[:, None], guess)
        self._rows("name", "concept", {"answer": [[self._words[x] for x in row] for row in answers.tolist()]})

    def _crossing(self, arm: str, usual: Int[np.ndarray, " concept"], place: int, unreadable: float) -> None:
        works = self._arm(1)
        named = np.where(self._says(self._model.usual[place], works), usual[:, None], -1)
        lost = self._lost(unreadable, works)
        noticed = (named >= 0) | self._says(self._model.noted[place], works)
        named[lost] = -1
        self._replies("crossing", arm, named, noticed, lost)

    def _replies(self, part: str, arm: str, named: Said, noticed: Yes, lost: Yes) -> None:
        self._rows(
            part,
            arm,
            {
                "named": [[self._words[x] for x in row] for row in named.tolist()],
                "noticed": np.where(lost, "unreadable", np.where(noticed, "yes", "no")).tolist(),
            },
        )

    def _rows(self, part: str, arm: str, columns: Mapping[str, list[list[Any]]]) -> None:
        n = len(next(iter(columns.values())))
        for i in range(n):
            for j in range(len(SHIFTS)):
                self.rows.append(self._one(part, arm, i, j, **{name: each[i][j] for name, each in columns.items()}))

    def _one(self, part: str, arm: str, i: int, j: int, **said: Any) -> Row:  # noqa: ANN401 - fields of a row
        clean = arm == "none"
        nothing: dict[str, Any] = dict.fromkeys(("follows", "named", "noticed", "logodds", "answer", "leaks"))
        return Row(
            part=part,
            key=f"{part} {i} {j}" if arm == "concept" else f"{part} {arm} {i} {j}",
            arm=arm,
            concept=None if clean else self._words[i],
            wording=f"{part if part == 'crossing' else 'report'} {j}",
            task=part,
            prompt=f"lead {i if clean else self._leads[i]} {j}",
            **(nothing | said),
        )

    def _questions(self) -> pl.DataFrame:
        """Draw the log-odds of yes, those of the detection question as rows, too; return them for the control line."""
        rng, truth = self._rng, self._truth
        ability = self._arm(0)
        bias = truth.bias + BIAS_SPREAD * self._common[0]
        effect = truth.control_line + SPREAD * _standardised(self._shape, ability)
        levels = np.linspace(-3, 3, N_QUESTIONS) + rng.normal(0, LEAD_SPREAD, N_QUESTIONS)
        of_question = rng.normal(0, QUESTION_SPREAD, N_QUESTIONS)
        of_lead = rng.normal(0, LEAD_SPREAD, N_LEADS)
        clean = levels[:, None] + ASKED
        shift = (bias[:, None] + of_question)[..., None] + truth.slope * clean + self._noise(self._n, N_QUESTIONS, 2)
        lead = CLEAN_DETECTION + (of_lead - of_lead[self._leads].mean())[:, None] + ASKED
        own = lead[self._leads]
        detection = own + (bias + effect)[:, None] + truth.slope * own + self._noise(self._n, 2)
        whole = (clean + shift).reshape(-1, len(ASKED))
        about = [name for name in self._words[: self._n] for _ in range(N_QUESTIONS)]
        frames = [
            _asked("question", "none", list(range(N_QUESTIONS)), [None] * N_QUESTIONS, clean),
            _asked("question", "concept", list(range(N_QUESTIONS)) * self._n, about, whole),
            _asked("detection", "none", list(range(N_LEADS)), [None] * N_LEADS, lead),
            _asked("detection", "concept", self._leads.tolist(), self._words[: self._n], detection),
        ]
        for frame in frames[-2:]:
            self._detections(frame)
        return pl.concat(frames)

    def _noise(self, *shape: int) -> Array:
        """Heavy-tailed: Student's t on four degrees of freedom."""
        return NOISE * self._rng.standard_t(4, size=shape)

    def _detections(self, frame: pl.DataFrame) -> None:
        names = ("arm", "concept", "wording", "prompt", "yes_logodds")
        for number, (arm, concept, wording, prompt, odds) in enumerate(frame.select(names).iter_rows()):
            self.rows.append(
                Row(
                    part="detection", key=f"detection {arm} {number}", follows=None, arm=arm, concept=concept,
                    wording=wording, task="detection/words", prompt=prompt, named=None, noticed=None, logodds=odds,
                    answer=None, leaks=None,
                )
            )  # fmt: skip


def _asked(
    head: str, arm: str, items: list[int], concepts: list[str | None], odds: Float[np.ndarray, "trial wording"]
) -> pl.DataFrame:
    """Return yes–no trials as outcomes, in each wording."""
    n, places = len(items), range(len(ASKED))
    prompt = [f"{head} {item} {place}" for item in items for place in places]
    about = [each for each in concepts for _ in places]
    return pl.DataFrame(
        {
            "concept": about,
            "unit": prompt if arm == "none" else about,
            "wording": [f"yes-no {place}" for place in places] * n,
            "item": [f"{head} {item}" for item in items for _ in places],
            "prompt": prompt,
            "yes_logodds": odds.ravel(),
        },
        schema_overrides={"concept": pl.String, "unit": pl.String},
    ).with_columns(task=pl.lit(f"{head}/words"), arm=pl.lit(arm), mass=pl.lit(MASS))


def _standardised(shape: Shape, uniform: Array) -> Array:
    """Return effects of mean 0 and spread 1: skew, or one in ten large and the others alike."""
    if shape == "skewed":
        return (special.gammaincinv(2.0, uniform) - 2) / np.sqrt(2)
    return ((uniform > 0.9) - 0.1) / 0.3
