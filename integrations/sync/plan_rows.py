"""Plan claimed rows from their copies: gather what each kind's planner needs, and call it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from integrations.emag.issued_invoices import IssuedInvoice
from integrations.erp.load import NO_ORDER
from integrations.erp.rows import CancellationRow, InvoiceRow, Kind, ReturnRow
from integrations.ledger.budget import BudgetBusyError
from integrations.ledger.database import autocommit, database_time
from integrations.ledger.issued import issued_for
from integrations.sync.abreast import abreast
from integrations.sync.ask import ReadRefusedError
from integrations.sync.channel import Channel
from integrations.sync.documents import DocumentUnreachableError, fetch_document
from integrations.sync.lots import within_limits
from integrations.sync.outage import OutageError
from integrations.sync.plan import Do, Event, Plan, Refused, Waiting, linked_to
from integrations.sync.plan_cancellations import plan_cancellation
from integrations.sync.plan_invoices import plan_invoice
from integrations.sync.plan_returns import plan_return
from integrations.sync.read import order_is_known
from integrations.sync.work import Batch, Copy, Work, fail, settle

log = logging.getLogger("emag.plan")

# A row whose plan never comes to an end is eMAG's or our mistake, not work.
MOST_TRIES = 16

Planner = Callable[[Work, Copy], Awaitable[Plan]]

_LINKED = """
    SELECT id, return_request_id, emag_return_id FROM app.emag_return_integrations
     WHERE NOT superseded AND emag_return_id = ANY(:ids)
       AND (platform = :platform OR platform IS NULL)
"""


async def plan_rows(channel: Channel, batch: Batch, works: Sequence[Work]) -> None:
    """Give each row that has a copy its plan: steps to send, or an outcome."""
    planner = await planner_for(channel, batch, works)

    async def plan(_: Channel, work: Work) -> None:
        if work.copy is not None:
            await _plan_one(channel, work, work.copy, planner)

    await abreast(channel, works, plan)


async def planner_for(channel: Channel, batch: Batch, works: Sequence[Work]) -> Planner:
    """What plans rows of the batch's kind, with everything it needs to know about these.

    eMAG's windows are judged by the database's clock: this host's may be wrong.
    """
    now = await database_time(channel.engine)
    planner = await _PLANNERS[batch.kind](channel, batch, works, now)

    async def plan(work: Work, copy: Copy) -> Plan:
        return within_limits(await planner(work, copy))

    return plan


async def _plan_one(channel: Channel, work: Work, copy: Copy, planner: Planner) -> None:
    work.tries += 1
    if work.tries > MOST_TRIES:
        fail(work, "eMAG's state never becomes what was saved: look at it there.", channel.timings)
        return
    try:
        plan = await planner(work, copy)
    except (OutageError, BudgetBusyError):
        raise
    except (DocumentUnreachableError, ReadRefusedError) as unreachable:
        fail(work, str(unreachable), channel.timings)
    except Exception as error:  # one row's surprise must not stop its neighbours
        log.exception("planning integration row %s failed", work.claim.id)
        fail(work, f"Planning failed ({type(error).__name__}): see the log.", channel.timings)
    else:
        if is_unfound(copy, plan):
            work.copy, work.thorough = None, True
        else:
            settle(work, plan, channel.timings)


def is_unfound(copy: Copy, plan: Plan) -> bool:
    """Whether a return was looked for in vain among some of its order's: it may be another."""
    in_vain = isinstance(plan, Waiting) and plan.event is Event.EMAG_RETURN
    return in_vain and not copy.whole


async def _return_planner(
    channel: Channel, batch: Batch, works: Sequence[Work], now: datetime
) -> Planner:
    erp_rows = {work.claim.id: work.claim.row_id for work in batch.works}
    taken = await _linked_elsewhere(channel, works) | {
        emag_id: (owner, erp_rows[owner]) for emag_id, owner in batch.linked.items()
    }

    async def plan(work: Work, copy: Copy) -> Plan:
        row = work.claim.row
        assert row is None or isinstance(row, ReturnRow)
        others = {
            emag_id: erp_row
            for emag_id, (owner, erp_row) in taken.items()
            if owner != work.claim.id
        }
        made = plan_return(row, work.known, copy.returns, others, now)
        if _might_name_no_order(work, copy, made) and not await order_is_known(
            channel, work.claim.order_id
        ):
            return Refused(
                f"Order {work.claim.order_id} is not known at eMAG: correct emag_order_id."
            )
        linked = linked_to(made)
        if linked is not None:
            batch.linked[int(linked)] = work.claim.id
        return made

    return plan


def _might_name_no_order(work: Work, copy: Copy, made: Plan) -> bool:
    """Whether a return was looked for in vain for the first time: its order may not exist."""
    return (
        isinstance(made, Waiting)
        and made.event is Event.EMAG_RETURN
        and not copy.returns
        and work.claim.waiting_for != Event.EMAG_RETURN
    )


async def _linked_elsewhere(channel: Channel, works: Sequence[Work]) -> dict[int, tuple[int, int]]:
    """Which integration row each of the copies' RMAs is linked to, and which row of the ERP's."""
    ids = {str(each.emag_id) for work in works if work.copy for each in work.copy.returns}
    async with autocommit(channel.engine) as connection:
        rows = await connection.execute(
            _LINKED, {"platform": channel.account.platform, "ids": sorted(ids)}
        )
        return {int(row.emag_return_id): (row.id, row.return_request_id) for row in rows}


async def _cancellation_planner(
    channel: Channel, batch: Batch, works: Sequence[Work], now: datetime
) -> Planner:
    # A window that closes before the request has left would be closed at eMAG.
    leaves = now + timedelta(seconds=channel.timings.leaves_within)

    async def plan(work: Work, copy: Copy) -> Plan:
        row = work.claim.row
        assert row is None or isinstance(row, CancellationRow)
        return plan_cancellation(row, work.known, copy.order, leaves, channel.policy)

    return plan


async def _invoice_planner(
    channel: Channel, batch: Batch, works: Sequence[Work], now: datetime
) -> Planner:
    account = channel.account
    issued = await issued_for(
        channel.engine, account.platform, account.name, [work.claim.order_id for work in works]
    )
    for each in batch.issued:
        issued.setdefault(each.order_id or NO_ORDER, []).append(each)

    async def plan(work: Work, copy: Copy) -> Plan:
        row = work.claim.row
        assert row is None or isinstance(row, InvoiceRow)
        return await plan_document(channel, work, row, copy, issued, now)

    return plan


async def plan_document(
    channel: Channel,
    work: Work,
    row: InvoiceRow | None,
    copy: Copy,
    issued: Mapping[int, Sequence[IssuedInvoice]],
    now: datetime,
) -> Plan:
    """Plan an invoice; its document is fetched only where it would be attached."""
    of_order = [*issued.get(work.claim.order_id, ()), *issued.get(NO_ORDER, ())]
    facts = (row, work.known, copy.order, of_order)
    plan = plan_invoice(*facts, None, now)
    if not isinstance(plan, Do) or not channel.check_documents or row is None:
        return plan
    document = await fetch_document(row.pdf_url or "")
    return plan_invoice(*facts, document, now)


_PLANNERS = {
    Kind.RMA: _return_planner,
    Kind.CANCELLATION: _cancellation_planner,
    Kind.INVOICE: _invoice_planner,
}
