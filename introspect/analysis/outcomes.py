"""Truth meets claim: one row a trial, from what the reply claims or the read-out says and what was really done.

Every row says what the trial was (arm, task, cell, concept) and holds one column for each measure; a measure that a
task does not have is null. Intentional control has one row a trial and layer, ``layer`` being the one that is read.
``success`` is the criterion of Lindsey (2025), experiment 1: coherent, noticed, the concept named, and not before the
noticing.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Protocol, runtime_checkable

import polars as pl

from introspect.analysis.identify import identified, matches, succeeds
from introspect.analysis.metrics import METRICS
from introspect.graders.intent import read_intent
from introspect.graders.options import choose_option, repeats
from introspect.records import Claim, Manifest, Prompt, Trial, TrialSpec
from introspect.words import SOMETHING

SCHEMA: dict[str, Any] = {
    "key": pl.String,
    "protocol": pl.String,
    "task": pl.String,
    "info": pl.String,
    "arm": pl.String,
    "unit": pl.String,
    "concept": pl.String,
    "layer": pl.Int64,
    "strength": pl.Float64,
    "match": pl.String,
    "span": pl.String,
    "relative": pl.Float64,
    "wording": pl.String,
    "sample": pl.Int64,
    "item": pl.String,
    "prompt": pl.String,
    "noticed": pl.String,
    "named_text": pl.String,
    "refuses": pl.Boolean,
    "answer": pl.String,
    "truth": pl.String,
    "reply": pl.String,
} | {
    name: pl.Boolean if metric.kind == "share" else pl.Float64 for name, metric in METRICS.items() if name != "noticed"
}

Row = dict[str, Any]
Concepts = Mapping[str, tuple[str, ...]]


@runtime_checkable
class Grader(Protocol):
    """Reads a reply, and nothing else."""

    def grade(self, reply: str) -> Claim:
        """Say what the reply claims."""
        ...


@runtime_checkable
class Opened(Protocol):
    """What is read of a run: its ``Run``, named by what it has, since a run makes frames of itself by this module."""

    @property
    def manifest(self) -> Manifest:
        """What was planned, and on what."""
        ...

    @property
    def trials(self) -> Sequence[Trial]:
        """The trials there are so far."""
        ...

    @property
    def prompts(self) -> dict[str, Prompt]:
        """The prompts by their id."""
        ...


def grade_run(run: Opened, grader: Grader) -> dict[str, Claim]:
    """Return the claim of every trial with a reply by its key; the grader sees the reply alone."""
    return {trial.key: grader.grade(trial.reply) for trial in run.trials if trial.finish != "scored"}


def outcomes(run: Opened, claims: Mapping[str, Claim]) -> pl.DataFrame:
    """Return the tidy frame of a graded run."""
    concepts = run.manifest.concepts
    rows = [row for trial in run.trials for row in _rows(trial, claims.get(trial.key), concepts)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _rows(trial: Trial, claim: Claim | None, concepts: Concepts) -> Iterator[Row]:
    base = _base(trial, concepts)
    if claim is not None:
        base |= {
            "noticed": claim.noticed,
            "coherent": claim.coherent,
            "refuses": claim.refuses,
            "named_text": "; ".join(dict.fromkeys(evidence.text for evidence in claim.named)),
        }
        base |= _spoken(trial, claim, concepts)
    scores = trial.scores
    if trial.spec.protocol == "intentional_control":
        yield from _traced(trial, base)
        return
    if scores is not None:
        base |= _options(trial) | _ranks(trial)
        if scores.surprisal:
            base |= {"surprisal": sum(scores.surprisal) / len(scores.surprisal)}
    yield base


def _base(trial: Trial, concepts: Concepts) -> Row:
    spec = trial.spec
    lead = spec.fill.get("lead", "")
    named = (spec.fill.get(name) for name in ("question", "paragraph", "sentence"))
    item = next(filter(None, named), None) or _note(spec) or lead
    return {
        "key": trial.key,
        "protocol": spec.protocol,
        "task": spec.task,
        "info": spec.info,
        "arm": spec.arm,
        "unit": spec.concept or (item if spec.protocol == "competence" else lead) or trial.prompt,
        "concept": spec.concept,
        "layer": spec.layer,
        "strength": spec.strength,
        "match": spec.match,
        "span": spec.span,
        "relative": trial.audit.relative_strength if trial.audits else None,
        "wording": spec.wording,
        "sample": spec.sample,
        "item": item or None,
        "prompt": trial.prompt,
        "truth": _answer_words(trial, spec.truth),
        "reply": trial.reply,
    }


def _note(spec: TrialSpec) -> str:
    """Return the note that stands in a prompt, without the word that was put into it: other concepts have it, too."""
    note = spec.fill.get("note", "")
    for word in (spec.concept, SOMETHING):
        note = note.replace(word, "…") if word else note
    return note


def _spoken(trial: Trial, claim: Claim, concepts: Concepts) -> Row:
    """Return the measures of a reply."""
    match trial.spec.protocol:
        case "thought_vs_text":
            return _thought_or_text(trial, concepts)
        case "intended_or_prefilled":
            reading = read_intent(trial.reply).reading
            return {"apologised": reading == "slip", "meant": reading == "meant", "readable": reading != "unreadable"}
        case "unprompted":
            forms = _forms(trial, concepts)
            return {"remarks": claim.noticed == "yes", "leaks": matches(trial.reply, forms) if forms else None}
        case _:
            forms = _forms(trial, concepts)
            if not forms:  # a feature that has no word: naming is not graded
                return {"readable": claim.noticed != "unreadable"}
            return {
                "readable": claim.noticed != "unreadable",
                "named": identified(claim, forms),
                "success": succeeds(claim, trial.reply, forms),
            }


def _forms(trial: Trial, concepts: Concepts) -> tuple[str, ...]:
    """Return what counts as naming: the trial's concept or, where it is about none, any of the run's."""
    if trial.spec.concept:
        return concepts[trial.spec.concept]
    return tuple(form for forms in concepts.values() for form in forms)


def _thought_or_text(trial: Trial, concepts: Concepts) -> Row:
    spec = trial.spec
    if spec.task == "repeat":
        return {"repeated": repeats(trial.reply, spec.fill["sentence"])}
    named = choose_option(trial.reply, {name: concepts.get(name, (name,)) for name in spec.options})
    return {"picked": named == spec.truth, "readable": named is not None, "answer": named}


def _options(trial: Trial) -> Row:
    """Return the measures of answers on offer."""
    spec, scores = trial.spec, trial.scores
    if scores is None or not spec.options:
        return {}
    best = max(range(len(spec.options)), key=lambda i: scores.logprobs[i])
    row: Row = {"mass": scores.mass, "answer": _answer_words(trial, spec.options[best])}
    if len(spec.options) == 10 and spec.options[0] == "0":
        weights = [math.exp(value) for value in scores.logprobs]
        return row | {"digit": sum(i * weight for i, weight in enumerate(weights)) / sum(weights)}
    if spec.truth is not None:
        row |= {"chosen": spec.options[best] == spec.truth, "truth_logit": _against_others(trial, spec.truth)}
    first = {"intended_or_prefilled": "meant_logodds", "input_or_activation": "written_logodds"}.get(spec.protocol)
    if first:
        row |= {first: scores.logprobs[0] - scores.logprobs[1]}
    if spec.options in {("yes", "no"), ("1", "0")}:
        row |= {"yes_logodds": scores.logprobs[0] - scores.logprobs[1], "says_yes": best == 0}
        row |= {"correct": row.get("chosen"), "chosen": None, "truth_logit": None}
    return row


def _against_others(trial: Trial, truth: str) -> float:
    """Return the log-probability of one answer less the logarithm of the other answers' mean probability."""
    assert trial.scores is not None
    pairs = zip(trial.spec.options, trial.scores.logprobs, strict=True)
    own = next(value for option, value in pairs if option == truth)
    others = [value for option, value in zip(trial.spec.options, trial.scores.logprobs, strict=True) if option != truth]
    top = max(others)
    return own - top - math.log(sum(math.exp(value - top) for value in others) / len(others))


