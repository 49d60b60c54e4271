"""Looking into the call record: which requests concerned an order or a return, or fell in a time.

Reads that served many rows at once (pages) name no order. Reads of a return name its order only, so
those of the order are taken with it.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.times import readable_time
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

# Bodies may be large: so few are in memory at once while everything is read through.
PAGE = 10

_SHOWN = """sent_at, account, route, writes, verdict, cause, http_status, seconds, items,
           order_ids, return_ids, rows, steps, message"""
_ALL = f"{_SHOWN}, id, platform, dead_at, closed_at, sealed, request, answer"

_NEWEST = f"""
    SELECT {_SHOWN} FROM app.emag_api_calls WHERE true {{conditions}}
     ORDER BY sent_at DESC LIMIT :most
"""

# Found before it is sorted: else a plan may walk through all calls by time until it has enough.
# A row that waits is read for months: what was written must not be lost among its reads.
_STORY = f"""
    WITH found AS MATERIALIZED (
        SELECT {_ALL} FROM app.emag_api_calls WHERE true {{conditions}}),
    told AS (
        SELECT * FROM found ORDER BY (writes IS TRUE) DESC, sent_at DESC, id DESC LIMIT :most)
    SELECT * FROM told ORDER BY sent_at, id
"""

_NEXT = f"""
    SELECT {_ALL} FROM app.emag_api_calls
     WHERE sent_at >= :from_at AND (sent_at, id) > (:from_at, :from_id) {{conditions}}
     ORDER BY sent_at, id LIMIT :most
"""

_NEXT_FOUND = f"""
    WITH found AS MATERIALIZED (
        SELECT {_ALL} FROM app.emag_api_calls WHERE true {{conditions}})
    SELECT * FROM found WHERE (sent_at, id) > (:from_at, :from_id)
     ORDER BY sent_at, id LIMIT :most
"""

_ORDER = "AND order_ids @> ARRAY[CAST(:order AS bigint)]"
_RETURN = """AND (return_ids @> ARRAY[CAST(:rma AS bigint)]
             OR route = 'rma/read' AND order_ids && CAST(:orders AS bigint[]))"""

_BOUNDS = {"since": "AND sent_at >= :since", "until": "AND sent_at < :until"}

_ORDERS_OF = """
    SELECT emag_order_id FROM app.emag_return_integrations
     WHERE emag_return_id = CAST(CAST(:rma AS bigint) AS text) AND NOT superseded
       AND emag_order_id IS NOT NULL
"""

_STANDING = """
    SELECT {erp_id} AS row_id, account_type AS account, sync_state AS state, waiting_for,
           {emag_id} AS emag_id, lower(CAST(emag_status AS text)) AS emag_status,
           error_message AS reason, sync_attempts AS attempts,
           {synced_at} AT TIME ZONE 'UTC' AS synced_at
      FROM {table}
     WHERE emag_order_id = ANY(:orders) AND (platform = ANY(:platforms) OR platform IS NULL)
       AND NOT superseded
     ORDER BY {erp_id}
"""


@dataclass(frozen=True)
class PastCall:
    """One request to eMAG as it was recorded; bodies stay in the record."""

    sent_at: datetime
    account: str
    route: str
    writes: bool
    verdict: str
    cause: str | None
    http_status: int | None
    seconds: float | None
    items: int | None
    order_ids: Sequence[int]
    return_ids: Sequence[int]
    rows: Sequence[str]
    steps: Sequence[str]
    message: str | None


@dataclass(frozen=True)
class WholeCall(PastCall):
    """The same with its bodies, as they are stored."""

    id: uuid.UUID
    platform: str
    dead_at: datetime | None
    closed_at: datetime | None
    sealed: bool
    request: bytes | None
    answer: bytes | None


@dataclass(frozen=True)
class Wanted:
    """Which calls: about an eMAG order or return, sent at or after `since` and before `until`."""

    order: int | None = None
    rma: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def named(self) -> bool:
        """Whether it is about one order or return, which an index finds."""
        return self.order is not None or self.rma is not None


@dataclass(frozen=True)
class Standing:
    """Where an ERP row stands with eMAG, and why."""

    kind: Kind
    row_id: int
    account: str | None
    state: str | None
    waiting_for: str | None
    emag_id: str | None
    emag_status: str | None
    reason: str | None
    attempts: int
    synced_at: datetime | None


async def read_calls(engine: Engine, wanted: Wanted, *, most: int = 50) -> list[PastCall]:
    """The newest calls about anything, newest first, without their bodies."""
    async with autocommit(engine) as connection:
        conditions, values = await _conditions(connection, wanted)
        query = _NEWEST.format(conditions=conditions)
        found = await connection.execute(query, {**values, "most": most})
        return [PastCall(**row._asdict()) for row in found]


async def read_story(engine: Engine, wanted: Wanted, *, most: int = 200) -> list[WholeCall]:
    """The writes about an order or a return and its newest reads, oldest first.

    Of more writes than `most`, the newest.
    """
    async with autocommit(engine) as connection:
        conditions, values = await _conditions(connection, wanted)
        query = _STORY.format(conditions=conditions)
        found = await connection.execute(query, {**values, "most": most})
        return [WholeCall(**row._asdict()) for row in found]


async def every_call(engine: Engine, wanted: Wanted) -> AsyncIterator[WholeCall]:
    """All calls that are wanted, oldest first; a few at a time are in memory.

    No transaction stays open meanwhile, so that nothing waits for whoever reads this.
    """
    at, last = wanted.since or datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0)
    statement = _NEXT_FOUND if wanted.named else _NEXT
    async with autocommit(engine) as connection:
        conditions, values = await _conditions(connection, wanted)
        query = statement.format(conditions=conditions)
        while True:
            place = {"from_at": at, "from_id": last, "most": PAGE}
            found = await connection.execute(query, {**values, **place})
            page = [WholeCall(**row._asdict()) for row in found]
            for call in page:
                yield call
            if len(page) < PAGE:
                return
            at, last = page[-1].sent_at, page[-1].id


async def read_standing(
    engine: Engine, wanted: Wanted, platforms: Collection[str]
) -> list[Standing]:
    """Our rows of all kinds about the order, or about the return's order, at these platforms."""
    async with autocommit(engine) as connection:
        orders = [wanted.order] if wanted.order is not None else []
        if wanted.rma is not None:
            orders += await _orders_of(connection, wanted.rma)
        values = {"orders": orders, "platforms": list(platforms)}
        return [
            Standing(kind=kind, **row._asdict())
            for kind, books in BOOKS.items()
            for row in await connection.execute(
                _STANDING.format(
                    table=books.name,
                    erp_id=books.erp_id,
                    emag_id=books.emag_id,
                    synced_at=readable_time("last_synced_at"),
                ),
                values,
            )
        ]


async def _conditions(connection: Connection, wanted: Wanted) -> tuple[str, Mapping[str, object]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if wanted.order is not None:
        conditions.append(_ORDER)
        values["order"] = wanted.order
    if wanted.rma is not None:
        conditions.append(_RETURN)
        values |= {"rma": wanted.rma, "orders": await _orders_of(connection, wanted.rma)}
    for name, condition in _BOUNDS.items():
        if (bound := getattr(wanted, name)) is not None:
            conditions.append(condition)
            values[name] = bound
    return " ".join(conditions), values


async def _orders_of(connection: Connection, rma: int) -> list[int]:
    return list((await connection.execute(_ORDERS_OF, {"rma": rma})).scalars())
