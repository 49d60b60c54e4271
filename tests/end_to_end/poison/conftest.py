"""A shop at an eMAG that fails at one row whenever it is asked about it."""

from __future__ import annotations

from integrations.erp.rows import Kind
from integrations.ledger.status import read_status
from tests.end_to_end.conftest import Shop
from tests.end_to_end.scenes import SCENES

FIRST = 480000101


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
