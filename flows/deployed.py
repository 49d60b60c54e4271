"""The flows as Prefect runs them: the same stories with a name, a form and a table of results.

The only module that imports Prefect at once; everything it runs is in the stories. Called from
Python, a sync returns its list of Report.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.artifacts import health_table, report_table, retention_table
from flows.call_record import trim_call_record
from flows.cancellation import sync_cancellations
from flows.health import check_health
from flows.invoice import sync_invoices
from flows.parameters import HealthParameters, RetentionParameters, SyncParameters
from flows.report import Report
from flows.rma import sync_returns
from integrations.ledger.retention import CallsInUseError

AS_SET = SyncParameters()
HEALTH_AS_SET = HealthParameters()
RETENTION_AS_SET = RetentionParameters()


class EmagUnreachableError(Exception):
    """eMAG could not be worked with, so the run failed."""


class UnhealthyError(Exception):
    """Something that the syncs stand on is not as it must be."""


@flow(name="rma-sync", flow_run_name="returns-{parameters.label}")
async def rma_sync(parameters: SyncParameters = AS_SET) -> Any:
    """Carry the ERP's decisions about returns to eMAG."""
    return await _concluded("rma-sync", sync_returns, parameters)


@flow(name="cancellation-sync", flow_run_name="cancellations-{parameters.label}")
async def cancellation_sync(
    parameters: SyncParameters = AS_SET,
) -> Any:
    """Carry the ERP's cancellations and refunds to eMAG."""
    return await _concluded("cancellation-sync", sync_cancellations, parameters)


@flow(name="invoice-sync", flow_run_name="invoices-{parameters.label}")
async def invoice_sync(parameters: SyncParameters = AS_SET) -> Any:
    """Attach the ERP's invoices to their orders at eMAG."""
    return await _concluded("invoice-sync", sync_invoices, parameters)


@flow(name="health-check", flow_run_name="health-{parameters.account}")
async def health_check(parameters: HealthParameters = HEALTH_AS_SET) -> None:
    """Look at everything the syncs stand on; the run fails when something is wrong."""
    findings = await check_health(parameters)
    await acreate_table_artifact(
        table=health_table(findings), key="health-check", description="What was looked at"
    )
    wrong = [finding for finding in findings if not finding.ok]
    if wrong:
        raise UnhealthyError(
            "; ".join(f"{each.name}: {each.detail} - {each.remedy}" for each in wrong)
        )


@flow(name="retention", flow_run_name="retention-{parameters.label}")
async def retention(parameters: RetentionParameters = RETENTION_AS_SET) -> None:
    """Drop the call record's old days and make the coming ones."""
    trimmed = await trim_call_record(parameters)
    await acreate_table_artifact(
        table=retention_table(trimmed),
        key="retention",
        description="Old days of the call record",
    )
    if trimmed.problem:
        raise CallsInUseError(trimmed.problem)


async def _concluded(
    name: str,
    story: Callable[[SyncParameters], Awaitable[list[Report]]],
    parameters: SyncParameters,
) -> State[list[Report]]:
    """Tell the story, show its table, and end the run as the figures say."""
    reports = await story(parameters)
    if not parameters.dry_run:
        await acreate_table_artifact(
            table=report_table(reports), key=name, description="What became of the rows"
        )
    return conclusion(reports)


def conclusion(reports: Sequence[Report]) -> State[list[Report]]:
    """Completed, or Completed named Refusals.

    Raises:
        EmagUnreachableError: eMAG could not be worked with for some account.
    """
    unreachable = [f"{each.account}: {each.unreachable}" for each in reports if each.unreachable]
    if unreachable:
        raise EmagUnreachableError("; ".join(unreachable))
    if any(report.exit_code for report in reports):
        return Completed(name="Refusals", data=list(reports))
    return Completed(data=list(reports))
