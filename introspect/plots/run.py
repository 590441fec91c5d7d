"""All figures of a run, by the names of their files."""

import plotly.graph_objects as go

from introspect.analysis.analyze import Analysis
from introspect.plots.arms import arms
from introspect.plots.dose_response import dose_response
from introspect.plots.heatmap import heatmap
from introspect.plots.per_concept import per_concept


def run_figures(analysis: Analysis) -> dict[str, go.Figure]:
    """Draw the arms, the layer × strength grids, the dose–response curves and the concepts."""
    return {
        "arms": arms(analysis.pooled),
        "heatmap_noticed": heatmap(analysis.rows, "noticed"),
        "heatmap_named": heatmap(analysis.rows, "named"),
        "heatmap_coherent": heatmap(analysis.rows, "coherent"),
        "dose_response_noticed": dose_response(analysis.rows, "noticed"),
        "dose_response_named": dose_response(analysis.rows, "named"),
        "per_concept_named": per_concept(analysis.per_concept, "named"),
        "per_concept_noticed": per_concept(analysis.per_concept, "noticed"),
    }
