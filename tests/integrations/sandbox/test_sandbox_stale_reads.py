"""Reads that lag behind: what they show, what they hide, and that nothing else is old."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import ORDER, RETURN, Clock, Seller


async def found(seller: Seller, route: str, **filters: Any) -> list[int]:
    """The ids that a read shows."""
    key = "emag_id" if route == "rma/read" else "id"
    return [row[key] for row in (await seller.post(route, filters))["results"]]


class TestOrders:
    async def test_a_write_is_not_seen_at_once(self, remote: Seller) -> None:
        remote.market.add_order({"id": ORDER, "status": 2})
        remote.market.faults.add("order/read", kind="stale", effects=1, every=2)
        await remote.save(status=3)
        assert [(await remote.order())["status"] for _ in range(3)] == [2, 3, 2]
        assert [effect.to for effect in remote.market.journal.effects] == [3]
        record = remote.market.journal.requests_to("order/read")[1]
        assert (record.fault, record.fault_point) == ("stale", "during_effect")

    async def test_for_as_many_seconds_as_it_lags(self, seller: Seller, clock: Clock) -> None:
        seller.market.add_order({"id": ORDER, "status": 2})
        seller.market.faults.add("order/read", kind="stale", seconds=10, times=None)
        await seller.save(status=3)
        seen = []
        for _ in range(4):
            seen.append((await seller.order())["status"])
            clock.pass_time(seconds=4)
        assert seen == [2, 2, 2, 3]

    async def test_each_state_in_its_turn(self, seller: Seller, clock: Clock) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        seller.market.faults.add("order/read", kind="stale", seconds=10, times=None)
        clock.pass_time(seconds=5)
        await seller.post(f"order/acknowledge/{ORDER}")
        clock.pass_time(seconds=5)
        seller.market.finalize(ORDER)
        seen = []
        for _ in range(4):
            seen.append((await seller.order())["status"])
            clock.pass_time(seconds=5)
        assert seen == [1, 2, 4, 4]

    @pytest.mark.parametrize(("effects", "status"), [(1, 2), (2, 1), (3, 1)])
    async def test_counted_in_effects(self, seller: Seller, effects: int, status: int) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        seller.market.faults.add("order/read", kind="stale", effects=effects)
        await seller.post(f"order/acknowledge/{ORDER}")
        seller.market.finalize(ORDER)
        seller.market.journal.clear()
        assert (await seller.order())["status"] == status

    async def test_lines_and_attachments_are_old_too(self, seller: Seller) -> None:
        lines = [{"id": 1, "product_id": "1001", "quantity": 5}]
        seller.market.add_order({"id": ORDER, "status": 3, "products": lines})
        seller.market.faults.add("order/*", kind="stale", seconds=60, times=None)
        order = seller.market.orders.get(ORDER)
        assert order is not None
        attachment = {"order_id": ORDER, "order_type": 3, "name": "F 1", "url": "https://a.example"}
        await seller.post("order/attachments/save", [attachment])
        order = await seller.order()
        assert (order["products"][0]["quantity"], order["attachments"]) == (5, [])
        assert (await seller.post("order/attachments/read", {"order_id": ORDER}))["results"] == []
        assert len((await admin_order(seller))["attachments"]) == 1

    async def test_filters_see_the_old_state(self, seller: Seller) -> None:
        seller.market.add_orders({"id": ORDER + place, "status": 1} for place in range(3))
        seller.market.faults.add("order/*", kind="stale", seconds=60, times=None)
        await seller.post(f"order/acknowledge/{ORDER + 1}")
        seller.market.add_order({"id": ORDER + 3, "status": 1})
        assert await found(seller, "order/read", status=1) == [ORDER + 2, ORDER + 1, ORDER]
        assert await found(seller, "order/read", status=2) == []
        assert await found(seller, "order/read", id=ORDER + 3) == []
        count = await seller.post("order/count", {"status": 1})
        assert count["results"]["noOfItems"] == "3"
        seller.market.faults.clear()
        assert await found(seller, "order/read", status=1) == [ORDER + 3, ORDER + 2, ORDER]
        assert await found(seller, "order/read", status=2) == [ORDER + 1]

    async def test_writes_are_judged_by_what_is(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        seller.market.faults.add(kind="stale", seconds=60, times=None)
        await seller.post(f"order/acknowledge/{ORDER}")
        assert (await seller.post(f"order/acknowledge/{ORDER}"))["isError"] is True
        assert seller.broken_rules() == ["matrix"]


class TestReturns:
    async def test_a_write_is_not_seen_at_once(self, seller: Seller) -> None:
        seller.market.add_return({"emag_id": RETURN, "order_id": ORDER, "request_status": 2})
        seller.market.faults.add("rma/read", kind="stale", effects=1, times=None)
        item = await seller.rma()
        await seller.post("rma/save", [{**item, "request_status": 3, "observations": "x"}])
        seen = await seller.rma()
        assert (seen["request_status"], seen["observations"]) == (2, item["observations"])
        assert await found(seller, "rma/read", request_status=2) == [RETURN]
        seller.market.faults.clear()
        assert await found(seller, "rma/read", request_status=3) == [RETURN]

    async def test_a_new_one_is_not_there_yet(self, seller: Seller, clock: Clock) -> None:
        seller.market.add_order({"id": ORDER, "status": 4})
        seller.market.faults.add("rma/*", kind="stale", seconds=30, times=None)
        number = seller.market.customer_opens_return(ORDER)["emag_id"]
        for filters in ({}, {"emag_id": number}, {"order_id": ORDER}):
            assert await found(seller, "rma/read", **filters) == []
        assert (await seller.post("rma/count"))["results"]["noOfItems"] == "0"
        clock.pass_time(seconds=30)
        assert await found(seller, "rma/read", order_id=ORDER) == [number]


class TestHistory:
    async def test_it_is_kept_only_while_such_a_fault_is_loaded(self, seller: Seller) -> None:
        faults = seller.market.faults
        seller.market.add_order({"id": ORDER, "status": 2})
        faults.add(kind="reset", times=None, route="rma/*")
        assert faults.history is None
        faults.add("order/read", kind="stale")
        assert faults.history is not None
        await seller.order()
        assert [fault.kind for fault in faults.waiting()] == ["reset"]
        assert faults.history is None

    async def test_what_was_before_it_is_the_oldest_state(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 2})
        await seller.save(status=3)
        seller.market.faults.add("order/read", kind="stale", effects=1)
        assert (await seller.order())["status"] == 3

    async def test_rows_that_move_between_pages_still_move(self, seller: Seller) -> None:
        seller.switch(page_shift=True)
        seller.market.add_orders({"id": ORDER + place} for place in range(4))
        seller.market.faults.add("order/read", kind="stale", times=None)
        pages = [await found(seller, "order/read", itemsPerPage=2) for _ in range(2)]
        assert pages[0] != pages[1]


async def admin_order(seller: Seller) -> Any:
    return (await seller.http.get(f"/sandbox/orders/{ORDER}")).json()
