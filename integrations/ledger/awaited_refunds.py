"""Closed returns whose refund eMAG has not shown yet, and when each is looked at again.

The longer a refund is awaited the rarer it is looked for: after a quarter of the time that it has
been awaited already, six hours at least, and for 45 days at most. That makes 21 reads of a return.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.mirror_returns import NEXT_LOOK, Owed

_DUE = """
    SELECT emag_id, type FROM app.emag_returns
     WHERE platform = :platform AND account = :account AND refund_at <= clock_timestamp()
       AND read_at < :since
     ORDER BY refund_at, emag_id LIMIT :most
"""

_LATER = f"""
    UPDATE app.emag_returns SET refund_at = {NEXT_LOOK.format("refund_since", "clock_timestamp()")}
     WHERE platform = :platform AND emag_id = :emag_id
"""

_LOOK_NOW = """
    UPDATE app.emag_returns SET refund_at = clock_timestamp()
     WHERE platform = :platform AND order_id = ANY(CAST(:orders AS bigint[]))
       AND refund_since IS NOT NULL
"""


async def refunds_due(
    engine: Engine, platform: str, account: str, since: datetime, most: int
) -> list[Owed]:
    """Returns whose refund is to be looked for and that were not read since then, oldest first."""
    due = {"platform": platform, "account": account, "since": since, "most": most}
    async with autocommit(engine) as connection:
        return [Owed(row.emag_id, row.type) for row in await connection.execute(_DUE, due)]


async def look_later(engine: Engine, platform: str, emag_id: int) -> None:
    """Note that a return was looked for in vain, as if it had shown no refund."""
    async with autocommit(engine) as connection:
        await connection.execute(_LATER, {"platform": platform, "emag_id": emag_id})


async def look_now(engine: Engine, platform: str, orders: Collection[int]) -> None:
    """Have the next run look for the refunds of these orders' returns."""
    if orders:
        async with autocommit(engine) as connection:
            await connection.execute(_LOOK_NOW, {"platform": platform, "orders": sorted(orders)})
