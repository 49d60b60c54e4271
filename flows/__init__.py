"""The flows, as ad-hoc runs from Python call them: `asyncio.run(rma_sync(account="main"))`.

Nothing heavy is imported before a flow is really called, so that the command line answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.report import Report

__all__ = ["cancellation_sync", "health_check", "invoice_sync", "retention", "rma_sync"]


async def rma_sync(**parameters: Any) -> list[Report]:
    """Run `rma-sync` with the fields of SyncParameters; a report for each account."""
    from flows import deployed
    from flows.parameters import SyncParameters

    reports: list[Report] = await deployed.rma_sync(SyncParameters(**parameters))
    return reports


async def cancellation_sync(**parameters: Any) -> list[Report]:
    """Run `cancellation-sync` with the fields of SyncParameters; a report for each account."""
    from flows import deployed
    from flows.parameters import SyncParameters

    reports: list[Report] = await deployed.cancellation_sync(SyncParameters(**parameters))
    return reports


async def invoice_sync(**parameters: Any) -> list[Report]:
    """Run `invoice-sync` with the fields of SyncParameters; a report for each account."""
    from flows import deployed
    from flows.parameters import SyncParameters

    reports: list[Report] = await deployed.invoice_sync(SyncParameters(**parameters))
    return reports


async def health_check(**parameters: Any) -> None:
    """Run `health-check` with the fields of HealthParameters; fails when something is wrong."""
    from flows import deployed
    from flows.parameters import HealthParameters

    await deployed.health_check(HealthParameters(**parameters))


async def retention(**parameters: Any) -> None:
    """Run `retention` with the fields of RetentionParameters; a table says what was dropped."""
    from flows import deployed
    from flows.parameters import RetentionParameters

    await deployed.retention(RetentionParameters(**parameters))
