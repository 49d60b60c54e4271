"""Reconciling: a document that was attached and hangs on its order no more is told to a person."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS
from integrations.sync import census_rows
from tests.end_to_end.conftest import Shop
from tests.end_to_end.reconciling import ORDER, ago, receive, reconcile

INVOICE = Kind.INVOICE
FINALIZED = 4


pytestmark = pytest.mark.unpaced


async def attach(shop: Shop, order_id: int = ORDER, *, hours: float = 2) -> int:
    """An invoice whose document was attached to a finalized order so many hours ago."""
    shop.market.add_order({"id": order_id, "status": FINALIZED, "date": ago(hours=9)})
    url = shop.document(f"F-{order_id}")
    row = await shop.erp.add(INVOICE, order_id, pdf_url=url, invoice_number=f"F-{order_id}")
    await shop.run(INVOICE)
    assert await shop.state(INVOICE, row) == "synced"
    await shop.sql(
        f"UPDATE {BOOKS[INVOICE].name} SET last_synced_at ="
        " last_synced_at - make_interval(secs => :secs) WHERE invoice_id = :id",
        secs=hours * 3600,
        id=row,
    )
    await shop.sql(
        "UPDATE app.emag_api_calls SET sent_at = sent_at - interval '2 h',"
        " closed_at = closed_at - interval '2 h'"
    )
    await receive(shop)
    return row


def hanging(shop: Shop, order_id: int = ORDER) -> list[dict[str, object]]:
    """What hangs on the order at eMAG."""
    order = shop.market.orders.get(order_id)
    assert order is not None
    attachments: list[dict[str, object]] = order["attachments"]
    return attachments


def told(row: int, number: str = f"F-{ORDER}") -> str:
    return (
        f'the document of invoice "{number}" is no longer at eMAG:'
        f" `emag-flows replay invoice:{row}` attaches it again"
    )


async def differences(shop: Shop) -> list[str]:
    """What the books hold as different."""
    rows = await shop.sql("SELECT difference FROM app.emag_differences ORDER BY subject")
    return [row["difference"] for row in rows]


async def test_a_document_that_hangs_there_is_no_difference(shop: Shop) -> None:
    await attach(shop)
    certificate = await reconcile(shop)
    assert (certificate.clean, certificate.differences) == (True, 0)


async def test_a_document_that_was_deleted_is_told_to_a_person_and_not_attached_again(
    shop: Shop,
) -> None:
    row = await attach(shop)
    hanging(shop).clear()
    certificate = await reconcile(shop)
    assert certificate.unexplained.rows == 1
    assert await differences(shop) == [told(row)]
    await shop.run(INVOICE)
    assert (hanging(shop), await shop.state(INVOICE, row)) == ([], "synced")


async def test_a_replay_attaches_it_again_and_all_agrees(shop: Shop) -> None:
    row = await attach(shop)
    hanging(shop).clear()
    await reconcile(shop)
    await shop.replay(INVOICE, row)
    await shop.run(INVOICE)
    assert len(hanging(shop)) == 1
    assert (await reconcile(shop)).clean
    assert await differences(shop) == []


async def test_each_document_of_an_order_is_looked_for(shop: Shop) -> None:
    await attach(shop)
    proforma = await shop.erp.add(
        INVOICE,
        ORDER,
        invoice_type="proforma_invoice",
        pdf_url=shop.document("P-1"),
        invoice_number="P-1",
    )
    await shop.run(INVOICE)
    await shop.sql(f"UPDATE {BOOKS[INVOICE].name} SET last_synced_at = '2026-01-01'")
    await receive(shop)
    del hanging(shop)[1:]
    await reconcile(shop)
    assert await differences(shop) == [told(proforma, "P-1")]


CHANGED_AT_EMAG: Mapping[str, Mapping[str, object]] = {
    "its name": {"name": "Factura"},
    "its address": {"url": "https://marketplace.emag.example/documents/1.pdf"},
    "its type": {"type": 13},
}


@pytest.mark.parametrize("what", CHANGED_AT_EMAG)
async def test_a_document_is_known_by_its_name_or_its_address(shop: Shop, what: str) -> None:
    await attach(shop)
    hanging(shop)[0].update(CHANGED_AT_EMAG[what])
    assert (await reconcile(shop)).clean


async def test_a_document_that_emag_may_not_have_fetched_yet_is_not_missed(shop: Shop) -> None:
    await attach(shop, hours=0.5)
    hanging(shop).clear()
    assert (await reconcile(shop)).clean


@pytest.mark.parametrize("shown", [None, "", {}, ["?"]])
async def test_an_order_without_a_list_of_documents_says_nothing(shop: Shop, shown: object) -> None:
    await attach(shop)
    order = shop.market.orders.get(ORDER)
    assert order is not None
    order["attachments"] = shown
    await reconcile(shop)
    assert await differences(shop) == []


async def test_an_invoice_that_changes_is_left_to_its_plan(shop: Shop) -> None:
    row = await attach(shop)
    hanging(shop).clear()
    await shop.erp.update(INVOICE, row, pdf_url=shop.document("F-2"))
    await reconcile(shop)
    assert await differences(shop) == []


async def test_where_all_documents_are_gone_some_are_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census_rows, "MOST_UNDOCUMENTED", 2)
    for place in range(4):
        await attach(shop, ORDER + place)
        hanging(shop, ORDER + place).clear()
    certificate = await reconcile(shop)
    assert certificate.unexplained.rows == 2
