"""How the demo ends: what became of the rows, why some need a person, and what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql
from rich.console import Console

from flows.cli.console import table
from flows.report import Report
from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS, State
from integrations.sandbox.market import Market

WORDS = {Kind.RMA: "returns", Kind.CANCELLATION: "cancellations", Kind.INVOICE: "invoices"}
NOT_QUEUED = "not for eMAG"

_STATES = sql.SQL("""
    SELECT sync_state, waiting_for, count(*) FROM app.{} WHERE NOT superseded GROUP BY 1, 2
""")
_REASONS = sql.SQL("""
    SELECT {}, sync_state, error_message FROM app.{}
     WHERE sync_state IN ('refused', 'in_doubt') OR waiting_for = 'person' ORDER BY 1
""")
WAITS = {
    "emag_return": "for the customer to open the return at eMAG",
    "emag_received": "for eMAG to say that the goods arrived, before they are rejected",
    "document": "for a PDF",
    "account": "for an account of that name in the settings",
    "person": "for a person to choose",
}


def show_summary(
    screen: Console, laid: Mapping[str, int], reports: Sequence[Report], stage: Stage
) -> None:
    """Print the demo's tables, read from our books as an operator's queries would."""
    with psycopg.connect(database_url) as connection:
        _show_states(screen, laid, connection)
        _show_reasons(screen, connection)
    _show_effort(screen, reports, market)
