"""One piece of eMAG's news becomes a row of the ERP's, and our books know it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema, read_schema
from integrations.erp.write import NOW
from integrations.ledger.arrivals import Arrival, Arrived, Brought, bring_in
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from tests.integrations.ledger.mirrored import ORDER, RETURN, execute, insert, mirror_order

CALL: Mapping[str, object] = {
    "id": "sql:gen_random_uuid()",
    "sent_at": "sql:clock_timestamp()",
    "platform": "emag-ro",
    "writes": True,
}
ITEM = {"sku": "CANA-350", "product_name": "Cana", "quantity": 2}


@pytest.fixture
async def schema(engine: Engine) -> ErpSchema:
    async with rolled_back(engine) as connection:
        return await read_schema(connection)


def news(row_id: int | None = None, *, after: timedelta = timedelta(0), **changes: Any) -> Arrival:
    """A return at eMAG, read just now or so long after; of a new row with one item."""
    values = {"status": "pending", "emag_return_id": str(RETURN), "emag_order_id": str(ORDER)}
    if row_id is None:
        values |= {"return_number": f"emag-ro-{RETURN}", "reason": "other"}
        values |= {"account_type": "main", "customer_name": "Ana Exemplu"}
    fields: dict[str, Any] = {
        "kind": Kind.RMA,
        "platform": "emag-ro",
        "account": "main",
        "order_id": ORDER,
        "read_at": datetime.now(UTC) + after,
        "row_id": row_id,
        "values": values,
        "items": [ITEM] if row_id is None else [],
        "emag_id": str(RETURN),
        "emag_status": "new",
    }
    more = changes.pop("values", {})
    return Arrival(**{**fields, **changes, "values": {**values, **more}})


def wish() -> Arrival:
    """The row that a customer's wish to cancel makes."""
    values = {
        "cancellation_number": f"emag-ro-{ORDER}",
        "emag_order_id": str(ORDER),
        "status": "pending",
        "reason": "customer_request",
        "customer_name": "Ana Exemplu",
        "account_type": "main",
    }
    read_at = datetime.now(UTC)
    return Arrival(
        Kind.CANCELLATION, "emag-ro", "main", ORDER, read_at, values=values, is_wish=True
    )


async def all_of(engine: Engine, table: str) -> list[dict[str, Any]]:
    async with rolled_back(engine) as connection:
        found = await connection.execute(f"SELECT * FROM app.{table}")
        return [row._asdict() for row in found]


async def one(engine: Engine, table: str) -> dict[str, Any]:
    [row] = await all_of(engine, table)
    return row


async def created(engine: Engine, schema: ErpSchema) -> int:
    """A row that eMAG's news made; its id."""
    arrived = await bring_in(engine, schema, news())
    assert arrived.row_id is not None
    return arrived.row_id


async def say(engine: Engine, state: str) -> None:
    """Our books say so of the row, and nothing waits to be looked at."""
    await execute(engine, f"UPDATE app.emag_return_integrations SET sync_state = '{state}'")
    await execute(engine, "DELETE FROM app.emag_changes")


