"""One trial as one sample of a log: what was asked, what was replied, what was injected, what it counts as."""

from collections.abc import Mapping, Sequence
from typing import Any

from inspect_ai.log import EvalSample
from inspect_ai.model import ChatCompletionChoice, ChatMessage, ChatMessageAssistant, ModelOutput, ModelUsage
from inspect_ai.scorer import Score

from introspect.analysis.metrics import METRICS, Metric
from introspect.evals.messages import messages, plain_turns
from introspect.records import Claim, Trial, TrialSpec
from introspect.stimuli import Turn, Wording

STOP = {"stop": "stop", "length": "max_tokens", "scored": "stop"}

Row = Mapping[str, Any]


def sample_of(
    trial: Trial, rows: Sequence[Row], claim: Claim | None, wording: Wording | None, prompt: str, model: str
) -> EvalSample:
    """Return a trial as a sample.

    Args:
        trial: The trial; its key is the sample's id.
        rows: Its outcomes; several where every layer is read, and a score is then a value a layer.
        claim: What the grader read in the reply, if there is one.
        wording: What it was asked with; without it the prompt is one message.
        prompt: The text that the subject was given, template and all.
        model: The subject's name.
    """
    spec = trial.spec
    turns = plain_turns(spec, wording) if wording else [Turn(role="user", text=prompt)]
    asked = messages(turns, trial.key)
    output = _output(trial, rows, model)
    said: list[ChatMessage] = [output.message] if output.choices else []
    return EvalSample(
        id=trial.key,
        epoch=1,
        uuid=trial.key,
        input=asked,
        choices=list(spec.options) or None,
        target=target(spec),
        messages=asked + said,
        output=output,
        scores={name: score for name in METRICS if (score := _score(METRICS[name], rows, claim)) is not None},
        metadata=metadata(spec, str(rows[0]["unit"]) if rows else None) | _as_run(trial, claim, prompt),
    )


def target(spec: TrialSpec) -> str:
    """Return the right answer where one is right, else the concept that a reply would name; nothing without either."""
    return spec.truth or spec.concept or ""


def metadata(spec: TrialSpec, unit: str | None) -> dict[str, Any]:
    """Return what a trial is, flat enough for the columns of a viewer; ``unit`` is what standard errors cluster by."""
    kept = ("arm", "concept", "layer", "strength", "task", "wording", "info", "sample", "span", "where", "protocol")
    family = spec.vector.family if spec.vector else None
    return {"key": spec.key} | {name: getattr(spec, name) for name in kept} | {"family": family, "unit": unit}


def _as_run(trial: Trial, claim: Claim | None, prompt: str) -> dict[str, Any]:
    """Return what was measured while the trial ran, and what the reply was read as."""
    return {
        "relative_strength": trial.audit.relative_strength if trial.audits else None,
        "audits": [audit.model_dump(mode="json") for audit in trial.audits],
        "scale": trial.scale,
        "finish": trial.finish,
        "reply_tokens": list(trial.reply_tokens),
        "prompt": prompt,
        "claim": claim.model_dump(mode="json") if claim else None,
        "readout": trial.scores.model_dump(mode="json") if trial.scores else None,
        "spec": trial.spec.model_dump(mode="json"),
    }


def _output(trial: Trial, rows: Sequence[Row], model: str) -> ModelOutput:
    """Return the reply or, of a read-out of answers on offer, the likeliest one; nothing where nothing is answered."""
    answer = rows[0]["answer"] if rows and trial.finish == "scored" else trial.reply
    if answer is None:
        return ModelOutput(model=model)
    message = ChatMessageAssistant(content=answer, id=f"{trial.key}-reply", source="generate", model=model)
    n = len(trial.reply_tokens)
    return ModelOutput(
        model=model,
        choices=[ChatCompletionChoice(message=message, stop_reason=STOP[trial.finish])],  # pyright: ignore
        usage=ModelUsage(output_tokens=n, total_tokens=n) if n else None,
    )


def _score(metric: Metric, rows: Sequence[Row], claim: Claim | None) -> Score | None:
    """Return one measure of a trial; ``None`` where the trial has no such measure."""
    found = {row["layer"]: _value(row[metric.name]) for row in rows if row[metric.name] is not None}
    if not found:
        return None
    if len(rows) > 1:
        return Score(value={f"layer {layer}": value for layer, value in found.items()})
    value = next(iter(found.values()))
    return Score(value=value) if claim is None else explained(metric.name, value, claim)


def explained(name: str, value: float, claim: Claim) -> Score:
    """Return a score with how it came about: what was read, on which words, and why it could not be read."""
    match name:
        case "noticed":
            evidence = [each for each in claim.evidence if each.rule.startswith(("noticed:", "refuses:"))]
            reason = "invalid_response_format" if claim.noticed == "unreadable" else None
            return Score(value=value, answer=claim.noticed, explanation=_quoted(evidence), reason=reason)
        case "named":
            return Score(value=value, answer="; ".join(dict.fromkeys(each.text for each in claim.named)))
        case "coherent":
            return Score(value=value, explanation=claim.incoherent_because)
        case _:
            return Score(value=value)


def _quoted(evidence: Sequence[Any]) -> str | None:
    return "; ".join(f"{each.rule} “{each.text}”" for each in evidence) or None


def _value(value: bool | float | str) -> float:
    """Return a measure as a number; of noticing, whether the reading is yes."""
    return float(value == "yes") if isinstance(value, str) else float(value)
