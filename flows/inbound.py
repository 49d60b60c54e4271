"""The way in, the same for every kind: eMAG's news is read and brought into the ERP."""

from __future__ import annotations

from collections.abc import Awaitable

from flows.report import Report
from integrations.ledger.budget import BudgetBusyError
from integrations.sync.ask import ReadRefusedError
from integrations.sync.outage import OutageError
from integrations.sync.receipt import Receipt


async def bring_in(report: Report, receiving: Awaitable[Receipt]) -> None:
    """Await what is received and enter it into the report."""
    try:
        report.take(await receiving)
    except (OutageError, BudgetBusyError, ReadRefusedError) as stopped:
        report.unreachable = f"eMAG's news could not be read: {stopped}"
