"""Faults: what the client sees, what was applied all the same, and which requests they strike."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from integrations.sandbox.fault_kinds import SAVES, SERVER_ERRORS
from integrations.sandbox.faults import KINDS, Faults
from integrations.sandbox.market import Market

from .conftest import ORDER, RETURN, Clock, Seller

ORDERS = [ORDER + place for place in range(4)]
STRIKES = [(kind, point) for kind, points in KINDS.items() for point in points if kind != "stale"]
# how many of the four items of a lot are applied, for what strikes amid the effect
TAKEN = {"half_then_reset": 2, "half_then_500": 2, "half_then_error": 2, "one_refused": 3}

# kind: status, media type and a part of the body
ANSWERS: dict[str, tuple[int, str, bytes]] = {
    **{f"http_{n}_json": (n, "application/json", b'{"message":') for n in SERVER_ERRORS},
    **{f"http_{n}_html": (n, "text/html", b"<html>") for n in SERVER_ERRORS},
    "empty_body": (200, "application/json", b""),
    "garbage_body": (200, "application/json", b"\x1f\x8b"),
    "cut_body": (200, "application/json", b'{"isError":false'),
    "error_although_applied": (200, "application/json", b'"isError":true'),
    "locked": (200, "application/json", b"Resource locked for processing"),
    "throttle": (429, "application/json", b"API rate limit exceeded"),
    "throttle_retry_after": (429, "application/json", b"API rate limit exceeded"),
    "forbidden": (403, "application/json", b"You are not allowed to use this API."),
    "address_refused": (200, "application/json", b"Invalid vendor ip [192.0.2.10]"),
    "slow": (200, "application/json", b'"isError":false'),
    "half_then_500": (500, "application/json", b'{"message":'),
    "half_then_error": (200, "application/json", b" - Order id: %d" % ORDERS[2]),
    "one_refused": (200, "application/json", b" - Order id: %d" % ORDERS[3]),
}
SILENT = {
    "reset": httpx.RemoteProtocolError,
    "half_then_reset": httpx.RemoteProtocolError,
    "timeout": httpx.ReadTimeout,
}


async def lot(seller: Seller, **fields: Any) -> list[Any]:
    """Four orders in progress, as they are read and would be saved."""
    seller.market.add_orders({"id": number, "status": 2} for number in ORDERS)
    return [{**await seller.order(number), **fields} for number in ORDERS]


async def struck(market: Market) -> None:
    """Wait until a fault struck: a client may give up before."""
    while not any(record.fault for record in market.journal.requests):  # noqa: ASYNC110
        await asyncio.sleep(0)


async def statuses(seller: Seller, *routes: str) -> list[int]:
    found = []
    for route in routes:
        await seller.post(route)
        found.append(seller.status)
    return found


@pytest.mark.parametrize(("kind", "point"), STRIKES)
async def test_each_kind_at_each_point(remote: Seller, kind: str, point: Any) -> None:
    market, items = remote.market, await lot(remote, status=3)
    market.faults.add(route="order/save", point=point, kind=kind, seconds=0)
    patience = httpx.Timeout(30, read=0.1 if kind == "timeout" else 30)
    sending = remote.http.post("/api-3/order/save", json=items, timeout=patience)
    if kind in SILENT:
        with pytest.raises(SILENT[kind]):
            await sending
    else:
        answer = await sending
        status, media_type, part = ANSWERS[kind]
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith(media_type)
        assert part in answer.content
    await struck(market)
    applied = 4 if point == "after_effect" or kind == "slow" else TAKEN.get(kind, 0)
    moved = [(effect.id, effect.to) for effect in market.journal.effects_of("order.status")]
    assert moved == [(number, 3) for number in ORDERS[:applied]]
    assert [(await remote.order(number))["status"] == 3 for number in ORDERS] == [
        number in ORDERS[:applied] for number in ORDERS
    ]
    record = market.journal.requests_to("order/save")[0]
    assert (record.fault, record.fault_point) == (kind, point)
    assert (record.status is None) == (kind in SILENT)
    assert market.journal.violations() == []


def test_every_kind_has_its_answer_here() -> None:
    assert {*ANSWERS, *SILENT, "stale"} == set(KINDS)


@pytest.mark.parametrize("kind", ["empty_body", "garbage_body", "cut_body"])
async def test_a_damaged_body_is_no_json(remote: Seller, kind: str) -> None:
    remote.market.faults.add(kind=kind, point="after_effect")
    answer = await remote.http.post("/api-3/order/count")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|decode"):
        answer.json()


async def test_the_captcha_page_asks_whether_one_is_a_robot(seller: Seller) -> None:
    seller.market.faults.add(kind="http_511_html")
    assert "captcha" in (await seller.http.post("/api-3/order/count")).text


class TestThrottling:
    async def test_a_burst_says_nothing_of_when_to_come_back(self, seller: Seller) -> None:
        seller.market.faults.add(kind="throttle", times=2)
        assert await statuses(seller, "order/count", "order/count") == [429, 429]
        assert "retry-after" not in seller.headers
        assert await statuses(seller, "order/count") == [200]

    @pytest.mark.parametrize(("seconds", "said"), [(0, "1"), (7, "7"), (2.5, "3")])
    async def test_or_it_says_so(self, seller: Seller, seconds: float, said: str) -> None:
        seller.market.faults.add(kind="throttle_retry_after", seconds=seconds)
        assert await statuses(seller, "order/count") == [429]
        assert seller.headers["retry-after"] == said

    async def test_the_plain_kind_follows_the_switch(self, seller: Seller) -> None:
        seller.switch(retry_after=True)
        seller.market.faults.add(kind="throttle")
        await seller.post("order/count")
        assert seller.headers["retry-after"] == "1"


async def test_the_status_of_a_refused_address_is_a_switch(seller: Seller) -> None:
    seller.switch(address_refusal=403)
    seller.market.faults.add(kind="address_refused")
    assert await statuses(seller, "order/count") == [403]


async def test_a_held_connection_is_let_go_when_the_client_gives_up(remote: Seller) -> None:
    remote.market.faults.add(kind="timeout")
    before = asyncio.all_tasks()
    with pytest.raises(httpx.ReadTimeout):
        await remote.http.post("/api-3/order/count", timeout=httpx.Timeout(30.0, read=0.1))
    while asyncio.all_tasks() - before:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert await statuses(remote, "order/count") == [200]


class TestLotsTakenInPart:
    async def test_returns(self, seller: Seller) -> None:
        numbers = [RETURN, RETURN + 1, RETURN + 2]
        seller.market.add_returns({"emag_id": number} for number in numbers)
        items = [{**await seller.rma(number), "request_status": 3} for number in numbers]
        seller.market.faults.add("rma/save", kind="half_then_error")
        answer = await seller.post("rma/save", items)
        assert answer["messages"][0].endswith(f" - Rma id: {RETURN + 1}")
        assert [effect.id for effect in seller.market.journal.effects] == [RETURN]
        record = seller.market.journal.requests_to("rma/save")[0]
        assert (record.items, record.return_ids) == (3, numbers)

    async def test_attachments(self, seller: Seller) -> None:
        seller.market.add_orders({"id": number} for number in ORDERS)
        address = "https://facturi.example.com/1.pdf"
        items = [
            {"order_id": number, "order_type": 3, "name": "Factura 1", "url": address}
            for number in ORDERS
        ]
        seller.market.faults.add("order/attachments/save", kind="one_refused")
        answer = await seller.post("order/attachments/save", {"data": items})
        assert answer["messages"][0].endswith(f" - Order id: {ORDERS[-1]}")
        assert [effect.id for effect in seller.market.journal.effects] == ORDERS[:-1]

    @pytest.mark.parametrize("message_key", ["messages", "message"])
    async def test_what_is_refused_anyway_is_named_too(
        self, seller: Seller, message_key: str
    ) -> None:
        seller.switch(message_key=message_key)
        items = await lot(seller, status=3)
        items[0]["status"] = 1
        seller.market.faults.add("order/save", kind="one_refused")
        answer = await seller.post("order/save", items)
        for number in (ORDERS[0], ORDERS[3]):
            assert f"Order id: {number}" in str(answer[message_key])
        assert [effect.id for effect in seller.market.journal.effects] == ORDERS[1:3]

    async def test_of_a_single_item_nothing_is_taken(self, seller: Seller) -> None:
        seller.market.add_order({"id": ORDER, "status": 2})
        seller.market.faults.add(kind="half_then_500")
        await seller.save(status=3)
        assert (seller.status, seller.market.journal.effects) == (500, [])

    @pytest.mark.parametrize("body", [[], {}, {"data": 7}])
    async def test_what_is_no_lot_is_not_struck(self, seller: Seller, body: object) -> None:
        seller.market.faults.add(kind="half_then_500", times=None)
        assert await statuses(seller, "order/count") == [200]
        for route in SAVES:
            await seller.post(route, body)
            assert seller.status == 200


class TestWhenTheyStrike:
    async def test_as_often_as_told_and_only_on_their_route(self, seller: Seller) -> None:
        seller.market.faults.add(route="order/count", kind="forbidden", times=2)
        routes = ("rma/count", "order/count", "order/count", "order/count")
        assert await statuses(seller, *routes) == [200, 403, 403, 200]
        assert seller.market.faults.waiting() == ()

    async def test_without_an_end_until_cleared(self, seller: Seller) -> None:
        seller.market.faults.add(kind="forbidden", times=None)
        assert await statuses(seller, *["order/count"] * 5) == [403] * 5
        seller.market.faults.clear()
        assert await statuses(seller, "order/count") == [200]

    async def test_every_nth_of_their_requests(self, seller: Seller) -> None:
        seller.market.faults.add(route="order/count", kind="forbidden", every=3)
        routes = ["order/count", "rma/count"] * 3 + ["order/count"] * 3
        assert [status for status in await statuses(seller, *routes) if status == 403] == [403] * 2
        struck = [r.number for r in seller.market.journal.requests if r.fault]
        assert struck == [5, 9]

    async def test_every_nth_but_no_more_than_some_times(self, seller: Seller) -> None:
        seller.market.faults.add(kind="forbidden", every=2, times=2)
        found = await statuses(seller, *["order/count"] * 8)
        assert found == [200, 403, 200, 403, 200, 200, 200, 200]

    async def test_for_a_while(self, seller: Seller, clock: Clock) -> None:
        seller.market.faults.add(kind="forbidden", for_seconds=60)
        assert await statuses(seller, "order/count", "order/count") == [403, 403]
        clock.pass_time(seconds=59.5)
        assert await statuses(seller, "rma/count") == [403]
        assert [fault.for_seconds for fault in seller.market.faults.waiting()] == [0.5]
        clock.pass_time(seconds=0.5)
        assert await statuses(seller, "order/count") == [200]
        assert seller.market.faults.waiting() == ()

    async def test_several_points_of_one_request(self, seller: Seller) -> None:
        seller.market.faults.add(kind="slow", seconds=0)
        seller.market.faults.add(kind="http_503_json", point="after_effect")
        assert await statuses(seller, "order/count") == [503]
        (record,) = seller.market.journal.requests
        assert record.fault == "slow, http_503_json"
        assert record.fault_point == "before_effect, after_effect"

    async def test_the_first_that_strikes_hides_the_request_from_the_next(
        self, seller: Seller
    ) -> None:
        seller.market.faults.add(kind="forbidden", every=2)
        seller.market.faults.add(kind="throttle", every=2)
        found = await statuses(seller, *["order/count"] * 6)
        assert found == [200, 403, 429, 403, 200, 403]


class TestChance:
    @staticmethod
    def draws(seed: int, requests: int = 200) -> list[bool]:
        faults = Faults(seed)
        faults.add(kind="reset", probability=0.3)
        return [faults.consult("before_effect", "order/read") is not None for _ in range(requests)]

    def test_a_seed_strikes_the_same_requests(self) -> None:
        assert self.draws(7) == self.draws(7)
        assert self.draws(7) != self.draws(8)
        assert 30 < sum(self.draws(7)) < 90

    def test_faults_draw_for_themselves(self) -> None:
        faults = Faults(7)
        faults.add(kind="reset", probability=0.3)
        faults.add(kind="reset", point="after_effect", probability=0.3)
        alone, other = [], []
        for _ in range(200):
            alone.append(faults.consult("before_effect", "order/read") is not None)
            other.append(faults.consult("after_effect", "order/read") is not None)
        assert alone == self.draws(7)
        assert other != alone

    def test_cleared_faults_begin_anew(self) -> None:
        faults, runs = Faults(7), []
        for _ in range(2):
            faults.add(kind="reset", probability=0.3)
            runs.append([faults.consult("before_effect", "r") is not None for _ in range(200)])
            faults.clear()
        assert runs[0] == runs[1]

    async def test_the_seed_is_the_markets(self, clock: Clock) -> None:
        drawn = []
        for seed in (3, 3, 4):
            faults = Market(now=clock.now, monotonic=clock.monotonic, seed=seed).faults
            faults.add(kind="reset", probability=0.5)
            drawn.append([bool(faults.consult("before_effect", "r")) for _ in range(64)])
        assert drawn[0] == drawn[1] != drawn[2]

    def test_what_is_certain_always_strikes(self) -> None:
        faults = Faults()
        faults.add(kind="reset", probability=1)
        assert all(faults.consult("before_effect", "r") for _ in range(50))


class TestWhomTheyStrike:
    async def test_requests_that_name_an_order(self, seller: Seller) -> None:
        seller.market.add_orders({"id": number, "status": 1} for number in ORDERS)
        seller.market.faults.add(kind="forbidden", times=None, order_ids=[ORDERS[1]])
        for route, body, status in (
            (f"order/acknowledge/{ORDERS[0]}", None, 200),
            (f"order/acknowledge/{ORDERS[1]}", None, 403),
            ("order/read", {"id": ORDERS[1]}, 403),
            ("order/read", {"id": ORDERS[0]}, 200),
            ("order/read", {}, 200),
            ("order/attachments/read", {"order_id": ORDERS[1]}, 403),
            ("order/attachments/read", {"data": {"id": ORDERS[1]}}, 403),
            ("rma/read", {"order_id": ORDERS[1]}, 403),
            ("rma/save", [{"emag_id": RETURN, "order_id": str(ORDERS[1])}], 403),
            ("rma/read", {"id": ORDERS[1]}, 200),
            ("order/save", [{"id": ORDERS[0]}, {"id": str(ORDERS[1])}, 7], 403),
            ("order/save", [{"id": ORDERS[0]}], 200),
        ):
            await seller.post(route, body)
            assert (route, body, seller.status) == (route, body, status)

    async def test_after_a_read_the_rows_that_it_shows(self, seller: Seller) -> None:
        seller.market.add_orders({"id": number, "status": 1} for number in ORDERS)
        seller.market.faults.add(kind="empty_body", point="after_effect", order_ids=[ORDERS[1]])
        bodies = []
        for page in (1, 2):
            filters = {"currentPage": page, "itemsPerPage": 2}
            bodies.append((await seller.http.post("/api-3/order/read", json=filters)).content)
        assert (bodies[0] != b"", bodies[1]) == (True, b"")

    async def test_requests_that_name_a_return(self, seller: Seller) -> None:
        seller.market.add_returns({"emag_id": RETURN + place} for place in range(2))
        seller.market.faults.add(kind="forbidden", times=None, return_ids=[RETURN])
        await seller.post("rma/read", {"emag_id": RETURN + 1})
        assert seller.status == 200
        await seller.post("rma/read", {"emag_id": RETURN})
        assert seller.status == 403
        await seller.post("rma/save", [{"emag_id": RETURN + 1}, {"emag_id": RETURN}])
        assert seller.status == 403

    async def test_lots_of_some_size(self, seller: Seller) -> None:
        items = await lot(seller, status=3)
        seller.market.faults.add(kind="forbidden", times=None, min_items=3)
        for body, status in ((items[:2], 200), ({"data": items[:3]}, 403), (items, 403)):
            await seller.post("order/save", body)
            assert seller.status == status
        assert await statuses(seller, "order/count", "order/read") == [200, 200]

    async def test_all_conditions_must_hold(self, seller: Seller) -> None:
        items = await lot(seller, status=3)
        seller.market.faults.add(kind="forbidden", order_ids=[ORDERS[0]], min_items=2)
        for body, status in ((items[:1], 200), (items[1:], 200), (items, 403), (items, 200)):
            await seller.post("order/save", body)
            assert seller.status == status


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "meteor"},
        {"kind": "locked", "point": "after_effect"},
        {"kind": "cut_body", "point": "before_effect"},
        {"kind": "reset", "point": "during_effect"},
        {"kind": "slow", "seconds": -1},
        {"kind": "slow", "times": 0},
        {"kind": "slow", "colour": "red"},
    ],
)
def test_impossible_faults(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|times|seconds"):
        Faults().add(**fault)
