"""A methods paragraph and a LaTeX table, written from a run's own records.

Nothing in them is typed by hand: what was run comes from the manifest, what was added from the audits of the trials,
what was found from the graded frames. A paper can quote them as they are; they name the plan's hash, by which the run
can be found again.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from introspect.analysis.analyze import Analysis
from introspect.plots.estimates import Estimate, estimate, with_values, words
from introspect.plots.style import look
from introspect.records import SubjectIdentity, Trial, digest
from introspect.split import other_salt
from introspect.terminal import counted

HALVES = {"development": "choosing", "report": "reported"}
MOST_MEASURES = 4
"""Columns of measures that fit into a page's width."""
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "\u2009": r"\,", "\u202f": r"\,", "−": "$-$", "‖": r"$\|$", "·": r"$\cdot$", "×": r"$\times$", "Δ": r"$\Delta$",
    "κ": r"$\kappa$", "≥": r"$\geq$", "≤": r"$\leq$", "–": "--", "—": "---", "…": r"\dots{}", "“": "``", "”": "''",
}  # fmt: skip


def escape(text: str) -> str:
    """Return text in which LaTeX finds nothing to interpret."""
    return "".join(_LATEX.get(character, character) for character in text)


def methods(analysis: Analysis) -> str:
    """Say in one paragraph what was run, what was added, how replies were read and what the intervals are."""
    given = _given(analysis.run.trials)
    said = _subject(analysis), _injection(analysis, given), _trials(analysis, given), _reading(analysis)
    return " ".join(filter(None, said))


def _subject(analysis: Analysis) -> str:
    subject, plan = analysis.run.manifest.subject, analysis.run.manifest.plan
    trained = f" with the adapter {subject.adapter}" if subject.adapter else ""
    asked = "its chat template" if subject.format == "chat" else "a plain transcript"
    return (
        f"The subject is {_name(subject)}{trained} ({subject.n_layers} blocks of width {subject.d_model}, "
        f"{subject.dtype}, prompted in {asked}); the experiment is {plan.protocol.replace('_', ' ')}."
    )


def _name(subject: SubjectIdentity) -> str:
    return f"{subject.name} at revision {subject.revision}" if subject.revision else subject.name


@dataclass(slots=True)
class Given:
    """What a run's trials were given, from one look at each: a packed run has more than fit into memory."""

    layers: set[int | None] = field(default_factory=set)
    strengths: set[str] = field(default_factory=set)
    where: set[str] = field(default_factory=set)
    concepts: set[str] = field(default_factory=set)
    least: float = math.inf
    most: float = -math.inf
    n_injected: int = 0
    n_replies: int = 0
    longest: int = 0

    def take(self, trial: Trial) -> None:
        """Count one trial."""
        spec = trial.spec
        if trial.finish != "scored":
            self.n_replies += 1
            self.longest = max(self.longest, spec.max_new_tokens)
        if not spec.vector:
            return
        self.n_injected += 1
        self.concepts |= {spec.concept} if spec.concept is not None else set()
        self.layers.add(spec.layer)
        self.strengths.add(f"{spec.strength:g}")
        self.where.add(f"{spec.where}")
        for each in trial.audits:
            self.least, self.most = min(self.least, each.relative_strength), max(self.most, each.relative_strength)


def _given(trials: Iterable[Trial]) -> Given:
    given = Given()
    for trial in trials:
        given.take(trial)
    return given


def _injection(analysis: Analysis, given: Given) -> str:
    if not given.n_injected:
        return "Nothing is injected."
    plan = analysis.run.manifest.plan
    read = {
        "word": f"the difference of a word's activation from the mean over the list {plan.baseline}",
        "pair_mean": "the mean difference between texts with and without the concept",
        "pair_pca": "the first principal component of differences between texts with and without the concept",
    }[plan.method]
    read = read if plan.vectors is None else f"from the file {Path(plan.vectors).name}"
    half = "" if plan.side is None else f", those of the {HALVES[plan.side]} half,"
    salt = f"{said} " if (said := other_salt(plan.salt)) else ""
    matched = "norm" if plan.match == "norm" else "effect on neutral text"
    return (
        f"Concept vectors ({read}) for {counted(len(given.concepts), 'concept')}{half} are added to the residual "
        f"stream at the output of block {_listed(given.layers)} (counted from 0) at {_listed(given.strengths)} times "
        f"their norm, on the tokens of the marked span ({_listed(given.where)}). "
        f"{salt}{_controls(analysis, matched)}{_added(given)}"
    )


def _controls(analysis: Analysis, matched: str) -> str:
    others = [arm for arm in analysis.pooled["arm"].unique(maintain_order=True) if arm not in {"concept", "none"}]
    shown = _joined([look(arm).words for arm in others])
    return f"Beside them stand, matched in {matched}: {shown}. " if others else ""


