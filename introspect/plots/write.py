"""Figures on disk: a page and the plotly JSON each, in print also SVG and PDF, with a sidecar that says whence."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from introspect.errors import RunFolderError

_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
}
"""The buttons are named one by one: some of plotly's default ones hand the data to a web service."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def write_text(path: Path, text: str) -> Path:
    """Write a file whole or not at all: into a temporary neighbour that then takes the name."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all, as ``write_text`` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def write_figures(
    figures: Mapping[str, go.Figure],
    out: Path,
    provenance: Mapping[str, Any],
    images: Mapping[str, Mapping[str, bytes]] | None = None,
) -> list[Path]:
    """Write each figure as ``NAME.html``, ``NAME.json`` and ``NAME.provenance.json``.

    Args:
        figures: Figures by name; a name becomes a file name.
        out: The folder, made if it is not there. One ``plotly.min.js`` in it serves all its pages, offline.
        provenance: What to keep beside every figure: run, plan hash, command, n, versions.
        images: What ``introspect.plots.paper.images`` drew of them, by name and format; written beside them.

    Returns:
        The files written, without ``plotly.min.js``.

    Raises:
        RunFolderError: A name that is not a plain file name.
    """
    for name in figures:
        if not _NAME.fullmatch(name):
            message = f"a figure named {name!r} cannot be a file: use letters, digits, '_', '-' and '.'"
            raise RunFolderError(message)
    if figures:
        write_text(out / "plotly.min.js", get_plotlyjs())
    drawn = images or {}
    return [path for name, each in figures.items() for path in _write(name, each, out, provenance, drawn.get(name, {}))]


def _write(
    name: str, figure: go.Figure, out: Path, provenance: Mapping[str, Any], drawn: Mapping[str, bytes]
) -> list[Path]:
    page = figure.to_html(include_plotlyjs="directory", div_id=f"figure-{name}", config=_CONFIG)
    layout: Any = figure.layout
    meta: dict[str, Any] = dict(layout.meta or {}) if drawn else {}
    words = {key: meta[key] for key in ("title", "caption", "columns") if key in meta}
    files = [f"{name}.{form}" for form in ("html", "json", *drawn)]
    sidecar = {**provenance, "figure": name, **words, "files": files}
    return [
        *(write_bytes(out / f"{name}.{form}", data) for form, data in drawn.items()),
        write_text(out / f"{name}.html", page),
        write_text(out / f"{name}.json", str(figure.to_json())),
        write_text(out / f"{name}.provenance.json", json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n"),
    ]
