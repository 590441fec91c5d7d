"""What a report page is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go
import polars as pl

from introspect.analysis.findings import Finding
from introspect.analysis.metrics import Metric
from introspect.records import Claim, Manifest, Projection, Prompt, Trial


@dataclass(frozen=True, slots=True)
class ReportContent:
    """A run, graded and analysed, as the page wants it.

    Attributes:
        manifest: What was run, on which subject and machine.
        verdict: The answer to the plan's question in a sentence or two.
        verdict_points: What the verdict rests on, a sentence each.
        pooled: One row a task and arm.
        rows: One row a task, information text, arm, layer and strength.
        per_concept: One row a task, arm and concept.
        outcomes: One row a graded trial, by ``key``.
        trials: The trials, in the order the browser lists them.
        claims: What a grader read in each reply, by trial key.
        prompts: The rendered prompts by their id.
        figures: Figures by name, in the order of the page.
        n_planned: How many trials the plan asks for.
        metrics: The experiment's measures, in the order of the tables' columns.
        findings: What else the run shows, a sentence and a table each.
        folder: The run folder, as the command that runs a trial again names it.
        n_trials: How many trials there are, where ``trials`` is a sample of them.
        projections: What was read under every token, of the trials that have it, by trial key.
    """

    manifest: Manifest
    verdict: str
    verdict_points: tuple[str, ...]
    pooled: pl.DataFrame
    rows: pl.DataFrame
    per_concept: pl.DataFrame
    outcomes: pl.DataFrame
    trials: Sequence[Trial]
    claims: Mapping[str, Claim]
    prompts: Mapping[str, Prompt]
    figures: Mapping[str, go.Figure]
    n_planned: int
    metrics: tuple[Metric, ...]
    findings: tuple[Finding, ...] = ()
    folder: str = "DIR"
    n_trials: int | None = None
    projections: Mapping[str, Projection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A run on a page of several: whose it is, and what it is called."""

    subject: str
    experiment: str
    content: ReportContent
