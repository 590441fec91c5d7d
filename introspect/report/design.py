"""What a run did, in a line: read off its trials, since a plan may leave the choice to the experiment."""

from collections.abc import Sequence

from introspect.plots.style import in_order
from introspect.plots.tasks import in_order as tasks_in_order
from introspect.plots.text import counted
from introspect.records import SALT, Plan, Trial, TrialSpec

_WHERE = {
    "prompt": "the prompt",
    "generated": "the reply",
    "both": "prompt and reply",
    "cache": "the cache alone",
}


def design(plan: Plan, trials: Sequence[Trial]) -> str:
    """Say what was crossed with what.

    Args:
        plan: What was asked for.
        trials: What was run; where there is nothing yet the plan stands in for it.
    """
    specs = [trial.spec for trial in trials]
    parts = [plan.protocol, *_crossed(plan, specs), *_injected(plan, specs), *_repeated(plan, specs)]
    return "; ".join(part for part in parts if part)


def _crossed(plan: Plan, specs: Sequence[TrialSpec]) -> list[str]:
    tasks = tasks_in_order(plan.protocol, (spec.task for spec in specs)) or list(plan.tasks)
    arms = in_order(spec.arm for spec in specs) or list(plan.arms or ())
    texts = sorted({str(spec.info) for spec in specs} or set(plan.info))
    return [
        _listed("task", tasks),
        _listed("arm", arms),
        f"information texts {', '.join(texts)}" if texts != ["none"] else "",
    ]


def _injected(plan: Plan, specs: Sequence[TrialSpec]) -> list[str]:
    injected = [spec for spec in specs if spec.vector is not None]
    if specs and not injected:
        return ["nothing injected"]
    layers = sorted({spec.layer for spec in injected if spec.layer is not None}) or list(plan.layers or ())
    depths = "" if layers or plan.depths is None else f"depths {', '.join(f'{depth:g}' for depth in plan.depths)}"
    strengths = sorted({spec.strength for spec in injected if spec.strength is not None}) or sorted(plan.strengths)
    where = sorted({str(spec.where) for spec in injected} or {str(plan.where or "")} - {""})
    spans = sorted({spec.span for spec in injected} | {each.span for spec in injected for each in spec.also})
    marks = f" (span {', '.join(f'“{span}”' for span in spans)})" if spans else ""
    return [
        _listed("layer", [str(layer) for layer in layers]) or depths,
        _listed("strength", [f"{strength:g}" for strength in strengths]),
        f"injected into {' and '.join(_WHERE.get(each, each) for each in where)}{marks}" if where else "",
        f"control vectors matched by {plan.match}",
    ]


def _repeated(plan: Plan, specs: Sequence[TrialSpec]) -> list[str]:
    lengths = sorted({spec.max_new_tokens for spec in specs if spec.max_new_tokens})
    tokens = lengths[-1] if lengths else None if specs else plan.max_new_tokens
    return [
        f"{counted(plan.samples, 'sample')} a cell",
        f"temperature {plan.temperature:g}" if tokens else "nothing generated" if specs else "",
        f"at most {counted(tokens, 'new token')}" if tokens else "",
        f"seed {plan.seed}",
        "" if plan.salt == SALT else f"another salt of the split than the project's: {plan.salt!r}",
    ]


def _listed(noun: str, values: Sequence[str]) -> str:
    """Name some values with their noun; nothing where there are none."""
    plural = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{noun if len(values) == 1 else plural} {', '.join(values)}" if values else ""
