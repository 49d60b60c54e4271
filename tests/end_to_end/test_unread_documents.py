"""eMAG's own documents, of which their order or number can't be read: no second one appears."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flows.preview import preview
from flows.report import Report
from integrations.ledger.database import autocommit
from integrations.ledger.matters import parked_of
from tests.end_to_end.conftest import Shop
from tests.end_to_end.test_invoices import INVOICE, ORDER, attached, issued

UNREADABLE: list[dict[str, Any]] = [
    {"order_id": {"id": ORDER}},
    {"order_id": [ORDER]},
    {"order_id": f"RO{ORDER}"},
    {"order_id": ORDER + 0.5},
    {"order_id": [ORDER, ORDER + 1]},
    {"number": None},
    {"number": ["EXF1"]},
]


def emag_issues(shop: Shop, change: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """eMAG issues an invoice for the order, and shows it otherwise than it used to."""
    invoice = shop.market.add_issued_invoice({"category": "normal", "order_id": ORDER, **fields})
    invoice.update(change)
    return invoice


async def positions(shop: Shop) -> list[Any]:
    found = await shop.sql(
        "SELECT position FROM app.emag_platform_cursors WHERE resource = 'customer-invoice'"
    )
    return [row["position"] for row in found]


@pytest.mark.parametrize("change", UNREADABLE)
async def test_an_invoice_that_it_may_be_waits_for_a_person(
    shop: Shop, change: dict[str, Any]
) -> None:
    emag_issues(shop, change)
    row = await issued(shop)
    await shop.run(INVOICE)
    [field] = change
    assert await shop.state(INVOICE, row) == "waiting:person"
    assert f"unusable {field}: " in await shop.reason(INVOICE, row)
    assert attached(shop) == []
    async with autocommit(shop.channel.engine) as connection:
        [parked] = await parked_of(connection, [shop.channel.account], 9)
    assert (parked.entity, f"unusable {field}: " in parked.reason) == ("invoice", True)
    [drift] = await shop.sql("SELECT route, name, what FROM app.emag_drift")
    assert drift == {
        "route": "customer-invoice/read",
        "name": f"invoice {field}",
        "what": "type",
    }


@pytest.mark.parametrize(
    ("invoice_type", "category", "held"),
    [
        ("sales_invoice", "normal", True),
        ("credit_note", "storno", True),
        ("credit_note", "normal", False),
        ("sales_invoice", "storno", False),
        ("corrected_invoice", "normal", True),
        ("proforma_invoice", "normal", False),
    ],
)
async def test_only_documents_of_its_kind_are_held(
    shop: Shop, invoice_type: str, category: str, held: bool
) -> None:
    emag_issues(shop, {"order_id": [ORDER]}, category=category)
    row = await issued(shop, invoice_type=invoice_type)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == ("waiting:person" if held else "synced")


async def test_orders_that_were_placed_after_it_are_not_held(shop: Shop) -> None:
    emag_issues(shop, {"order_id": [ORDER], "date": "2026-01-05"})
    shop.market.add_order({"id": ORDER, "status": 4})
    row = await issued(shop)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"


async def test_other_orders_are_not_held_by_one_whose_number_alone_is_missing(shop: Shop) -> None:
    emag_issues(shop, {"number": None}, order_id=ORDER + 1)
    row = await issued(shop)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"


async def test_orders_that_it_does_not_name_are_not_held(shop: Shop) -> None:
    emag_issues(shop, {"order_id": [ORDER + 1]})
    row = await issued(shop)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"


async def test_orders_of_another_account_are_not_held(shop: Shop, fbe: Shop) -> None:
    emag_issues(shop, {"order_id": [ORDER, ORDER + 1]})
    await shop.run(INVOICE)
    await shop.sql("UPDATE app.emag_issued_invoices SET account = 'fbe', number = 'F' || number")
    shop.market.customer_invoices.clear()
    row = await issued(shop)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"


async def test_what_a_person_enters_holds_and_lets_the_others_go(shop: Shop) -> None:
    emag_issues(shop, {"order_id": [ORDER], "number": "EXF1"})
    row = await issued(shop)
    await shop.run(INVOICE)
    await shop.sql(
        "UPDATE app.emag_issued_invoices SET order_id = :order, problem = NULL"
        " WHERE number = 'EXF1'",
        order=ORDER + 1,
    )
    await shop.later()
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"


async def test_once_it_can_be_read_it_forbids_its_order_a_second_one(shop: Shop) -> None:
    invoice = emag_issues(shop, {"order_id": [ORDER]})
    row = await issued(shop)
    await shop.run(INVOICE)
    held = await positions(shop)
    await shop.run(INVOICE)
    assert await positions(shop) == held
    invoice["order_id"] = ORDER
    await shop.later()
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "refused"
    async with autocommit(shop.channel.engine) as connection:
        assert await parked_of(connection, [shop.channel.account], 9) == []


async def test_what_was_once_read_is_known_though_it_is_shown_otherwise_now(shop: Shop) -> None:
    invoice = emag_issues(shop, {}, order_id=ORDER + 1)
    await shop.run(INVOICE)
    invoice["order_id"] = [ORDER + 1]
    row = await issued(shop)
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"


async def test_a_dry_run_shows_that_it_waits(shop: Shop) -> None:
    emag_issues(shop, {"order_id": [ORDER]})
    await issued(shop)
    report = Report("invoice-sync", "main", "out", True, datetime.now(UTC))
    await preview(shop.channel, INVOICE, 9, report)
    [line] = report.plans
    assert "unusable order_id: a list" in line.outcome
