"""The flows, as ad-hoc runs from Python call them: `asyncio.run(rma_sync(account="main"))`.

Nothing heavy is imported before a flow is really called, so that the command line answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.history import History
    from flows.reconciliation import Reconciled
    from flows.report import Report
    from integrations.ledger.findings import Finding

__all__ = [
    "backfill",
    "cancellation_sync",
    "health_check",
    "invoice_sync",
    "reconcile",
    "retention",
    "rma_sync",
]


async def rma_sync(**parameters: Any) -> list[Report]:
    """Run `rma-sync` with the fields of SyncParameters; a report for each account."""
    from flows import deployed
    from flows.parameters import SyncParameters

    reports: list[Report] = await deployed.rma_sync(SyncParameters(**parameters))
    return reports


async def cancellation_sync(**parameters: Any) -> list[Report]:
    """Run `cancellation-sync` with the fields of CancellationParameters; a report per account."""
    from flows import deployed
    from flows.parameters import CancellationParameters

    reports: list[Report] = await deployed.cancellation_sync(CancellationParameters(**parameters))
    return reports


async def invoice_sync(**parameters: Any) -> list[Report]:
    """Run `invoice-sync` with the fields of SyncParameters; a report for each account."""
    from flows import deployed
    from flows.parameters import SyncParameters

    reports: list[Report] = await deployed.invoice_sync(SyncParameters(**parameters))
    return reports


async def health_check(**parameters: Any) -> list[Finding]:
    """Run `health-check` with the fields of HealthParameters; fails when something is wrong."""
    from flows import deployed
    from flows.parameters import HealthParameters

    findings: list[Finding] = await deployed.health_check(HealthParameters(**parameters))
    return findings


async def retention(**parameters: Any) -> None:
    """Run `retention` with the fields of RetentionParameters; a table says what was dropped."""
    from flows import deployed
    from flows.parameters import RetentionParameters

    await deployed.retention(RetentionParameters(**parameters))


async def backfill(**parameters: Any) -> list[History]:
    """Run `backfill` with the fields of BackfillParameters; a history for each account."""
    from flows import deployed
    from flows.parameters import BackfillParameters

    histories: list[History] = await deployed.backfill(BackfillParameters(**parameters))
    return histories


async def reconcile(**parameters: Any) -> list[Reconciled]:
    """Run `reconcile` with the fields of ReconcileParameters; a certificate for each account."""
    from flows import deployed
    from flows.parameters import ReconcileParameters

    results: list[Reconciled] = await deployed.reconcile(ReconcileParameters(**parameters))
    return results
