"""The data behind the trial browser: trials as rows, every prompt and every shading once.

All that is read about a trial is put into words here; the page's script only lays it out.
"""

import random
from collections.abc import Sequence
from typing import Any

from introspect.plots.style import look
from introspect.plots.text import counted, visible
from introspect.records import Audit, Projection, Trial
from introspect.report.content import Entry, ReportContent
from introspect.report.segments import mark, shade
from introspect.report.telling import answers, graded, measured, reading, tags, what, where

FIELDS = (
    "key",
    "run",
    "task",
    "info",
    "arm",
    "what",
    "concept",
    "layer",
    "strength",
    "where",
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
"""The columns of a trial's row; ``run`` and ``prompt`` are indices into ``runs`` and ``prompts``, ``reply`` is pieces
(see ``segments``)."""

MOST_SCORED = 1500
"""Trials without a reply that a page lists of a run; the others are in the run folder."""


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


def sampled(content: ReportContent) -> str:
    """Say that the transcripts are a sample, where they are; empty where the page was given every trial."""
    if content.n_trials is None or content.n_trials == len(content.trials):
        return ""
    return f"{len(content.trials):,} of {counted(content.n_trials, 'transcript')}, sampled; the numbers rest on all."


class _Prompts:
    """Every prompt, once for each set of spans that it is shaded by."""

    def __init__(self) -> None:
        self.pieces: list[list[tuple[str, bool]]] = []
        self._places: dict[tuple[str, tuple[tuple[int, int], ...]], int] = {}

    def place(self, trial: Trial, content: ReportContent) -> int:
        spans = _spans(trial)
        at = self._places.setdefault((trial.prompt, spans), len(self.pieces))
        if at == len(self.pieces):
            found = shade(content.prompts[trial.prompt], spans)
            self.pieces.append([(visible(text), injected) for text, injected in found])
        return at


def browser_data(content: ReportContent) -> dict[str, Any]:
    """Collect what the browser shows of one run; see ``entries_data``."""
    return entries_data([Entry("", "", content)])


def entries_data(entries: Sequence[Entry]) -> dict[str, Any]:
    """Collect what the browser shows of some runs.

    Returns:
        ``fields`` (the columns), ``trials`` (a list a trial), ``prompts`` (shaded pieces, once for each distinct prompt
        and set of spans), ``runs`` (whose they are), ``arms`` (in words) and ``projections`` (by trial key).
    """
    prompts = _Prompts()
    trials: list[list[Any]] = []
    projections: dict[str, Any] = {}
    for run, entry in enumerate(entries):
        content = entry.content
        outcomes = {row["key"]: row for row in content.outcomes.iter_rows(named=True)}
        for trial in listed(content.trials, content.manifest.plan.seed):
            place = prompts.place(trial, content)
            trials.append(_row(trial, content, outcomes.get(trial.key, {}), {"run": run, "prompt": place}))
            if trial.key in content.projections:
                projections[trial.key] = projection(content.projections[trial.key], trial)
    return {
        "fields": list(FIELDS),
        "trials": trials,
        "prompts": prompts.pieces,
        "runs": [
            {"subject": visible(each.subject), "experiment": visible(each.experiment),
             "folder": visible(each.content.folder)}
            for each in entries
        ],
        "arms": {arm: look(arm).words for arm in {trial.spec.arm for each in entries for trial in each.content.trials}},
        "projections": projections,
    }  # fmt: skip


def projection(read: Projection, trial: Trial) -> dict[str, Any]:
    """Return what was read under every token as the page wants it, first shown at the layer behind the injected one."""
    at = trial.spec.layer
    after = [place for place, layer in enumerate(read.layers) if at is not None and layer > at]
    return {
        "direction": visible(read.direction),
        "tokens": [[visible(text), place in read.injected] for place, text in enumerate(read.tokens)],
        "n_prompt": read.n_prompt,
        "layers": list(read.layers),
        "injected_at": at,
        "shown": after[0] if after else len(read.layers) - 1,
        "values": [[float(f"{value:.3g}") for value in line] for line in read.values],
    }


def _spans(trial: Trial) -> tuple[tuple[int, int], ...]:
    """Return the prompt's token ranges that anything was added to."""
    if trial.spec.vector is None or trial.spec.where == "generated":
        return ()
    return tuple(sorted({span for audit in trial.audits for span in audit.prompt_spans}))


def _row(trial: Trial, content: ReportContent, outcome: dict[str, Any], places: dict[str, int]) -> list[Any]:
    claim = content.claims.get(trial.key)
    spec = trial.spec
    names = [metric.name for metric in content.metrics]
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
        "tags": tags(trial, claim, outcome, names),
        "grade": visible(" · ".join([*graded(trial, claim, outcome, names), *measured(trial, outcome, names)])),
        "finish": trial.finish,
        "reply": mark(trial.reply, claim),
        "reply_injected": spec.vector is not None and spec.where != "prompt",
        "reading": visible(reading(trial)),
        "answers": [[visible(label), visible(text), *rest] for label, text, *rest in answers(trial)],
        "audits": audit_lines(trial),
        "audit_fits": all(_fits(audit) for audit in trial.audits),
        **places,
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
