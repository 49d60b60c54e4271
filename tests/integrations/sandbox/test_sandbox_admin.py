"""The sandbox's own routes, its switches and its journal."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from integrations.sandbox.admin import ACTIONS
from integrations.sandbox.market import Market
from integrations.sandbox.switches import Switches, as_json, changed

from .conftest import ORDER, Seller


async def admin(seller: Seller, method: str, path: str, body: object = None) -> Any:
    answer = await seller.http.request(method, f"/sandbox/{path}", json=body, auth=("", ""))
    seller.status = answer.status_code
    return answer.json()


async def test_the_scene_is_set_over_http(seller: Seller) -> None:
    (order,) = await admin(seller, "POST", "orders", {"id": ORDER, "status": 4})
    assert order["customer"]["name"]
    rmas = await admin(seller, "POST", "returns", [{"order_id": ORDER}, {"order_id": ORDER}])
    assert len({rma["emag_id"] for rma in rmas}) == 2
    await admin(seller, "POST", "invoices", {"category": "FC"})
    (document,) = await admin(seller, "POST", "documents", {"name": "EX-1", "kind": "html"})
    page = await seller.http.get(document["path"])
    assert page.headers["content-type"] == "application/pdf"
    assert page.text.startswith("<!doctype html>")
    assert (await seller.order())["id"] == ORDER
    assert (await admin(seller, "GET", f"orders/{ORDER}"))["status"] == 4
    assert (await admin(seller, "GET", "orders/7")) is None


async def test_others_act_over_http(seller: Seller) -> None:
    seller.market.add_order({"id": ORDER, "status": 3})
    await admin(seller, "POST", "actions", {"action": "finalize", "order_id": ORDER})
    rma = await admin(
        seller, "POST", "actions", {"action": "customer_opens_return", "order_id": ORDER}
    )
    delivered = {"action": "courier_delivers_return", "emag_id": rma["emag_id"]}
    assert (await admin(seller, "POST", "actions", delivered))["request_status"] == 6
    assert await admin(seller, "POST", "actions", {"action": "download_documents"}) == []


async def test_money_and_the_panel_act_over_http(seller: Seller) -> None:
    seller.market.add_order(
        {"id": ORDER, "status": 4, "products": [{"product_id": "1001", "quantity": 2}]}
    )
    act = {"action": "panel_stornoes", "order_id": ORDER, "product_id": "1001", "pieces": 1}
    assert (await admin(seller, "POST", "actions", act))["products"][0]["storno_qty"] == 1
    act = {"action": "emag_refunds_order", "order_id": ORDER, "amount": 12.5}
    assert (await admin(seller, "POST", "actions", act))["refunded_amount"] == "12.50"


def test_every_action_is_a_documented_route(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs" / "sandbox.md").read_text()
    acts = ("customer_", "courier_", "emag_", "panel_", "cod_", "card_", "finalize")
    assert {name for name in vars(Market) if name.startswith(acts)} == set(ACTIONS)
    assert [name for name in ACTIONS if f"| `{name}` |" not in text] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("orders", {"id": ORDER}),  # taken
        ("documents", {"name": "a/b"}),
        ("documents", {"name": "a", "kind": "gif"}),
        ("planets", {}),
        ("actions", {"action": "explode"}),
        ("actions", {"action": "finalize", "order_id": 99}),
        ("actions", {"action": "finalize", "colour": "red"}),
        ("actions", {"action": "panel_cancels", "order_id": ORDER}),  # it is new
        ("actions", {"action": "panel_removes", "order_id": ORDER, "pieces": 1}),
        ("faults", {"kind": "meteor"}),
        ("faults", {"colour": "red"}),
    ],
)
async def test_mistakes_are_said(seller: Seller, path: str, body: object) -> None:
    seller.market.add_order({"id": ORDER})
    answer = await admin(seller, "POST", path, body)
    assert seller.status == 400
    assert answer["error"]


async def test_switches_over_http(seller: Seller) -> None:
    assert (await admin(seller, "GET", "switches"))["orders_per_second"] == 12
    await admin(seller, "PUT", "switches", {"allowed_addresses": ["192.0.2.1"]})
    assert seller.market.switches.allowed_addresses == frozenset({"192.0.2.1"})
    assert (await seller.post("order/count"))["isError"] is True
    await admin(seller, "PUT", "switches", {"allowed_addresses": None})
    assert (await seller.post("order/count"))["isError"] is False


@pytest.mark.parametrize(
    "given",
    [
        {"colour": "red"},
        {"acknowledge_twice": 418},
        {"orders_per_second": 0},
        {"answer_seconds": -1},
        {"limits": "perhaps"},
        {"page_cap": 0},
        {"zone": "Europe/Atlantis"},
        {"ignored_filters": "type"},
    ],
)
async def test_switches_that_do_not_exist(seller: Seller, given: dict[str, Any]) -> None:
    before = seller.market.switches
    answer = await admin(seller, "PUT", "switches", given)
    assert (seller.status, next(iter(given)) in answer["error"]) == (400, True)
    assert seller.market.switches == before


def test_switches_survive_json() -> None:
    odd = Switches(allowed_addresses=frozenset({"192.0.2.1"}), page_shift=True)
    odd = changed(odd, {"ignored_filters": ["type", "status"], "page_cap": 20, "zone": "UTC"})
    assert changed(Switches(), json.loads(json.dumps(as_json(odd)))) == odd


def test_every_switch_is_documented(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs" / "sandbox.md").read_text()
    missing = [field.name for field in fields(Switches) if f"`{field.name}`" not in text]
    assert missing == []


async def test_the_journal_tells_each_request_and_effect(seller: Seller) -> None:
    seller.market.add_order({"id": ORDER, "status": 1})
    await seller.post(f"order/acknowledge/{ORDER}")
    await seller.post("order/cancel")
    journal = await admin(seller, "GET", "journal")
    first, second = journal["requests"]
    assert first == {
        "number": 1,
        "at": "2026-03-20T10:00:00+00:00",
        "monotonic": 1000.0,
        "login": "seller@example.com",
        "bucket": "orders",
        "route": "order/acknowledge",
        "method": "POST",
        "path": f"/api-3/order/acknowledge/{ORDER}",
        "status": 200,
        "ok": True,
        "throttled": False,
        "fault": None,
        "fault_point": None,
        "items": 1,
        "order_ids": [ORDER],
        "return_ids": [],
    }
    assert (second["status"], second["ok"], second["bucket"]) == (404, False, "")
    assert journal["effects"] == [
        {
            "request": 1,
            "route": "order/acknowledge",
            "kind": "acknowledge",
            "id": ORDER,
            "line": None,
            "from": 1,
            "to": 2,
            "by": "seller",
            "at": "2026-03-20T10:00:00+00:00",
        }
    ]
    assert [row["rule"] for row in journal["violations"]] == ["route"]
    assert await admin(seller, "GET", "journal/effects") == journal["effects"]
    await admin(seller, "GET", "journal/weather")
    assert seller.status == 400


async def test_an_error_inside_200_is_not_ok(seller: Seller) -> None:
    await seller.post("order/save", {"id": ORDER})
    (record,) = seller.market.journal.requests
    assert (record.status, record.ok, record.throttled) == (200, False, False)


async def test_it_can_be_asked_about_one_thing(seller: Seller) -> None:
    for number in (1, 2):
        seller.market.add_order({"id": number, "status": 2})
        await seller.save(number, status=3)
    journal = seller.market.journal
    assert [effect.id for effect in journal.effects_of("order.status")] == [1, 2]
    assert [effect.to for effect in journal.effects_of(about=2)] == [3]
    assert len(journal.requests_to("order/save")) == 2
    assert list(journal.repeated()) == []


async def test_reset_forgets_everything_but_switches(seller: Seller) -> None:
    seller.switch(page_shift=True)
    seller.market.add_order({"id": ORDER})
    seller.market.faults.add(kind="forbidden")
    await seller.post("order/cancel")
    assert await admin(seller, "POST", "reset") == {"orders": 0, "returns": 0}
    assert seller.market.journal.requests == []
    assert seller.market.journal.violations() == []
    assert seller.market.faults.waiting() == ()
    assert seller.market.switches.page_shift
    again = await admin(seller, "POST", "reset", {"orders": 20, "seed": 4})
    assert again["orders"] == 20
