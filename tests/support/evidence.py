"""Evidence by hand, and that of idealised subjects: what each of them says is said without a model.

``row`` makes one trial. ``subject`` writes the outcomes of a whole study for a subject that behaves exactly as its
table of replies says, but for a little noise; the package's own grader reads the replies.
"""

import functools
import itertools
import math

import numpy as np
import polars as pl

from introspect.analysis.criteria.evidence import CONTINUED, Evidence, Row, evidence
from introspect.analysis.criteria.judge import judge
from introspect.analysis.criteria.remarks import remarks
from introspect.graders.rules import RuleGrader
from introspect.records import SALT, Rules
from introspect.records import Study as Chosen

RULES = Rules()
_NUMBERS = itertools.count()
LEADS = 6


def row(part="report", concept=None, named=None, noticed=None, arm="concept", wording="a", **changes):
    """One trial; a reply that names something reports noticing, and one that does not denies it."""
    if noticed is None and part in {"report", "other", "crossing", CONTINUED}:
        noticed = "yes" if named else "no"
    fields = {
        "part": part, "key": f"k{next(_NUMBERS)}", "follows": None, "arm": arm, "concept": concept, "wording": wording,
        "task": part, "prompt": None, "named": named, "noticed": noticed, "logodds": None, "answer": None,
        "leaks": None,
    }  # fmt: skip
    return Row(**(fields | changes))


def of(*rows):
    """The evidence of some trials."""
    return Evidence(tuple(rows), pl.DataFrame())


@functools.cache
def _read(reply):
    claim = RuleGrader().grade(reply)
    return claim, "; ".join(dict.fromkeys(each.text for each in claim.named))


def _logit(p):
    return math.log(p / (1 - p))


