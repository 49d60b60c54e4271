"""Where everything stands, as `status` and `inbox` read it."""

from __future__ import annotations

from typing import Any

from integrations.erp.rows import Kind
from integrations.ledger.books import State
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.status import read_inbox, read_status


async def add(engine: Engine, row_id: int, **columns: Any) -> None:
    values = {"return_request_id": row_id, "account_type": "main", **columns}
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    async with transaction(engine) as connection:
        await connection.execute(
            f"INSERT INTO app.emag_return_integrations ({names}) VALUES ({marks})", values
        )


async def test_open_and_refused_rows_are_counted_by_what_they_wait_for(engine: Engine) -> None:
    await add(engine, 1, sync_state="pending")
    await add(engine, 2, sync_state="pending")
    await add(engine, 3, sync_state="waiting", waiting_for="person")
    await add(engine, 4, sync_state="synced")
    await add(engine, 5, sync_state="refused", superseded=True)

    status = await read_status(engine)

    assert [(count.state, count.waiting_for, count.rows) for count in status.counts] == [
        (State.PENDING, None, 2),
        (State.WAITING, "person", 1),
    ]
    assert (status.changes, status.write_backs, list(status.traffic)) == (0, 0, [])


async def test_changes_and_values_on_their_way_are_counted(engine: Engine) -> None:
    await add(engine, 1, sync_state="synced", write_back='{"emag_return_id": "52000077"}')
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.emag_changes (kind, row_id) VALUES ('rma', 1), ('rma', 2)"
        )
    status = await read_status(engine)
    assert (status.changes, status.write_backs) == (2, 1)


async def test_the_inbox_holds_what_a_person_must_look_at(engine: Engine) -> None:
    await add(engine, 1, sync_state="refused", error_message="Order 5 is not known at eMAG.")
    await add(engine, 2, sync_state="waiting", waiting_for="person")
    await add(engine, 3, sync_state="pending", sync_attempts=10)
    await add(engine, 4, sync_state="pending", sync_attempts=9)
    await add(engine, 5, sync_state="waiting", waiting_for="emag_received")
    await add(engine, 6, sync_state="in_doubt")

    inbox = await read_inbox(engine)

    assert sorted(entry.row_id for entry in inbox) == [1, 2, 3]
    [refused] = [entry for entry in inbox if entry.state is State.REFUSED]
    assert (refused.kind, refused.reason) == (Kind.RMA, "Order 5 is not known at eMAG.")


async def test_a_return_that_never_comes_is_a_persons_matter_after_a_week(
    engine: Engine,
) -> None:
    for row_id, days in ((1, 6), (2, 8)):
        await add(engine, row_id, sync_state="waiting", waiting_for="emag_return")
        async with transaction(engine) as connection:
            await connection.execute(
                "UPDATE app.emag_return_integrations SET waiting_since = now() -"
                " make_interval(days => :days) WHERE return_request_id = :row_id",
                {"days": days, "row_id": row_id},
            )
    assert [entry.row_id for entry in await read_inbox(engine)] == [2]