class TestANewRow:
    async def test_has_its_items_and_is_known_as_synced(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        row_id = await created(engine, schema)
        assert (await one(engine, "return_requests"))["status"] == "pending"
        item = await one(engine, "return_items")
        assert (item["return_request_id"], item["quantity"]) == (row_id, Decimal(2))
        books = await one(engine, "emag_return_integrations")
        assert (books["return_request_id"], books["sync_state"], books["origin"]) == (
            row_id,
            "synced",
            "emag",
        )
        assert (books["emag_return_id"], books["emag_status"]) == (str(RETURN), "new")

    async def test_is_no_change_of_the_erps(self, engine: Engine, schema: ErpSchema) -> None:
        await created(engine, schema)
        assert await all_of(engine, "emag_changes") == []

    async def test_that_a_trigger_of_the_erps_alters_is_looked_at(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        await execute(
            engine,
            "CREATE FUNCTION app.decides() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.status := 'approved'; RETURN NEW; END $$",
        )
        await execute(
            engine,
            "CREATE TRIGGER decides BEFORE INSERT ON app.return_requests"
            " FOR EACH ROW EXECUTE FUNCTION app.decides()",
        )
        row_id = await created(engine, schema)
        assert {row["row_id"] for row in await all_of(engine, "emag_changes")} == {row_id}

    async def test_that_the_erp_refuses_is_parked_without_a_trace(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        await execute(
            engine, "ALTER TABLE app.return_items ADD CONSTRAINT one_piece CHECK (quantity < 2)"
        )
        arrived = await bring_in(engine, schema, news())
        assert arrived == Arrived(
            Brought.PARKED,
            None,
            "the ERP refused the row in app.return_requests (23514, one_piece)",
        )
        assert await all_of(engine, "return_requests") == []
        assert await all_of(engine, "emag_return_integrations") == []

    async def test_that_is_a_wish_is_the_erps_to_decide_and_told(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        await mirror_order(engine, status=2, wish_at="sql:now()")
        arrived = await bring_in(engine, schema, wish())
        assert arrived.brought is Brought.CREATED
        [change] = await all_of(engine, "emag_changes")
        assert (change["kind"], change["row_id"]) == ("cancellation", arrived.row_id)
        assert await all_of(engine, "emag_cancellation_integrations") == []
        assert (await one(engine, "emag_orders"))["wish_told"] is True

    async def test_that_not_even_the_driver_takes_is_parked(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        arrived = await bring_in(engine, schema, news(emag_id="52\0"))
        problem = "the ERP refused the row in app.return_requests (DataError)"
        assert arrived == Arrived(Brought.PARKED, None, problem)
        assert await all_of(engine, "return_requests") == []

    async def test_that_is_a_wish_and_is_refused_is_not_told(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        await mirror_order(engine, status=2, wish_at="sql:now()")
        await execute(engine, "ALTER TABLE app.cancellation_requests ADD CHECK (status = 'none')")
        assert (await bring_in(engine, schema, wish())).brought is Brought.PARKED
        assert (await one(engine, "emag_orders"))["wish_told"] is False


class TestAKnownRow:
    async def test_follows_emag_and_echoes_nothing(self, engine: Engine, schema: ErpSchema) -> None:
        row_id = await created(engine, schema)
        arrived = await bring_in(engine, schema, news(row_id, values={"status": "processing"}))
        assert arrived == Arrived(Brought.UPDATED, row_id)
        assert (await one(engine, "return_requests"))["status"] == "processing"
        assert await all_of(engine, "emag_changes") == []

    async def test_that_shows_it_already_is_not_written(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        row_id = await created(engine, schema)
        before = await one(engine, "return_requests")
        later = {"updated_at": NOW}
        assert (await bring_in(engine, schema, news(row_id, values=later))).brought is Brought.SAME
        assert await one(engine, "return_requests") == before

    @pytest.mark.parametrize(
        ("state", "brought"),
        [
            ("pending", Brought.UNSENT),
            ("waiting", Brought.UNSENT),
            ("in_doubt", Brought.UNSENT),
            ("refused", Brought.KEPT),
        ],
    )
    async def test_that_the_erp_decided_stands_and_only_emags_status_is_noted(
        self, engine: Engine, schema: ErpSchema, state: str, brought: Brought
    ) -> None:
        row_id = await created(engine, schema)
        await say(engine, state)
        moved = news(row_id, values={"status": "processing"}, emag_status="in_progress")
        assert await bring_in(engine, schema, moved) == Arrived(brought, row_id)
        assert (await one(engine, "return_requests"))["status"] == "pending"
        books = await one(engine, "emag_return_integrations")
        assert (books["sync_state"], books["emag_status"]) == (state, "in_progress")

    async def test_that_the_erp_has_changed_unseen_by_any_trigger_stands_and_is_queued(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        row_id = await created(engine, schema)
        async with transaction(engine) as connection:
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE app.return_requests SET status = 'approved'")
        assert await all_of(engine, "emag_changes") == []
        arrived = await bring_in(engine, schema, news(row_id, values={"status": "processing"}))
        assert arrived.brought is Brought.UNSENT
        assert (await one(engine, "return_requests"))["status"] == "approved"
        assert (await one(engine, "emag_changes"))["row_id"] == row_id

    async def test_that_the_erp_has_changed_just_now_stands(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        row_id = await created(engine, schema)
        await execute(engine, "UPDATE app.return_requests SET status = 'approved'")
        arrived = await bring_in(engine, schema, news(row_id, values={"status": "processing"}))
        assert arrived.brought is Brought.UNSENT
        assert (await one(engine, "return_requests"))["status"] == "approved"
        assert len(await all_of(engine, "emag_changes")) == 1

    async def test_gets_what_contradicts_nothing_beside_a_decision(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        row_id = await created(engine, schema)
        await execute(engine, "UPDATE app.return_requests SET status = 'approved'")
        refund = Arrival(
            Kind.RMA,
            "emag-ro",
            "main",
            ORDER,
            datetime.now(UTC),
            row_id,
            {"refund_amount": Decimal("49.90")},
            beside=True,
        )
        assert (await bring_in(engine, schema, refund)).brought is Brought.UPDATED
        row = await one(engine, "return_requests")
        assert (row["status"], row["refund_amount"]) == ("approved", Decimal("49.90"))
        assert len(await all_of(engine, "emag_changes")) == 1, "the decision is still to be sent"

    async def test_that_the_erp_holds_is_left(self, engine: Engine, schema: ErpSchema) -> None:
        row_id = await created(engine, schema)
        for table in ("return_requests", "emag_return_integrations"):
            async with transaction(engine) as holder:
                await holder.execute(f"SELECT FROM app.{table} FOR UPDATE")
                arrived = await bring_in(engine, schema, news(row_id))
            assert arrived == Arrived(Brought.LOCKED, row_id)

    async def test_that_the_erp_deleted_does_not_come_back(
        self, engine: Engine, schema: ErpSchema
    ) -> None:
        row_id = await created(engine, schema)
        await execute(engine, "DELETE FROM app.return_items")
        await execute(engine, "DELETE FROM app.return_requests")
        assert (await bring_in(engine, schema, news(row_id))).brought is Brought.GONE
        assert await all_of(engine, "return_requests") == []


class TestARequestOfOurs:
    """About the same order, which eMAG may not have shown yet."""

    @pytest.mark.parametrize(
        ("closed", "verdict", "brought"),
        [
            ("sql:NULL", "sent", Brought.OVERTAKEN),
            ("sql:clock_timestamp()", "applied", Brought.OVERTAKEN),
            ("sql:clock_timestamp() - interval '9 s'", "applied", Brought.CREATED),
            ("sql:clock_timestamp()", "unsent", Brought.CREATED),
        ],
    )
    async def test_that_ended_after_the_read_began_overtakes_it(
        self, engine: Engine, schema: ErpSchema, closed: str, verdict: str, brought: Brought
    ) -> None:
        await insert(
            engine,
            "emag_api_calls",
            **CALL,
            order_ids=f"sql:ARRAY[{ORDER}]::bigint[]",
            closed_at=closed,
            verdict=verdict,
        )
        read = news(after=-timedelta(seconds=5))
        assert (await bring_in(engine, schema, read)).brought is brought

    async def test_about_another_order_does_not(self, engine: Engine, schema: ErpSchema) -> None:
        await insert(
            engine, "emag_api_calls", **CALL, order_ids="sql:ARRAY[1]::bigint[]", verdict="sent"
        )
        assert (await bring_in(engine, schema, news())).brought is Brought.CREATED
