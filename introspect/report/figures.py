"""Figures for a page: their words, which the page sets itself, and their drawing, once for every figure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

WIDE = 500
"""From this least width on a figure has a line of the page to itself."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure's words and size.

    ``id`` names it in the page, ``linked`` says that its marks lead to trials, and ``bare`` that a heading is there.
    """

    id: str
    title: str
    caption: str
    min_width: int
    height: int
    linked: bool
    subject: str = ""
    bare: bool = False

    @property
    def kind(self) -> str:
        """Its classes of style: whether it needs the page's whole width, and whether it can be clicked."""
        found = {"wide": self.min_width > WIDE, "linked": self.linked}
        return " ".join(name for name, holds in found.items() if holds)

    @property
    def size(self) -> str:
        """The rule of style that keeps the figure's place before it is drawn."""
        return f"#plot-{self.id}{{min-width:{self.min_width}px;min-height:{self.height}px}}"


class Drawings:
    """The figures of one page, as they are gathered."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.figures: list[Figure] = []

    def add(
        self,
        name: str,
        figure: go.Figure,
        own: Mapping[str, str] | None = None,
        *,
        prefix: str = "",
        subject: str = "",
        bare: bool = False,
    ) -> Figure:
        """Take a figure.

        Args:
            name: What it is called in its run.
            figure: The figure.
            own: Fields that all its trials share, such as the subject.
            prefix: What tells it from figures of the same name.
            subject: Whose it is, where the page shows several subjects'.
            bare: Whether what stands above it is its heading.
        """
        drawing = json.loads(str(figure.to_json()))
        layout = drawing["layout"]
        meta = layout.get("meta") or {}
        if "title" in meta:
            layout.pop("title", None)
            layout["height"] = meta["height"]
            layout.setdefault("margin", {})["t"] = 36
        for axis in ("xaxis", "yaxis"):
            if layout.get(axis, {}).get("matches") == axis[0]:  # an axis that matches itself; plotly warns of it
                del layout[axis]["matches"]
        key = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{prefix}{name}")
        self.data[key] = {"data": drawing["data"], "layout": layout, "own": dict(own or {})}
        words = Figure(
            id=key,
            title=meta.get("title", name),
            caption=meta.get("caption", ""),
            min_width=int(meta.get("min_width", 0)),
            height=int(layout.get("height", 450)),
            linked="trials" in meta,
            subject=subject,
            bare=bare,
        )
        self.figures.append(words)
        return words

    @property
    def sizes(self) -> str:
        """The rules of style for all of them."""
        return "".join(f"\n{figure.size}" for figure in self.figures)
