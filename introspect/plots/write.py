"""Figures on disk: a page and the plotly JSON each, with a sidecar that says where they came from."""

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
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def write_figures(figures: Mapping[str, go.Figure], out: Path, provenance: Mapping[str, Any]) -> list[Path]:
    """Write each figure as ``NAME.html``, ``NAME.json`` and ``NAME.provenance.json``.

    Args:
        figures: Figures by name; a name becomes a file name.
        out: The folder, made if it is not there. One ``plotly.min.js`` in it serves all its pages, offline.
        provenance: What to keep beside every figure: run, plan hash, command, n, versions.

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
    return [path for name, figure in figures.items() for path in _write(name, figure, out, provenance)]


def _write(name: str, figure: go.Figure, out: Path, provenance: Mapping[str, Any]) -> list[Path]:
    page = figure.to_html(include_plotlyjs="directory", div_id=f"figure-{name}", config=_CONFIG)
    sidecar = {**provenance, "figure": name, "files": [f"{name}.html", f"{name}.json"]}
    return [
        write_text(out / f"{name}.html", page),
        write_text(out / f"{name}.json", str(figure.to_json())),
        write_text(out / f"{name}.provenance.json", json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n"),
    ]
