"""A save that fails whenever it is tried is its own row's matter, and no outage of eMAG's."""

from __future__ import annotations

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.points import Point, listening
from integrations.ledger.status import INBOX_ATTEMPTS, read_inbox
from integrations.sync.plan_rows import MOST_TRIES
from tests.end_to_end.conftest import Shop
from tests.end_to_end.interleavings.meanwhile import done_to, one_of_five
from tests.end_to_end.poison.conftest import FIRST, attempts, down, rows
from tests.end_to_end.scenes import SCENES

pytestmark = pytest.mark.unpaced

CANCELLATION, RETURN, INVOICE = Kind.CANCELLATION, Kind.RMA, Kind.INVOICE
POISONED = FIRST + 3
SAVES = {CANCELLATION: "order/save", RETURN: "rma/save", INVOICE: "order/attachments/save"}


def poison(shop: Shop, kind: Kind, fault: str = "http_500_json", order: int = POISONED) -> None:
    """From now on every save with this order in it fails so."""
    returns = shop.market.returns_of[order] if kind is RETURN else []
    orders = [] if kind is RETURN else [order]
    shop.market.faults.add(
        SAVES[kind], kind=fault, times=None, order_ids=orders, return_ids=returns
    )


async def run(shop: Shop, kind: Kind, times: int = 1) -> None:
    """So many runs, each in its time."""
    for _ in range(times):
        await shop.run(kind)
        await shop.later()


class TestNeighbours:
    @pytest.mark.parametrize(
        "fault", ["http_500_json", "http_511_html", "reset", "empty_body", "locked", "forbidden"]
    )
    async def test_are_saved_without_it(self, shop: Shop, fault: str) -> None:
        everyone = await rows(shop, CANCELLATION, 10)
        poison(shop, CANCELLATION, fault)
        await run(shop, CANCELLATION, times=2)
        poisoned = everyone.pop(POISONED)
        assert {await shop.state(CANCELLATION, row) for row in everyone.values()} == {"synced"}
        assert await attempts(shop, CANCELLATION, poisoned) == 1
        late = await SCENES[CANCELLATION](shop, FIRST + 50)
        await run(shop, CANCELLATION)
        assert await shop.state(CANCELLATION, late) == "synced"
        assert len(shop.market.journal.effects_of("order.status")) == 10

    @pytest.mark.parametrize("kind", [RETURN, INVOICE])
    async def test_of_every_kind_are(self, shop: Shop, kind: Kind) -> None:
        everyone = await rows(shop, kind, 10)
        poison(shop, kind)
        await run(shop, kind, times=2)
        poisoned = everyone.pop(POISONED)
        assert {await shop.state(kind, row) for row in everyone.values()} == {"synced"}
        assert await attempts(shop, kind, poisoned) == 1

    async def test_go_in_lots_again_once_they_were_saved(self, shop: Shop) -> None:
        everyone = await rows(shop, RETURN, 4)
        poison(shop, RETURN)
        await run(shop, RETURN, times=2)
        shop.market.faults.clear()
        await run(shop, RETURN, times=2)
        for row in everyone.values():
            await shop.erp.update(RETURN, row, status="processing")
        saves = len(await saved(shop))
        await run(shop, RETURN)
        assert [len(items) for items in (await saved(shop))[saves:]] == [4]


async def saved(shop: Shop) -> list[list[str]]:
    """The rows of every save that left, oldest first."""
    calls = await shop.sql("SELECT rows FROM app.emag_api_calls WHERE writes ORDER BY sent_at")
    return [list(call["rows"]) for call in calls]


