"""How the demo ends: what became of the rows, why some need a person, and what it took."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import Connection, sql
from rich.console import Console

from flows import wording
from flows.cli.console import table
from flows.cli.demo_day import Happened, seen_by_the_erp
from flows.reconciliation import Reconciled
from flows.report import Report
from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS, State
from integrations.sandbox.market import Market

WORDS = {Kind.RMA: "returns", Kind.CANCELLATION: "cancellations", Kind.INVOICE: "invoices"}
NOT_QUEUED = "not for eMAG"
WAITING = {
    "emag_return": "waiting for a return",
    "emag_received": "waiting for goods",
    "document": "waiting for a PDF",
    "account": "waiting for an account",
    "person": "waiting for a person",
}

_STATES = "SELECT sync_state, count(*) FROM app.{} WHERE NOT superseded GROUP BY 1"
_OPEN = """
    SELECT {}, sync_state, waiting_for, error_message FROM app.{}
     WHERE sync_state <> 'synced' AND NOT superseded ORDER BY sync_state, 1
"""

TRY_NEXT = (
    ("emag-flows demo --stay", "the same, and everything stays up to look around"),
    ("emag-flows sandbox", "an eMAG to try your own client against"),
    ("emag-flows db upgrade", "set up your own database (DATABASE_URL)"),
    ("emag-flows run rma --dry-run", "see what would be sent to the real eMAG; sends nothing"),
)


def show_states(
    screen: Console, laid: Mapping[str, int], database_url: str
) -> Mapping[Kind, Mapping[str, int]]:
    """Print where the ERP's rows stand, read from our books as an operator's own queries would.

    Returns how many rows of each kind are in which state.
    """
    with psycopg.connect(database_url) as connection:
        settled = {kind: _counts(connection, kind) for kind in Kind}
        _show_states(screen, laid, settled)
        _show_open_rows(screen, connection)
    return settled


def show_day(
    screen: Console,
    database_url: str,
    happened: Sequence[Happened],
    agreed: Sequence[Reconciled],
) -> Sequence[tuple[str, str, str]]:
    """Print what the ERP knows of what others did, and whether both sides agree; the former."""
    columns = ["what happened", "the ERP's row is", "and says"]
    rows = seen_by_the_erp(database_url, happened)
    screen.print()
    screen.print(table("What others did at eMAG, as the ERP sees it", columns, rows))
    for each in agreed:
        screen.print(f"\n{_certified(each)}")
    return rows


def show_wrong(screen: Console, wrong: Sequence[str]) -> int:
    """Print what did not end as it does each time; the demo's exit code."""
    if not wrong:
        return 0
    screen.print("\nThis demo did not end as it should:")
    for each in wrong:
        screen.print(f"  {each}", markup=False)
    return 1


def show_what_next(screen: Console, seconds: float) -> None:
    """The last lines, once everything has ended."""
    screen.print(f"\nDone in {seconds:.0f} s, and nothing is left running. Try next:")
    for command, why in TRY_NEXT:
        screen.print(f"  {_callable(command):<41} {why}")


def _callable(command: str) -> str:
    """The command as it can be typed here: after `make demo` the environment is not active."""
    name, _, arguments = command.partition(" ")
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) or not beside.is_relative_to(Path.cwd()):
        return command
    return f"{beside.relative_to(Path.cwd())} {arguments}"


def _show_states(
    screen: Console, laid: Mapping[str, int], settled: Mapping[Kind, Counter[str]]
) -> None:
    lines = []
    for kind in Kind:
        counts = settled[kind].copy()
        counts[NOT_QUEUED] = laid[ERP_TABLES[kind].name] - counts.total()
        lines.append((kind, counts))
    columns = [state.value for state in State] + [NOT_QUEUED]
    columns = [column for column in columns if any(counts[column] for _, counts in lines)]
    rows = [
        (WORDS[kind], counts.total(), *(counts[column] for column in columns))
        for kind, counts in lines
    ]
    screen.print()
    screen.print(table("What became of the ERP's rows", ["", "rows", *columns], rows))


def _counts(connection: Connection, kind: Kind) -> Counter[str]:
    query = sql.SQL(_STATES).format(sql.Identifier(BOOKS[kind].table))
    return Counter(dict(connection.execute(query).fetchall()))


def _show_open_rows(screen: Console, connection: Connection) -> None:
    rows = []
    for kind, books in BOOKS.items():
        query = sql.SQL(_OPEN).format(sql.Identifier(books.erp_id), sql.Identifier(books.table))
        for row_id, state, event, reason in connection.execute(query).fetchall():
            rows.append((f"{kind}:{row_id}", WAITING.get(event, state), reason))
    screen.print()
    screen.print(table("What is not settled, and why", ["row", "state", "why"], rows))


def _certified(result: Reconciled) -> str:
    """The certificate in a sentence."""
    made = result.certificate
    if made is None:
        return f"No certificate for account {result.account}: {result.unreachable}"
    explained = sum(listed.rows for listed in made.explained.values())
    return (
        f"Certificate for account {result.account}, {made.since} to {made.until}:"
        f" {wording.counted(made.rows.total(), 'row')} compared, {made.repaired.rows} put right,"
        f" {explained} explained, {made.unexplained.rows + made.unsure.rows} unexplained."
    )


def counted(market: Market) -> tuple[int, int]:
    """What eMAG's journal holds against a client: requests over a limit, and against a rule."""
    throttled = sum(1 for request in market.journal.requests if request.throttled)
    forbidden = sum(1 for each in market.journal.violations() if each.rule != "limit")
    return throttled, forbidden


def show_effort(screen: Console, reports: Sequence[Report], journal: tuple[int, int]) -> None:
    """Print what it took, by our own count and by eMAG's journal."""
    requests: Counter[str] = Counter()
    for report in reports:
        requests.update(report.requests)
    routes = ", ".join(f"{count} {route}" for route, count in requests.most_common())
    throttled, forbidden = journal
    screen.print(f"\nIt took {wording.counted(requests.total(), 'request')} to eMAG: {routes}.")
    screen.print(f"eMAG's journal: {throttled} over a limit, {forbidden} against a rule.")
