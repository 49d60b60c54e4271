"""What a write's intent finds when it comes to the books, and what is left of one that failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import psycopg
import pytest

from integrations.emag.routes import ORDER_SAVE
from integrations.erp.load import stamps
from integrations.erp.rows import Kind
from integrations.ledger.calls import Call, Subject
from integrations.ledger.changes import fold
from integrations.ledger.claims import Claim, claim
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.intents import Hindered, Intent, intend
from integrations.ledger.line import is_undone
from tests.end_to_end.conftest import Shop

CANCELLATION, RMA = Kind.CANCELLATION, Kind.RMA

CALLS = "SELECT verdict FROM app.emag_api_calls"
SENT = "SELECT id FROM app.emag_cancellation_integrations WHERE sent_at IS NOT NULL"
WAITING = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def claimed(shop: Shop, kind: Kind) -> tuple[UUID, Sequence[Claim]]:
    """The rows of a kind, with the token under which they are claimed."""
    channel, token = shop.channel, uuid4()
    await fold(
        channel.engine, channel.schema, channel.accounts, channel.timings, require_approval=False
    )
    rows = await claim(
        channel.engine,
        channel.schema,
        channel.accounts,
        channel.account,
        kind,
        token,
        "a test",
        channel.timings,
        require_approval=False,
    )
    return token, rows


async def enter(
    shop: Shop,
    kind: Kind,
    token: UUID,
    claims: Sequence[Claim],
    engine: Engine | None = None,
) -> Call | Hindered:
    channel = shop.channel
    return await intend(
        engine or channel.engine,
        channel.schema,
        kind,
        channel.account,
        token,
        [Intent(each) for each in claims],
        ORDER_SAVE,
        Subject(orders=[each.order_id for each in claims]),
        [{"id": each.order_id} for each in claims],
        life=60.0,
        sealer=None,
    )


@asynccontextmanager
async def locked(shop: Shop, statement: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Somebody else's transaction, which holds what the statement locks."""
    async with await psycopg.AsyncConnection.connect(shop.channel.engine.url) as connection:
        await connection.execute(statement.encode())
        yield connection


async def somebody_waits(shop: Shop) -> int:
    """The backend that waits for a lock, once one does."""
    while not (found := await shop.sql(WAITING)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return int(found[0]["pid"])


async def test_an_edit_is_seen_however_long_the_lease_was_waited_for(shop: Shop) -> None:
    row = await shop.erp.add(CANCELLATION, 480000101)
    token, claims = await claimed(shop, CANCELLATION)

    async with locked(shop, "SELECT FROM app.emag_order_leases FOR UPDATE") as other:
        entering = asyncio.create_task(enter(shop, CANCELLATION, token, claims))
        await somebody_waits(shop)
        await shop.erp.update(CANCELLATION, row, status="rejected")
        await other.commit()

    assert await entering == Hindered(lost=frozenset(), changed=frozenset({claims[0].id}))
    assert await shop.sql(CALLS) == []


async def test_who_waits_for_a_table_of_the_erp_holds_up_its_own_kind_alone(shop: Shop) -> None:
    await shop.erp.add(CANCELLATION, 480000101)
    await shop.erp.add(RMA, 480000102)
    token, cancellations = await claimed(shop, CANCELLATION)
    other_token, returns = await claimed(shop, RMA)

    async with locked(shop, "LOCK TABLE app.return_requests IN ACCESS EXCLUSIVE MODE") as other:
        entering = asyncio.create_task(enter(shop, RMA, other_token, returns))
        await somebody_waits(shop)
        assert isinstance(await enter(shop, CANCELLATION, token, cancellations), Call)
        assert not entering.done()
        await other.commit()

    assert isinstance(await entering, Call)


async def test_what_the_database_refuses_is_undone(shop: Shop) -> None:
    await shop.erp.add(CANCELLATION, 480000101)
    token, claims = await claimed(shop, CANCELLATION)
    url = shop.channel.engine.url
    options = "options=-c%20lock_timeout%3D50ms"
    impatient = Engine(f"{url}{'&' if '?' in url else '?'}{options}")

    async with locked(shop, "SELECT FROM app.emag_cancellation_integrations FOR UPDATE"):
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            await enter(shop, CANCELLATION, token, claims, impatient)
    impatient.close()

    assert is_undone(refused.value)
    assert await shop.sql(CALLS) == await shop.sql(SENT) == []


async def test_an_intent_whose_connection_broke_is_not_entered_a_second_time(shop: Shop) -> None:
    await shop.erp.add(CANCELLATION, 480000101)
    token, claims = await claimed(shop, CANCELLATION)

    async with locked(shop, "SELECT FROM app.emag_order_leases FOR UPDATE"):
        entering = asyncio.create_task(enter(shop, CANCELLATION, token, claims))
        await shop.sql(f"SELECT pg_terminate_backend({await somebody_waits(shop)})")
        with pytest.raises(psycopg.OperationalError) as broken:
            await entering

    assert not is_undone(broken.value)  # who only sees a connection end knows nothing
    assert await shop.sql(CALLS) == []
    assert isinstance(await enter(shop, CANCELLATION, token, claims), Call)


async def test_a_connection_that_ended_while_it_rested_costs_no_intent(shop: Shop) -> None:
    await shop.erp.add(CANCELLATION, 480000101)
    token, claims = await claimed(shop, CANCELLATION)
    await enter(shop, CANCELLATION, uuid4(), claims)

    await shop.sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND query LIKE '%emag_order_leases%'"
    )

    assert isinstance(await enter(shop, CANCELLATION, token, claims), Call)


async def test_stamps_look_at_items_once_where_nothing_is_indexed(erp_first: Shop) -> None:
    query = stamps(erp_first.channel.schema, RMA, "CAST(:ids AS bigint[])")
    async with rolled_back(erp_first.channel.engine) as connection:
        rows = await connection.execute(f"EXPLAIN {query}", {"ids": [*range(1, 501)]})
        plan = "\n".join(rows.scalars())

    assert "SubPlan" not in plan
    assert plan.count("on return_items") == 1
