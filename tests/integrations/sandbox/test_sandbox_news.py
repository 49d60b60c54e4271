"""Oddities that a client which follows the news has to live with: pages, filters, `modified`."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from integrations.sandbox.market import Market

from .conftest import ORDER, RETURN, Clock, Seller


async def ids(seller: Seller, route: str, **filters: Any) -> list[int]:
    key = "id" if route.startswith("order") else "emag_id"
    return [row[key] for row in (await seller.post(route, filters))["results"]]


async def walk(seller: Seller, route: str, pages: int, **filters: Any) -> list[list[int]]:
    return [await ids(seller, route, currentPage=page, **filters) for page in range(1, pages + 1)]


@pytest.fixture
def thirty(market: Market) -> None:
    """Thirty orders and thirty returns of the first one, numbered from 1."""
    market.add_orders({"id": n, "status": 2} for n in range(1, 31))
    market.add_returns({"emag_id": n, "order_id": 1, "request_status": 2} for n in range(1, 31))


FILTER = {"order/read": {"status": 2}, "rma/read": {"request_status": 2}}
BOTH = pytest.mark.parametrize("route", ["order/read", "rma/read"])


@pytest.mark.usefixtures("thirty")
class TestPages:
    @BOTH
    async def test_a_page_never_holds_more_than_the_cap(self, seller: Seller, route: str) -> None:
        seller.switch(page_cap=8)
        seen = await walk(seller, route, 5, itemsPerPage=100, **FILTER[route])
        assert [len(page) for page in seen] == [8, 8, 8, 6, 0]
        assert [*chain(*seen)] == list(range(30, 0, -1))
        assert len(await ids(seller, route, itemsPerPage=5, **FILTER[route])) == 5

    async def test_counts_keep_silent_about_the_cap(self, seller: Seller) -> None:
        seller.switch(page_cap=8)
        for route in ("order/count", "rma/count"):
            results = (await seller.post(route, {"itemsPerPage": 10}))["results"]
            assert (results["noOfPages"], results["itemsPerPage"]) == ("3", "10")

    @BOTH
    async def test_behind_the_end_the_last_page_comes_again(
        self, seller: Seller, route: str
    ) -> None:
        seller.switch(repeat_last_page=True)
        seen = await walk(seller, route, 5, itemsPerPage=12, **FILTER[route])
        assert [len(page) for page in seen] == [12, 12, 6, 6, 6]
        assert seen[2] == seen[3] == seen[4] == [6, 5, 4, 3, 2, 1]
        assert await ids(seller, route, currentPage=3, type=2) == []  # nothing has no last page

    @BOTH
    async def test_rows_move_between_pages(self, seller: Seller, route: str) -> None:
        seller.switch(page_shift=True)
        seen = [*chain(*await walk(seller, route, 3, itemsPerPage=10, **FILTER[route]))]
        assert len(seen) == 30
        assert 0 < len(set(seen)) < 30  # something twice, something never

    async def test_rows_move_also_for_one_who_reads_both_by_turns(self, seller: Seller) -> None:
        seller.switch(page_shift=True)
        seen: dict[str, list[int]] = {"order/read": [], "rma/read": []}
        for page in (1, 2, 3):
            for route, found in seen.items():
                paging = {"itemsPerPage": 10, "currentPage": page}
                found += await ids(seller, route, **FILTER[route], **paging)
        assert len(set(seen["order/read"])) < 30
        assert len(set(seen["rma/read"])) < 30


@pytest.mark.usefixtures("thirty")
class TestIgnoredFilters:
    async def test_windows(self, seller: Seller) -> None:
        window = {"modifiedAfter": "2026-03-20 11:00:00", "type": 3}
        assert await ids(seller, "order/read", **window) == []
        seller.switch(ignored_filters=["modifiedAfter"])
        assert len(await ids(seller, "order/read", **window)) == 30
        assert (await seller.post("order/count", window))["results"]["noOfItems"] == "30"
        assert seller.broken_rules() == []

    async def test_statuses_of_returns(self, seller: Seller) -> None:
        assert await ids(seller, "rma/read", request_status=6) == []
        seller.switch(ignored_filters=["request_status"])
        assert len(await ids(seller, "rma/read", request_status=6)) == 30
        counted = await seller.post("rma/count", {"request_status": 6})
        assert counted["results"]["noOfItems"] == "30"


class TestModified:
    async def test_it_is_the_moment_of_the_change(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 2, "modified": "2026-03-19 12:00:00"})
        await seller.save(status=3)
        assert (await seller.order())["modified"] == "2026-03-20 12:00:00"

    async def test_it_stands_still(self, seller: Seller) -> None:
        seller.switch(modified_stands_still=True)
        seller.market.add_order({"id": ORDER, "status": 2, "modified": "2026-03-19 12:00:00"})
        await seller.save(status=3)
        seller.market.customer_pays(ORDER)
        order = await seller.order()
        assert (order["status"], order["payment_status"]) == (3, 1)
        assert order["modified"] == "2026-03-19 12:00:00"
        assert await ids(seller, "order/read", modifiedAfter="2026-03-20 12:00:00") == []

    async def test_it_goes_back(self, seller: Seller) -> None:
        seller.switch(modified_goes_back=True)
        seller.market.add_order({"id": ORDER, "status": 2, "modified": "2026-03-19 12:00:00"})
        await seller.save(status=3)
        assert (await seller.order())["modified"] == "2026-03-19 11:00:00"
        window = {"modifiedAfter": "2026-03-19 10:59:59", "modifiedBefore": "2026-03-19 11:00:00"}
        assert await ids(seller, "order/read", **window) == [ORDER]
        assert await ids(seller, "order/read", modifiedAfter="2026-03-19 11:00:01") == []


class TestAnotherCountry:
    async def test_its_money(self, seller: Seller) -> None:
        seller.switch(currency="EUR")
        seller.market.add_order({"id": ORDER, "status": 4})
        seller.market.add_return({"emag_id": RETURN, "order_id": ORDER})
        seller.market.add_issued_invoice({"category": "FC"})
        order = await seller.order()
        assert {order["currency"], *(line["currency"] for line in order["products"])} == {"EUR"}
        assert (await seller.rma())["currency"] == "EUR"
        (invoice,) = (await seller.post("invoice/read"))["results"]["invoices"]
        assert invoice["currency"] == "EUR"

    async def test_its_clock(self, seller: Seller, clock: Clock) -> None:
        seller.switch(zone="Europe/Budapest")  # 10:00 UTC is 11:00 there, 12:00 in Bucharest
        seller.market.add_order({"id": ORDER, "status": 4, "modified": clock.now()})
        assert (await seller.order())["modified"] == "2026-03-20 11:00:00"
        assert await ids(seller, "order/read", modifiedAfter="2026-03-20 11:00:00") == [ORDER]
        rma = seller.market.customer_opens_return(ORDER)
        seller.market.courier_delivers_return(rma["emag_id"])
        rma = await seller.rma(rma["emag_id"])
        assert rma["date"] == rma["status_history"][-1]["event_date"] == "2026-03-20 11:00:00"
        assert rma["request_history"][-1]["date"] == "20 Mar 2026, 11:00"
        clock.pass_time(hours=1)
        seller.market.customer_pays(ORDER)
        assert (await seller.order())["modified"] == "2026-03-20 12:00:00"

    async def test_its_windows(self, seller: Seller, clock: Clock) -> None:
        seller.switch(zone="Europe/Budapest")
        seller.market.add_order({"id": ORDER, "status": 4, "finalization_date": clock.now()})
        clock.pass_time(hours=47, minutes=59)
        assert (await seller.save(status=3))["isError"] is False


class TestFindingByTime:
    """What indexes find is what a look at each record would find, also after changes."""

    @pytest.fixture(autouse=True)
    def several(self, market: Market) -> None:
        market.add_orders(
            {
                "id": n,
                "status": n % 6,
                "type": 2 + n % 2,
                "created": f"2026-03-{n % 7 + 1:02} 08:00:00",
                "modified": f"2026-03-{n % 11 + 8:02} 09:00:00",
            }
            for n in range(1, 201)
        )
        market.add_returns(
            {
                "emag_id": n,
                "order_id": n,
                "request_status": n % 7 + 1,
                "type": 2 + n % 2,
                "date": f"2026-03-{n % 13 + 1:02} 10:00:00",
            }
            for n in range(1, 201)
        )

    @pytest.mark.parametrize("changes", [0, 3, 100])
    @pytest.mark.parametrize("status", [None, 0, 2, 4])
    @pytest.mark.parametrize("field", ["created", "modified"])
    async def test_orders(
        self, seller: Seller, clock: Clock, changes: int, status: int | None, field: str
    ) -> None:
        await ids(seller, "order/read", modifiedAfter="2026-03-01")
        for number in range(1, changes + 1):
            clock.pass_time(minutes=1)
            seller.market.customer_pays(number)
        for first, last in (("03-01", "03-31"), ("03-05", "03-12"), ("03-20", "03-21")):
            after, before = f"2026-{first} 09:00:00", f"2026-{last} 09:00:00"
            expected = [
                order["id"]
                for number in seller.market.orders
                if (order := seller.market.orders.get(number))
                and after <= order[field] <= before
                and (status is None or order["status"] == status)
                and order["type"] == 3
            ]
            window = {f"{field}After": after, f"{field}Before": before, "status": status}
            window = {name: value for name, value in window.items() if value is not None}
            assert await ids(seller, "order/read", **window) == sorted(expected, reverse=True)[:100]
            counted = await seller.post("order/count", {**window, "type": 3})
            assert counted["results"]["noOfItems"] == str(len(expected))

    async def test_orders_in_two_windows_at_once(self, seller: Seller) -> None:
        found = await ids(
            seller,
            "order/read",
            createdAfter="2026-03-03",
            createdBefore="2026-03-04",
            modifiedAfter="2026-03-10",
            modifiedBefore="2026-03-11",
        )
        assert found == [n for n in range(200, 0, -1) if n % 7 == 2 and n % 11 == 2 and n % 2]
        assert found

    @pytest.mark.parametrize("status", [None, 2, 7])
    @pytest.mark.parametrize("kind", [None, 2])
    async def test_returns_need_no_status(
        self, seller: Seller, status: int | None, kind: int | None
    ) -> None:
        filters = {"date_start": "2026-03-04", "date_end": "2026-03-06 10:00:00"}
        filters |= {"request_status": status} if status else {}  # type: ignore[dict-item]
        filters |= {"type": kind} if kind else {}  # type: ignore[dict-item]
        expected = [
            n
            for n in range(200, 0, -1)
            if 4 <= n % 13 + 1 <= 6
            and (status is None or n % 7 + 1 == status)
            and (kind is None or 2 + n % 2 == kind)
        ]
        assert expected
        assert await ids(seller, "rma/read", **filters) == expected
        counted = await seller.post("rma/count", filters)
        assert counted["results"]["noOfItems"] == str(len(expected))

    async def test_by_one_end_only(self, seller: Seller) -> None:
        late = await ids(seller, "rma/read", date_start="2026-03-13 10:00:00")
        assert late == [n for n in range(200, 0, -1) if n % 13 == 12]
        early = await ids(seller, "rma/read", date_end="2026-03-01 10:00:00")
        assert early == [n for n in range(200, 0, -1) if n % 13 == 0]

    async def test_statuses_that_changed(self, seller: Seller) -> None:
        assert 1 in await ids(seller, "rma/read", request_status=2)
        seller.market.panel_moves_return(1, 3)
        assert 1 not in await ids(seller, "rma/read", request_status=2)
        assert 1 in await ids(seller, "rma/read", request_status=3)
