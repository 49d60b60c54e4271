"""The listing of what was modified is read whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.ledger.profile import Profile
from integrations.sandbox.faults import Fault, Faults, Point
from integrations.sync.listing import PASSES
from tests.end_to_end.conftest import Shop
from tests.end_to_end.orders_in.conftest import (
    ALL,
    ORDER,
    an_hour_passes,
    an_order,
    cancel_lately,
    receive,
    rows,
    told,
)


class Growing(Faults):
    """Before each count an order comes to light that was modified a while ago."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self._shop = shop

    def consult(self, point: Point, route: str) -> Fault | None:
        if point == "before_effect" and route == "order/count":
            past = datetime.now(UTC) - timedelta(minutes=5)
            self._shop.market.add_order({"status": 2, "modified": past})
        return super().consult(point, route)


class TestTheListing:
    @pytest.mark.parametrize("switch", ["modified_stands_still", "modified_goes_back"])
    async def test_what_changed_is_seen_by_what_it_holds(self, shop: Shop, switch: str) -> None:
        an_order(shop, modified=datetime.now(UTC) - timedelta(minutes=5))
        await receive(shop)
        shop.switch(**{switch: True})
        shop.market.panel_cancels(ORDER)
        await receive(shop)
        assert await told(shop) == [("completed", ALL)]

    async def test_of_many_pages_that_move_is_read_whole(self, shop: Shop) -> None:
        shop.market.add_orders({"id": ORDER + each, "status": 0} for each in range(250))
        shop.switch(page_shift=True, page_cap=40)
        await receive(shop)
        assert len(await rows(shop)) == 250

    @pytest.mark.parametrize("cap", [1, 7, 13, 99])
    async def test_of_pages_that_are_clipped_to_an_odd_number_is_read_whole(
        self, shop: Shop, cap: int
    ) -> None:
        shop.switch(page_cap=cap)
        cancel_lately(shop, ORDER, cap)
        await receive(shop)
        assert len(await rows(shop)) == cap
        for more in range(3):
            cancel_lately(shop, ORDER + 1000 + more, 1)
            await receive(shop)
            assert len(await rows(shop)) == cap + 1 + more

    async def test_without_anything_new_takes_one_request(self, shop: Shop) -> None:
        cancel_lately(shop, ORDER, 12)
        await receive(shop)
        before = len(shop.market.journal.requests)
        await receive(shop)
        assert len(shop.market.journal.requests) - before == 2, "one for each type"

    async def test_loses_nothing_where_emag_clips_pages_from_one_day_to_another(
        self, shop: Shop
    ) -> None:
        cancel_lately(shop, ORDER, 30)
        await receive(shop)
        shop.switch(page_cap=7)
        cancel_lately(shop, ORDER + 100, 20)
        await receive(shop)
        await an_hour_passes(shop)
        await receive(shop)
        assert len(await rows(shop)) == 50
        cancel_lately(shop, ORDER + 200, 20)
        await receive(shop)
        assert len(await rows(shop)) == 70, "it knows how long pages are"

    async def test_loses_nothing_by_what_first_contact_measured_wrongly(self, shop: Shop) -> None:
        shop.switch(page_cap=7)
        cancel_lately(shop, ORDER, 20)
        just_now = datetime.now(UTC) - timedelta(minutes=1)
        await receive(shop, profile=Profile(page_cap=100, measured_at=just_now))
        assert len(await rows(shop)) == 7
        long_past = just_now - timedelta(hours=1)
        await receive(shop, profile=Profile(page_cap=100, measured_at=long_past))
        assert len(await rows(shop)) == 20

    async def test_that_stays_incomplete_is_said_and_read_again(self, shop: Shop) -> None:
        now = datetime.now(UTC) - timedelta(minutes=5)
        shop.market.add_orders(
            {"id": ORDER + each, "status": 2, "modified": now} for each in range(150)
        )
        shop.market.faults = Growing(shop)
        shown = 149 + PASSES
        receipt = await receive(shop)
        assert [each.reason for each in receipt.parked] == [
            f"order/read showed {shown} rows where eMAG counts {shown + 1}, {PASSES} times"
        ]
        cursor = "SELECT resource FROM app.emag_platform_cursors WHERE resource = 'orders:3'"
        assert await shop.sql(cursor) == []
        shop.market.faults = Faults()
        await receive(shop)
        assert len(await shop.sql(cursor)) == 1
        assert len(await shop.sql("SELECT 1 FROM app.emag_orders")) == shown + 1

    @pytest.mark.parametrize("ignored", ["type", "modifiedAfter"])
    async def test_whose_filter_is_ignored_is_said_and_moves_no_cursor(
        self, shop: Shop, ignored: str
    ) -> None:
        long_past = datetime.now(UTC) - timedelta(days=40)
        strange = {
            "type": {"type": 2, "modified": datetime.now(UTC) - timedelta(minutes=5)},
            "modifiedAfter": {"type": 3, "modified": long_past, "created": long_past},
        }
        shop.market.add_orders(
            {"id": ORDER + each, "status": 0, **strange[ignored]} for each in range(30)
        )
        shop.switch(ignored_filters=frozenset({ignored}), order_read_default_type=None)
        receipt = await receive(shop)
        assert "order/read ignored its filter" in receipt.parked[0].reason
        cursor = "SELECT resource FROM app.emag_platform_cursors WHERE resource = 'orders:3'"
        assert await shop.sql(cursor) == []
        assert await shop.sql("SELECT 1 FROM app.emag_orders WHERE type = 3") == []

    async def test_goes_on_from_its_cursor_with_an_overlap(self, shop: Shop) -> None:
        await receive(shop)
        before = datetime.now(UTC)
        await receive(shop)
        asked = [
            request for request in shop.market.journal.requests if request.route == "order/read"
        ]
        assert len(asked) == 4
        [cursor] = await shop.sql(
            "SELECT position FROM app.emag_platform_cursors WHERE resource = 'orders:2'"
        )
        assert cursor["position"] <= before + timedelta(seconds=5)


async def test_another_login_at_the_same_shop_reads_only_its_own(shop: Shop, fbe: Shop) -> None:
    await receive(fbe)
    resources = await shop.sql("SELECT resource FROM app.emag_platform_cursors")
    assert [row["resource"] for row in resources] == ["orders:2"]
