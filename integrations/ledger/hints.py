"""Hints that something has changed at eMAG: they queue a read and can do nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import psycopg

from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit, prompt_transaction
from integrations.ledger.engine import Engine
from integrations.ledger.operations import LockedError, is_locked

# Hints about orders and returns that nobody has ever seen: more of them are thrown away.
MOST_UNSEEN = 1000

# Whoever gives a hint is answered soon: a run that stores the order holds its row for a moment, and
# what holds it for longer may not hold up the asker, too.
PATIENCE_SECONDS = 3.0
LOCK_SECONDS = 0.5

# What is due since the beginning of time was hinted at; what was never read is only a hint.
_HINT = """
    INSERT INTO app.{table} (platform, {number}, account, type, status, digest, read_at,
                             changed_at, owed, next_at)
    SELECT :platform, :number, :account, :type, -1, '', '-infinity', clock_timestamp(), true,
           '-infinity'
     WHERE EXISTS (SELECT FROM app.{table} WHERE platform = :platform AND {number} = :number)
        OR (SELECT count(*) FROM (SELECT FROM app.{table}
                                   WHERE platform = :platform AND account = :account AND owed
                                     AND read_at = '-infinity' LIMIT :most) AS unseen) < :most
    ON CONFLICT (platform, {number}) DO UPDATE SET owed = true, next_at = '-infinity'
"""

# Two readers of one hint may come here: who finds it forgotten already has nothing more to tell.
_FORGET = """
    WITH forgotten AS (
        DELETE FROM app.{table}
         WHERE platform = :platform AND {number} = :number AND read_at = '-infinity')
    SELECT NOT EXISTS (SELECT FROM app.{table}
                        WHERE platform = :platform AND {number} = :number
                          AND read_at > '-infinity') AS nothing_left
"""

_ORDERS = {"table": "emag_orders", "number": "order_id"}
_RETURNS = {"table": "emag_returns", "number": "emag_id"}

_HINT_ORDER, _HINT_RETURN = _HINT.format(**_ORDERS), _HINT.format(**_RETURNS)
_FORGET_ORDER, _FORGET_RETURN = _FORGET.format(**_ORDERS), _FORGET.format(**_RETURNS)

_ORDER_OF = """
    SELECT platform, account_type AS account, emag_order_id AS number FROM {books}
     WHERE {erp_id} = :row_id AND NOT superseded AND platform IS NOT NULL
       AND account_type IS NOT NULL AND emag_order_id > 0
"""

SOLD_BY_THE_SELLER = 3


async def hint_order(
    engine: Engine, platform: str, account: str, order_type: int, order_id: int
) -> bool:
    """Let the next run read this order; False where too many hints wait to be looked at.

    Raises:
        LockedError: another transaction holds it.
        TimeoutError, NoAnswerError: the database does not answer soon.
    """
    return await _hint(engine, _HINT_ORDER, platform, account, order_type, order_id)


async def hint_return(
    engine: Engine, platform: str, account: str, order_type: int, emag_id: int
) -> bool:
    """Let the next run read this return; False where too many hints wait to be looked at.

    Raises:
        LockedError: another transaction holds it.
        TimeoutError, NoAnswerError: the database does not answer soon.
    """
    return await _hint(engine, _HINT_RETURN, platform, account, order_type, emag_id)


class Hinted(StrEnum):
    """What became of a hint: it is `queued`, names `no_order`, or comes while `too_many` wait."""

    QUEUED = "queued"
    NO_ORDER = "no_order"
    TOO_MANY = "too_many"


async def hint_order_of(engine: Engine, kind: Kind, row_id: int) -> Hinted:
    """Let the next run read the order of an ERP row, if our books name one."""
    books = BOOKS[kind]
    query = _ORDER_OF.format(books=books.name, erp_id=books.erp_id)
    async with autocommit(engine) as connection:
        row = (await connection.execute(query, {"row_id": row_id})).first()
    if row is None:
        return Hinted.NO_ORDER
    # The type is a guess where nobody has seen the order: a reader tries the other one, too.
    queued = await hint_order(engine, row.platform, row.account, SOLD_BY_THE_SELLER, row.number)
    return Hinted.QUEUED if queued else Hinted.TOO_MANY


async def forget_order(engine: Engine, platform: str, order_id: int) -> bool:
    """Drop a hint about an order unknown at eMAG; False where there was more than a hint."""
    return await _forget(engine, _FORGET_ORDER, platform, order_id)


async def forget_return(engine: Engine, platform: str, emag_id: int) -> bool:
    """Drop a hint about a return unknown at eMAG; False where there was more than a hint."""
    return await _forget(engine, _FORGET_RETURN, platform, emag_id)


async def _forget(engine: Engine, statement: str, platform: str, number: int) -> bool:
    async with autocommit(engine) as connection:
        row = (await connection.execute(statement, {"platform": platform, "number": number})).one()
        return bool(row.nothing_left)


async def _hint(
    engine: Engine,
    statement: str,
    platform: str,
    account: str,
    order_type: int,
    number: int,
) -> bool:
    hinted: dict[str, Any] = {
        "platform": platform,
        "account": account,
        "type": order_type,
        "number": number,
        "most": MOST_UNSEEN,
    }
    try:
        async with prompt_transaction(engine, PATIENCE_SECONDS, LOCK_SECONDS) as connection:
            return (await connection.execute(statement, hinted)).rowcount > 0
    except psycopg.Error as error:
        if not is_locked(error):
            raise
        raise LockedError(
            f"another transaction holds what our books have of {number}: no read of it was queued;"
            " try again once that has ended"
        ) from error
