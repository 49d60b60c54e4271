"""Before a route is reached: addresses, credentials, bodies, limits."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.sandbox.limits import Limits
from integrations.sandbox.switches import Switches

from .conftest import ORDER, RETURN, Clock, Seller

NO_ROUTE = {"message": "no Route matched with those values"}
NOT_ALLOWED = {
    "isError": True,
    "messages": ["You are not allowed to use this API."],
    "results": [],
}


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        [
            *("order/cancel", "order/process_refund", "rma/create", "rma/update_status"),
            *("invoice/create", "invoice/update_payment", "order/acknowledge", "order/read/"),
            *("api-3/order/read", "order/acknowledge/x", "order/acknowledge/-1", "Order/read", ""),
        ],
    )
    async def test_what_does_not_exist(self, seller: Seller, path: str) -> None:
        assert await seller.post(path) == NO_ROUTE
        assert seller.status == 404
        assert seller.headers["content-type"] == "application/json; charset=utf-8"
        assert seller.broken_rules() == ["route"]

    @pytest.mark.parametrize("path", ["/", "/order/read", "/api-3", "/api/v1/order/read"])
    async def test_other_places_neither(self, seller: Seller, path: str) -> None:
        answer = await seller.http.post(path)
        assert (answer.status_code, answer.json()) == (404, NO_ROUTE)
        assert seller.broken_rules() == ["route"]

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    async def test_saves_only_by_post(self, seller: Seller, method: str) -> None:
        answer = await seller.http.request(method, "/api-3/order/save")
        assert answer.status_code == 404

    async def test_emags_own_addresses_need_no_credentials(self, seller: Seller) -> None:
        answer = await seller.http.get("/public-ips.json", auth=("", ""))
        assert answer.status_code == 200
        assert all(isinstance(address, str) for address in answer.json())


class TestCredentials:
    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "Basic " + base64.b64encode(b"seller@example.com:wrong").decode(),
            "Basic " + base64.b64encode(b"other@example.com:secret").decode(),
            "Basic " + base64.b64encode(b"seller@example.com").decode(),
            "Basic ***",
            "Basic",
            "Bearer secret",
        ],
    )
    async def test_wrong_ones(self, seller: Seller, authorization: str | None) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        headers = {"authorization": authorization} if authorization else {}
        path = f"/api-3/order/acknowledge/{ORDER}"
        answer = await seller.http.post(path, headers=headers, auth=httpx.Auth())
        assert (answer.status_code, answer.json()) == (403, NOT_ALLOWED)
        assert seller.market.journal.effects == []
        assert seller.market.journal.violations() == []

    async def test_an_address_that_is_not_allowed(self, seller: Seller) -> None:
        seller.switch(allowed_addresses=["203.0.113.7"])
        answer = await seller.post("order/count")
        assert (seller.status, answer["isError"], answer["messages"]) == (
            200,
            True,
            ["ERROR: Invalid vendor ip [127.0.0.1]"],
        )
        seller.switch(address_refusal=403)
        await seller.post("order/count")
        assert seller.status == 403
        seller.switch(allowed_addresses=["127.0.0.1"])
        assert (await seller.post("order/count"))["isError"] is False


class TestBodies:
    async def test_saves_are_lists_bare_or_under_data(self, seller: Seller) -> None:
        order = seller.market.add_order({"id": ORDER, "status": 2})
        assert (await seller.post("order/save", [order]))["isError"] is False
        assert (await seller.post("order/save", {"data": [order]}))["isError"] is False

    @pytest.mark.parametrize("route", ["order/save", "rma/save", "order/attachments/save"])
    @pytest.mark.parametrize("body", [{"id": 1}, {}, {"data": {"id": 1}}, 5, "x", None])
    async def test_anything_else_is_refused(self, seller: Seller, route: str, body: Any) -> None:
        answer = await seller.post(route, body)
        assert (seller.status, answer) == (
            200,
            {
                "isError": True,
                "messages": ["Expected list of arrays, single array received"],
                "errors": [],
                "results": [],
            },
        )
        assert seller.broken_rules() == ["shape"]

    async def test_lone_returns_and_attachments_are_taken_by_switch(self, seller: Seller) -> None:
        seller.switch(lone_object_saves=True)
        order = seller.market.add_order({"id": ORDER, "status": 2})
        rma = seller.market.add_return({"emag_id": RETURN, "order_id": ORDER})
        document = {"order_id": ORDER, "order_type": 3, "name": "F", "url": "https://x.example/f"}
        assert (await seller.post("rma/save", rma))["isError"] is False
        assert (await seller.post("order/attachments/save", document))["isError"] is False
        assert (await seller.post("order/save", order))["isError"] is True

    async def test_a_php_form_is_as_good_as_json(self, seller: Seller) -> None:
        order = seller.market.add_order(
            {"id": ORDER, "status": 4, "products": [{"product_id": "1001", "quantity": 2}]}
        )
        first = order["products"][0]
        form = {f"data[0][{key}]": _php(value) for key, value in order.items() if _sendable(value)}
        form |= {
            f"data[0][customer][{key}]": _php(value)
            for key, value in order["customer"].items()
            if _sendable(value)
        }
        form |= {
            f"data[0][products][0][{key}]": _php(value)
            for key, value in first.items()
            if _sendable(value)
        }
        form |= {"data[0][is_storno]": "true", "data[0][products][0][quantity]": "1"}
        form |= {"debug_info[site]": "https://shop.example"}
        answer = await seller.http.post("/api-3/order/save", data=form)
        assert answer.json()["isError"] is False
        assert (await seller.order())["products"][0]["storno_qty"] == 1

    async def test_multipart_too(self, seller: Seller) -> None:
        seller.market.add_orders([{"id": 1}, {"id": 2}])
        files = {"id": (None, "2"), "type": (None, "3")}
        answer = await seller.http.post("/api-3/order/read", files=files)
        assert [row["id"] for row in answer.json()["results"]] == [2]

    @pytest.mark.parametrize("text", [b"{", b"\xff", b"[1,]", b"id=1"])
    async def test_what_is_not_json(self, seller: Seller, text: bytes) -> None:
        headers = {"content-type": "application/json"}
        answer = await seller.http.post("/api-3/order/read", content=text, headers=headers)
        assert (answer.status_code, answer.json()["isError"]) == (400, True)

    async def test_fifty_entities_and_four_thousand_elements(self, seller: Seller) -> None:
        answer = await seller.post("order/save", [{"id": n} for n in range(1, 52)])
        assert "50" in answer["messages"][0]
        answer = await seller.post("order/save", [{"id": n} for n in range(1, 51)])
        assert len(answer["messages"]) == 50
        answer = await seller.post("order/read", {"id": 1, "x": [0] * 3999})
        assert answer["isError"] is False
        answer = await seller.post("order/read", {"id": 1, "x": [[0, [0]], *[0] * 3998]})
        assert answer["messages"] == ["Maximum input vars of 4000 exceeded"]
        assert seller.status == 200

    async def test_the_message_may_stand_under_another_key(self, seller: Seller) -> None:
        seller.switch(message_key="message")
        answer = await seller.post("order/read", {"x": [0] * 4001})
        assert answer == {
            "isError": True,
            "message": "Maximum input vars of 4000 exceeded",
            "errors": [],
            "results": [],
        }


def _sendable(value: object) -> bool:
    return value not in (None, [], {}) and not isinstance(value, (dict, list))


def _php(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


class TestLimits:
    @pytest.fixture(autouse=True)
    def limited(self, seller: Seller) -> None:
        seller.switch(limits=True)

    async def spend(self, seller: Seller, route: str, times: int) -> list[int]:
        statuses = []
        for _ in range(times):
            await seller.post(route)
            statuses.append(seller.status)
        return statuses

    async def test_twelve_order_requests_a_second(self, seller: Seller, clock: Clock) -> None:
        assert await self.spend(seller, "order/count", 13) == [200] * 12 + [429]
        clock.pass_time(seconds=0.999)
        assert await self.spend(seller, "order/count", 1) == [429]
        clock.pass_time(seconds=0.001)
        assert await self.spend(seller, "order/count", 13) == [200] * 12 + [429]

    async def test_three_of_all_others_together(self, seller: Seller) -> None:
        assert await self.spend(seller, "rma/count", 2) == [200, 200]
        assert await self.spend(seller, "invoice/read", 2) == [200, 429]
        assert await self.spend(seller, "order/attachments/read", 1) == [200]

    async def test_720_and_180_a_minute(self, seller: Seller, clock: Clock) -> None:
        seller.switch(orders_per_minute=30, other_per_minute=5)
        for _ in range(30):
            clock.pass_time(seconds=1)
            assert await self.spend(seller, "order/count", 1) == [200]
        assert await self.spend(seller, "order/count", 1) == [429]
        clock.pass_time(seconds=30.999)
        assert await self.spend(seller, "order/count", 1) == [429]
        clock.pass_time(seconds=0.001)
        assert await self.spend(seller, "order/count", 2) == [200, 429]

    async def test_each_login_has_its_own(self, seller: Seller) -> None:
        seller.market.credentials["fbe@example.com"] = "secret"
        await self.spend(seller, "rma/count", 3)
        seller.http.auth = httpx.BasicAuth("fbe@example.com", "secret")
        assert await self.spend(seller, "rma/count", 1) == [200]

    async def test_invalid_requests_count_too(self, seller: Seller) -> None:
        for _ in range(3):
            await seller.post("rma/read", {"emag_id": "x"})
        assert await self.spend(seller, "rma/read", 1) == [429]

    async def test_a_refused_request_has_no_effect_and_takes_no_room(
        self, seller: Seller, clock: Clock
    ) -> None:
        seller.market.add_order({"id": ORDER, "status": 1})
        await self.spend(seller, "order/count", 12)
        answer = await seller.post(f"order/acknowledge/{ORDER}")
        assert (seller.status, answer) == (429, {"message": "API rate limit exceeded"})
        assert seller.market.journal.effects == []
        assert seller.broken_rules() == ["limit"]
        await self.spend(seller, "order/count", 20)
        clock.pass_time(seconds=1)
        await seller.post(f"order/acknowledge/{ORDER}")
        assert seller.status == 200

    async def test_headers_speak_of_three_seconds_and_are_honest(
        self, seller: Seller, clock: Clock
    ) -> None:
        limit, remaining = "x-ratelimit-limit-3second", "x-ratelimit-remaining-3second"
        await seller.post("rma/count")
        assert (seller.headers[limit], seller.headers[remaining]) == ("9", "8")
        await self.spend(seller, "rma/count", 3)
        assert (seller.status, seller.headers[remaining]) == (429, "6")
        for _ in range(2):
            clock.pass_time(seconds=1)
            await self.spend(seller, "rma/count", 3)
        assert seller.headers[remaining] == "0"
        clock.pass_time(seconds=3)
        await seller.post("rma/count")
        assert seller.headers[remaining] == "8"

    async def test_retry_after_by_switch(self, seller: Seller) -> None:
        await self.spend(seller, "rma/count", 4)
        assert "retry-after" not in seller.headers
        seller.switch(retry_after=True)
        await self.spend(seller, "rma/count", 1)
        assert (seller.status, seller.headers["retry-after"]) == (429, "1")

    async def test_off_by_switch(self, seller: Seller) -> None:
        seller.switch(limits=False)
        assert await self.spend(seller, "rma/count", 9) == [200] * 9
        assert seller.headers["x-ratelimit-remaining-3second"] == "9"


@given(st.lists(st.integers(0, 400), min_size=1, max_size=300))
def test_no_second_and_no_minute_ever_sees_more_than_the_limit(pauses: list[int]) -> None:
    switches = Switches(other_per_second=3, other_per_minute=40)
    limits, at, allowed = Limits(), 0.0, []
    for pause in pauses:
        at += pause / 1024  # binary fractions add up exactly
        if limits.arrive("seller", "other", at, switches).allowed:
            allowed.append(at)
    for last in allowed:
        assert sum(last - 1 < moment <= last for moment in allowed) <= 3
        assert sum(last - 60 < moment <= last for moment in allowed) <= 40
