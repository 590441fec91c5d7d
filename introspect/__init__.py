"""A laboratory for introspection experiments on language models.

When a model reports on its own internal state, is the report about that state? Concept vectors are injected into the
residual stream, prompts ask for a self-report, and controls, graders and statistics decide. After Lindsey (2025),
Emergent Introspective Awareness in Large Language Models.

Names are resolved when first used: importing the package imports neither torch nor a model library.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from introspect.analysis.analyze import Analysis, analyze
    from introspect.analysis.runs import Run, load_run
    from introspect.concepts import Concept, ConceptSet, load_concepts
    from introspect.errors import IntrospectError
    from introspect.graders.rules import RuleGrader
    from introspect.injection import Injection
    from introspect.plots.run import run_figures
    from introspect.records.plan import Plan
    from introspect.records.trial import Trial, TrialSpec
    from introspect.report.build import report_page
    from introspect.spans import Span
    from introspect.stimuli import Stimuli, load_stimuli
    from introspect.subjects.load import load_subject
    from introspect.subjects.subject import Query, Readout, Reply, Request
    from introspect.sweeps.plans import load_plan
    from introspect.sweeps.run import sweep
    from introspect.vectors.extract import concept_vector, extract
    from introspect.vectors.vector import ConceptVector, VectorSet, load_vectors

_HOME = {
    "Analysis": "analysis.analyze",
    "Concept": "concepts",
    "ConceptSet": "concepts",
    "ConceptVector": "vectors.vector",
    "Injection": "injection",
    "IntrospectError": "errors",
    "Plan": "records.plan",
    "Query": "subjects.subject",
    "Readout": "subjects.subject",
    "Reply": "subjects.subject",
    "Request": "subjects.subject",
    "RuleGrader": "graders.rules",
    "Run": "analysis.runs",
    "Span": "spans",
    "Stimuli": "stimuli",
    "Trial": "records.trial",
    "TrialSpec": "records.trial",
    "VectorSet": "vectors.vector",
    "analyze": "analysis.analyze",
    "concept_vector": "vectors.extract",
    "extract": "vectors.extract",
    "load_concepts": "concepts",
    "load_plan": "sweeps.plans",
    "load_run": "analysis.runs",
    "load_stimuli": "stimuli",
    "load_subject": "subjects.load",
    "load_vectors": "vectors.vector",
    "report_page": "report.build",
    "run_figures": "plots.run",
    "sweep": "sweeps.run",
}

__all__ = [
    "Analysis",
    "Concept",
    "ConceptSet",
    "ConceptVector",
    "Injection",
    "IntrospectError",
    "Plan",
    "Query",
    "Readout",
    "Reply",
    "Request",
    "RuleGrader",
    "Run",
    "Span",
    "Stimuli",
    "Trial",
    "TrialSpec",
    "VectorSet",
    "analyze",
    "concept_vector",
    "extract",
    "load_concepts",
    "load_plan",
    "load_run",
    "load_stimuli",
    "load_subject",
    "load_vectors",
    "report_page",
    "run_figures",
    "sweep",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOME:
        message = f"module 'introspect' has no attribute {name!r}; it has: {', '.join(__all__)}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"introspect.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
