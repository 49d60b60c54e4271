"""Hints that something has changed at eMAG: they queue a read and can do nothing else."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.ledger.database import autocommit

# Hints about orders and returns that nobody has ever seen: more of them are thrown away.
MOST_UNSEEN = 1000

# What is mirrored under a number that was only hinted at.
UNSEEN = -1

_HINT_ORDER = text("""
    INSERT INTO app.emag_orders AS t (platform, order_id, account, type, status, digest, read_at,
                                      changed_at, owed, next_at)
    SELECT :platform, :number, :account, :type, -1, '', '-infinity', clock_timestamp(), true,
           clock_timestamp()
     WHERE EXISTS (SELECT FROM app.emag_orders
                    WHERE platform = :platform AND order_id = :number)
        OR (SELECT count(*) FROM (SELECT FROM app.emag_orders
                                   WHERE platform = :platform AND account = :account AND owed
                                     AND status = -1 LIMIT :most) AS unseen) < :most
    ON CONFLICT (platform, order_id) DO UPDATE
       SET owed = true, next_at = least(t.next_at, clock_timestamp())
""")

_HINT_RETURN = text("""
    INSERT INTO app.emag_returns AS t (platform, emag_id, account, type, status, digest, read_at,
                                       changed_at, owed, next_at)
    SELECT :platform, :number, :account, :type, -1, '', '-infinity', clock_timestamp(), true,
           clock_timestamp()
     WHERE EXISTS (SELECT FROM app.emag_returns
                    WHERE platform = :platform AND emag_id = :number)
        OR (SELECT count(*) FROM (SELECT FROM app.emag_returns
                                   WHERE platform = :platform AND account = :account AND owed
                                     AND status = -1 LIMIT :most) AS unseen) < :most
    ON CONFLICT (platform, emag_id) DO UPDATE
       SET owed = true, next_at = least(t.next_at, clock_timestamp())
""")


async def hint_order(
    engine: AsyncEngine, platform: str, account: str, order_type: int, order_id: int
) -> None:
    """Let the next run read this order."""
    await _hint(engine, _HINT_ORDER, platform, account, order_type, order_id)


async def hint_return(
    engine: AsyncEngine, platform: str, account: str, order_type: int, emag_id: int
) -> None:
    """Let the next run read this return."""
    await _hint(engine, _HINT_RETURN, platform, account, order_type, emag_id)


async def _hint(
    engine: AsyncEngine,
    statement: object,
    platform: str,
    account: str,
    order_type: int,
    number: int,
) -> None:
    hinted = {
        "platform": platform,
        "account": account,
        "type": order_type,
        "number": number,
        "most": MOST_UNSEEN,
    }
    async with autocommit(engine) as connection:
        await connection.execute(statement, hinted)  # type: ignore[call-overload]
