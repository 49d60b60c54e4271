"""eMAG adds a field without notice: every read goes on, and somebody gets to know of it."""

from __future__ import annotations

import logging

import pytest

from integrations.emag.routes import ORDER_READ, RMA_READ
from integrations.ledger.calls import Subject
from integrations.sync.ask import ask
from tests.end_to_end.conftest import Shop


async def read_everything(shop: Shop) -> None:
    await ask(shop.channel, ORDER_READ, {"id": 480000101, "type": 3}, Subject())
    await ask(shop.channel, RMA_READ, {"order_id": 480000101}, Subject())


async def drift(shop: Shop) -> dict[str, int]:
    rows = await shop.sql("SELECT route, name, seen FROM app.emag_drift")
    return {f"{row['route']} {row['name']}": row["seen"] for row in rows}


@pytest.fixture(autouse=True)
def _trade(shop: Shop) -> None:
    shop.market.add_order({"id": 480000101, "status": 4})
    shop.market.add_return(
        {"emag_id": 52000077, "order_id": 480000101, "request_status": 2, "type": 3}
    )


async def test_what_emag_usually_sends_is_known(shop: Shop) -> None:
    await read_everything(shop)

    assert await drift(shop) == {}


async def test_new_fields_are_counted_at_every_read_and_said_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.switch(unknown_fields=True)

    with caplog.at_level(logging.WARNING, "emag.drift"):
        await read_everything(shop)
        first = await drift(shop)
        await read_everything(shop)

    assert first.keys() == {
        "order/read sandbox_promise",
        "order/read products.sandbox_badge",
        "rma/read sandbox_inspection",
    }
    assert await drift(shop) == {name: 2 * seen for name, seen in first.items()}
    assert len(caplog.messages) == 3
    assert "order/read sends a field that is not known here: sandbox_promise" in caplog.messages


async def test_a_read_succeeds_though_new_fields_can_not_be_noted(shop: Shop) -> None:
    shop.switch(unknown_fields=True)
    await shop.sql("DROP TABLE app.emag_drift")

    await read_everything(shop)
