"""The flows as Prefect runs them: the same stories with a name, a form and a table of results.

The only module that imports Prefect at once; everything it runs is in the stories. Called from
Python, a sync returns its list of Report.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed

from flows.artifacts import certificate_markdown, health_table, report_table, retention_table
from flows.call_record import trim_call_record
from flows.cancellation import sync_cancellations
from flows.events import Event, deadline_events, row_events
from flows.health import check_health
from flows.history import History, fill_history, history_table
from flows.invoice import sync_invoices
from flows.parameters import (
    BackfillParameters,
    HealthParameters,
    ReconcileParameters,
    RetentionParameters,
    SyncParameters,
)
from flows.reconciliation import Reconciled, reconcile_accounts
from flows.report import Report
from flows.rma import sync_returns
from flows.tidings import gather_tidings, tidings_table
from integrations.ledger.check import Finding
from integrations.ledger.retention import CallsInUseError

Ended = TypeVar("Ended", Report, History, Reconciled)

AS_SET = SyncParameters()
HEALTH_AS_SET = HealthParameters()
RETENTION_AS_SET = RetentionParameters()
RECONCILE_AS_SET = ReconcileParameters()


class EmagUnreachableError(Exception):
    """eMAG could not be worked with, so the run failed."""


class UnhealthyError(Exception):
    """Something that the syncs stand on is not as it must be; `findings` are all that there are."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        wrong = (finding for finding in findings if not finding.ok)
        super().__init__("; ".join(f"{each.name}: {each.detail} - {each.remedy}" for each in wrong))
        self.findings = findings


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
async def health_check(parameters: HealthParameters = HEALTH_AS_SET) -> Any:
    """Look at everything the syncs stand on; the run fails when something is wrong."""
    tidings = await gather_tidings(parameters.account)
    _emit(deadline_events(tidings.alarms))
    findings = await check_health(parameters)
    await acreate_table_artifact(
        table=health_table(findings), key="health-check", description="What was looked at"
    )
    if not all(finding.ok for finding in findings):
        raise UnhealthyError(findings)
    return Completed(data=findings)


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


@flow(name="backfill", flow_run_name="backfill-{parameters.label}")
async def backfill(parameters: BackfillParameters) -> Any:
    """Bring in what happened at eMAG before; what an earlier run has stored is not read again."""
    histories = await fill_history(parameters)
    await acreate_table_artifact(
        table=history_table(histories), key="backfill", description="What of the history is stored"
    )
    return conclusion(histories)


@flow(name="reconcile", flow_run_name="reconcile-{parameters.label}")
async def reconcile(parameters: ReconcileParameters = RECONCILE_AS_SET) -> Any:
    """Compare eMAG with the ERP, put right what differs, and certify the rest."""
    results = await reconcile_accounts(parameters)
    await acreate_markdown_artifact(
        markdown=certificate_markdown(results),
        key="reconcile",
        description="Whether eMAG and the ERP agree",
    )
    return conclusion(results, "Unexplained")


async def _concluded(
    name: str,
    story: Callable[[SyncParameters], Awaitable[list[Report]]],
    parameters: SyncParameters,
) -> State[list[Report]]:
    """Tell the story, show its table, and end the run as the figures say."""
    reports = await story(parameters)
    if not parameters.dry_run:
        tidings = await gather_tidings(parameters.account)
        _emit([*deadline_events(tidings.alarms), *row_events(reports)])
        await acreate_table_artifact(
            table=report_table(reports) + tidings_table(tidings),
            key=name,
            description="What became of the rows",
        )
    return conclusion(reports)


def _emit(events: Iterable[Event]) -> None:
    """Hand events to Prefect, which sends them by itself; without a server nothing happens."""
    for event in events:
        emit_event(
            event.name, resource={"prefect.resource.id": event.resource}, payload={**event.payload}
        )


def conclusion(reports: Sequence[Ended], concern: str = "Refusals") -> State[list[Ended]]:
    """Completed, or Completed named after what concerns a person.

    Raises:
        EmagUnreachableError: eMAG could not be worked with for some account.
    """
    unreachable = [f"{each.account}: {each.unreachable}" for each in reports if each.unreachable]
    if unreachable:
        raise EmagUnreachableError("; ".join(unreachable))
    if any(report.exit_code for report in reports):
        return Completed(name=concern, data=list(reports))
    return Completed(data=list(reports))
