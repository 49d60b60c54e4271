"""The money of orders and returns: what the ERP's rows hold of it, in words, beside eMAG's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

from integrations.emag.order_facts import ZERO, OrderFacts, cents, read_facts
from integrations.emag.order_fields import is_amount
from integrations.emag.return_facts import return_facts
from integrations.emag.wire import Raw, WireError
from integrations.erp.order_rows import (
    CancellationOfOrder,
    InvoiceOfOrder,
    cancellations_of,
    invoices_of,
)
from integrations.ledger.database import autocommit
from integrations.ledger.mirrored import Refunded, refunds_held, told_orders, unrefunded
from integrations.sync.arrive_money import PAYABLE, SALES
from integrations.sync.channel import Channel
from integrations.sync.pieces import TAKEN_BACK
from integrations.sync.wishes import shown

Held = Mapping[int, Mapping[str, str]]
"""What rows of the ERP hold, by eMAG's number and by the row's name."""


async def held_of_orders(channel: Channel, numbers: Collection[int]) -> Held:
    """The invoices and cancellations of these orders."""
    invoices, cancellations = await _rows_of_orders(channel, numbers)
    held: dict[int, dict[str, str]] = {}
    for rows in invoices.values():
        for row in rows:
            held.setdefault(row.order_id, {})[f"invoice {row.id}"] = _invoice(row)
    for cancelled in cancellations.values():
        for each in cancelled:
            held.setdefault(each.order_id, {})[f"cancellation {each.id}"] = _cancellation(each)
    return held


async def held_of_returns(channel: Channel, numbers: Collection[int]) -> Held:
    """The refunds of these returns."""
    refunds = await _refunds(channel, numbers)
    return {number: {f"return {row.row_id}": _refund(row)} for number, row in refunds.items()}


async def told(channel: Channel, raws: Mapping[int, Raw]) -> list[int]:
    """Orders that the ERP has been told all about: only bringing them in anew compares them."""
    return await told_orders(channel.engine, channel.account.platform, raws)


async def refunded_otherwise(channel: Channel, raws: Mapping[int, Raw]) -> list[int]:
    """Returns whose refund the ERP does not show as eMAG does."""
    if not _has_refunds(channel):
        return []
    account, refunds = channel.account, {}
    for number, raw in raws.items():
        with suppress(WireError):
            refund = return_facts(raw, account.zone, account.currency).refund
            if refund.amount is not None:
                refunds[number] = refund
    return await unrefunded(channel.engine, channel.account.platform, refunds)


async def beyond_orders(channel: Channel, raws: Mapping[int, Raw]) -> Mapping[int, str]:
    """Payments and refunds that the ERP holds of these orders, and eMAG shows none."""
    invoices, cancellations = await _rows_of_orders(channel, raws)
    account, now = channel.account, datetime.now(UTC)
    beyond = {}
    for number, raw in raws.items():
        with suppress(WireError):
            facts = read_facts(raw, {}, account.zone, account.currency, now)
            lines = [
                *_beyond_payments(facts, invoices.get(number, ())),
                *_beyond_refunds(facts, cancellations.get(number, ())),
            ]
            if lines:
                beyond[number] = "; ".join(lines)
    return beyond


async def beyond_returns(channel: Channel, raws: Mapping[int, Raw]) -> Mapping[int, str]:
    """Refunds that the ERP holds as paid for these returns, of which eMAG shows none paid.

    What a person has to judge, a person has entered.
    """
    account, unpaid = channel.account, set()
    for number, raw in raws.items():
        with suppress(WireError):
            refund = return_facts(raw, account.zone, account.currency).refund
            if not refund.is_paid and not refund.is_by_hand:
                unpaid.add(number)
    held = await _refunds(channel, unpaid)
    return {
        number: f"return {row.row_id} holds {_refund(row)}, eMAG shows none paid"
        for number, row in held.items()
        if row.processed
    }


def _has_refunds(channel: Channel) -> bool:
    columns = ("refund_amount", "refund_processed")
    return all(channel.schema.column("return_requests", each) for each in columns)


async def _refunds(channel: Channel, numbers: Collection[int]) -> Mapping[int, Refunded]:
    if not _has_refunds(channel):
        return {}
    return await refunds_held(channel.engine, channel.account.platform, numbers)


async def _rows_of_orders(
    channel: Channel, numbers: Collection[int]
) -> tuple[Mapping[int, Collection[InvoiceOfOrder]], Mapping[int, Collection[CancellationOfOrder]]]:
    platform, schema = channel.account.platform, channel.schema
    async with autocommit(channel.engine) as connection:
        invoices = await invoices_of(connection, schema, platform, numbers)
        cancellations = await cancellations_of(connection, schema, platform, numbers)
    return invoices, cancellations


def _beyond_payments(facts: OrderFacts, invoices: Collection[InvoiceOfOrder]) -> Iterator[str]:
    for row in invoices:
        if row.invoice_type != SALES or row.status not in PAYABLE:
            continue
        if not facts.is_paid and facts.cashed is None and _says_paid(row):
            yield f"invoice {row.id} is {_invoice(row)}, eMAG shows no payment"
        elif row.status == "refunded" and not facts.refunded:
            yield f"invoice {row.id} is {_invoice(row)}, eMAG shows no refund"


def _says_paid(row: InvoiceOfOrder) -> bool:
    return row.status in ("paid", "refunded") or (row.paid or ZERO) > 0


def _beyond_refunds(facts: OrderFacts, rows: Collection[CancellationOfOrder]) -> Iterator[str]:
    for row in rows:
        is_paid_back = row.refund_processed and (row.refund_amount or ZERO) > 0
        if is_paid_back and row.status not in TAKEN_BACK and not facts.refunded:
            yield f"cancellation {row.id} is {_cancellation(row)}, eMAG shows no refund"


def _invoice(row: InvoiceOfOrder) -> str:
    when = "" if row.has_paid_at else ", no day of payment"
    return f"{row.status!r} with {_amount(row.paid)} paid{when}"


def _cancellation(row: CancellationOfOrder) -> str:
    paid = "paid" if row.refund_processed else "not paid"
    word = f" ({row.refund_status})" if row.refund_status else ""
    return f"{row.status!r} with a refund of {_amount(row.refund_amount)} {paid}{word}"


def _refund(row: Refunded) -> str:
    return f"a refund of {_amount(row.amount)} {'paid' if row.processed else 'not paid'}"


def _amount(amount: Decimal | None) -> str:
    amount = amount or ZERO
    return str(cents(amount)) if is_amount(amount) else shown(str(amount))
