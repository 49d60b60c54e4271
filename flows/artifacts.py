"""The tables that a run leaves in Prefect; they hold no customer's data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.call_record import Trimmed
from flows.report import Report
from integrations.ledger.books import State
from integrations.ledger.check import Finding

MOST_PROBLEMS = 200


def report_table(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """A line of figures for each account, then a line for each row that needs a person."""
    return [_figures(report) for report in reports] + [
        {
            "account": report.account,
            "row": f"{problem.kind.value}:{problem.row_id}",
            "state": problem.state.value,
            "reason": problem.reason,
        }
        for report in reports
        for problem in report.problems[:MOST_PROBLEMS]
    ]


def _figures(report: Report) -> dict[str, Any]:
    return {
        "account": report.account,
        "row": "all",
        "state": ", ".join(f"{report.rows[state]} {state.value}" for state in State),
        "reason": (
            f"{sum(report.requests.values())} requests in {report.seconds:.1f} s,"
            f" {report.throttled} throttled, {report.waited:.1f} s waited for the request budget"
        ),
    }


def health_table(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """A line for everything that was looked at."""
    return [
        {
            "check": finding.name,
            "result": "ok" if finding.ok else "WRONG",
            "detail": finding.detail,
            "remedy": "" if finding.ok else finding.remedy,
        }
        for finding in findings
    ]


def retention_table(trimmed: Trimmed) -> list[dict[str, Any]]:
    """A line for each old day of the call record; one that says so where there was none.

    Sizes are in megabytes.
    """
    left = "stays: in use" if trimmed.problem else "would be dropped"
    lines = [(day, "dropped") for day in trimmed.dropped] + [(day, left) for day in trimmed.left]
    return [
        {
            "day": day.day.isoformat(),
            "calls": day.calls,
            "MB": round(day.bytes / 1_000_000, 1),
            "result": result,
        }
        for day, result in lines
    ] or [{"day": "none", "calls": 0, "MB": 0.0, "result": "no day is old enough"}]
