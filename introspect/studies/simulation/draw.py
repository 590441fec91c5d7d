"""One made-up study, drawn trial by trial."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int
from scipy import special

from introspect.analysis.criteria.evidence import CONTINUED, Evidence, Row
from introspect.analysis.means import generator
from introspect.studies.simulation.rates import SHIFTS, Array, model, readable, worded, works
from introspect.studies.simulation.truth import (
    CLEAN_DETECTION,
    HABIT,
    N_HABITS,
    N_NOTES,
    N_REQUESTS,
    UNREADABLE,
    UNREADABLE_CLEAN,
    Setting,
    Shape,
)

Said = Int[np.ndarray, "concept wording"]
Yes = Bool[np.ndarray, "concept wording"]

SHARED = 0.5
"""Correlation of the arms of one concept, on the normal scale."""
HABITS = (1 / np.arange(1, N_HABITS + 1)) / (1 / np.arange(1, N_HABITS + 1)).sum()
"""How often each word is named out of habit, of all such."""
N_QUESTIONS = 24
ASKED = np.array([-0.3, 0.3])
"""What the two wordings of yes–no questions add to their clean log-odds."""
SPREAD, BIAS_SPREAD, LEAD_SPREAD, NOISE = 1.0, 0.4, 0.3, 0.4
"""Of the effects of concepts, of their biases and of lead-ins, in nats; the noise is on four degrees."""
MASS = 0.6
OF_ITEM = 0.5
"""How far a note or a request takes a rate towards 0 or 1 at most, of what the rate is away from the nearer."""


def study(setting: Setting, seed: int = 0) -> Evidence:
    """Return the evidence of one made-up study."""
    return Draw(setting, generator(seed)).evidence()


class Draw:
    """One study being drawn."""

    def __init__(self, setting: Setting, rng: np.random.Generator) -> None:
        self._truth, self._n, self._n_leads = setting.truth, setting.n_concepts, setting.n_leads
        self._shape: Shape = setting.shape
        self._scatter = setting.scatter
        self._model, self._rng = model(setting.truth, setting.shape), rng
        self._common = rng.normal(size=(2, self._n))
        concepts = [f"c{i:03}" for i in range(self._n)]
        self._words: list[str | None] = [*concepts, *(f"w{i:03}" for i in range(self._n)), None]
        self._leads = rng.permutation(self._n) % self._n_leads
        self._notes = np.repeat(rng.integers(N_NOTES, size=(self._n, 1)), len(SHIFTS), axis=1)
        self._requests = rng.integers(N_REQUESTS, size=(self._n, len(SHIFTS)))
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

    def _says(
        self, mean: float, uniform: Float[np.ndarray, " n"], items: Int[np.ndarray, "n wording"] | None = None
    ) -> Bool[np.ndarray, "n wording"]:
        """Draw what is said; items have effects of their own, in either direction alike, so that means stay."""
        rate = worded(works(self._shape, mean, uniform))
        if items is not None:
            of_item = self._rng.uniform(-OF_ITEM, OF_ITEM, items.max() + 1)
            rate = rate + of_item[items] * np.minimum(rate, 1 - rate)
        return self._rng.random(rate.shape) < rate

    def _lost(self, share: float, uniform: Float[np.ndarray, " n"]) -> Bool[np.ndarray, "n wording"]:
        return self._rng.random((len(uniform), len(SHIFTS))) >= readable(share, uniform)

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
        leads = rng.random(self._n_leads)
        clean = self._says(self._model.clean, leads)
        self._replies("report", "none", np.full(clean.shape, -1), clean, self._lost(UNREADABLE_CLEAN, leads))
        leaks = self._says(self._model.leak, self._arm(0), self._requests)
        self._rows("elsewhere", "concept", {"leaks": leaks.tolist()})

    def _going_on(self, named: Said, noticed: Yes) -> None:
        """Draw what the claims go on to say without the vector; words of some concepts give the claim away."""
        rng = self._rng
        gives_away = works(self._shape, self._model.repeats, self._arm(1))[:, None]
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
        found = Evidence(tuple(self.rows), pl.DataFrame()).reported
        places = {word: place for place, word in enumerate(self._words) if word}
        return np.array([places[found[word]] if word in found else -1 for word in self._words[: self._n] if word])

    def _passes(self, usual: Int[np.ndarray, " concept"]) -> None:
        rate = works(self._shape, self._model.answer if self._truth.one_pass else 0.0, self._arm(1))[:, None]
        guess = self._rng.integers(self._n, size=(self._n, len(SHIFTS)))
        hit = (self._rng.random(guess.shape) < rate) & (usual >= 0)[:, None]
        answers = np.where(hit, usual[:, None], guess)
        self._rows("name", "concept", {"answer": [[self._words[x] for x in row] for row in answers.tolist()]})

    def _crossing(self, arm: str, usual: Int[np.ndarray, " concept"], place: int, unreadable: float) -> None:
        works = self._arm(1)
        named = np.where(self._says(self._model.usual[place], works, self._notes), usual[:, None], -1)
        lost = self._lost(unreadable, works)
        noticed = (named >= 0) | self._says(self._model.noted[place], works, self._notes)
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

    def _one(  # noqa: PLR0913 - fields of a row
        self,
        part: str,
        arm: str,
        i: int,
        j: int,
        *,
        follows: str | None = None,
        named: str | None = None,
        noticed: str | None = None,
        answer: str | None = None,
        leaks: bool | None = None,
    ) -> Row:
        clean = arm == "none"
        lead = f"lead {i if clean else self._leads[i]}"
        return Row(
            part=part,
            key=f"{part} {i} {j}" if arm == "concept" else f"{part} {arm} {i} {j}",
            follows=follows,
            arm=arm,
            concept=None if clean else self._words[i],
            wording=f"{part if part == 'crossing' else 'report'} {j}",
            task=part,
            prompt=f"{lead} {j}",
            item=self._item(part, lead, i, j),
            named=named,
            noticed=noticed,
            logodds=None,
            answer=answer,
            leaks=leaks,
        )

    def _item(self, part: str, lead: str, i: int, j: int) -> str | None:
        """Return what a trial's prompt shares with those of other concepts."""
        if part in {"report", "other"}:
            return lead
        if part == "crossing":
            return f"note {self._notes[i, j]}"
        return f"request {self._requests[i, j]}" if part == "elsewhere" else None

    def _questions(self) -> pl.DataFrame:
        """Draw the log-odds of yes, those of the detection question as rows, too; return them for the control line."""
        rng, truth = self._rng, self._truth
        ability = self._arm(0)
        bias = truth.bias + BIAS_SPREAD * self._common[0]
        effect = truth.control_line + SPREAD * _standardised(self._shape, ability)
        levels = np.linspace(-3, 3, N_QUESTIONS) + rng.normal(0, LEAD_SPREAD, N_QUESTIONS)
        of_question = rng.normal(0, self._scatter, N_QUESTIONS + 1)
        # Without an effect the detection question is one like the others.
        one_of_the_lot = of_question[0] if truth.control_line == 0 else 0.0
        of_lead = rng.normal(0, LEAD_SPREAD, self._n_leads)
        clean = levels[:, None] + ASKED
        pushed = (bias[:, None] + of_question[1:])[..., None]
        shift = pushed + truth.slope * clean + self._noise(self._n, N_QUESTIONS, 2)
        lead = CLEAN_DETECTION + (of_lead - of_lead[self._leads].mean())[:, None] + ASKED
        own = lead[self._leads]
        detection = own + (bias + effect + one_of_the_lot)[:, None] + truth.slope * own + self._noise(self._n, 2)
        whole = (clean + shift).reshape(-1, len(ASKED))
        about = [name for name in self._words[: self._n] for _ in range(N_QUESTIONS)]
        frames = [
            _asked("question", "none", list(range(N_QUESTIONS)), [None] * N_QUESTIONS, clean),
            _asked("question", "concept", list(range(N_QUESTIONS)) * self._n, about, whole),
            _asked("detection", "none", list(range(self._n_leads)), [None] * self._n_leads, lead),
            _asked("detection", "concept", self._leads.tolist(), self._words[: self._n], detection),
        ]
        for frame in frames[-2:]:
            self._detections(frame)
        return pl.concat(frames)

    def _noise(self, *shape: int) -> Array:
        """Heavy-tailed: Student's t on four degrees of freedom."""
        return NOISE * self._rng.standard_t(4, size=shape)

    def _detections(self, frame: pl.DataFrame) -> None:
        names = ("arm", "concept", "wording", "prompt", "item", "yes_logodds")
        for number, (arm, concept, wording, prompt, item, odds) in enumerate(frame.select(names).iter_rows()):
            self.rows.append(
                Row(
                    part="detection", key=f"detection {arm} {number}", follows=None, arm=arm, concept=concept,
                    wording=wording, task="detection/words", prompt=prompt, named=None, noticed=None, logodds=odds,
                    answer=None, leaks=None, item=item,
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
