"""Shapes are checked while tests run; seconds by part in the closing summary, so that who adds a minute sees it."""

import sys
from collections import Counter
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

PACKAGE = Path(__file__).resolve().parents[1] / "introspect"


def modules_with_shapes() -> list[str]:
    """Return the modules that annotate shapes; to check every call of the others, too, doubles what unit tests take."""
    with_shapes = (path for path in PACKAGE.rglob("*.py") if "jaxtyping" in path.read_text("utf-8"))
    return sorted(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in with_shapes)


CHECKED = modules_with_shapes()
if loaded := [name for name in CHECKED if name in sys.modules]:
    message = f"{', '.join(loaded)} was imported before its shapes could be checked"
    raise RuntimeError(message)
install_import_hook(CHECKED, "shapecheck.checked")


LONGEST = ("science", "notebooks", "browser", "pipeline", "docs", "contract", "unit")
"""Parts by how long a file of theirs takes: of two processes none is to begin one of minutes when the other is done."""


def part_of(path: Path) -> str:
    """Return the part of the tests that a file belongs to."""
    parts = path.relative_to(PACKAGE.parent).parts
    return parts[1] if parts[0] == "tests" else parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {part: place for place, part in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(part_of(item.path), len(places)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[part_of(PACKAGE.parent / report.nodeid.split("::")[0])] += report.duration
    if seconds:
        terminalreporter.section("seconds by part")
        for part, duration in seconds.most_common():
            terminalreporter.write_line(f"{duration:7.1f}  {part}")
