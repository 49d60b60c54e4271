"""Calls are found by order, by return and by time, and with them where our rows stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.emag.routes import ORDER_READ, ORDER_SAVE, RMA_READ, RMA_SAVE
from integrations.erp.rows import Kind
from integrations.ledger import history
from integrations.ledger.calls import Subject
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.history import (
    Wanted,
    every_call,
    read_calls,
    read_standing,
    read_story,
)
from tests.integrations.ledger.recording import PLATFORM, add_day, record

ORDER, SIBLING, RMA = 480000101, 480000102, 52000077

LINKED = f"""
    INSERT INTO app.emag_return_integrations (return_request_id, emag_return_id, emag_order_id,
        platform, account_type, sync_state, emag_status)
    VALUES (12, '{RMA}', {ORDER}, '{PLATFORM}', 'main', 'synced', 'approved')
"""


async def run(engine: Engine, *statements: str) -> None:
    async with transaction(engine) as connection:
        for statement in statements:
            await connection.execute(statement)


async def test_the_story_of_an_order_begins_with_its_oldest_call(engine: Engine) -> None:
    await record(engine, ORDER_READ, Subject(orders=[ORDER]))
    await record(engine, ORDER_READ, Subject(orders=[SIBLING]))
    await record(engine, ORDER_SAVE, Subject(orders=[SIBLING, ORDER], items=2))
    await record(engine, ORDER_READ, Subject())

    story = await read_story(engine, Wanted(order=ORDER))

    assert [call.route for call in story] == ["order/read", "order/save"]
    assert [call.route for call in await read_story(engine, Wanted(order=ORDER), most=1)] == [
        "order/save"
    ]


async def test_no_number_of_reads_hides_a_write_from_the_story(engine: Engine) -> None:
    await record(engine, ORDER_SAVE, Subject(orders=[ORDER]))
    for route in (ORDER_READ, RMA_READ, RMA_READ, RMA_READ):
        await record(engine, route, Subject(orders=[ORDER]))

    story = await read_story(engine, Wanted(order=ORDER), most=3)

    assert [call.route for call in story] == ["order/save", "rma/read", "rma/read"]


async def test_the_story_of_a_return_holds_the_reads_that_name_its_order_only(
    engine: Engine,
) -> None:
    await run(engine, LINKED)
    await record(engine, RMA_READ, Subject(orders=[ORDER]))
    await record(engine, RMA_SAVE, Subject(orders=[ORDER], returns=[RMA]))
    await record(engine, RMA_SAVE, Subject(orders=[ORDER], returns=[RMA + 1]))
    await record(engine, ORDER_READ, Subject(orders=[ORDER]))

    story = await read_story(engine, Wanted(rma=RMA))

    assert [(call.route, list(call.return_ids)) for call in story] == [
        ("rma/read", []),
        ("rma/save", [RMA]),
    ]


async def test_a_return_that_no_row_is_linked_to_is_found_by_its_number(
    engine: Engine,
) -> None:
    await record(engine, RMA_SAVE, Subject(orders=[ORDER], returns=[RMA]))

    assert len(await read_story(engine, Wanted(rma=RMA))) == 1
    assert await read_story(engine, Wanted(rma=RMA + 1)) == []


async def test_calls_about_anything_begin_with_the_newest(engine: Engine) -> None:
    await record(engine, ORDER_READ, Subject())
    await record(engine, ORDER_SAVE, Subject(orders=[ORDER]))

    assert [call.route for call in await read_calls(engine, Wanted())] == [
        "order/save",
        "order/read",
    ]
    assert len(await read_calls(engine, Wanted(), most=1)) == 1


@pytest.mark.parametrize("order", [None, 2])
async def test_every_call_of_some_days_is_read_page_by_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, order: int | None
) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    for days_ago in (5, 4, 3, 2):
        await add_day(engine, days_ago, calls=10)  # all in the same instant
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    wanted = Wanted(
        order=order, since=midnight - timedelta(days=4), until=midnight - timedelta(days=2)
    )

    found = [call async for call in every_call(engine, wanted)]

    assert len(found) == len({call.id for call in found}) == (20 if order is None else 2)
    assert found == sorted(found, key=lambda call: (call.sent_at, call.id))
    assert {(midnight - call.sent_at).days for call in found} == {2, 3}


async def test_the_story_says_where_the_rows_of_all_kinds_stand(engine: Engine) -> None:
    await run(
        engine,
        LINKED,
        "INSERT INTO app.emag_cancellation_integrations (cancellation_request_id, emag_order_id,"
        " platform, account_type, sync_state, error_message)"
        f" VALUES (7, {ORDER}, '{PLATFORM}', 'main', 'refused', 'Too late.'),"
        f" (8, {SIBLING}, '{PLATFORM}', 'main', 'synced', NULL)",
        "INSERT INTO app.emag_invoice_integrations (invoice_id, emag_order_id, sync_state,"
        f" waiting_for) VALUES (3, {ORDER}, 'waiting', 'account')",
    )
    standing = await read_standing(engine, Wanted(order=ORDER), [PLATFORM])

    assert [(each.kind, each.row_id, each.state) for each in standing] == [
        (Kind.RMA, 12, "synced"),
        (Kind.CANCELLATION, 7, "refused"),
        (Kind.INVOICE, 3, "waiting"),
    ]
    assert (standing[0].emag_id, standing[0].emag_status) == (str(RMA), "approved")
    assert (standing[1].reason, standing[2].waiting_for) == ("Too late.", "account")
    assert await read_standing(engine, Wanted(rma=RMA), [PLATFORM]) == standing


async def test_an_order_of_another_platform_is_another_order(engine: Engine) -> None:
    await run(engine, LINKED)

    assert await read_standing(engine, Wanted(order=ORDER), ["emag-ro"]) == []
