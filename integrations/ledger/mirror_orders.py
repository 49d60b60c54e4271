"""The mirror of eMAG's orders: what was last seen of each, and what the ERP is still owed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

import orjson
from psycopg.errors import LockNotAvailable

from integrations.emag.order_facts import Sight
from integrations.ledger.database import autocommit, rolled_back, storable
from integrations.ledger.engine import Engine
from integrations.ledger.timings import Timings

# Whether a read tells what an order's lines hold now: one that is cancelled may come back with all
# of them, and what was modified earlier than is known shows how things were. What could not be read
# is not gone: it would count as added when it can be read again.
_SHOWS_LINES = """excluded.held IS NOT NULL AND excluded.status IN (1, 2, 3, 4)
                  AND excluded.modified_at >= m.modified_at"""

# All pieces that each line was ever given: those by which it has grown since it was last read were
# added. It is never less than eMAG says of it.
_EVER = f"""(SELECT coalesce(jsonb_object_agg(e.key, e.ever), '{{}}')
                   FROM (SELECT k.key, greatest(
                                (excluded.lines ->> k.key)::integer,
                                coalesce((m.lines ->> k.key)::integer, 0)
                                + CASE WHEN m.held IS NOT NULL AND {_SHOWS_LINES} THEN greatest(0,
                                    coalesce((excluded.held ->> k.key)::integer, 0)
                                    - coalesce((m.held ->> k.key)::integer, 0)) ELSE 0 END) AS ever
                           FROM (SELECT jsonb_object_keys(m.lines)
                                 UNION SELECT jsonb_object_keys(excluded.lines)) AS k(key)) e)"""

# An older read never overwrites a newer one. An order that is seen first is owed where it tells the
# ERP anything, a known one where it has changed. An order that goes on although we cancelled it may
# look as it did before that: what our books say of it tells. A wish that was taken back may come
# again as a new one. Where eMAG doesn't say when an order was finalized, it counts from when that
# was first seen, however `modified` moves later. What rests because the ERP could not take it is
# due when it changes. Rows are taken in order: no two runs wait for each other.
_SEE = f"""
    WITH seen AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS s(
            order_id bigint, type smallint, status smallint, placed_at timestamptz,
            modified_at timestamptz, finalized_at timestamptz, wish_at timestamptz,
            documents integer, lines jsonb, held jsonb, digest text, tells boolean)),
    revived AS MATERIALIZED (
        SELECT DISTINCT s.order_id FROM seen s
          JOIN app.emag_cancellation_integrations i
            ON i.platform = :platform AND i.emag_order_id = s.order_id AND NOT i.superseded
         WHERE s.status IN (1, 2, 3, 4) AND i.sync_state = 'synced'
           AND lower(i.emag_status::text) = 'canceled'),
    before AS MATERIALIZED (
        SELECT m.order_id, m.status, m.digest, m.finalized_at
          FROM app.emag_orders m JOIN seen s USING (order_id) WHERE m.platform = :platform),
    stored AS (
        INSERT INTO app.emag_orders AS m (platform, order_id, account, type, status, placed_at,
            modified_at, finalized_at, wish_at, documents, lines, held, digest, read_at,
            changed_at, owed)
        SELECT :platform, s.order_id, :account, s.type, s.status, s.placed_at, s.modified_at,
               CASE WHEN s.finalized_at IS NOT NULL OR s.status <> 4 THEN s.finalized_at
                    WHEN b.status = 4 THEN coalesce(b.finalized_at, s.modified_at)
                    ELSE s.modified_at END,
               s.wish_at, s.documents, s.lines, s.held, s.digest, :read_at, clock_timestamp(),
               s.tells OR s.order_id IN (SELECT order_id FROM revived)
          FROM seen s LEFT JOIN before b USING (order_id) ORDER BY s.order_id
        ON CONFLICT (platform, order_id) DO UPDATE SET
            account = excluded.account, type = excluded.type, status = excluded.status,
            placed_at = coalesce(excluded.placed_at, m.placed_at),
            modified_at = excluded.modified_at, finalized_at = excluded.finalized_at,
            wish_at = excluded.wish_at,
            wish_told = m.wish_told AND excluded.wish_at IS NOT NULL,
            documents = excluded.documents,
            lines = CASE WHEN m.lines @> excluded.lines AND m.held @> excluded.held THEN m.lines
                         ELSE {_EVER} END,
            held = CASE WHEN m.held IS NULL OR {_SHOWS_LINES} THEN excluded.held ELSE m.held END,
            digest = excluded.digest, read_at = excluded.read_at,
            changed_at = CASE WHEN m.digest = excluded.digest THEN m.changed_at
                              ELSE excluded.changed_at END,
            owed = m.owed OR m.digest <> excluded.digest
                   OR m.order_id IN (SELECT order_id FROM revived),
            problem = CASE WHEN m.digest = excluded.digest THEN m.problem END,
            attempts = CASE WHEN m.digest = excluded.digest THEN m.attempts ELSE 0 END,
            next_at = CASE WHEN m.digest = excluded.digest THEN m.next_at
                           ELSE clock_timestamp() END
         WHERE m.read_at <= excluded.read_at
        RETURNING m.order_id, m.digest, m.lines, m.attempts, m.wish_told,
                  m.owed AND m.next_at <= clock_timestamp() AS due)
    SELECT n.order_id, n.lines, n.attempts, n.due, b.digest IS DISTINCT FROM n.digest AS changed,
           NOT n.wish_told AS wish_is_new, b.status AS status_before
      FROM stored n LEFT JOIN before b USING (order_id)
     WHERE n.due OR b.digest IS DISTINCT FROM n.digest