class TestTheRowItself:
    @pytest.mark.parametrize(
        ("fault", "runs", "reason"),
        [
            ("http_500_json", 2, "Internal Server Error"),  # one that reads that nothing was done
            ("locked", 1, "Resource locked"),
            ("forbidden", 1, "not allowed to use this API"),
        ],
    )
    async def test_ends_in_the_inbox_after_growing_pauses(
        self, shop: Shop, fault: str, runs: int, reason: str
    ) -> None:
        row = (await rows(shop, CANCELLATION, 4))[POISONED]
        poison(shop, CANCELLATION, fault)
        pauses: dict[int, float] = {}
        for _ in range(1 + runs * INBOX_ATTEMPTS):
            if len(pauses) < INBOX_ATTEMPTS - 1:
                assert await read_inbox(shop.channel.engine) == []
            await shop.run(CANCELLATION)
            if await shop.state(CANCELLATION, row) == "pending":
                failures = await attempts(shop, CANCELLATION, row)
                pauses |= {failures: await shop.rests(CANCELLATION, row)} if failures else {}
            await shop.later()
        assert list(pauses) == [*range(1, INBOX_ATTEMPTS + 1)]
        assert all(pauses[each] < pauses[each + 2] for each in range(1, 6))
        [entry] = await read_inbox(shop.channel.engine)
        assert (entry.row_id, entry.attempts) == (row, INBOX_ATTEMPTS)
        assert reason in entry.reason
        asked = len(await saved(shop))
        assert asked == INBOX_ATTEMPTS + 4  # with its neighbours once, which then went alone

        shop.market.faults.clear()
        await shop.replay(CANCELLATION, row)
        await run(shop, CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert await attempts(shop, CANCELLATION, row) == 0
        assert done_to(shop, POISONED) == [("order.status", 2, 0)]

    async def test_stays_in_the_inbox_while_its_next_failure_is_in_doubt(self, shop: Shop) -> None:
        row = (await rows(shop, CANCELLATION, 4))[POISONED]
        poison(shop, CANCELLATION)
        await run(shop, CANCELLATION, times=2 * INBOX_ATTEMPTS + 1)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "in_doubt"
        [entry] = await read_inbox(shop.channel.engine)
        assert entry.row_id == row
        assert "Internal Server Error" in entry.reason

    async def test_rests_before_it_is_sent_again(self, shop: Shop) -> None:
        await rows(shop, CANCELLATION, 4)
        poison(shop, CANCELLATION)
        await run(shop, CANCELLATION, times=2)
        asked = len(await saved(shop))
        await shop.run(CANCELLATION)  # reads that nothing was done
        await shop.run(CANCELLATION)
        assert len(await saved(shop)) == asked

    async def test_is_given_up_where_its_saves_change_nothing(self, shop: Shop) -> None:
        shop.market.add_order({"id": POISONED, "status": 1})
        row = await shop.erp.add(CANCELLATION, POISONED)
        # Whatever was acknowledged is shown as not acknowledged.
        shop.market.faults.add("order/read", kind="stale", effects=1, times=None)
        await shop.run(CANCELLATION)
        assert len(await saved(shop)) == MOST_TRIES
        assert await shop.state(CANCELLATION, row) == "pending"
        assert await attempts(shop, CANCELLATION, row) == 1
        assert "never becomes what was saved" in await shop.reason(CANCELLATION, row)
        illegal = {(each.route, each.rule, each.id) for each in shop.market.journal.violations()}
        assert illegal == {("order/acknowledge", "matrix", POISONED)}
        shop.market.journal._violations.clear()  # nobody could know better

    async def test_is_not_blamed_for_one_lost_answer(self, shop: Shop) -> None:
        row = (await rows(shop, CANCELLATION, 4))[POISONED]
        poison(shop, CANCELLATION)
        await run(shop, CANCELLATION)
        shop.market.faults.clear()
        assert await attempts(shop, CANCELLATION, row) == 0
        await run(shop, CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"

    async def test_is_not_sent_again_where_it_had_its_effect(self, shop: Shop) -> None:
        row = (await rows(shop, CANCELLATION, 4))[POISONED]
        shop.market.faults.add("order/save", "after_effect", "reset", None, order_ids=[POISONED])
        await run(shop, CANCELLATION, times=2)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert done_to(shop, POISONED) == [("order.status", 2, 0)]

    async def test_is_measured_anew_where_another_row_went_before_it(self, shop: Shop) -> None:
        row = await one_of_five(shop)
        shop.market.faults.add("order/save", kind="http_500_json", times=None)
        await run(shop, CANCELLATION, times=2)
        await shop.run(CANCELLATION)  # it rests
        shop.market.faults.clear()
        other = await one_of_five(shop)
        await shop.run(CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "pending"
        assert await shop.state(CANCELLATION, other) == "synced"
        await shop.later()
        await run(shop, CANCELLATION)
        assert await shop.state(CANCELLATION, row) == "synced"
        assert done_to(shop) == [("order.line", 5, 4), ("order.line", 4, 3)]


class TestAnOutage:
    async def test_is_none_while_others_are_saved(self, shop: Shop) -> None:
        unheard = list(range(FIRST, FIRST + 3))
        for order in unheard:
            shop.market.add_order({"id": order, "status": 1})
        failing = [await shop.erp.add(CANCELLATION, order) for order in unheard]
        others = [await SCENES[CANCELLATION](shop, FIRST + 10 + n) for n in range(30)]
        shop.market.faults.add(
            "order/acknowledge", kind="http_500_json", times=None, order_ids=unheard
        )
        await shop.run(CANCELLATION)
        shop.market.add_order({"id": FIRST + 90, "status": 1})
        others.append(await shop.erp.add(CANCELLATION, FIRST + 90))
        for _ in range(4):
            report = await shop.run(CANCELLATION)
            assert report.unreachable is None
            assert await down(shop) == []
            await shop.later()
        assert {await shop.state(CANCELLATION, row) for row in others} == {"synced"}
        assert {await attempts(shop, CANCELLATION, row) for row in failing} == {2}
        invoiced = await SCENES[INVOICE](shop, FIRST + 100)
        assert (await shop.run(INVOICE)).exit_code == 0
        assert await shop.state(INVOICE, invoiced) == "synced"

    async def test_that_begins_while_a_row_is_sent_alone_costs_it_no_attempt(
        self, shop: Shop
    ) -> None:
        everyone = (await rows(shop, CANCELLATION, 4)).values()
        poison(shop, CANCELLATION)
        await run(shop, CANCELLATION)

        async def begin(at: Point) -> None:
            if at is Point.INTENDED:
                shop.market.faults.add(kind="http_503_html", times=None)

        with listening(begin):
            report = await shop.run(CANCELLATION)
        assert report.exit_code == 3
        assert {await attempts(shop, CANCELLATION, row) for row in everyone} == {0}
        assert await down(shop) == ["orders"]

        shop.market.faults.clear()
        await shop.later()
        await run(shop, CANCELLATION)
        assert {await shop.state(CANCELLATION, row) for row in everyone} == {"synced"}

    async def test_who_may_read_but_not_write_is_told_so_and_keeps_nobody_from_reading(
        self, shop: Shop
    ) -> None:
        row = (await rows(shop, CANCELLATION, 1))[FIRST]
        shop.market.faults.add("order/save", kind="forbidden", times=None)
        report = await shop.run(CANCELLATION)
        assert report.exit_code == 3
        assert "EMAG_PASSWORD" in (report.unreachable or "")
        assert await down(shop) == []
        assert await attempts(shop, CANCELLATION, row) == 0
