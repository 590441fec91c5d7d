"""The figures of a battery: every experiment's layer profile on one axis, with what the subject could still do."""

import plotly.graph_objects as go
import polars as pl

from introspect.analysis.battery import Battery
from introspect.plots.profile import profile

MOST_LINES = 7
"""Curves in one figure; with more than this nobody tells them apart."""


def battery_figures(battery: Battery) -> dict[str, go.Figure]:
    """Draw the layer profiles at an equal multiple of the vectors, and at about equal strength·‖v‖/‖h‖."""
    figures: dict[str, go.Figure] = {}
    damage = battery.damage()
    readable, competence = (damage.filter(pl.col("name").str.starts_with("readable") == flag) for flag in (True, False))
    for number, (words, effects) in enumerate(battery.views(), start=1):
        found = battery.profile(effects)
        names = found["experiment"].unique(maintain_order=True).to_list()
        for part, start in enumerate(range(0, len(names), MOST_LINES), start=1):
            shown = found.filter(pl.col("experiment").is_in(names[start : start + MOST_LINES]))
            more = "" if len(names) <= MOST_LINES else f", part {part}"
            title = f"Layer profiles at {words}{more}"
            figures[f"profiles_{number}_{part}"] = profile(shown, competence, readable, title=title)
    return figures