"""

_PATIENCE = "SELECT set_config('lock_timeout', '20s', true)"
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('emag orders in ' || :platform, 0))"

# Of one process only one waits for its turn, so that waiting takes no more than one connection.
_TURNS: WeakKeyDictionary[Engine, asyncio.Lock] = WeakKeyDictionary()

_STILL = """
    SELECT order_id FROM app.emag_orders
     WHERE platform = :platform AND order_id = ANY(CAST(:ids AS bigint[]))
       AND read_at = :read_at AND owed
"""

# Goods that are back, or were when the ERP was to be told of it.
_COMING = """
    SELECT DISTINCT order_id FROM app.emag_returns
     WHERE platform = :platform AND order_id = ANY(CAST(:ids AS bigint[]))
       AND (status = 6 OR owed AND status = 7)
"""

# Of what is owed no more, a wish is told as well: that it makes no row was decided. One that was
# seen in an order that is over, or finalized, waits: the order may come back (see WISHED_IN).
_SETTLE = """
    UPDATE app.emag_orders m SET owed = s.owed, problem = s.problem,
           wish_told = m.wish_at IS NOT NULL
                       AND (m.wish_told OR NOT s.owed AND m.status IN (1, 2, 3)),
           attempts = CASE WHEN s.problem IS NULL THEN 0 ELSE m.attempts + 1 END,
           next_at = clock_timestamp() + make_interval(secs => s.delay)
      FROM (SELECT order_id, owed, problem, delay
              FROM jsonb_to_recordset(CAST(:settled AS jsonb)) AS s(
                   order_id bigint, owed boolean, problem text, delay float8)
             ORDER BY order_id) s
     WHERE m.platform = :platform AND m.order_id = s.order_id AND m.read_at = :read_at
"""

_OWE = """
    UPDATE app.emag_orders SET owed = true, next_at = clock_timestamp()
     WHERE platform = :platform AND order_id = ANY(CAST(:ids AS bigint[]))
    RETURNING order_id
"""

# An invoice that the ERP has issued after its order was paid: nothing changes at eMAG any more.
_OWE_INVOICED = """
    UPDATE app.emag_orders m SET owed = true, next_at = clock_timestamp()
      FROM app.emag_invoice_integrations i
     WHERE m.platform = :platform AND m.account = :account AND NOT m.owed
       AND i.platform = :platform AND i.emag_order_id = m.order_id AND NOT i.superseded
       AND i.queued_at >= CAST(:since AS timestamptz) AND m.read_at < i.queued_at
    RETURNING m.order_id
"""

REFUND_ASKED_FOR = """
    SELECT FROM app.emag_cancellation_integrations c
      JOIN app.cancellation_requests r ON r.id = c.cancellation_request_id
     WHERE c.platform = m.platform AND c.emag_order_id = m.order_id AND NOT c.superseded
       AND c.sync_state = 'synced'
       AND c.last_synced_at >= timezone('utc', CAST(:since AS timestamptz))
       AND c.last_synced_at > timezone('utc', m.read_at)
       AND coalesce(c.sent_at < m.read_at, true)
       AND lower(btrim(to_jsonb(r) ->> 'refund_status')) = 'processing'
"""
"""Cancellations whose refund was asked for once eMAG had them: nothing was sent for it, nothing
changes at eMAG, and it may have been paid before."""

_OWE_ASKED_FOR = f"""
    UPDATE app.emag_orders m SET owed = true, next_at = clock_timestamp()
     WHERE m.platform = :platform AND m.account = :account AND NOT m.owed
       AND EXISTS ({REFUND_ASKED_FOR})
    RETURNING m.order_id
"""

_DUE = """
    SELECT order_id, type FROM app.emag_orders
     WHERE platform = :platform AND account = :account AND owed
       AND next_at <= clock_timestamp() AND read_at < :since
     ORDER BY next_at, order_id LIMIT :most
