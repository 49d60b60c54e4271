"""A shop at an eMAG that fails at one row whenever it is asked about it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from integrations.emag.accounts import Account
from integrations.erp.rows import Kind
from integrations.ledger.status import read_status
from integrations.sandbox.market import Market
from tests.end_to_end.conftest import Shop
from tests.end_to_end.pace import open_unpaced_shop
from tests.end_to_end.test_outages import SCENES

FIRST = 480000101


@pytest.fixture
async def shop(database_url: str, market: Market, account: Account) -> AsyncIterator[Shop]:
    """A shop in which nothing waits for a request limit."""
    async with open_unpaced_shop(database_url, market, account) as shop:
        yield shop
    assert market.journal.violations() == []


async def rows(shop: Shop, kind: Kind, count: int) -> dict[int, int]:
    """Rows that one save each would bring to their end, by their orders."""
    return {FIRST + n: await SCENES[kind](shop, FIRST + n) for n in range(count)}


async def attempts(shop: Shop, kind: Kind, row: int) -> int:
    """How many failures were put down to a row."""
    return int((await shop.books(kind, row))["sync_attempts"])


async def down(shop: Shop) -> list[str]:
    """The budgets for which eMAG counts as down."""
    status = await read_status(shop.channel.engine)
    return [budget.bucket for budget in status.budgets if budget.down_since]
