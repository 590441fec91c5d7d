"""The data behind the transcript browser: trials as rows, every prompt and every shading once.

All that is read about a trial is put into words here; the page's script only lays it out.
"""

import json
import random
from collections.abc import Sequence
from typing import Any

from introspect.plots.text import counted, visible
from introspect.records import Audit, Trial
from introspect.report.content import ReportContent
from introspect.report.segments import mark, shade
from introspect.report.telling import answers, graded, measured, reading, right, tags, what, where

FIELDS = (
    "key",
    "task",
    "info",
    "arm",
    "what",
    "concept",
    "layer",
    "strength",
    "where",
    "noticed",
    "named",
    "right",
    "tags",
    "grade",
    "finish",
    "prompt",
    "reply",
    "reply_injected",
    "reading",
    "answers",
    "audits",
    "audit_fits",
)
"""The columns of a trial's row; ``prompt`` is an index into ``prompts``, ``reply`` is pieces (see ``segments``)."""

MOST_SCORED = 1500
"""Trials without a reply that a page lists; the others are in the run folder."""

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def island(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON that no HTML parser can take for markup, whatever strings are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def listed(trials: Sequence[Trial], seed: int, most: int = MOST_SCORED) -> list[Trial]:
    """Return the trials that the page lists: all with a reply, and a seeded sample of the others, order kept."""
    scored = sorted(trial.key for trial in trials if trial.finish == "scored")
    if len(scored) <= most:
        return list(trials)
    kept = set(random.Random(seed).sample(scored, most))
    return [trial for trial in trials if trial.finish != "scored" or trial.key in kept]


def listing(trials: Sequence[Trial], most: int = MOST_SCORED) -> str:
    """Say which trials are listed where not all of them are; empty where they are."""
    scored = sum(trial.finish == "scored" for trial in trials)
    if scored <= most:
        return ""
    replies = len(trials) - scored
    all_replies = f"all {counted(replies, 'trial')} with a reply and " if replies else ""
    return (
        f"Listed are {all_replies}a random sample of {most:,} of the {scored:,} trials without one; all others are in "
        "the run folder. The numbers above rest on every trial."
    )


def of_packed(n: int, n_all: int) -> str:
    """Say which trials are listed where they are a sample of packed ones."""
    return (
        f"Listed is a random sample of {n:,} of the {n_all:,} trials, the same number from each task and arm as far as "
        "there are so many; all others are in the run folder. The numbers above rest on every trial."
    )


def browser_data(content: ReportContent) -> dict[str, Any]:
    """Collect what the browser shows.

    Returns:
        ``fields`` (the columns), ``trials`` (a list a trial), and ``prompts`` (shaded pieces, once for each distinct
        prompt and set of spans).
    """
    outcomes = {row["key"]: row for row in content.outcomes.iter_rows(named=True)}
    shadings: dict[tuple[str, tuple[tuple[int, int], ...]], int] = {}
    prompts: list[list[tuple[str, bool]]] = []
    trials: list[list[Any]] = []
    for trial in listed(content.trials, content.manifest.plan.seed):
        spans = _spans(trial)
        at = shadings.setdefault((trial.prompt, spans), len(prompts))
        if at == len(prompts):
            pieces = shade(content.prompts[trial.prompt], spans)
            prompts.append([(visible(text), injected) for text, injected in pieces])
        trials.append(_row(trial, content, outcomes.get(trial.key, {}), at))
    return {"fields": list(FIELDS), "trials": trials, "prompts": prompts}


def _spans(trial: Trial) -> tuple[tuple[int, int], ...]:
    """Return the prompt's token ranges that anything was added to."""
    if trial.spec.vector is None or trial.spec.where == "generated":
        return ()
    return tuple(sorted({span for audit in trial.audits for span in audit.prompt_spans}))


def _row(trial: Trial, content: ReportContent, outcome: dict[str, Any], prompt: int) -> list[Any]:
    claim = content.claims.get(trial.key)
    spec = trial.spec
    names = [metric.name for metric in content.metrics]
    noticing = "noticed" in names
    concept = spec.concept or (spec.vector.concept if spec.vector else None)
    values: dict[str, Any] = {
        "key": trial.key,
        "task": visible(spec.task),
        "info": spec.info,
        "arm": visible(spec.arm),
        "what": visible(what(spec, concept)),
        "concept": None if concept is None else visible(concept),
        "layer": spec.layer,
        "strength": spec.strength,
        "where": visible(where(spec)),
        "noticed": outcome.get("noticed") if noticing else None,
        "named": outcome.get("named") if noticing else None,
        "right": right(outcome),
        "tags": tags(trial, claim, outcome, names),
        "grade": visible(" · ".join([*graded(trial, claim, outcome, names), *measured(trial, outcome, names)])),
        "finish": trial.finish,
        "prompt": prompt,
        "reply": mark(trial.reply, claim),
        "reply_injected": spec.vector is not None and spec.where != "prompt",
        "reading": visible(reading(trial)),
        "answers": [[visible(label), visible(text), *rest] for label, text, *rest in answers(trial)],
        "audits": audit_lines(trial),
        "audit_fits": all(_fits(audit) for audit in trial.audits),
    }
    return [values[name] for name in FIELDS]


def _fits(audit: Audit) -> bool:
    return (audit.planned_prompt, audit.planned_generated) == (audit.edited_prompt, audit.edited_generated)


def audit_lines(trial: Trial) -> list[str]:
    """Say for each injection in a line what was planned and done; of several, each with its span."""
    audits = trial.audits or (trial.audit,)
    spans = (trial.spec.span, *(each.span for each in trial.spec.also))
    lines = [audit_line(audit) for audit in audits]
    if len(lines) > 1:
        lines = [f"“{visible(span)}”: {line}" for span, line in zip(spans, lines, strict=False)]
    if trial.scale != 1.0:
        lines.append(f"strength scaled by {trial.scale:.3g} to have the concept vectors' effect")
    return lines


def audit_line(audit: Audit) -> str:
    """Say in one line what was planned, what was edited, and how large the edit was."""
    if not (audit.planned_prompt or audit.planned_generated or audit.edited_prompt or audit.edited_generated):
        return "nothing planned, nothing edited"
    planned = f"planned {audit.planned_prompt} prompt + {audit.planned_generated} generated positions"
    edited = f"edited {audit.edited_prompt} + {audit.edited_generated}"
    norms = f"‖v‖ {audit.vector_norm:.4g} · ‖Δh‖ {audit.delta_norm:.4g} · ‖h‖ {audit.residual_norm:.4g}"
    return f"{planned}, {edited} · {norms} · relative strength {audit.relative_strength:.3g}"
