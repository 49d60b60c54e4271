"""Which RMA a return is linked to does not depend on how eMAG's returns were read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.preview import preview
from flows.report import Report
from integrations.ledger.books import State
from integrations.sync.receive_returns import ReturnsScan
from tests.end_to_end.conftest import Shop
from tests.end_to_end.test_returns import JUICE, MUG, ORDER, RETURN, RMA, linked, opened

pytestmark = pytest.mark.unpaced

OTHERS = 9


async def run_both(shop: Shop) -> Report:
    return await shop.run_both(RETURN)


async def run_with_others(shop: Shop) -> Report:
    """A way out on which rows enough are due for it to read by pages."""
    for each in range(1, OTHERS + 1):
        opened(shop, 2, RMA + 100 + each, ORDER + each)
        await shop.erp.add(RETURN, ORDER + each, MUG, status="pending")
    return await shop.run(RETURN)


Run = Callable[[Shop], Awaitable[Report]]
BY_PAGES = pytest.mark.parametrize("run", [run_both, run_with_others])


class TestWhereThePagesOfOpenReturnsHoldOthersOfTheOrder:
    @BY_PAGES
    async def test_the_closed_one_that_matches_is_linked(self, shop: Shop, run: Run) -> None:
        opened(shop, 2, RMA, products=[JUICE])
        opened(shop, 7, RMA + 1)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        await run(shop)
        assert await shop.state(RETURN, row) == "synced"
        assert await linked(shop, row) == str(RMA + 1)

    @BY_PAGES
    async def test_the_closed_one_is_linked_where_the_open_one_is_anothers(
        self, shop: Shop, run: Run
    ) -> None:
        opened(shop, 2, RMA)
        first = await shop.erp.add(RETURN, ORDER, MUG, status="pending")
        await shop.run(RETURN)
        opened(shop, 7, RMA + 1)
        second = await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        await run(shop)
        assert await linked(shop, first) == str(RMA)
        assert await linked(shop, second) == str(RMA + 1)
        assert await shop.state(RETURN, second) == "synced"

    @BY_PAGES
    async def test_a_closed_one_of_another_row_is_not_taken_from_it(
        self, shop: Shop, run: Run
    ) -> None:
        opened(shop, 7, RMA + 1)
        first = await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        await shop.run(RETURN)
        opened(shop, 2, RMA, products=[JUICE])
        second = await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        await run(shop)
        assert await shop.state(RETURN, second) == "waiting:emag_return"
        assert f"(RMA {RMA + 1} belongs to rma:{first})" in await shop.reason(RETURN, second)

    async def test_each_row_is_looked_for_once_more_and_no_oftener(self, shop: Shop) -> None:
        for order in range(ORDER, ORDER + OTHERS):
            opened(shop, 2, RMA + order - ORDER, order, products=[JUICE])
            await shop.erp.add(RETURN, order, MUG, status="completed")
        report = await shop.run(RETURN)
        assert report.rows[State.WAITING] == OTHERS
        pages = 3
        assert report.requests["rma/read"] <= pages + 2 * OTHERS

    async def test_a_dry_run_plans_the_same(self, shop: Shop) -> None:
        opened(shop, 2, RMA, products=[JUICE])
        opened(shop, 7, RMA + 1)
        await shop.erp.add(RETURN, ORDER, MUG, status="completed")
        report = Report("rma", "main", "out", True, datetime.now(UTC))
        await preview(replace(shop.channel, scan=ReturnsScan()), RETURN, 10, report)
        [line] = report.plans
        assert "synced" in line.outcome


class TestWhereReadsShowTheSellersOwnReturnsUnlessAsked:
    """eMAG may hide what it fulfils, as it does with orders (API facts: Filters of rma/read)."""

    @pytest.fixture(autouse=True)
    def hidden(self, shop: Shop) -> None:
        shop.switch(rma_read_default_type=3)

    @pytest.mark.parametrize("named", [None, str(RMA)])
    async def test_one_that_emag_fulfils_is_found_by_the_main_account(
        self, shop: Shop, named: str | None
    ) -> None:
        opened(shop, 3, type=2)
        row = await shop.erp.add(RETURN, ORDER, MUG, status="approved", emag_return_id=named)
        await shop.run(RETURN)
        assert await shop.state(RETURN, row) == "synced"
        assert await linked(shop, row) == str(RMA)

    @pytest.mark.parametrize("named", [None, str(RMA)])
    async def test_a_closed_one_is_found_by_the_account_for_these(
        self, fbe: Shop, named: str | None
    ) -> None:
        opened(fbe, 7, type=2)
        fields = {"status": "completed", "account_type": "fbe", "emag_return_id": named}
        row = await fbe.erp.add(RETURN, ORDER, MUG, **fields)
        await fbe.run_both(RETURN)
        assert await fbe.state(RETURN, row) == "synced"
        assert await linked(fbe, row) == str(RMA)

    async def test_the_sellers_own_cost_no_more_requests(self, shop: Shop) -> None:
        opened(shop, 3)
        await shop.erp.add(RETURN, ORDER, MUG, status="approved")
        report = await shop.run(RETURN)
        assert report.requests == {"rma/read": 1}
