"""The tables that a run leaves in Prefect; they hold no customer's data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flows.call_record import Trimmed
from flows.reconciliation import Reconciled
from flows.report import Problem, Report, Spent
from flows.untold import NOTHING_TOLD, Telling
from flows.wording import counted
from integrations.ledger.books import State
from integrations.ledger.certificates import Certificate, Listed
from integrations.ledger.findings import Finding

MOST_PROBLEMS = 200

# Of a row that `up` has carried between the runs, a terminal, or another host.
NOT_OURS = ", not by this run"


def report_table(
    reports: Sequence[Report], telling: Telling = NOTHING_TOLD
) -> list[dict[str, Any]]:
    """What needs a person, line by line; then each account's figures and its request budget.

    Of what is told, lines are for what has none yet, and one for what is left to be told.
    """
    return [
        *(
            _problem(report.account, problem)
            for report in reports
            for problem in report.problems[:MOST_PROBLEMS]
        ),
        *_told_lines(reports, telling),
        *(
            _line(
                report.account,
                f"{parked.kind.value} {parked.emag_id or 'without a number'} at eMAG",
                "parked",
                parked.reason,
            )
            for report in reports
            for parked in report.parked[:MOST_PROBLEMS]
        ),
        *(_figures(report) for report in reports),
        *(_received(report) for report in reports if report.received or report.parked),
        *(_budget(report, spent) for report in reports for spent in report.budget),
    ]


def _told_lines(reports: Sequence[Report], telling: Telling) -> Iterator[dict[str, Any]]:
    """Rows that no run has shown yet and this one does not show as its own; how many are left."""
    own = {_name(problem) for report in reports for problem in report.problems}
    shown = {_name(problem) for report in reports for problem in report.problems[:MOST_PROBLEMS]}
    for each in telling.told:
        name = _name(each.problem)
        if name not in shown:
            yield _problem(each.account, each.problem, "" if name in own else NOT_OURS)
    if telling.left:
        yield _line(
            "",
            f"{telling.left} more",
            "still to be told",
            "the next runs tell them, the newest first; all are in `emag-flows inbox`",
        )


def _problem(account: str, problem: Problem, whose: str = "") -> dict[str, Any]:
    return _line(
        account, _name(problem), f"{problem.state.value}{whose}", problem.reason, problem.url or ""
    )


def _name(problem: Problem) -> str:
    return f"{problem.kind.value}:{problem.row_id}"


def _line(account: str, row: str, state: str, reason: str, url: str = "") -> dict[str, Any]:
    """Short columns first: a browser shows as many as fit."""
    return {
        "account": account,
        "row": row,
        "at eMAG": url,
        "state": state,
        "reason": reason,
    }


def _figures(report: Report) -> dict[str, Any]:
    counts = (f"{report.rows[state]} {state.value}" for state in State if report.rows[state])
    return _line(
        report.account,
        "all",
        ", ".join(counts) or "none was due",
        f"{counted(sum(report.requests.values()), 'request')} in {report.seconds:.1f} s,"
        f" {report.throttled} throttled, {report.waited:.1f} s waited for the request budget",
    )


def _budget(report: Report, spent: Spent) -> dict[str, Any]:
    return _line(
        report.account,
        f"request budget: {spent.bucket.value}",
        f"{counted(spent.requests, 'request')}, {spent.share:.0%} of eMAG's {spent.limit:g}/s",
        f"{spent.waited:.1f} s waited",
    )


def _received(report: Report) -> dict[str, Any]:
    counts = (f"{count} {brought.value}" for brought, count in sorted(report.received.items()))
    return _line(
        report.account,
        "brought in",
        ", ".join(counts),
        f"{len(report.parked)} could not be stored" if report.parked else "",
    )


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


def certificate_markdown(results: Sequence[Reconciled]) -> str:
    """The certificates of all accounts as a page."""
    return "\n\n".join(
        _page(each.certificate)
        if each.certificate
        else f"# Account {each.account}\n\n**No certificate**: {each.unreachable}"
        for each in results
    )


def _page(certificate: Certificate) -> str:
    verdict = (
        "**Nothing is unexplained.**"
        if certificate.clean
        else f"**{certificate.unexplained.rows} differences are unexplained,"
        f" {len(certificate.incomplete)} parts could not be compared.**"
    )
    compared = ", ".join(f"{rows} {what}" for what, rows in sorted(certificate.rows.items()))
    effort = (
        f"Compared: {certificate.cells} numbers with eMAG, {compared or 'no rows'} with the ERP,"
        f" in {counted(sum(certificate.requests.values()), 'request')};"
        f" the rows of {certificate.days_read} days were read."
    )
    lines = [
        f"# Certificate {certificate.id}: account {certificate.account}",
        f"{certificate.since} to {certificate.until} on {certificate.platform}. {verdict}",
        effort,
        _bullets("How it was compared", certificate.compared_how()),
        *_section("Unexplained", certificate.unexplained),
        *_section("Seen once, to be looked at again", certificate.unsure),
        *(
            [_bullets("Could not be compared", certificate.incomplete)]
            * bool(certificate.incomplete)
        ),
        *_section("Put right", certificate.repaired),
        *(
            line
            for why, listed in certificate.explained.items()
            for line in _section(f"Explained: {why.value}", listed)
        ),
        _numbers(certificate),
    ]
    return "\n\n".join(lines)


def _section(title: str, listed: Listed) -> list[str]:
    if not listed.rows:
        return []
    shown = [
        f"{each.subject}: {each.text}{f' ({each.detail})' if each.detail else ''}"
        for each in listed.shown
    ]
    return [_bullets(f"{title}: {listed.rows}", shown)]


def _bullets(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)])


def _numbers(certificate: Certificate) -> str:
    rows = (
        f"| {each['listing']} | {each['status']} | {each['emag']} | {each['mirror']} |"
        for each in certificate.sums()
        if each["emag"] or each["mirror"]
    )
    head = ["## Numbers", "", "| listing | status | eMAG | mirror |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])
