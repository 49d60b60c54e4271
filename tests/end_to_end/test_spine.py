"""The protocol between the ERP's tables, our books and eMAG: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from integrations.erp.rows import Kind
from integrations.ledger import leases
from integrations.ledger.books import A_PART, State
from integrations.ledger.changes import fold, newest_change, seconds_to_rest
from integrations.ledger.claims import claim
from integrations.ledger.database import database_time, rolled_back
from integrations.ledger.replay import Reference, replay
from integrations.ledger.timings import Timings
from integrations.sync.carry import carry
from integrations.sync.plan_rows import plan_rows
from integrations.sync.read import read_singly
from integrations.sync.send import send_steps
from integrations.sync.work import Batch, batch_of
from tasks.persist import persist_answers
from tests.end_to_end.conftest import QUICK, Shop

CANCELLATION = Kind.CANCELLATION
RESTING = replace(QUICK, quiet=30.0, quiet_cap=60.0)


async def folded(shop: Shop, timings: Timings = QUICK) -> int:
    done = await fold(
        shop.channel.engine,
        shop.channel.schema,
        shop.channel.accounts,
        timings,
        require_approval=False,
    )
    return done.changes


async def claimed(shop: Shop, kind: Kind = CANCELLATION) -> Batch:
    token = leases.new_token()
    claims = await claim(
        shop.channel.engine,
        shop.channel.schema,
        shop.channel.accounts,
        shop.channel.account,
        kind,
        token,
        "test",
        QUICK,
        require_approval=False,
    )
    return batch_of(kind, token, claims)


async def planned(shop: Shop, kind: Kind = CANCELLATION) -> Batch:
    """A claimed batch, read and planned, just before anything is sent."""
    await folded(shop)
    batch = await claimed(shop, kind)
    await read_singly(shop.channel, batch, batch.works)
    await plan_rows(shop.channel, batch, batch.works)
    return batch


async def later(shop: Shop, seconds: int = 3600) -> None:
    """Let time pass for everything that our books compare with the clock."""
    shift = f"- interval '{seconds} s'"
    await shop.sql(f"UPDATE app.emag_order_leases SET expires_at = expires_at {shift}")
    await shop.sql(f"UPDATE app.emag_changes SET seen_at = seen_at {shift}")
    for kind in ("return", "cancellation", "invoice"):
        await shop.sql(
            f"UPDATE app.emag_{kind}_integrations SET next_attempt_at = next_attempt_at {shift}"
        )


async def state(shop: Shop, row: int, kind: Kind = CANCELLATION) -> str:
    return str((await shop.books(kind, row))["sync_state"])


def requests(shop: Shop, route: str) -> int:
    return sum(record.route == route for record in shop.market.journal.requests)


def effects(shop: Shop, order_id: int) -> list[str]:
    return [effect.kind for effect in shop.market.journal.effects if effect.id == order_id]


class TestChangesRest:
    async def test_a_row_is_queued_only_after_it_has_rested(self, shop: Shop) -> None:
        await shop.erp.add(CANCELLATION, 480000101)
        assert await folded(shop, RESTING) == 0
        await later(shop, 29)
        assert await folded(shop, RESTING) == 0
        await later(shop, 2)
        assert await folded(shop, RESTING) == 1

    async def test_items_written_a_moment_later_are_waited_for(self, shop: Shop) -> None:
        row = await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop, RESTING)
        await later(shop, 31)
        await shop.erp.insert(
            "cancellation_items", cancellation_request_id=row, unit_price=1, total_amount=1
        )
        assert await folded(shop, RESTING) == 0

    async def test_a_row_that_never_rests_is_queued_after_a_minute(self, shop: Shop) -> None:
        row = await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop, RESTING)
        await later(shop, 61)
        await shop.erp.update(CANCELLATION, row, reason="other")
        assert await folded(shop, RESTING) == 1

    async def test_a_run_knows_how_long_what_was_there_must_rest(self, shop: Shop) -> None:
        engine = shop.channel.engine
        assert await seconds_to_rest(engine, CANCELLATION, 0, RESTING) is None
        await shop.erp.add(CANCELLATION, 480000101)
        newest = await newest_change(engine, CANCELLATION)
        await folded(shop, RESTING)
        rest = await seconds_to_rest(engine, CANCELLATION, newest, RESTING)
        assert rest is not None
        assert 20.0 < rest <= 30.0
        assert await seconds_to_rest(engine, CANCELLATION, newest - 1, RESTING) is None

    async def test_a_transaction_that_commits_late_loses_nothing(self, shop: Shop) -> None:
        async with rolled_back(shop.channel.engine) as slow:
            await slow.execute(
                "INSERT INTO app.cancellation_requests (cancellation_number, emag_order_id,"
                " customer_name, status, reason)"
                " VALUES ('slow', '480000101', 'Ana', 'pending', 'other')"
            )
            await shop.erp.add(CANCELLATION, 480000102)
            assert await folded(shop) == 1
            await slow.driver.commit()
        assert await folded(shop) == 1

    async def test_a_claim_leaves_a_row_alone_that_is_being_edited(self, shop: Shop) -> None:
        row = await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop)
        await shop.erp.update(CANCELLATION, row, reason="other")
        assert (await claimed(shop)).works == []

    async def test_a_truncated_table_makes_its_open_rows_withdrawn(self, shop: Shop) -> None:
        row = await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop)
        await shop.sql("TRUNCATE app.cancellation_requests CASCADE")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "withdrawn"
        assert requests(shop, "order/save") == 0


class TestLeases:
    async def test_an_order_is_claimed_by_one_batch_alone(self, shop: Shop) -> None:
        for order_id in range(480000101, 480000111):
            await shop.erp.add(CANCELLATION, order_id)
        await folded(shop)
        batches = await asyncio.gather(*(claimed(shop) for _ in range(4)))
        orders = [order for batch in batches for order in batch.orders]
        assert sorted(orders) == list(range(480000101, 480000111))

    async def test_a_lease_excludes_the_order_for_every_kind(self, shop: Shop) -> None:
        await shop.erp.add(CANCELLATION, 480000101)
        await shop.erp.add(Kind.RMA, 480000101)
        await folded(shop)
        assert len((await claimed(shop)).works) == 1
        assert (await claimed(shop, Kind.RMA)).works == []

    async def test_a_lease_that_ran_out_is_taken_over(self, shop: Shop) -> None:
        await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop)
        first = await claimed(shop)
        assert (await claimed(shop)).works == []
        await later(shop)
        second = await claimed(shop)
        assert second.orders == first.orders

    async def test_one_that_ran_out_is_not_renewed(self, shop: Shop) -> None:
        await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop)
        first = await claimed(shop)
        await later(shop)
        platform = shop.channel.account.platform
        await leases.renew(shop.channel.engine, platform, first.orders, first.token, 60.0)
        second = await claimed(shop)
        assert second.orders == first.orders

    async def test_a_request_is_dead_before_its_call_is_and_while_its_lease_is_held(
        self, shop: Shop
    ) -> None:
        await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop)
        batch, engine = await claimed(shop), shop.channel.engine
        now = await database_time(engine)

        async def may_leave(dead_in: float, takes: float = QUICK.lease / 2) -> bool:
            dead_at = now + timedelta(seconds=dead_in)
            held = shop.channel.account.platform, batch.orders, batch.token
            return await leases.outlive(engine, *held, dead_at, takes)

        assert await may_leave(QUICK.lease)
        assert not await may_leave(QUICK.lease / 4)
        assert not await may_leave(3600.0, takes=QUICK.lease + 1.0)
        await later(shop)
        await claimed(shop)
        assert not await may_leave(QUICK.lease)

    async def test_who_lost_the_lease_sends_nothing(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        await shop.erp.add(CANCELLATION, 480000101)
        batch = await planned(shop)
        await later(shop)
        await claimed(shop)
        await send_steps(shop.channel, batch, batch.works)
        assert requests(shop, "order/save") == 0
        assert await shop.sql("SELECT FROM app.emag_api_calls WHERE writes") == []

    async def test_who_lost_the_lease_writes_nothing_into_our_books(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 0})
        row = await shop.erp.add(CANCELLATION, 480000101)
        batch = await planned(shop)
        await later(shop)
        await claimed(shop)
        assert await persist_answers(shop.channel, batch) == {}
        assert await state(shop, row) == "pending"

    async def test_leases_are_given_back_after_a_run(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        await shop.erp.add(CANCELLATION, 480000101)
        await shop.run(CANCELLATION)
        assert await shop.sql("SELECT * FROM app.emag_order_leases") == []

    async def test_a_row_that_names_another_order_by_now_goes_back(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000102, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        await folded(shop)
        await shop.erp.update(CANCELLATION, row, emag_order_id="480000102")
        await shop.sql("DELETE FROM app.emag_changes")
        batch = await claimed(shop)
        assert batch.orders == {480000102}
        await later(shop)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert requests(shop, "order/save") == 1


class TestIntents:
    async def test_an_edit_between_plan_and_send_stops_the_request(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        batch = await planned(shop)
        await shop.erp.update(CANCELLATION, row, status="rejected")
        await send_steps(shop.channel, batch, batch.works)
        await persist_answers(shop.channel, batch)
        assert requests(shop, "order/save") == 0
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "withdrawn"

    async def test_only_the_edited_row_leaves_its_lot(self, shop: Shop) -> None:
        for order_id in (480000101, 480000102, 480000103):
            shop.market.add_order({"id": order_id, "status": 2})
        rows = [await shop.erp.add(CANCELLATION, 480000101 + each) for each in range(3)]
        batch = await planned(shop)
        await shop.erp.update(CANCELLATION, rows[1], status="rejected")
        await send_steps(shop.channel, batch, batch.works)
        await persist_answers(shop.channel, batch)
        assert [await state(shop, row) for row in rows] == ["synced", "pending", "synced"]
        assert requests(shop, "order/save") == 1

    async def test_an_edit_after_the_claim_makes_the_row_pending_again(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        batch = await planned(shop)
        await send_steps(shop.channel, batch, batch.works)
        await shop.erp.update(CANCELLATION, row, reason="other")
        await folded(shop)
        await persist_answers(shop.channel, batch)
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["wanted_revision"]) == ("pending", 2)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert requests(shop, "order/save") == 1

    async def test_every_request_is_entered_and_closed_with_its_verdict(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 1})
        row = await shop.erp.add(CANCELLATION, 480000101)
        await shop.run(CANCELLATION)
        calls = await shop.sql(
            "SELECT route, verdict, order_ids, rows, http_status, sealed FROM app.emag_api_calls"
            " WHERE writes ORDER BY sent_at"
        )
        assert calls == [
            {
                "route": route,
                "verdict": "applied",
                "order_ids": [480000101],
                "rows": [f"cancellation:{row}"],
                "http_status": 200,
                "sealed": True,
            }
            for route in ("order/acknowledge/{id}", "order/save")
        ]
        open_calls = await shop.sql("SELECT * FROM app.emag_api_calls WHERE verdict = 'sent'")
        assert open_calls == []


class TestDoubt:
    @pytest.mark.parametrize("point", ["before_effect", "after_effect"])
    async def test_a_lost_answer_is_settled_by_reading_and_never_sent_twice(
        self, shop: Shop, point: Literal["before_effect", "after_effect"]
    ) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        shop.market.faults.add(route="order/save", point=point, kind="reset", times=1)
        report = await shop.run(CANCELLATION)
        assert report.exit_code == 1
        assert await state(shop, row) == "in_doubt"
        await later(shop)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert effects(shop, 480000101) == ["order.status"]

    async def test_nothing_is_asked_about_an_order_in_doubt(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        shop.market.faults.add(route="order/save", point="after_effect", kind="cut_body", times=1)
        await shop.run(CANCELLATION)
        sibling = await shop.erp.add(Kind.RMA, 480000101)
        asked = len(shop.market.journal.requests)
        await shop.run(CANCELLATION)
        await shop.run(Kind.RMA)
        assert len(shop.market.journal.requests) == asked
        assert await state(shop, row) == "in_doubt"
        assert await state(shop, sibling, Kind.RMA) == "pending"

    async def test_a_change_of_a_row_in_doubt_only_raises_what_is_wanted(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        shop.market.faults.add(route="order/save", point="before_effect", kind="reset", times=1)
        await shop.run(CANCELLATION)
        before = await shop.books(CANCELLATION, row)
        await shop.erp.update(CANCELLATION, row, reason="other")
        await folded(shop)
        after = await shop.books(CANCELLATION, row)
        assert after["wanted_revision"] == before["wanted_revision"] + 1
        assert (after["sync_state"], after["next_attempt_at"]) == (
            "in_doubt",
            before["next_attempt_at"],
        )

    async def test_a_killed_worker_leaves_the_order_resting_until_its_request_is_dead(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        batch = await planned(shop)
        await send_steps(shop.channel, batch, batch.works)  # and then the worker dies
        assert (await claimed(shop)).works == []
        await later(shop)
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert effects(shop, 480000101) == ["order.status"]

    async def test_a_row_that_names_another_order_while_in_doubt_is_a_persons_matter(
        self, shop: Shop
    ) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        shop.market.add_order({"id": 480000102, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        shop.market.faults.add(route="order/save", point="after_effect", kind="reset", times=1)
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, emag_order_id="480000102")
        await later(shop)
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        assert books["sync_state"] == "refused"
        assert "480000101" in books["error_message"]
        assert effects(shop, 480000102) == []

        await replay(shop.channel.engine, [Reference.parse(f"cancellation:{row}")])
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "synced"
        assert effects(shop, 480000102) == ["order.status"]

    async def test_a_row_that_names_another_order_after_it_was_synced_is_a_persons_matter(
        self, shop: Shop
    ) -> None:
        for order_id in (480000101, 480000102):
            shop.market.add_order({"id": order_id, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        await shop.run(CANCELLATION)
        await shop.erp.update(CANCELLATION, row, emag_order_id="480000102")
        await shop.run(CANCELLATION)
        assert await state(shop, row) == "refused"
        assert effects(shop, 480000102) == []

    @pytest.mark.parametrize("kind", ["throttle", "locked"])
    async def test_what_was_proved_not_applied_leaves_no_trace(self, shop: Shop, kind: str) -> None:
        order = shop.market.add_order(
            {"id": 480000101, "status": 2, "products": [{"product_id": "1001", "quantity": 2}]}
        )
        row = await shop.erp.add(CANCELLATION, 480000101, {"product_id": 1001, "quantity": 1})
        batch = await planned(shop)
        shop.market.faults.add(route="order/save", kind=kind, times=1)
        await send_steps(shop.channel, batch, batch.works)
        books = await shop.books(CANCELLATION, row)
        assert (books["sent_at"], books["reductions"]) == (None, A_PART)
        assert order["products"][0]["quantity"] == 2


class TestLots:
    async def test_items_that_emag_names_are_refused_and_the_rest_is_settled_by_reading(
        self, shop: Shop
    ) -> None:
        orders = [480000101 + each for each in range(3)]
        for order_id in orders:
            shop.market.add_order({"id": order_id, "status": 2})
        rows = [await shop.erp.add(CANCELLATION, order_id) for order_id in orders]
        batch = await planned(shop)
        shop.market.customer_asks_to_cancel(orders[1])
        damaged = batch.works[1].plan
        assert damaged is not None
        damaged.steps[0].changes["reason_cancellation"] = "nonsense"  # type: ignore[index]
        await send_steps(shop.channel, batch, batch.works)
        await carry(shop.channel, batch)
        await persist_answers(shop.channel, batch)
        assert await state(shop, rows[1]) == "refused"
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "refused", "synced"]
        assert [effects(shop, order_id) for order_id in (orders[0], orders[2])] == [
            ["order.status"],
            ["order.status"],
        ]
        shop.market.journal._violations.clear()  # the nonsense was ours

    async def test_a_refusal_that_names_nobody_is_halved_down(self, shop: Shop) -> None:
        orders = [480000101 + each for each in range(4)]
        for order_id in orders:
            shop.market.add_order({"id": order_id, "status": 2})
        rows = [await shop.erp.add(CANCELLATION, order_id) for order_id in orders]
        shop.market.faults.add(
            route="order/save", point="after_effect", kind="error_although_applied", times=1
        )
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced"] * 4
        assert [effects(shop, order_id) for order_id in orders] == [["order.status"]] * 4


class TestNothingToBlameTheRowFor:
    @pytest.mark.parametrize("kind", ["throttle", "locked"])
    async def test_it_costs_no_attempt(self, shop: Shop, kind: str) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        shop.market.faults.add(route="order/save", kind=kind, times=1)
        await shop.run(CANCELLATION)
        await shop.run(CANCELLATION)
        books = await shop.books(CANCELLATION, row)
        assert (books["sync_state"], books["sync_attempts"]) == ("synced", 0)

    async def test_refused_credentials_stop_the_run_and_burn_nothing(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        rows = [await shop.erp.add(CANCELLATION, 480000101 + each) for each in range(30)]
        shop.market.faults.add(route="*", kind="forbidden", times=None)
        report = await shop.run(CANCELLATION)
        assert report.exit_code == 3
        assert "EMAG_PASSWORD" in (report.unreachable or "")
        assert len(shop.market.journal.requests) <= 8
        assert {await state(shop, row) for row in rows} == {"pending"}
        shop.market.faults.clear()
        await shop.run(CANCELLATION)
        assert await state(shop, rows[0]) == "synced"


class TestWriteBack:
    async def test_a_row_that_the_erp_holds_locked_delays_nobody(self, shop: Shop) -> None:
        for order_id in (480000101, 480000102):
            shop.market.add_order({"id": order_id, "status": 2})
        locked = await shop.erp.add(CANCELLATION, 480000101)
        free = await shop.erp.add(CANCELLATION, 480000102)
        async with rolled_back(shop.channel.engine) as erp:
            await erp.execute(
                "SELECT FROM app.cancellation_requests WHERE id = :id FOR UPDATE",
                {"id": locked},
            )
            await shop.run(CANCELLATION)
            assert (await shop.erp.row(CANCELLATION, free))["emag_cancellation_id"] == "480000102"
        assert (await shop.books(CANCELLATION, locked))["write_back"] is not None
        await shop.run(CANCELLATION)
        assert (await shop.erp.row(CANCELLATION, locked))["emag_cancellation_id"] == "480000101"
        assert (await shop.books(CANCELLATION, locked))["write_back"] is None

    async def test_it_is_no_change_of_the_erps(self, shop: Shop) -> None:
        order = shop.market.add_order({"id": 480000101, "status": 4})
        shop.market.add_return({"emag_id": 52000077, "order_id": order["id"], "request_status": 2})
        row = await shop.erp.add(Kind.RMA, order["id"])
        await shop.run(Kind.RMA)
        assert (await shop.erp.row(Kind.RMA, row))["emag_return_id"] == "52000077"
        assert await shop.sql("SELECT * FROM app.emag_changes") == []

    async def test_it_can_be_switched_off(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        await shop.run(CANCELLATION, write_back=False)
        assert (await shop.erp.row(CANCELLATION, row))["emag_cancellation_id"] is None
        assert await state(shop, row) == "synced"

    async def test_what_the_erps_own_rules_refuse_stays_flagged(self, shop: Shop) -> None:
        await shop.sql(
            "ALTER TABLE app.cancellation_requests"
            " ADD CONSTRAINT own_rule CHECK (emag_cancellation_id IS NULL)"
        )
        for order_id in (480000101, 480000102):
            shop.market.add_order({"id": order_id, "status": 2})
        rows = [await shop.erp.add(CANCELLATION, 480000101 + each) for each in range(2)]
        await shop.run(CANCELLATION)
        assert [await state(shop, row) for row in rows] == ["synced", "synced"]
        await shop.sql("ALTER TABLE app.cancellation_requests DROP CONSTRAINT own_rule")
        await shop.run(CANCELLATION)
        assert [
            (await shop.erp.row(CANCELLATION, row))["emag_cancellation_id"] for row in rows
        ] == ["480000101", "480000102"]

    async def test_a_deleted_row_needs_none(self, shop: Shop) -> None:
        shop.market.add_order({"id": 480000101, "status": 2})
        row = await shop.erp.add(CANCELLATION, 480000101)
        batch = await planned(shop)
        await send_steps(shop.channel, batch, batch.works)
        await shop.erp.delete(CANCELLATION, row)
        await persist_answers(shop.channel, batch)
        await shop.run(CANCELLATION)
        [books] = await shop.sql("SELECT * FROM app.emag_cancellation_integrations")
        assert (books["write_back"], books["sync_state"]) == (None, State.SYNCED)
        assert books["superseded"]