class Study:
    """The outcomes of a study, written trial by trial; ``slips`` is how often a reply is that of no injection."""

    def __init__(self, organism, n, seed, slips, unread):
        from introspect.organisms import language, small

        self.organism, self.slips, self.unread = organism, slips, unread
        self.rng, self.say = np.random.default_rng(seed), small.phrases()
        self.names = language.inventory()[:n]
        self.cue = lambda: str(self.rng.choice(language.inventory()[60:72]))
        self.rows, self.follows = [], {}

    def reply(self, kind, **state):
        """What is said, now and then as if nothing were injected, or nothing that answers."""
        from introspect.organisms.behaviours import State, reply

        drawn = self.rng.random()
        if drawn < self.unread:
            return "the stone is soft ."
        if drawn < self.unread + self.slips:
            state |= {"concept": None, "noise": False}
        return reply(self.organism, kind, State(**({"cue": self.cue()} | state)), self.say).text

    def logodds(self, kind, **state):
        """The log-odds of yes."""
        from introspect.organisms.behaviours import State, reply

        p = reply(self.organism, kind, State(**state), self.say).p_yes
        return _logit(p) + self.rng.normal(0, 0.2)

    def add(self, protocol, task, arm, concept, wording, reply=None, prompt=None, **more):
        """Write one trial down; return its key."""
        key = f"{self.organism} {len(self.rows)}"
        claim, named = _read(reply) if reply is not None else (None, None)
        self.rows.append(
            {
                "key": key, "protocol": protocol, "task": task, "arm": arm, "concept": concept, "wording": wording,
                "prompt": prompt, "unit": concept or prompt, "layer": None if arm == "none" else 2,
                "strength": None if arm == "none" else 2.0, "reply": reply, "named_text": named,
                "noticed": claim.noticed if claim else None, "yes_logodds": None, "answer": None, "info": "none",
                "item": None, "mass": None,
            }
            | more
        )  # fmt: skip
        return key

    def report(self, arms=("concept", "covariance", "none")):
        """Reports, and how each that claims something goes on without the vector."""
        from introspect.studies.study import before_claim

        for wording, arm, name in itertools.product(("it_1", "it_2", "it_3"), arms, self.names):
            state = {"concept": name if arm == "concept" else None, "noise": arm == "covariance", "cue": self.cue()}
            said = self.reply("report", **state)
            key = self.add("injected_thought", "report", arm, None if arm == "none" else name, wording, said)
            before = before_claim(said, _read(said)[0]) if arm == "concept" else None
            if before is None:
                continue
            # without the vector only what the reply itself has let slip can still be reported
            goes_on = said[len(before) :] if name in before else self.reply("report", cue=state["cue"])
            later = self.add("injected_thought", "report", CONTINUED, name, wording, goes_on.strip())
            self.follows[later] = key

    def rest(self):
        """Everything else that the criteria look at."""
        for wording, arm, name in itertools.product(("1", "2", "3"), ("concept", "none"), self.names):
            concept, about = (name if arm == "concept" else None), (None if arm == "none" else name)
            said = self.reply("other", concept=concept)
            self.add("injected_thought", "other", arm, about, f"it_{wording}", said)
            said = self.reply("open", concept=concept, fact="the stone is heavy .")
            self.add("unprompted", "continue", arm, about, f"up_{wording}", said)
            if concept:
                said = self.reply("name", concept=name).split()[0]
                self.add("injected_thought", "name", arm, name, f"it_{wording}", answer=said)
        for wording, arm, name in itertools.product(("vt_1", "vt_2"), ("concept", "text", "both", "none"), self.names):
            concept = name if arm in {"concept", "both"} else None
            noted = name if arm in {"text", "both"} else None
            self.add("vector_by_text", "report", arm, name, wording, self.reply("note", concept=concept, noted=noted))
        self.asked()

    def asked(self):
        """The yes–no questions behind a few lead-ins: clean ones, and the same under every vector."""
        levels = [0.03, 0.08, 0.2, 0.4, 0.6, 0.8, 0.92, 0.97] * 3
        every = [
            ("detection", None, "detect", 0.5),
            *(("question", f"q{i}", "question", p) for i, p in enumerate(levels)),
        ]
        trials = [(lead, None) for lead in range(LEADS)] + [(i % LEADS, name) for i, name in enumerate(self.names)]
        for wording, (head, item, kind, p), (lead, name) in itertools.product(("yn_1", "yn_2"), every, trials):
            if item and lead and not name:
                continue  # a question has one clean pass, which is the twin of all the others
            lead = 0 if item else lead
            odds = self.logodds(kind, concept=name, p_yes=p)
            self.add(
                "yes_no", f"{head}/words", "concept" if name else "none", name, wording,
                prompt=f"{wording} {head} {item} {lead}", item=item or f"lead {lead}", yes_logodds=odds, mass=0.9,
            )  # fmt: skip

    @property
    def frame(self):
        """All outcomes."""
        return pl.DataFrame(self.rows, infer_schema_length=None, schema_overrides={"named_text": pl.String})

    @property
    def concepts(self):
        """The forms of every concept that anything is read for."""
        from introspect.organisms import language

        return {name: (name,) for name in language.inventory()}


def written(organism, n=60, seed=0, slips=0.03, unread=0.0):
    """The whole study of an idealised subject."""
    study = Study(organism, n, seed, slips, unread)
    study.report()
    study.rest()
    return study


@functools.cache
def subject(organism, n=60, seed=0, slips=0.03, unread=0.0):
    """The evidence of an idealised subject."""
    study = written(organism, n, seed, slips, unread)
    return evidence([study.frame], study.concepts, study.follows)


CANDIDATES = tuple({"layer": 2, "strength": s, "score": 0.25, "n": 8} for s in (1.5, 3.0))


def study_of(concepts=("bread",), **changes):
    """A study that chose on other concepts than it reports on."""
    fields = {
        "schema_version": 3, "rules": RULES, "salt": SALT, "experiments": ("choose",), "candidates": CANDIDATES,
        "sides": dict.fromkeys((f"chose {i}" for i in range(60)), "development") | dict.fromkeys(concepts, "report"),
        "layer": 2, "strength": 3.0,
    }  # fmt: skip
    return Chosen(**(fields | changes))


def remarked(evidence_of, study=None, **more):
    """What a referee would remark on."""
    return remarks(
        study or study_of(evidence_of.concepts), evidence_of, judge(evidence_of, RULES, strict=False), **more
    )
