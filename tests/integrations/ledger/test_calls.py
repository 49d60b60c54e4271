"""Requests are recorded before they leave and closed with what came of them."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from integrations.emag.routes import ORDER_READ, ORDER_SAVE, Route
from integrations.emag.verdicts import judge
from integrations.ledger.calls import Subject, close_call, close_dead_calls, close_unsent
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.sealing import Sealer, unseal
from tests.integrations.ledger.recording import begin, record

CANCELLED = Subject(orders=[480000101], rows=["cancellation:1"], steps=["2 -> 0"])
ORDER = {
    "id": 480000101,
    "status": 2,
    "customer": {
        "name": "Ioana Exemplu",
        "phone_1": "0700000001",
        "iban": "RO49AAAA1B31007593840000",
    },
    "observation": "Ioana Exemplu, 0700000001",
}


async def entry(engine: Engine) -> dict[str, Any]:
    async with rolled_back(engine) as connection:
        found = await connection.execute("SELECT * FROM app.emag_api_calls")
        return dict(found.one()._asdict())


async def test_a_request_under_way_is_entered_as_sent(engine: Engine) -> None:
    await begin(engine, ORDER_SAVE, CANCELLED, [ORDER])

    call = await entry(engine)
    assert (call["verdict"], call["closed_at"], call["answer"]) == ("sent", None, None)
    assert (call["route"], call["writes"], call["items"]) == ("order/save", True, 1)
    assert call["dead_at"] > call["sent_at"]


async def test_an_answer_closes_it_with_its_verdict(engine: Engine) -> None:
    await record(
        engine, ORDER_SAVE, CANCELLED, [ORDER], status=400, messages=("ERROR: no - Order id: 5",)
    )

    call = await entry(engine)
    assert (call["verdict"], call["cause"], call["http_status"]) == ("refused", "business", 400)
    assert (call["message"], call["seconds"]) == ("ERROR: no - Order id: 5", 0.25)
    assert call["steps"] == ["2 -> 0"]
    assert call["closed_at"] is not None


async def test_a_slot_that_was_missed_closes_it_as_unsent(engine: Engine) -> None:
    await close_unsent(engine, await begin(engine, ORDER_SAVE, CANCELLED, [ORDER]))

    assert (await entry(engine))["verdict"] == "unsent"


async def test_a_closed_call_stays_as_it_is(engine: Engine) -> None:
    call = await record(engine, ORDER_SAVE, CANCELLED, [ORDER])

    late = judge(ORDER_SAVE, 500, {}, b"<html>")
    await close_call(engine, call, late, None)

    assert (await entry(engine))["verdict"] == "applied"


@pytest.mark.parametrize(
    ("route", "verdict"), [(ORDER_SAVE, "unknown"), (ORDER_READ, "unavailable")]
)
async def test_what_a_killed_worker_left_open_is_closed_once_it_is_dead(
    engine: Engine, route: Route, verdict: str
) -> None:
    await begin(engine, route, CANCELLED, None)
    await close_dead_calls(engine)
    assert (await entry(engine))["verdict"] == "sent"

    async with transaction(engine) as connection:
        await connection.execute("UPDATE app.emag_api_calls SET dead_at = now()")
    await close_dead_calls(engine)

    call = await entry(engine)
    assert (call["verdict"], call["cause"]) == (verdict, "abandoned")


async def test_a_late_verdict_replaces_that_nobody_had_brought_one(engine: Engine) -> None:
    call = await begin(engine, ORDER_SAVE, CANCELLED, [ORDER])
    async with transaction(engine) as connection:
        await connection.execute("UPDATE app.emag_api_calls SET dead_at = now()")
    await close_dead_calls(engine)

    await close_call(engine, call, judge(ORDER_SAVE, 200, {}, b'{"isError": false}'), None)

    closed = await entry(engine)
    assert (closed["verdict"], closed["cause"], closed["http_status"]) == ("applied", None, 200)


@pytest.mark.parametrize("key", [None, Fernet.generate_key()], ids=["redacted", "sealed"])
async def test_nothing_of_a_customer_can_be_read_in_the_database(
    engine: Engine, key: bytes | None
) -> None:
    sealer: Sealer | None = Fernet(key) if key else None
    said = ("ERROR: 0700000001 of ioana@example.com, RO49AAAA1B31007593840000",)
    await record(engine, ORDER_SAVE, CANCELLED, [ORDER], [ORDER], messages=said, sealer=sealer)

    call = await entry(engine)
    request, answer = call.pop("request"), call.pop("answer")
    if sealer is None:
        request, answer = unseal(request, None), unseal(answer, None)
    stored = f"{request}{answer}{call}"
    for personal in ("Ioana", "0700000001", "ioana@example.com", "RO49"):
        assert personal not in stored


async def test_a_sealed_body_is_whole(engine: Engine) -> None:
    sealer = Fernet(Fernet.generate_key())
    await record(engine, ORDER_SAVE, CANCELLED, [ORDER], sealer=sealer)

    call = await entry(engine)
    assert call["sealed"] is True
    assert b"Ioana Exemplu" in unseal(call["request"], sealer)
