"""Hints that something has changed at eMAG: they queue a read and can do nothing else."""

from __future__ import annotations

from sqlalchemy import TextClause, text
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


_FORGET_ORDER = text("""
    DELETE FROM app.emag_orders
     WHERE platform = :platform AND order_id = :number AND read_at = '-infinity' RETURNING order_id
""")

_FORGET_RETURN = text("""
    DELETE FROM app.emag_returns
     WHERE platform = :platform AND emag_id = :number AND read_at = '-infinity' RETURNING emag_id
""")


async def forget_order(engine: AsyncEngine, platform: str, order_id: int) -> bool:
    """Drop a hint about an order unknown at eMAG; False where there was more than a hint."""
    return await _forget(engine, _FORGET_ORDER, platform, order_id)


async def forget_return(engine: AsyncEngine, platform: str, emag_id: int) -> bool:
    """Drop a hint about a return unknown at eMAG; False where there was more than a hint."""
    return await _forget(engine, _FORGET_RETURN, platform, emag_id)


async def _forget(engine: AsyncEngine, statement: TextClause, platform: str, number: int) -> bool:
    async with autocommit(engine) as connection:
        gone = await connection.execute(statement, {"platform": platform, "number": number})
        return gone.first() is not None


async def _hint(
    engine: AsyncEngine,
    statement: TextClause,
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
        await connection.execute(statement, hinted)
