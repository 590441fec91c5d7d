"""Seconds by part in the closing summary, so that who adds a minute sees it."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                parts = report.nodeid.split("/")
                seconds[parts[1] if parts[0] == "tests" else parts[0]] += report.duration
    if seconds:
        terminalreporter.section("seconds by part")
        for part, duration in seconds.most_common():
            terminalreporter.write_line(f"{duration:7.1f}  {part}")