def _added(given: Given) -> str:
    """Say how strong the injections were, as measured."""
    if given.least > given.most:
        return ""
    return (
        "Every injection was audited where it was made; what was added is "
        f"{given.least:.2g} to {given.most:.2g} of the residual's norm."
    )


def _trials(analysis: Analysis, given: Given) -> str:
    manifest, n_trials = analysis.run.manifest, len(analysis.run.trials)
    plan = manifest.plan
    counts = analysis.pooled.group_by("arm", maintain_order=True).agg(pl.col("n").sum())
    arms = _joined([f"{look(arm).words} {n:,}" for arm, n in counts.iter_rows()])
    part = "" if n_trials >= manifest.n_planned else f" of {manifest.n_planned:,} planned"
    how = "decoded greedily" if plan.temperature == 0 else f"sampled at temperature {plan.temperature:g}"
    said = f" Replies are {how}, up to {given.longest} tokens." if given.n_replies else " Nothing is generated."
    wordings = counted(len(manifest.wordings), "wording")
    return f"There are {n_trials:,} trials{part} in {wordings} ({arms}).{said}"


def _reading(analysis: Analysis) -> str:
    manifest = analysis.run.manifest
    names = with_values(analysis.pooled, [metric.name for metric in analysis.metrics])
    kinds = {metric.kind for metric in analysis.metrics if metric.name in names}
    reader = f"Replies are read by the grader {analysis.grader}, which sees nothing but the reply. "
    grader = reader if analysis.claims else ""
    bounds = [
        "shares are over all trials, unreadable replies included, with 95 % Wilson intervals at the effective sample "
        "size over concepts" if "share" in kinds else "",
        "means have 95 % Student intervals over concepts" if "mean" in kinds else "",
    ]  # fmt: skip
    said = "; ".join(filter(None, bounds))
    found = f"{said[:1].upper()}{said[1:]}. " if said else ""
    run = f"introspect {manifest.introspect_version}, plan {digest(manifest.plan.identity())[:12]}"
    return f"{grader}{found}({run}, subject {manifest.subject.fingerprint[:12]}, seed {manifest.plan.seed}.)"


def latex_table(analysis: Analysis, label: str = "") -> str:
    """Return a table for LaTeX with the package booktabs: the arms task by task, with counts and intervals.

    Args:
        analysis: The run's numbers.
        label: What the table is referred to by; the plan's name by default.
    """
    manifest = analysis.run.manifest
    names = with_values(analysis.pooled, [metric.name for metric in analysis.metrics])[:MOST_MEASURES]
    tasks = analysis.pooled["task"].unique(maintain_order=True).to_list()
    several = len(tasks) > 1
    head = [*(["task"] if several else []), "arm", "$n$", *(escape(words(name)) for name in names)]
    lines = [
        r"\begin{table}",
        r"  \centering",
        r"  \caption{" + escape(_caption(analysis)) + "}",
        r"  \label{tab:" + _label(label or manifest.plan.name) + "}",
        r"  \begin{tabular}{" + "l" * (1 + several) + "r" * (1 + len(names)) + "}",
        r"    \toprule",
        "    " + " & ".join(head) + r" \\",
    ]
    for task in tasks:
        lines.append(r"    \midrule")
        rows = analysis.pooled.filter(pl.col("task") == task)
        lines += [_row(task if several else None, row, names) for row in rows.iter_rows(named=True)]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _row(task: str | None, row: dict[str, Any], names: Sequence[str]) -> str:
    cells = [escape(task)] if task is not None else []
    cells += [escape(look(row["arm"]).words), f"{row['n']:,}"]
    return "    " + " & ".join([*cells, *(_cell(estimate(row, name)) for name in names)]) + r" \\"


def _cell(found: Estimate | None) -> str:
    if found is None:
        return "--"
    return escape(f"{found.value} [{found.bounds}]" if found.bounds else found.value)


def _caption(analysis: Analysis) -> str:
    manifest = analysis.run.manifest
    asked = f"{manifest.plan.question} " if manifest.plan.question else ""
    cells = analysis.rows.select("layer", "strength").drop_nulls().unique()
    grid = "Pooled over the grid; " if len(cells) > 1 else ""
    bounds = "95 % intervals in brackets."
    return f"{asked}{_name(manifest.subject)}. {grid}{bounds if grid else bounds.capitalize()}"


def _label(text: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in text.lower())


def _listed(values: Iterable[object]) -> str:
    """Return distinct values in their order of size, in words."""
    return _joined([str(value) for value in sorted(set(values), key=lambda value: (_size(value), str(value)))])


def _size(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}" if texts else ""