"""

_REST = """
    UPDATE app.emag_orders SET problem = :problem, attempts = attempts + 1,
           next_at = clock_timestamp()
                     + make_interval(secs => least(:most, :first * power(2, least(attempts, 20))))
     WHERE platform = :platform AND order_id = :order_id AND owed
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A mirrored order that is new or changed, or that the ERP is owed.

    Attributes:
        due: it is to be brought in now.
        lines: all pieces that each line was ever seen to be given, by line id.
        wish_is_new: the ERP has not been told of a customer's wish in it yet.
        status_before: its status when it was read before; None for a new one.
        attempts: how often the ERP could not take it.
    """

    order_id: int
    changed: bool
    due: bool
    lines: Mapping[str, int]
    wish_is_new: bool
    status_before: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one: owed no more, or owed and looked at again after `delay` seconds."""

    order_id: int
    owed: bool
    problem: str | None = None
    delay: float = 0.0


async def see_orders(
    engine: Engine, platform: str, account: str, read_at: datetime, sights: Sequence[Sight]
) -> dict[int, Seen]:
    """Store a page in one statement; what is new, changed or due of it, by number."""
    if not sights:
        return {}
    rows = orjson.dumps(sights).decode()
    async with autocommit(engine) as connection:
        stored = await connection.execute(
            _SEE, {"platform": platform, "account": account, "read_at": read_at, "rows": rows}
        )
        return {
            row.order_id: Seen(
                order_id=row.order_id,
                changed=row.changed,
                due=row.due,
                lines=row.lines,
                wish_is_new=row.wish_is_new,
                status_before=row.status_before,
                attempts=row.attempts,
            )
            for row in stored
        }


@asynccontextmanager
async def turn(engine: Engine, platform: str) -> AsyncIterator[bool]:
    """One at a time brings a platform's orders in: two would both find that the ERP has no row.

    False where another does not come to an end.
    """
    async with _TURNS.setdefault(engine, asyncio.Lock()), rolled_back(engine) as connection:
        try:
            await connection.execute(_PATIENCE)
            await connection.execute(_TURN, {"platform": platform})
        except LockNotAvailable:
            yield False
        else:
            yield True


async def still_owed(
    engine: Engine, platform: str, read_at: datetime, ids: Collection[int]
) -> set[int]:
    """Which of these the ERP is still owed as that read showed them; nobody has read later."""
    wanted = {"platform": platform, "read_at": read_at, "ids": sorted(ids)}
    async with autocommit(engine) as connection:
        return {row.order_id for row in await connection.execute(_STILL, wanted)}


async def orders_with_coming_returns(
    engine: Engine, platform: str, ids: Collection[int]
) -> set[int]:
    """Orders with a return whose goods are back, and which the ERP does not show as through yet."""
    wanted = {"platform": platform, "ids": sorted(ids)}
    async with autocommit(engine) as connection:
        return {row.order_id for row in await connection.execute(_COMING, wanted)}


async def settle_orders(
    engine: Engine, platform: str, read_at: datetime, settled: Sequence[Settled]
) -> None:
    """Note what became of orders, unless they were read again meanwhile."""
    if not settled:
        return
    rows = [
        asdict(each) | {"problem": None if each.problem is None else storable(each.problem)}
        for each in settled
    ]
    noted = {"platform": platform, "read_at": read_at, "settled": orjson.dumps(rows).decode()}
    async with autocommit(engine) as connection:
        await connection.execute(_SETTLE, noted)


async def owe(engine: Engine, platform: str, ids: Collection[int]) -> int:
    """Have these orders read again by the next run; how many of them are mirrored."""
    async with autocommit(engine) as connection:
        owed = await connection.execute(_OWE, {"platform": platform, "ids": sorted(ids)})
        return len(owed.rows)


async def owe_invoiced(engine: Engine, platform: str, account: str, since: datetime) -> int:
    """Owe orders that got an invoice since then and have not been read after that; how many."""
    invoiced = {"platform": platform, "account": account, "since": since}
    async with autocommit(engine) as connection:
        return len((await connection.execute(_OWE_INVOICED, invoiced)).rows)


async def owe_asked_for(engine: Engine, platform: str, account: str, since: datetime) -> int:
    """Owe orders whose refund the ERP has asked for since then without a request; how many."""
    asked = {"platform": platform, "account": account, "since": since}
    async with autocommit(engine) as connection:
        return len((await connection.execute(_OWE_ASKED_FOR, asked)).rows)


async def owed_due(
    engine: Engine, platform: str, account: str, since: datetime, most: int
) -> list[tuple[int, int]]:
    """Number and type of what is owed and due and has not been read since then, oldest first."""
    due = {"platform": platform, "account": account, "since": since, "most": most}
    async with autocommit(engine) as connection:
        return [(row.order_id, row.type) for row in await connection.execute(_DUE, due)]


async def rest_order(
    engine: Engine, platform: str, order_id: int, problem: str, timings: Timings
) -> None:
    """Note why an order could not be read; it is read again after a growing pause."""
    rested = {
        "platform": platform,
        "order_id": order_id,
        "problem": storable(problem),
        "first": timings.backoff_first,
        "most": timings.backoff_most,
    }
    async with autocommit(engine) as connection:
        await connection.execute(_REST, rested)
