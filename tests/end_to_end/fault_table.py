"""A pytest plugin that prints what tests/end_to_end/test_faults.py saw, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

PROPERTY = "fault table"
WIDTH = 9


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, whichever of xdist's workers saw which column."""
    columns = dict(_columns(terminalreporter))
    if not columns:
        return
    terminalreporter.section("what a run says of each fault, and what comes of its rows")
    for wanted in (False, True):
        shown = {name: cells for name, (writes, cells) in columns.items() if writes is wanted}
        for line in table("saving" if wanted else "reading", shown):
            terminalreporter.write_line(line)


def table(title: str, columns: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Lines of a table with a column for each operation and a row for each fault."""
    faults = list(dict.fromkeys(fault for cells in columns.values() for fault in cells))
    head = f"{title:38}" + "".join(f"{name:{WIDTH}}" for name in columns)
    return [
        head,
        *(
            f"{fault:38}"
            + "".join(f"{cells.get(fault, '-'):{WIDTH}}" for cells in columns.values())
            for fault in faults
        ),
        "",
    ]


def _columns(reporter: pytest.TerminalReporter) -> list[tuple[str, tuple[bool, dict[str, str]]]]:
    found: list[tuple[int, str, bool, dict[str, str]]] = []
    for reports in reporter.stats.values():
        for report in reports:
            properties: list[tuple[str, Any]] = getattr(report, "user_properties", [])
            if getattr(report, "when", None) == "call":
                found += [tuple(value) for name, value in properties if name == PROPERTY]
    return [(name, (writes, cells)) for _, name, writes, cells in sorted(found)]
