"""Runs made by hand for the page, and a page that is open in a browser."""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import handmade

from introspect.analysis.runs import Run
from introspect.records import SCHEMA_VERSION, Audit, Manifest, Plan, Prompt, Trial, TrialSpec, VectorRef

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CONCEPTS = ("bread", "oceans", "silver")
HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)> \u202eevil"
TEXT = "Trial 1: do you notice an injected thought?"
OFFSETS = ((0, 5), (5, 7), (7, 8), (8, 11), (11, 15), (15, 22), (22, 25), (25, 34), (34, 42), (42, 43))
PROMPT = Prompt(id="p", text=TEXT, format="chat", offsets=OFFSETS)
PHONE = {"width": 390, "height": 844}


def spec_of(arm, concept, layer, strength, sample):
    families = {"concept": "concept", "random": "random"}
    vector = None if arm == "none" else VectorRef(family=families[arm], concept=concept)
    return TrialSpec(
        protocol="injected_thought", subject="f" * 32, dtype="float32", arm=arm, task="report", wording="plain",
        wording_hash="w", vector=vector, vectors_hash="v", concept=None if arm == "none" else concept,
        layer=layer, strength=strength, span="trial", where="both", sample=sample, max_new_tokens=60, temperature=1.0,
    )  # fmt: skip


def trial_of(spec, reply):
    audit = Audit(
        layer=spec.layer, prompt_spans=((2, 10),), planned_prompt=8, planned_generated=3, edited_prompt=8,
        edited_generated=3, vector_norm=12.0, delta_norm=48.0, residual_norm=96.0, relative_strength=0.5,
    )  # fmt: skip
    audits = () if spec.vector is None else (audit,)
    return Trial(key=spec.key, spec=spec, prompt="p", reply=reply, reply_tokens=(1, 2), finish="stop", audits=audits)


def replied(arm, concept, layer, strength, sample):
    if (arm, concept, layer, strength, sample) == ("random", "silver", 3, 2.0, 1):
        return HOSTILE
    noticed = arm == "concept" and (layer, strength) == (3, 2.0)
    return f"Yes, I notice an injected thought about {concept}." if noticed else "No, I do not notice anything unusual."


def run_of(path, subject="toy"):
    """A run of injected thoughts over a grid of two layers and two strengths."""
    cells = [(arm, *cell) for arm in ("concept", "random") for cell in product((1, 3), (1.0, 2.0))]
    every = product((*cells, ("none", None, None)), CONCEPTS, range(2))
    specs = [(arm, concept, layer, strength, sample) for (arm, layer, strength), concept, sample in every]
    trials = {(spec := spec_of(*each)).key: trial_of(spec, replied(*each)) for each in specs}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION, introspect_version="0.1.0", created="2026-01-01T00:00:00+00:00",
        plan=Plan(name="grid", question="Does the subject report the thought?", layers=(1, 3), strengths=(1.0, 2.0)),
        subject=handmade.SUBJECT.model_copy(update={"name": subject}), n_planned=len(trials), vectors_hash="v",
        wordings={"plain": "w"}, concepts={name: (name,) for name in CONCEPTS}, machine={}, packages={},
    )  # fmt: skip
    return Run(path, manifest, tuple(trials.values()), {"p": PROMPT})


@dataclass
class Opened:
    """A page in the browser, and everything that it said or asked for."""

    page: object
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def go(self, file, place=""):
        self.page.goto(f"file://{file}{place}")
        self.page.wait_for_selector("#browser[data-ready]")
        return self.page

    def save(self, name, *, whole=True):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


def noticing(trials):
    """The trial of bread that reports it."""
    return next(trial for trial in trials if "injected thought about bread" in trial.reply)
