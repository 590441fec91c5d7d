"""What a click on a figure asks for: the trials behind a cell, a point or a bar.

A trace's ``meta`` and the layout's ``meta["trials"]`` hold fields of a trial with their values; ``x`` and ``y`` name
the field that the axis of the clicked mark stands for. A page that lists trials filters by them; elsewhere they do
nothing.
"""

import plotly.graph_objects as go
import polars as pl

_FIXED = ("task", "info")


def links(figure: go.Figure, frame: pl.DataFrame, **axes: str) -> go.Figure:
    """Say of a dressed figure which trials its marks stand for.

    Args:
        figure: The figure, changed in place; its title and caption are set already.
        frame: What it was drawn from; a task or an information text that all rows share belongs to every mark.
        axes: ``x`` or ``y`` with the field of a trial that the axis stands for.

    Returns:
        The same figure.
    """
    shared = {name: frame[name][0] for name in _FIXED if name in frame.columns and frame[name].n_unique() == 1}
    figure.update_layout(meta={**figure.layout["meta"], "trials": {**axes, "fixed": shared}})
    return figure
