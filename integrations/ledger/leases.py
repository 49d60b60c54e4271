"""Order leases: whoever holds one owns everything that is sent about that order."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from integrations.erp.connection import Connection
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.line import line

_TAKE = """
    INSERT INTO app.emag_order_leases AS l (platform, emag_order_id, token, holder, expires_at)
    SELECT :platform, wanted, :token, :holder, clock_timestamp() + make_interval(secs => :seconds)
      FROM unnest(CAST(:orders AS bigint[])) AS wanted ORDER BY wanted
    ON CONFLICT (platform, emag_order_id) DO UPDATE
       SET token = excluded.token, holder = excluded.holder, expires_at = excluded.expires_at
     WHERE l.expires_at <= clock_timestamp()
    RETURNING emag_order_id
"""

LOCK = """
    SELECT emag_order_id FROM app.emag_order_leases
     WHERE platform = :platform AND emag_order_id = ANY(:orders) AND token = :token
     ORDER BY emag_order_id FOR UPDATE
"""

EXTEND = """
    UPDATE app.emag_order_leases
       SET expires_at = greatest(expires_at, clock_timestamp() + make_interval(secs => :life))
     WHERE platform = :platform AND emag_order_id = ANY(:orders) AND token = :token
"""

# Who was halted for longer than a lease lasts knows what eMAG held then: it gets no other.
_RENEW = f"{EXTEND} AND expires_at > clock_timestamp()"

_OUTLIVE = """
    SELECT count(*) AS held FROM app.emag_order_leases
     WHERE platform = :platform AND emag_order_id = ANY(:orders) AND token = :token
       AND least(expires_at, CAST(:dead_at AS timestamptz))
           >= clock_timestamp() + make_interval(secs => :life)
"""

_RELEASE = """
    DELETE FROM app.emag_order_leases
     WHERE (platform, emag_order_id) IN (
           SELECT platform, emag_order_id FROM app.emag_order_leases
            WHERE platform = :platform AND emag_order_id = ANY(:orders) AND token = :token
            ORDER BY emag_order_id FOR UPDATE)
"""


def new_token() -> uuid.UUID:
    """A token known to this batch alone, never derived from anything another run could have."""
    return uuid.uuid4()


async def take(
    connection: Connection,
    platform: str,
    orders: Collection[int],
    token: uuid.UUID,
    holder: str,
    seconds: float,
) -> set[int]:
    """Lease the orders that nobody else holds; which ones that were."""
    rows = await connection.execute(
        _TAKE,
        {
            "platform": platform,
            "orders": sorted(orders),
            "token": token,
            "holder": holder,
            "seconds": seconds,
        },
    )
    return {row.emag_order_id for row in rows}


async def lock_held(
    connection: Connection,
    platform: str,
    orders: Collection[int],
    token: uuid.UUID,
) -> set[int]:
    """Lock the leases that nobody has taken from the token until the transaction ends.

    One that ran out counts as long as nobody else has taken it.
    """
    rows = await connection.execute(
        LOCK, {"platform": platform, "orders": sorted(orders), "token": token}
    )
    return {row.emag_order_id for row in rows}


async def renew(
    engine: Engine, platform: str, orders: Collection[int], token: uuid.UUID, seconds: float
) -> None:
    """Let the leases that the token holds last at least so long from now; none that ran out."""
    async with transaction(engine) as connection:
        held = await lock_held(connection, platform, orders, token)
        await connection.execute(
            _RENEW,
            {"platform": platform, "orders": sorted(held), "token": token, "life": seconds},
        )


async def outlive(
    engine: Engine,
    platform: str,
    orders: Collection[int],
    token: uuid.UUID,
    dead_at: datetime,
    seconds: float,
) -> bool:
    """Whether a request that takes so long to be dead is so before `dead_at`.

    And whether the token holds all the orders until then.
    """
    wanted = {
        "platform": platform,
        "orders": sorted(orders),
        "token": token,
        "dead_at": dead_at,
        "life": seconds,
    }
    row = await line(engine).row(_OUTLIVE, wanted)
    return bool(row.held == len(orders))


async def release(engine: Engine, platform: str, orders: Collection[int], token: uuid.UUID) -> None:
    """Give orders back; those with an open or unknown call must not be among them."""
    if not orders:
        return
    async with transaction(engine) as connection:
        await connection.execute(
            _RELEASE, {"platform": platform, "orders": sorted(orders), "token": token}
        )
