"""Hooks for tests that cannot run on this machine: pytest's last line lists them, and REQUIRE_ALL=1 makes them fail."""

import os
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in ("", "0")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL=1, a skipped test and an expected failure fail."""
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """With REQUIRE_ALL=1, a skipped test file fails."""
    return _required((yield))


def _required(report: Any) -> Any:
    if REQUIRE_ALL and (report.outcome == "skipped" or hasattr(report, "wasxfail")):
        report.longrepr = f"REQUIRE_ALL=1 forbids to skip this test or to expect its failure: {_reason(report)}"
        report.outcome = "failed"
        if hasattr(report, "wasxfail"):
            del report.wasxfail  # else pytest counts it as an expected failure
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints one line: how many tests did not run, and what is missing for them."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if reasons:
        each = "; ".join(f"{number}: {reason}" for reason, number in reasons.most_common())
        terminalreporter.write_line(f"NOT RUN: {reasons.total()} tests. {each}", yellow=True)


def _reason(report: Any) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
    return str(text).removeprefix("Skipped: ") or "no reason given"
