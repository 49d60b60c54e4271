"""order/read and order/count: filters, windows, pages, and what is silently ignored."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from .conftest import Clock, Seller


async def ids(seller: Seller, **filters: Any) -> list[int]:
    return [row["id"] for row in (await seller.post("order/read", filters))["results"]]


class TestFilters:
    @pytest.fixture(autouse=True)
    def five(self, seller: Seller) -> None:
        for number, status, mode, kind in (
            *((1, 1, 1, 3), (2, 2, 3, 3), (3, 2, 1, 3)),
            *((4, 4, None, 3), (5, 2, 1, 2)),
        ):
            seller.market.add_order(
                {
                    "id": number,
                    "status": status,
                    "payment_mode_id": mode,
                    "type": kind,
                    "is_complete": number % 2,
                    "created": f"2026-03-{number:02} 10:00:00",
                    "modified": f"2026-03-{number + 10} 10:00:00",
                }
            )

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({}, [4, 3, 2, 1]),
            ({"type": 3}, [4, 3, 2, 1]),
            ({"type": 2}, [5]),
            ({"id": 3}, [3]),
            ({"id": "3"}, [3]),
            ({"id": 5}, []),  # of another type than the default
            ({"id": 5, "type": 2}, [5]),
            ({"id": 3, "status": 1}, []),
            ({"id": 4294967295}, []),
            ({"status": 2}, [3, 2]),
            ({"status": [1, "4"]}, [4, 1]),
            ({"status": []}, [4, 3, 2, 1]),
            ({"payment_mode_id": [3]}, [2]),
            ({"is_complete": 0}, [4, 2]),
            ({"status": 2, "payment_mode_id": 1}, [3]),
            ({"status": None}, [4, 3, 2, 1]),
            ({"data": {"id": 3}}, [4, 3, 2, 1]),
            ({"order_id": 3, "Status": 1}, [4, 3, 2, 1]),  # unknown names; keys have a case
            ({"createdAfter": "2026-03-02 10:00:00"}, [4, 3, 2]),
            ({"createdAfter": "2026-03-02", "createdBefore": "2026-03-03 10:00:00"}, [3, 2]),
            ({"createdAfter": "2026-03-02 10:00:01", "createdBefore": "2026-03-03"}, []),
            ({"modifiedAfter": "2026-03-13 10:00:00"}, [4, 3]),
            ({"modifiedAfter": "2026-03-13 10:00:01", "status": 2}, []),
        ],
    )
    async def test_what_they_let_through(
        self, seller: Seller, filters: dict[str, Any], found: list[int]
    ) -> None:
        assert await ids(seller, **filters) == found
        assert seller.market.journal.violations() == []

    async def test_fbe_orders_are_hidden_from_reads_but_counted_unless_switched(
        self, seller: Seller
    ) -> None:
        counted = await seller.post("order/count")
        assert counted["results"]["noOfItems"] == "5"
        seller.switch(order_read_default_type=None, order_count_default_type=3)
        assert await ids(seller) == [5, 4, 3, 2, 1]
        assert (await seller.post("order/count"))["results"]["noOfItems"] == "4"

    @pytest.mark.parametrize(
        "filters",
        [
            {"id": 0},
            {"id": 4294967296},
            {"id": "x"},
            {"type": 4},
            {"status": "new"},
            {"createdBefore": "2026-03-02 10:00:00"},
            {"modifiedBefore": "2026-03-02 10:00:00"},
            {"createdAfter": "02.03.2026"},
            {"createdAfter": 1772445600},
            {"createdAfter": "2026-03-40"},
            {"createdAfter": "9999-12-31"},
            {"createdAfter": "2026-02-01", "createdBefore": "2026-03-01 00:00:01"},
            {"modifiedAfter": "2026-02-20 11:59:59"},  # more than a month before now
            {"currentPage": 0},
            {"currentPage": 65536},
            {"itemsPerPage": 0},
            {"itemsPerPage": "many"},
        ],
    )
    @pytest.mark.parametrize("route", ["order/read", "order/count"])
    async def test_what_is_refused(
        self, seller: Seller, filters: dict[str, Any], route: str
    ) -> None:
        answer = await seller.post(route, filters)
        assert (seller.status, answer["isError"], answer["results"]) == (200, True, [])
        assert seller.broken_rules() == ["filter"]

    async def test_a_month_is_a_calendar_month(self, seller: Seller) -> None:
        month = {"createdAfter": "2026-01-31", "createdBefore": "2026-02-28 00:00:00"}
        assert await ids(seller, **month) == []
        assert seller.broken_rules() == []
        await ids(seller, createdAfter="2026-01-31", createdBefore="2026-02-28 00:00:01")
        assert seller.broken_rules() == ["filter"]

    async def test_null_filters_are_refused_by_switch(self, seller: Seller) -> None:
        seller.switch(null_filters="refused")
        for route in ("order/read", "order/count", "rma/read", "rma/count", "invoice/read"):
            assert (await seller.post(route, {"status": None}))["isError"] is True

    async def test_by_get_and_by_form(self, seller: Seller) -> None:
        answer = await seller.http.get("/api-3/order/count?status[]=1&status[]=4")
        assert answer.json()["results"]["noOfItems"] == "2"
        answer = await seller.http.post("/api-3/order/read", data={"status[0]": "1", "type": "3"})
        assert [row["id"] for row in answer.json()["results"]] == [1]
        answer = await seller.http.get("/api-3/order/read")
        assert answer.status_code == 404


class TestLocalTimes:
    async def test_values_and_filters_are_clocks_in_bucharest(
        self, seller: Seller, clock: Clock
    ) -> None:
        seller.market.add_order({"id": 1, "created": clock.now(), "modified": clock.now()})
        order = await seller.order(1)
        assert order["modified"] == "2026-03-20 12:00:00"
        assert await ids(seller, modifiedAfter="2026-03-20 12:00:00") == [1]
        assert await ids(seller, modifiedAfter="2026-03-20 12:00:01") == []

    async def test_windows_survive_the_change_of_the_clocks(
        self, seller: Seller, clock: Clock
    ) -> None:
        clock.pass_time(days=8)  # the night of 28 to 29 March has 23 hours
        seller.market.add_order({"id": 1, "status": 4, "finalization_date": clock.now()})
        clock.pass_time(hours=48)
        assert (await seller.save(1, status=3))["isError"] is False


class TestPages:
    async def test_without_filters_the_last_hundred(self, seller: Seller) -> None:
        seller.market.add_orders({"id": n} for n in range(1, 131))
        assert await ids(seller) == list(range(130, 30, -1))
        assert await ids(seller, currentPage=2) == []
        assert await ids(seller, type=3, currentPage=2) == list(range(30, 0, -1))

    async def test_pages_follow_each_other_and_end(self, seller: Seller) -> None:
        seller.market.add_orders({"id": n, "status": 2} for n in range(1, 26))
        pages = [await ids(seller, status=2, itemsPerPage=10, currentPage=n) for n in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert [*chain(*pages)] == list(range(25, 0, -1))
        counted = await seller.post("order/count", {"status": 2, "itemsPerPage": 10})
        assert counted["results"] == {
            "noOfItems": "25",
            "noOfPages": "3",
            "itemsPerPage": "10",
        }

    async def test_too_large_pages_are_clipped_or_refused(self, seller: Seller) -> None:
        seller.market.add_orders({"id": n, "status": 2} for n in range(1, 121))
        assert len(await ids(seller, status=2, itemsPerPage=300)) == 100
        seller.switch(clip_page_size=False)
        answer = await seller.post("order/read", {"status": 2, "itemsPerPage": 300})
        assert (seller.status, answer["isError"]) == (400, True)

    async def test_rows_move_between_pages_by_switch(self, seller: Seller) -> None:
        seller.switch(page_shift=True)
        seller.market.add_orders({"id": n, "status": 2} for n in range(1, 31))
        pages = [await ids(seller, status=2, itemsPerPage=10, currentPage=n) for n in (1, 2, 3)]
        seen = [*chain(*pages)]
        assert len(seen) == 30
        assert 0 < len(set(seen)) < 30  # something twice, something never


class TestShapes:
    async def test_counts_as_numbers_by_switch(self, seller: Seller) -> None:
        seller.switch(count_strings=False)
        assert (await seller.post("order/count"))["results"] == {
            "noOfItems": 0,
            "noOfPages": 0,
            "itemsPerPage": 100,
        }

    async def test_numbers_as_texts_by_switch(self, seller: Seller) -> None:
        seller.market.add_order({"id": 1, "status": 2})
        seller.market.add_return({"emag_id": 2, "order_id": 1})
        seller.switch(strings_for_numbers=True)
        order, rma = await seller.order(1), await seller.rma(2)
        assert (order["id"], order["status"], order["products"][0]["quantity"]) == ("1", "2", "2")
        assert (rma["emag_id"], rma["request_status"]) == ("2", "2")
        assert order["shipping_tax"] == 19.99
        assert (await seller.save(1, status="3"))["isError"] is False

    async def test_product_ids_as_numbers_by_switch(self, seller: Seller) -> None:
        seller.market.add_order({"id": 1, "status": 2})
        rma = seller.market.add_return({"emag_id": 2, "order_id": 1})
        assert isinstance(rma["products"][0]["product_id"], str)
        seller.switch(product_id_numbers=True)
        assert isinstance((await seller.order(1))["products"][0]["product_id"], int)
        assert isinstance((await seller.rma(2))["products"][0]["product_id"], int)
        assert (await seller.save(1, status=3))["isError"] is False

    @pytest.mark.parametrize(("shape", "empty"), [("list", []), ("object", {}), ("null", None)])
    async def test_empty_objects(self, seller: Seller, shape: str, empty: object) -> None:
        seller.market.add_order({"id": 1})
        seller.market.add_return({"emag_id": 2, "order_id": 1})
        seller.switch(empty_objects=shape)
        order = await seller.order(1)
        assert (order["details"], order["products"][0]["details"]) == (empty, empty)
        assert (await seller.rma(2))["locker"] == empty

    @pytest.mark.parametrize(
        ("shape", "empty"), [("null", None), ("list", []), ("object", {"id": None, "name": None})]
    )
    async def test_no_reason(self, seller: Seller, shape: str, empty: object) -> None:
        seller.market.add_order({"id": 1, "status": 2})
        seller.switch(empty_reason=shape)
        assert (await seller.order(1))["reason_cancellation"] == empty
        assert (await seller.save(1, status=3))["isError"] is False

    async def test_unknown_fields_by_switch(self, seller: Seller) -> None:
        seller.market.add_order({"id": 1})
        seller.market.add_return({"emag_id": 2, "order_id": 1})
        before = set(await seller.order(1)), set(await seller.rma(2))
        seller.switch(unknown_fields=True)
        after = set(await seller.order(1)), set(await seller.rma(2))
        assert after[0] > before[0]
        assert after[1] > before[1]

    async def test_a_large_shop_is_read_as_cheaply_as_a_small_one_is_made(
        self, seller: Seller, clock: Clock
    ) -> None:
        old = clock.now() - timedelta(days=20)
        seller.market.add_orders({"status": 4, "modified": old} for _ in range(20_000))
        newest = max(seller.market.orders)
        assert (await ids(seller, status=4, itemsPerPage=1)) == [newest]
        assert (await seller.order(newest))["customer"]["name"]
