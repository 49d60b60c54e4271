"""What a run did, as tables that a clerk understands."""

from __future__ import annotations

from rich.console import Console

from flows.cli.console import table
from flows.parameters import Direction
from flows.report import Report
from flows.wording import counted
from integrations.erp.differences import Change


def show_report(screen: Console, report: Report) -> None:
    """How many rows ended where, what needs a person, and what it took."""
    rows = [(state.value, count) for state, count in report.rows.items() if count]
    title = f"{report.flow}, account {report.account}"
    if rows:
        screen.print(table(title, ["state", "rows"], rows))
    elif not report.received:
        screen.print(f"{title}: nothing to do")
    if report.received:
        brought = [(each.value, count) for each, count in report.received.items() if count]
        screen.print(table(f"{title}: eMAG's news", ["in the ERP", "rows"], brought))
    if report.parked:
        screen.print(
            table(
                "News that could not be stored; it is tried again",
                ["kind", "eMAG's number", "why"],
                [(each.kind.value, str(each.emag_id or ""), each.reason) for each in report.parked],
            )
        )
    if report.problems:
        screen.print(
            table(
                "Needs a person",
                ["row", "state", "why"],
                [
                    (f"{each.kind}:{each.row_id}", each.state, each.reason)
                    for each in report.problems
                ],
            )
        )
    _show_effort(screen, report)
    if report.unreachable:
        screen.print(f"eMAG could not be worked with: {report.unreachable}", style="red")


def show_plans(screen: Console, report: Report) -> None:
    """What a dry run found out: for each row the wish, eMAG's state, the steps and the end."""
    title = f"{report.flow}, account {report.account}: what would be done"
    if not report.plans:
        if report.direction != Direction.IN:
            screen.print(f"{title}: nothing")
    else:
        screen.print(
            table(
                title,
                ["row", "order", "the ERP wants", "eMAG has", "steps", "afterwards"],
                [
                    (
                        f"{plan.kind}:{plan.row_id}",
                        plan.order_id,
                        plan.wish,
                        plan.state,
                        ", ".join(plan.steps) or "none",
                        plan.outcome,
                    )
                    for plan in report.plans
                ],
            )
        )
    _show_news(screen, report)
    _show_effort(screen, report)
    if report.unreachable:
        screen.print(f"eMAG could not be worked with: {report.unreachable}", style="red")


def _show_news(screen: Console, report: Report) -> None:
    """What eMAG has that the ERP lacks or holds otherwise."""
    title = f"{report.flow}, account {report.account}: what would come in"
    if report.looked_at is None:
        return
    if report.news:
        rows = [
            (
                f"{line.kind}:{line.row_id}" if line.row_id else "none yet",
                line.subject,
                "\n".join(map(_change, line.changes)),
                line.outcome,
            )
            for line in report.news
        ]
        screen.print(table(title, ["row", "at eMAG", "in the ERP", "afterwards"], rows))
    else:
        screen.print(f"{title}: nothing")
    if report.unlisted:
        screen.print(f"{report.unlisted} more would come in: a greater --limit lists them")
    screen.print(f"Rows of eMAG's listings that were looked at for it: {report.looked_at}")


def _change(change: Change) -> str:
    new = "nothing" if change.new is None else change.new
    return f"{change.column}: {new if change.old is None else f'{change.old} -> {new}'}"


def _show_effort(screen: Console, report: Report) -> None:
    """What the run took, and how much of eMAG's request limits that was."""
    rows = [
        (
            spent.bucket.value,
            spent.requests,
            f"{spent.limit:g}/s",
            f"{spent.share:.0%}",
            f"{spent.waited:.1f} s",
        )
        for spent in report.budget
    ]
    if report.requests:
        columns = ["bucket", "requests", "eMAG's limit", "used of it", "waited for it"]
        screen.print(table("Request budget", columns, rows))
    screen.print(effort(report))


def effort(report: Report) -> str:
    """Requests by route, and the time, in one line."""
    routes = ", ".join(f"{route} {count}" for route, count in sorted(report.requests.items()))
    total = sum(report.requests.values())
    throttled = f", throttled {counted(report.throttled, 'time')}" if report.throttled else ""
    return f"{counted(total, 'request')} ({routes or 'none'}){throttled}, {report.seconds:.1f} s"
