"""The sandbox as a server of its own: over real HTTP, from Python and from a terminal."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer import BadParameter

from integrations.sandbox.command import _value, sandbox_command
from integrations.sandbox.market import Market
from integrations.sandbox.server import serving
from integrations.sandbox.shop import populate
from integrations.sandbox.switches import Switches

from .conftest import CREDENTIALS, ORDER, Clock, Seller

ROOT = Path(__file__).parents[3]


async def test_a_cancellation_from_first_read_to_last() -> None:
    market = Market()
    market.add_order({"id": ORDER, "status": 1})
    async with (
        serving(market) as base_url,
        httpx.AsyncClient(base_url=base_url, auth=CREDENTIALS) as http,
    ):
        asked = {"id": ORDER, "type": 3}
        assert (await http.post("/order/read", json=asked)).json()["results"][0]["status"] == 1
        assert (await http.post(f"/order/acknowledge/{ORDER}")).status_code == 200
        order = (await http.post("/order/read", json=asked)).json()["results"][0]
        body = {"data": [{**order, "status": 0, "reason_cancellation": 24}]}
        answer = await http.post("/order/save", json=body)
        assert answer.json() == {"isError": False, "messages": [], "errors": [], "results": []}
        assert answer.headers["x-ratelimit-limit-3second"] == "36"
        order = (await http.post("/order/read", json=asked)).json()["results"][0]
        assert (order["status"], order["reason_cancellation"]["id"]) == (0, 24)
    kinds = [effect.kind for effect in market.journal.effects]
    assert kinds == ["acknowledge", "order.status"]
    assert market.journal.violations() == []


async def test_a_return_from_the_customer_to_the_end() -> None:
    market = Market(Switches(limits=False))
    market.add_order({"id": ORDER, "status": 4})
    number = market.customer_opens_return(ORDER)["emag_id"]
    async with (
        serving(market) as base_url,
        httpx.AsyncClient(base_url=base_url, auth=CREDENTIALS) as http,
    ):
        for status in (3, 6, 7):
            found = await http.post("/rma/read", json={"order_id": ORDER})
            (rma,) = found.json()["results"]
            body = [{**rma, "request_status": status}]
            assert (await http.post("/rma/save", json=body)).json()["isError"] is False
    moves = [(e.from_, e.to) for e in market.journal.effects_of("rma.status", number)]
    assert moves == [(2, 3), (3, 6), (6, 7)]


async def test_answers_in_flight_do_not_wait_for_each_other(seller: Seller) -> None:
    seller.switch(answer_seconds=3600)
    seller.market.add_order({"id": ORDER})
    asks = [asyncio.create_task(seller.http.post("/api-3/order/read")) for _ in range(8)]
    await handled(seller.market, len(asks))
    assert [record.status for record in seller.market.journal.requests] == [None] * len(asks)
    for ask in asks:
        ask.cancel()
    await asyncio.gather(*asks, return_exceptions=True)


async def test_an_answer_shows_the_moment_of_its_request(seller: Seller) -> None:
    seller.switch(answer_seconds=0.05)
    seller.market.add_order({"id": ORDER, "status": 1})
    reading = asyncio.create_task(seller.http.post("/api-3/order/read"))
    await handled(seller.market, 1)
    seller.market.customer_asks_to_cancel(ORDER)
    assert (await reading).json()["results"][0]["status"] == 1


async def handled(market: Market, times: int) -> None:
    """Wait until reads of orders were worked out that often, answered or not."""
    while sum(bool(record.order_ids) for record in market.journal.requests) < times:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_nothing_is_left_behind_and_signals_are_left_alone() -> None:
    market = Market()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    tasks = asyncio.all_tasks()
    async with serving(market) as base_url:
        port = int(base_url.split(":")[2].split("/")[0])
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
        async with serving(Market()) as other:
            assert other != base_url
    assert asyncio.all_tasks() == tasks
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_only_this_machine_is_served() -> None:
    with pytest.raises(ValueError, match="loopback"):
        async with serving(Market(), host="0.0.0.0"):  # noqa: S104 - that it is refused
            pass


def test_a_file_of_switches_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "switches.json"
    file.write_text("page_shift: true")

    with pytest.raises(BadParameter, match=rf"{file}: this is not JSON"):
        sandbox_command(switches=file)


def test_from_a_terminal_until_ctrl_c() -> None:
    program = (
        "import typer; from integrations.sandbox.command import sandbox_command;"
        "typer.run(sandbox_command)"
    )
    options = ["--orders", "20", "--switch", "page_shift=true"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        base_url = process.stdout.readline().split()[-1]
        login, password = process.stdout.readline().split()[-2:]
        auth = (login, password)
        answer = httpx.post(f"{base_url}/order/count", auth=auth, trust_env=False)
        assert answer.json()["results"]["noOfItems"] == "20"
        journal = process.stdout.readline().split()[-1]
        told = httpx.get(journal, trust_env=False).json()
        assert [row["route"] for row in told["requests"]] == ["order/count"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        _, errors = process.communicate()
    assert errors == ""


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("colour=red", "no switch 'colour'"),
        ("limits", "--switch limits: write NAME=VALUE"),
        ("limits=perhaps", 'switch limits can\'t be "perhaps": it takes true or false'),
        ("orders_per_second=0", "orders_per_second must be at least 1"),
        (
            "orders_per_second=0.5",
            "switch orders_per_second can't be 0.5: it takes a whole number",
        ),
        ("page_cap=all", 'switch page_cap can\'t be "all": it takes a whole number or null'),
        ("acknowledge_twice=500", "switch acknowledge_twice can't be 500: it takes 400 or 200"),
        (
            "empty_objects=0",
            'switch empty_objects can\'t be "0": it takes "list" or "object" or "null"',
        ),
        (
            "ignored_filters=[5]",
            "switch ignored_filters can't be [5]: it takes a list of texts",
        ),
        ("zone=5", "there is no zone '5'; write one like Europe/Sofia"),
    ],
)
def test_a_mistake_at_the_terminal_names_the_switch_and_what_it_takes(
    option: str, words: str
) -> None:
    with pytest.raises(BadParameter) as raised:
        sandbox_command(switch=[option])

    assert words in raised.value.message
    assert "\n" not in raised.value.message


def test_a_text_may_look_like_something_else_at_the_terminal() -> None:
    assert _value("empty_objects", "null") == "null"
    assert _value("currency", '"EUR"') == "EUR"
    assert _value("page_cap", "null") is None


class TestShop:
    def test_it_is_the_same_for_a_seed(self, clock: Clock) -> None:
        shops = []
        for seed in (1, 1, 2):
            market = Market(now=clock.now)
            populate(market, seed=seed, orders=30)
            shops.append([market.orders.get(number) for number in market.orders])
        assert shops[0] == shops[1]
        assert shops[0] != shops[2]

    @pytest.mark.parametrize("seed", range(1, 6))
    def test_it_has_everything(self, seed: int) -> None:
        market = Market()
        populate(market, seed=seed)
        orders = [market.orders.get(number) or {} for number in market.orders]
        returns = [market.returns.get(number) or {} for number in market.returns]
        assert len(orders) == 200
        assert {order["status"] for order in orders} == {0, 1, 2, 3, 4, 5}
        assert {order["type"] for order in orders} == {2, 3}
        assert {order["payment_mode_id"] for order in orders} == {1, 2, 3, None}
        assert {rma["request_status"] for rma in returns} == {1, 2, 3, 4, 5, 6, 7}
        assert any(order["attachments"] for order in orders)
        assert any(order["cancellation_request"] for order in orders)
        assert market.documents
        assert market.invoices
        assert market.customer_invoices
        known = {order["id"] for order in orders}
        assert {int(rma["order_id"]) for rma in returns} <= known
