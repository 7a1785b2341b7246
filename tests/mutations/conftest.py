"""The table of a mutation run, and the option to go on with one that was broken off."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--go-on",
        action="store_true",
        help="leave out mutants that were killed before, where their file and tests are the same",
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    rows = [dict(report.user_properties) for report in reports if report.when == "call"]
    rows = [row for row in rows if "mutant" in row]
    if rows:
        terminalreporter.section("mutants")
        for row in rows:
            terminalreporter.write_line(f"{row['outcome']:<8} {row['seconds']:6.1f} s  {row['mutant']:<60} {row['by']}")
        killed = sum(row["outcome"] == "killed" for row in rows)
        terminalreporter.write_line(f"killed {killed} of {len(rows)}, {sum(row['seconds'] for row in rows):.0f} s")
