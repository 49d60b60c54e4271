"""Saves that eMAG answers with 429: the rows are not to blame, and the run does not insist."""

from __future__ import annotations

import pytest

from integrations.emag.routes import ORDER_ACKNOWLEDGE
from integrations.erp.rows import Kind
from integrations.sync.ask import ATTEMPTS
from tests.end_to_end.conftest import Shop
from tests.end_to_end.scenes import SCENES, cancelled

FIRST = 480000101
CANCELLATION = Kind.CANCELLATION
SAVES = {
    Kind.CANCELLATION: "order/save",
    Kind.RMA: "rma/save",
    Kind.INVOICE: "order/attachments/save",
}

# Seconds for which eMAG asks to be left alone.
PAUSE = 0.1


def throttle(shop: Shop, route: str, times: int | None = None) -> None:
    shop.market.faults.add(route, kind="throttle_retry_after", times=times, seconds=PAUSE)


class TestForAsLongAsTheRun:
    @pytest.mark.parametrize("kind", Kind)
    async def test_it_stops_asking_and_burns_no_attempt(self, shop: Shop, kind: Kind) -> None:
        rows = [await SCENES[kind](shop, FIRST + n) for n in range(3)]
        throttle(shop, SAVES[kind])
        report = await shop.run(kind)
        assert (report.exit_code, report.unreachable) == (0, None)
        assert report.throttled == report.requests[SAVES[kind]] == ATTEMPTS
        for row in rows:
            books = await shop.books(kind, row)
            assert (books["sync_state"], books["sync_attempts"]) == ("pending", 0)
            assert "request limit is exceeded" in books["error_message"]

        shop.market.faults.clear()
        await shop.later()
        await shop.run(kind)
        assert {await shop.state(kind, row) for row in rows} == {"synced"}
        assert list(shop.market.journal.repeated()) == []

    async def test_so_it_does_where_each_row_has_a_request_of_its_own(self, shop: Shop) -> None:
        orders = range(FIRST, FIRST + 30)
        for order in orders:
            shop.market.add_order({"id": order, "status": 1})
        rows = [await shop.erp.add(CANCELLATION, order) for order in orders]
        throttle(shop, "order/acknowledge")
        report = await shop.run(CANCELLATION)
        in_flight = shop.channel.gate._value
        assert report.requests[ORDER_ACKNOWLEDGE.path] <= ATTEMPTS * in_flight
        for row in rows:
            books = await shop.books(CANCELLATION, row)
            assert (books["sync_state"], books["sync_attempts"]) == ("pending", 0)


class TestForAWhile:
    async def test_its_rows_are_saved_in_the_same_run(self, shop: Shop) -> None:
        rows = [await cancelled(shop, FIRST + n) for n in range(3)]
        throttle(shop, "order/save", times=ATTEMPTS - 1)
        assert (await shop.run(CANCELLATION)).exit_code == 0
        for row in rows:
            books = await shop.books(CANCELLATION, row)
            assert (books["sync_state"], books["sync_attempts"]) == ("synced", 0)
