"""A read that eMAG fails at whenever it is tried is its own row's matter, and no outage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.hints import hint_order, hint_return
from integrations.ledger.status import INBOX_ATTEMPTS, read_inbox
from tests.end_to_end.conftest import Shop
from tests.end_to_end.poison.conftest import FIRST, attempts, down, rows

pytestmark = pytest.mark.unpaced

CANCELLATION, RETURN, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
POISONED = FIRST + 2
LONG_AGO = datetime.now(UTC) - timedelta(days=10)
READS = {CANCELLATION: "order/read", RETURN: "rma/read", INVOICE: "order/read"}


def poison(shop: Shop, kind: Kind, fault: str = "http_500_json") -> None:
    """From now on every read about this order fails so."""
    shop.market.faults.add(
        READS[kind],
        kind=fault,
        times=None,
        order_ids=[POISONED],
        return_ids=shop.market.returns_of.get(POISONED, []),
    )


class TestNeighbours:
    @pytest.mark.parametrize("fault", ["http_500_json", "http_511_html", "reset", "empty_body"])
    @pytest.mark.parametrize("kind", Kind)
    async def test_are_carried_without_it(self, shop: Shop, kind: Kind, fault: str) -> None:
        everyone = await rows(shop, kind, 5)
        poison(shop, kind, fault)
        report = await shop.run(kind)
        poisoned = everyone.pop(POISONED)
        assert report.unreachable is None
        assert await down(shop) == []
        assert {await shop.state(kind, row) for row in everyone.values()} == {"synced"}
        assert await attempts(shop, kind, poisoned) == 1

    async def test_are_brought_in_without_it(self, shop: Shop) -> None:
        account, engine = shop.channel.account, shop.channel.engine
        await shop.receive(CANCELLATION)
        for order in (FIRST, POISONED):
            shop.market.add_order(
                {"id": order, "status": 0, "date": LONG_AGO, "modified": LONG_AGO}
            )
            await hint_order(engine, account.platform, account.name, 3, order)
        poison(shop, CANCELLATION)
        report = await shop.receive(CANCELLATION)
        assert report.unreachable is None
        owed = await shop.sql("SELECT order_id, attempts FROM app.emag_orders WHERE owed")
        assert owed == [{"order_id": POISONED, "attempts": 1}]

    async def test_returns_are_brought_in_without_it(self, shop: Shop) -> None:
        account, engine = shop.channel.account, shop.channel.engine
        await shop.receive(RETURN)
        for order in (FIRST, POISONED):
            shop.market.add_order({"id": order, "status": 4})
            shop.market.add_return({"order_id": order, "request_status": 7, "date": LONG_AGO})
            emag_id = shop.market.returns_of[order][0]
            await hint_return(engine, account.platform, account.name, 3, emag_id)
        poison(shop, RETURN)
        report = await shop.receive(RETURN)
        assert report.unreachable is None
        assert await down(shop) == []
        owed = await shop.sql("SELECT emag_id, attempts FROM app.emag_returns WHERE owed")
        assert owed == [{"emag_id": shop.market.returns_of[POISONED][0], "attempts": 1}]


class TestTheRowItself:
    async def test_ends_in_the_inbox_with_what_emag_said(self, shop: Shop) -> None:
        row = (await rows(shop, CANCELLATION, 5))[POISONED]
        poison(shop, CANCELLATION)
        for _ in range(INBOX_ATTEMPTS):
            assert await read_inbox(shop.channel.engine) == []
            await shop.run(CANCELLATION)
            await shop.later()
        [entry] = await read_inbox(shop.channel.engine)
        assert (entry.row_id, entry.attempts) == (row, INBOX_ATTEMPTS)
        assert "Internal Server Error" in entry.reason

        shop.market.faults.clear()
        await shop.replay(CANCELLATION, row)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_is_not_blamed_where_emag_answers_again(self, shop: Shop) -> None:
        row = (await rows(shop, CANCELLATION, 1))[FIRST]
        shop.market.faults.add("order/read", kind="http_500_json", times=4)
        report = await shop.run(CANCELLATION)
        assert (report.exit_code, await shop.state(CANCELLATION, row)) == (0, "synced")


class TestAnOutage:
    @pytest.mark.parametrize("kind", Kind)
    async def test_is_where_nothing_else_can_be_read(self, shop: Shop, kind: Kind) -> None:
        everyone = await rows(shop, kind, 5)
        shop.market.faults.add(READS[kind], kind="http_500_json", times=None)
        report = await shop.run(kind)
        assert report.exit_code == 3
        assert await down(shop) == ["other" if kind is RETURN else "orders"]
        assert {await attempts(shop, kind, row) for row in everyone.values()} == {0}
