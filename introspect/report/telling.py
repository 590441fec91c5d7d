"""One trial in words: what was done, what was read off or graded, which answers were on offer."""

import math
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from introspect.plots.estimates import metric_of, words
from introspect.plots.style import look
from introspect.plots.text import counted, number
from introspect.records import Claim, Scores, Trial, TrialSpec

Outcome = Mapping[str, Any]
Answer = tuple[str, str, float, bool, bool]
"""Label, what it stands for, share of the answers' mass, whether it is right, whether it is the likeliest."""

RIGHT = ("picked", "chosen", "correct")
"""Measures that say whether an answer is the right one."""
_OWN_WORDS = frozenset({"noticed", "named", "success", "coherent", "readable", "says_yes", *RIGHT})
_NOTICED = {"yes": ("reports noticing", "yes"), "no": ("reports nothing", ""), "unreadable": ("unreadable", "doubt")}
_ORDER = {"noticed_first": ", noticing before naming", "named_first": ", naming before noticing"}


def what(spec: TrialSpec, concept: str | None) -> str:
    """Say what was injected."""
    if spec.arm == "concept" and concept:
        return concept
    about = f" ({concept})" if concept else ""
    return f"{look(spec.arm).words}{about}"


def where(spec: TrialSpec) -> str:
    """Say which task, cell, wording and sample a trial is."""
    cell = "" if spec.layer is None or spec.strength is None else f"layer {spec.layer}, strength {spec.strength:g}, "
    info = "" if spec.info == "none" else f"{spec.info} information, "
    return f"{spec.task}, {cell}{info}wording {spec.wording}, sample {spec.sample}"


def right(outcome: Outcome) -> bool | None:
    """Return whether the answer is the right one, where one is."""
    return next((outcome[name] for name in RIGHT if outcome.get(name) is not None), None)


def tags(trial: Trial, claim: Claim | None, outcome: Outcome, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the few words beside a trial in the list, each with its class: ``yes``, ``doubt`` or nothing."""
    if claim is None and trial.finish != "scored":
        return [("not graded", "doubt")]
    found: list[tuple[str, str]] = []
    if "noticed" in names and claim is not None:
        found += _reported(claim, outcome)
    elif "readable" in names and outcome.get("readable") is False:
        found.append(("unreadable", "doubt"))
    answer = right(outcome)
    if answer is not None:
        found.append(("right answer", "yes") if answer else ("wrong answer", ""))
    if outcome.get("says_yes") is not None:
        found.append(("says yes" if outcome["says_yes"] else "says no", ""))
    found += [(words(name), "yes") for name in names if name not in _OWN_WORDS and outcome.get(name) is True]
    if "coherent" in names and outcome.get("coherent") is False:
        found.append(("incoherent", "doubt"))
    return found


def _reported(claim: Claim, outcome: Outcome) -> list[tuple[str, str]]:
    found = [_NOTICED[outcome.get("noticed") or claim.noticed]]
    if outcome.get("named"):
        found.append(("names the concept", "yes"))
    elif outcome.get("named_text"):
        found.append(("names something else", ""))
    if outcome.get("success"):
        found.append(("success", "yes"))
    if outcome.get("refuses"):
        found.append(("denies inner states", ""))
    return found


def graded(trial: Trial, claim: Claim | None, outcome: Outcome, names: Sequence[str]) -> list[str]:
    """Say what the grader read in a reply, in parts."""
    if trial.finish == "scored":
        return []
    if claim is None:
        return ["This trial has not been graded."]
    if claim.unscored is not None:
        return [f"The judge gave no verdict: {claim.unscored}"]
    parts: list[str] = []
    if "noticed" in names:
        named = outcome.get("named_text") or ""
        content = f"named: {named}" if named else "named nothing"
        parts += [f"Noticed: {claim.noticed}", f"{content}{_ORDER.get(claim.order or '', '')}"]
    parts += [f"{words(name)}: {_said(outcome[name])}" for name in names if _is_said(name, outcome)]
    if "coherent" in names:
        because = f" ({claim.incoherent_because})" if claim.incoherent_because else ""
        parts.append("coherent" if claim.coherent else f"incoherent{because}")
    return parts


def _is_said(name: str, outcome: Outcome) -> bool:
    shares = metric_of(name).kind == "share" and name not in {"noticed", "coherent"}
    return shares and outcome.get(name) is not None


def _said(value: object) -> str:
    return "yes" if value is True else "no"


def measured(trial: Trial, outcome: Outcome, names: Sequence[str]) -> list[str]:
    """Return what was read off the pass in numbers; curves over layers are not among them."""
    if trial.scores is None or trial.scores.curves:
        return []
    means = [name for name in names if metric_of(name).kind == "mean" and outcome.get(name) is not None]
    return [f"{words(name)}: {number(outcome[name])}" for name in means]


def reading(trial: Trial) -> str:
    """Say in a line what ranks, surprisal or curves a pass gave; empty for replies and answers on offer."""
    scores = trial.scores
    if scores is None:
        return ""
    return " ".join(part for part in (_ranks(scores, trial.spec.concept), _surprisal(scores), _curves(scores)) if part)


def _ranks(scores: Scores, concept: str | None) -> str:
    if not scores.ranks:
        return ""
    *elsewhere, report = scores.ranks
    rest = f", median {median(elsewhere):,.0f} at the {counted(len(elsewhere), 'token')} before" if elsewhere else ""
    return f"Rank of {concept or 'the word'} at the report: {report:,}{rest}."


def _surprisal(scores: Scores) -> str:
    if not scores.surprisal:
        return ""
    n, mean = len(scores.surprisal), sum(scores.surprisal) / len(scores.surprisal)
    return f"Surprisal of {counted(n, 'token')}: mean {number(mean)}, highest {number(max(scores.surprisal))} nats."


def _curves(scores: Scores) -> str:
    if "cosine" not in scores.curves or "baseline" not in scores.curves:
        return ""
    pairs = zip(scores.curves["cosine"], scores.curves["baseline"], strict=True)
    above = [own - other for own, other in pairs]
    peak = max(range(len(above)), key=lambda layer: above[layer])
    return (
        f"Cosine above other words: highest {number(above[peak])} at layer {peak}, {number(above[-1])} at the last of "
        f"{counted(len(above), 'layer')}."
    )


def answers(trial: Trial) -> list[Answer]:
    """Return the answers on offer with their shares of the mass that they have together.

    Where a reply was graded against options there are no probabilities; then the list is empty.
    """
    spec, scores = trial.spec, trial.scores
    if scores is None or not scores.logprobs:
        return []
    top = max(scores.logprobs)
    weights = [math.exp(value - top) for value in scores.logprobs]
    best = scores.logprobs.index(top)
    return [
        (option, _meaning(spec, option), round(weight / sum(weights), 4), option == spec.truth, place == best)
        for place, (option, weight) in enumerate(zip(spec.options, weights, strict=True))
    ]


def _meaning(spec: TrialSpec, option: str) -> str:
    """Return what stands behind a label, or nothing where the label is the answer."""
    text = spec.fill.get("options") or spec.fill.get("lines", "")
    found = re.search(rf"^{re.escape(option)}: (.*)$", text, flags=re.MULTILINE)
    return re.sub(r"\{\{/?[a-z0-9_]+\}\}", "", found[1]) if found else ""