def _answer_words(trial: Trial, label: str | None) -> str | None:
    """Return what an answer's label stands for."""
    if label is None:
        return None
    found = re.search(rf"^{re.escape(label)}: (.*)$", trial.spec.fill.get("options", ""), flags=re.MULTILINE)
    return found[1] if found else label


def _ranks(trial: Trial) -> Row:
    if trial.scores is None or not trial.scores.ranks:
        return {}
    *elsewhere, report = (math.log10(rank) for rank in trial.scores.ranks)
    gain = median(elsewhere) - report if elsewhere else None
    return {"rank_report": report, "rank_gain": gain}


def _traced(trial: Trial, base: Row) -> Iterator[Row]:
    """Return one row a layer; for a reply that the subject wrote, one more that says whether it is the sentence."""
    if trial.spec.arm == "sampled":
        yield base | {"transcribed": trial.scores is not None}
    curves: Mapping[str, Sequence[float]] = trial.scores.curves if trial.scores else {}
    for layer, cosine in enumerate(curves.get("cosine", ())):
        row = base | {"layer": layer, "cosine": cosine, "above": cosine - curves["baseline"][layer]}
        if "centred_cosine" in curves:
            centred = curves["centred_cosine"][layer]
            row |= {"centred": centred, "centred_above": centred - curves["centred_baseline"][layer]}
        yield row
