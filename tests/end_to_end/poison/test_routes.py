"""Where eMAG takes no saves at all it is not the rows' matter, though it answers reads."""

from __future__ import annotations

import pytest

from integrations.erp.rows import Kind
from tests.end_to_end.conftest import Shop
from tests.end_to_end.poison.conftest import FIRST, attempts, down, rows
from tests.end_to_end.scenes import SCENES

pytestmark = pytest.mark.unpaced

CANCELLATION = Kind.CANCELLATION
SAVES = {
    Kind.CANCELLATION: "order/save",
    Kind.RMA: "rma/save",
    Kind.INVOICE: "order/attachments/save",
}


class TestEverySave:
    @pytest.mark.parametrize(
        ("fault", "first", "says"),
        [
            ("forbidden", 3, "EMAG_PASSWORD"),
            ("address_refused", 3, "allow this host's address"),
            ("http_503_html", 1, "internal error"),  # one lost answer: in doubt
            ("reset", 1, "connection broke"),
        ],
    )
    async def test_that_fails_is_said_in_each_run_and_costs_no_attempt(
        self, shop: Shop, fault: str, first: int, says: str
    ) -> None:
        everyone = await rows(shop, CANCELLATION, 3)
        shop.market.faults.add("order/save", kind=fault, times=None)
        assert (await shop.run(CANCELLATION)).exit_code == first
        for _ in range(4):
            await shop.later()
            report = await shop.run(CANCELLATION)
            assert report.exit_code == 3
            assert says in (report.unreachable or "")
        assert {await attempts(shop, CANCELLATION, row) for row in everyone.values()} == {0}
        assert await down(shop) == []

        shop.market.faults.clear()
        await shop.later()
        assert (await shop.run(CANCELLATION)).exit_code == 0
        assert {await shop.state(CANCELLATION, row) for row in everyone.values()} == {"synced"}
        assert len(shop.market.journal.effects_of("order.status")) == len(everyone)

    @pytest.mark.parametrize("kind", [Kind.RMA, Kind.INVOICE])
    async def test_of_any_kind(self, shop: Shop, kind: Kind) -> None:
        everyone = await rows(shop, kind, 2)
        shop.market.faults.add(SAVES[kind], kind="forbidden", times=None)
        for _ in range(3):
            assert (await shop.run(kind)).exit_code == 3
            await shop.later()
        assert {await attempts(shop, kind, row) for row in everyone.values()} == {0}

    async def test_is_not_tried_for_every_row(self, shop: Shop) -> None:
        everyone = await rows(shop, CANCELLATION, 40)
        shop.market.faults.add("order/save", kind="forbidden", times=None)
        await shop.run(CANCELLATION)
        await shop.later()
        report = await shop.run(CANCELLATION)
        assert report.requests["order/save"] < len(everyone) / 2  # no more than were under way
        for row in everyone.values():
            books = await shop.books(CANCELLATION, row)
            assert (books["sync_state"], books["sync_attempts"]) == ("pending", 0)


class TestSeveralRows:
    async def test_are_to_blame_once_another_was_saved_since_they_failed(self, shop: Shop) -> None:
        everyone = await rows(shop, CANCELLATION, 2)
        shop.market.faults.add("order/save", kind="forbidden", times=None, order_ids=list(everyone))
        for _ in range(2):
            assert (await shop.run(CANCELLATION)).exit_code == 3
            await shop.later()
        await shop.sql("UPDATE app.emag_cancellation_integrations SET next_attempt_at = 'infinity'")
        saved = await SCENES[CANCELLATION](shop, FIRST + 10)
        assert (await shop.run(CANCELLATION)).exit_code == 0
        assert await shop.state(CANCELLATION, saved) == "synced"
        await shop.later()
        for failures in (1, 2):
            report = await shop.run(CANCELLATION)
            assert (report.exit_code, report.unreachable) == (0, None)
            found = {await attempts(shop, CANCELLATION, row) for row in everyone.values()}
            assert found == {failures}
            await shop.later()
