"""A run as one table, a row a trial: what was asked for, what was done, what was replied, what it counts as.

``COLUMNS`` says what stands where. The measures are those of an analysis; of intentional control, which has a value a
layer, they are null here, and ``analyze(run).outcomes`` has a row for each.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from introspect.analysis.metrics import METRICS
from introspect.analysis.outcomes import SCHEMA, Grader, Opened, grade_run, outcomes
from introspect.errors import RunFolderError
from introspect.graders.rules import RuleGrader
from introspect.records import Claim, Prompt, Trial

if TYPE_CHECKING:
    import pandas as pd

PER_LAYER = ("cosine", "above", "centred", "centred_above")
"""Measures of which a trial has as many as the subject has layers."""

OWN: dict[str, tuple[Any, str]] = {
    "key": (pl.String, "the trial's name, a hash of its specification"),
    "protocol": (pl.String, "the experiment"),
    "task": (pl.String, "what is asked"),
    "arm": (pl.String, "concept, a control family, text, or none"),
    "info": (pl.String, "the text put before the conversation, if any"),
    "wording": (pl.String, "which conversation"),
    "item": (pl.String, "the lead-in, question, paragraph, sentence or note that was put into it"),
    "sample": (pl.Int64, "which repetition"),
    "unit": (pl.String, "what intervals cluster by: the concept or, without one, the item or the prompt"),
    "concept": (pl.String, "what the trial is about, injected or not"),
    "family": (pl.String, "which kind of vector was added; null where none was"),
    "draw": (pl.Int64, "which draw of a random control"),
    "other": (pl.String, "whose direction a vector of the family other has"),
    "layer": (pl.Int64, "the block, 0-based, behind whose output it was added"),
    "depth": (pl.Float64, "layer / (n_layers - 1)"),
    "strength": (pl.Float64, "multiple of the raw vector"),
    "scale": (pl.Float64, "factor on the strength where effects are matched, else 1"),
    "relative_strength": (pl.Float64, "norm of what was added over the residual's norm, as measured"),
    "vector_norm": (pl.Float64, "norm of the raw vector, in residual-stream units"),
    "residual_norm": (pl.Float64, "mean norm of the residual before the edit"),
    "n_edited": (pl.Int64, "positions that were edited, of the prompt and of the reply"),
    "span": (pl.String, "the mark from which on it was added"),
    "where": (pl.String, "prompt, generated, both or cache"),
    "prompt": (pl.String, "the text that the subject was given, template and all"),
    "reply": (pl.String, "what it generated; empty where an answer was read off"),
    "n_tokens": (pl.Int64, "tokens of the reply"),
    "finish": (pl.String, "stop, length, or scored where nothing was generated"),
    "options": (pl.List(pl.String), "the answers on offer"),
    "logprobs": (pl.List(pl.Float64), "their log-probabilities, in nats"),
    "truth": (pl.String, "the right answer, where one is right"),
    "answer": (pl.String, "the likeliest answer, or the one that the reply names"),
    "grader": (pl.String, "who read the reply"),
    "noticed": (pl.String, "yes, no or unreadable: does the reply claim an injected or unusual thought"),
    "named_text": (pl.String, "what it names as that thought's content, by semicolons"),
    "order": (pl.String, "noticed_first or named_first"),
    "refuses": (pl.Boolean, "the reply denies having inner states at all"),
    "incoherent_because": (pl.String, "which flaw makes it incoherent"),
}
MEASURES = {name: SCHEMA[name] for name in METRICS if name not in {"noticed", *PER_LAYER}}

COLUMNS: dict[str, str] = {name: words for name, (_, words) in OWN.items()} | {
    name: METRICS[name].definition for name in MEASURES
}
"""Every column and what it holds."""


def trial_frame(run: Opened, grader: Grader | None = None) -> pl.DataFrame:
    """Return one row a trial: its specification, its audit, its reply, the claim in it and its measures.

    Args:
        run: A run.
        grader: What reads the replies; the rule grader by default.
    """
    claims = grade_run(run, grader or RuleGrader())
    measured = {row["key"]: row for row in outcomes(run, claims).unique("key", keep="first").iter_rows(named=True)}
    n_layers = run.manifest.subject.n_layers
    rows = [
        _planned(trial, n_layers)
        | _done(trial, run.prompts)
        | _claimed(claims.get(trial.key))
        | {name: measured.get(trial.key, {}).get(name) for name in ("unit", "item", "truth", "answer", *MEASURES)}
        for trial in run.trials
    ]
    return pl.DataFrame(rows, schema={name: kind for name, (kind, _) in OWN.items()} | MEASURES)


def as_pandas(frame: pl.DataFrame) -> "pd.DataFrame":
    """Return a frame of pandas.

    Raises:
        RunFolderError: pandas is not installed.
    """
    try:
        return frame.to_pandas()
    except ImportError as error:
        message = f"a pandas frame needs pandas and pyarrow ({error}); install them, or take .polars()"
        raise RunFolderError(message) from error


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose lists are written as JSON, for files that hold no lists."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    written = [pl.Series(name, [_json(values) for values in frame[name].to_list()], pl.String) for name in lists]
    return frame.with_columns(written)


def _json(values: list[Any] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)


def _planned(trial: Trial, n_layers: int) -> dict[str, Any]:
    spec = trial.spec
    kept = ("protocol", "task", "arm", "info", "wording", "sample", "concept", "layer", "strength", "span", "where")
    vector = spec.vector
    return {"key": trial.key} | {name: getattr(spec, name) for name in kept} | {
        "family": vector.family if vector else None,
        "draw": vector.draw if vector else None,
        "other": vector.other if vector else None,
        "depth": None if spec.layer is None else spec.layer / max(n_layers - 1, 1),
        "scale": trial.scale,
        "options": list(spec.options) or None,
    }  # fmt: skip


def _done(trial: Trial, prompts: Mapping[str, Prompt]) -> dict[str, Any]:
    audit = trial.audit
    added = {"relative_strength": None, "vector_norm": None, "residual_norm": None}
    if trial.audits:
        added = {name: getattr(audit, name) for name in added}
    return added | {
        "n_edited": sum(each.edited_prompt + each.edited_generated for each in trial.audits),
        "prompt": prompts[trial.prompt].text if trial.prompt in prompts else None,
        "reply": trial.reply,
        "n_tokens": len(trial.reply_tokens),
        "finish": trial.finish,
        "logprobs": list(trial.scores.logprobs) or None if trial.scores else None,
    }


def _claimed(claim: Claim | None) -> dict[str, Any]:
    if claim is None:
        return dict.fromkeys(("grader", "noticed", "named_text", "order", "refuses", "incoherent_because"))
    kept = ("grader", "noticed", "order", "refuses", "incoherent_because")
    named = "; ".join(dict.fromkeys(evidence.text for evidence in claim.named))
    return {name: getattr(claim, name) for name in kept} | {"named_text": named}
