"""The data behind the transcript browser: every trial as a row, every prompt and every shading once."""

import json
from typing import Any

from introspect.plots.text import visible
from introspect.records import Audit, Trial
from introspect.report.content import ReportContent
from introspect.report.segments import mark, shade

FIELDS = (
    "key",
    "arm",
    "concept",
    "layer",
    "strength",
    "wording",
    "sample",
    "noticed",
    "named",
    "named_text",
    "coherent",
    "because",
    "refuses",
    "success",
    "order",
    "finish",
    "prompt",
    "reply",
    "reply_injected",
    "audit",
    "audit_fits",
)
"""The columns of a trial's row; ``prompt`` is an index into ``prompts``, ``reply`` is pieces (see ``segments``)."""

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def island(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON that no HTML parser can take for markup, whatever strings are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


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
    for trial in content.trials:
        untouched = trial.spec.arm == "none" or trial.spec.where == "generated"
        spans = () if untouched else trial.audit.prompt_spans
        at = shadings.setdefault((trial.prompt, spans), len(prompts))
        if at == len(prompts):
            pieces = shade(content.prompts[trial.prompt], spans)
            prompts.append([(visible(text), injected) for text, injected in pieces])
        trials.append(_row(trial, content, outcomes.get(trial.key, {}), at))
    return {"fields": list(FIELDS), "trials": trials, "prompts": prompts}


def _row(trial: Trial, content: ReportContent, outcome: dict[str, Any], prompt: int) -> list[Any]:
    claim = content.claims.get(trial.key)
    spec, audit = trial.spec, trial.audit
    values: dict[str, Any] = {
        "key": trial.key,
        "arm": spec.arm,
        "concept": visible(spec.vector.concept) if spec.vector else None,
        "layer": spec.layer,
        "strength": spec.strength,
        "wording": visible(spec.wording),
        "sample": spec.sample,
        "because": visible(claim.incoherent_because) if claim and claim.incoherent_because else None,
        "order": claim.order if claim else None,
        "finish": trial.finish,
        "prompt": prompt,
        "reply": mark(trial.reply, claim),
        "reply_injected": spec.arm != "none" and spec.where != "prompt",
        "audit": audit_line(audit),
        "audit_fits": (audit.planned_prompt, audit.planned_generated) == (audit.edited_prompt, audit.edited_generated),
    }
    values |= {name: outcome.get(name) for name in ("noticed", "named", "coherent", "refuses", "success")}
    values["named_text"] = visible(outcome.get("named_text") or "")
    return [values[name] for name in FIELDS]


def audit_line(audit: Audit) -> str:
    """Say in one line what was planned, what was edited, and how large the edit was."""
    if not (audit.planned_prompt or audit.planned_generated or audit.edited_prompt or audit.edited_generated):
        return "nothing planned, nothing edited"
    planned = f"planned {audit.planned_prompt} prompt + {audit.planned_generated} generated positions"
    edited = f"edited {audit.edited_prompt} + {audit.edited_generated}"
    norms = f"‖v‖ {audit.vector_norm:.4g} · ‖Δh‖ {audit.delta_norm:.4g} · ‖h‖ {audit.residual_norm:.4g}"
    return f"{planned}, {edited} · {norms} · relative strength {audit.relative_strength:.3g}"
