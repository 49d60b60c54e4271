"""Our own operations: what a program asks for becomes an ERP row, in one transaction.

From there it goes the way of every change of the ERP's. An idempotency key is stored with the row:
the same request again finds what the first one made.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson
import psycopg

from integrations.erp import write
from integrations.erp.connection import Connection
from integrations.erp.load import load_rows
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.erp.times import readable_time
from integrations.erp.write import NOW, UnfitError, Value
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.line import is_undone

LOOK_AGAIN = 0.2

# How a row stands before a run has folded it, and one that no sync is asked for.
QUEUED = "pending"
IDLE = "idle"

# An item's column whose default would be another wish than none.
_MEANS_ALL = frozenset({"quantity"})

SETTLED = frozenset({"synced", "refused", "withdrawn", IDLE})

_REMEMBER = """
    INSERT INTO app.emag_idempotency_keys (key, fingerprint, kind, row_id)
    VALUES (:key, :fingerprint, :kind, :row_id)
"""

_REMEMBERED = """
    SELECT fingerprint, kind, row_id FROM app.emag_idempotency_keys WHERE key = :key
"""

# The second of two requests with one key waits here until the first has committed.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"

_ROW = "SELECT id FROM app.{table} WHERE id = :row_id"

_LOCK = "SELECT id FROM app.{table} WHERE id = :row_id FOR UPDATE"

_STANDING = """
    SELECT b.{erp_id} AS row_id, b.id, b.{emag_id} AS emag_id, b.emag_status, b.emag_order_id,
           b.account_type, b.sync_state, b.waiting_for, b.error_message, b.sync_attempts,
           {synced_at} AS last_synced_at, b.next_attempt_at,
           EXISTS (SELECT FROM app.emag_changes c
                    WHERE c.kind = :kind AND c.row_id = :row_id) AS changed
      FROM app.{table} e
      LEFT JOIN {books} b ON b.{erp_id} = e.id AND NOT b.superseded
     WHERE e.id = :row_id
"""

# Each platform counts for itself, so that one number may be there on several.
_BY_EMAG_ID = """
    SELECT DISTINCT ON (platform) platform, {erp_id} AS row_id FROM {books}
     WHERE {emag_id} = :emag_id AND NOT superseded
       AND (CAST(:account AS text) IS NULL OR lower(account_type) = lower(:account))
       AND (CAST(:platform AS text) IS NULL OR platform = lower(:platform))
     ORDER BY platform, id DESC
"""

# Of what PostgreSQL says of a row that is there already, the columns without their values.
_SAME = re.compile(r"Key \((\w+)\)=")

_DUPLICATE = "23505"

# Somebody else's open transaction may not hold up who asks, nor the connections of all others.
PATIENCE = "SET LOCAL lock_timeout = '2s'"

_LOCKED = "55P03"

_MISSING = "23502"


class OperationError(Exception):
    """What was asked for can't be done; the text says why and what to do.

    Attributes:
        field: the field of the request that it is about, where there is one.
    """

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class UnknownRowError(OperationError):
    """There is no such row in the ERP."""


class KeyReusedError(OperationError):
    """The idempotency key belongs to another request."""


class AmbiguousError(OperationError):
    """More than one row is meant."""


class LockedError(OperationError):
    """Another transaction holds what is to be written."""


@dataclass(frozen=True)
class Standing:
    """Where an ERP row stands with eMAG: its integration row in words, free of customers' data.

    `state` is `pending` too while the row's change has not been looked at, and `idle` for a row
    that no sync is asked for, such as a draft.
    """

    kind: Kind
    row_id: int
    state: str
    waiting_for: str | None = None
    reason: str | None = None
    emag_id: str | None = None
    emag_status: str | None = None
    order_id: int | None = None
    account: str | None = None
    attempts: int = 0
    last_synced_at: datetime | None = None
    next_attempt_at: datetime | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in SETTLED


async def create_row(
    engine: Engine,
    schema: ErpSchema,
    kind: Kind,
    values: Mapping[str, Value],
    items: Sequence[Mapping[str, Value]] = (),
    key: str | None = None,
    unsaid: Mapping[str, Value] | None = None,
) -> int:
    """Insert an ERP row with its items; its id. With a key that is known, the id of the first.

    `unsaid` are columns that the program left out: no part of what its key stands for.

    Raises:
        KeyReusedError: the key was used for something else.
        OperationError: the ERP's database refuses the row.
    """
    fingerprint = _fingerprint(kind, "create", values, items)
    return await _once(
        engine,
        kind,
        key,
        fingerprint,
        lambda c: _insert(c, schema, kind, values, items, unsaid or {}),
    )


async def change_row(
    engine: Engine,
    schema: ErpSchema,
    kind: Kind,
    row_id: int,
    values: Mapping[str, Value],
    key: str | None = None,
) -> int:
    """Write these values into an ERP row; its id.

    Raises:
        UnknownRowError, KeyReusedError, OperationError: as the names say.
    """
    fingerprint = _fingerprint(kind, f"change {row_id}", values, ())
    return await _once(
        engine, kind, key, fingerprint, lambda c: _change(c, schema, kind, row_id, values)
    )


async def standing(engine: Engine, kind: Kind, row_id: int) -> Standing:
    """Where a row stands now. Raises UnknownRowError."""
    books = BOOKS[kind]
    query = _STANDING.format(
        table=ERP_TABLES[kind].name,
        books=books.name,
        erp_id=books.erp_id,
        emag_id=books.emag_id,
        synced_at=readable_time("b.last_synced_at"),
    )
    async with autocommit(engine) as connection:
        found = await connection.execute(query, {"kind": kind.value, "row_id": row_id})
        row = found.first()
    if row is None:
        raise _unknown(kind, row_id)
    state = QUEUED if row.changed else (row.sync_state or IDLE)
    return Standing(
        kind=kind,
        row_id=row_id,
        state=state,
        waiting_for=None if row.changed else row.waiting_for,
        reason=None if row.changed else row.error_message,
        emag_id=row.emag_id or None,
        emag_status=row.emag_status and str(row.emag_status).lower(),
        order_id=row.emag_order_id,
        account=row.account_type,
        attempts=row.sync_attempts or 0,
        last_synced_at=row.last_synced_at and row.last_synced_at.replace(tzinfo=UTC),
        next_attempt_at=row.next_attempt_at,
    )


async def wait_until_settled(engine: Engine, kind: Kind, row_id: int, seconds: float) -> Standing:
    """Where the row stands once nothing more happens by itself, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        now = await standing(engine, kind, row_id)
        left = deadline - time.monotonic()
        if now.settled or left <= 0:
            return now
        await asyncio.sleep(min(LOOK_AGAIN, left))


async def row_of(
    engine: Engine,
    kind: Kind,
    emag_id: str,
    account: str | None = None,
    platform: str | None = None,
) -> int | None:
    """The ERP row that belongs to an id of eMAG's, None where there is none.

    Raises:
        AmbiguousError: several platforms have the id, and none was named.
    """
    books = BOOKS[kind]
    query = _BY_EMAG_ID.format(books=books.name, erp_id=books.erp_id, emag_id=books.emag_id)
    values = {"emag_id": emag_id, "account": account, "platform": platform}
    async with autocommit(engine) as connection:
        every = (await connection.execute(query, values)).rows
    found = [row for row in every if row.platform is not None] or every
    if len(found) > 1:
        rows = " and ".join(f"row {row.row_id} on {row.platform}" for row in found)
        raise AmbiguousError(
            f"eMAG's number {emag_id} belongs to {rows} in app.{ERP_TABLES[kind].name}: name the"
            " platform, or the row"
        )
    return found[0].row_id if found else None


async def require_row(engine: Engine, schema: ErpSchema, kind: Kind, row_id: int) -> None:
    """Raises UnknownRowError where the ERP has no such row, committed."""
    async with autocommit(engine) as connection:
        if row_id not in await load_rows(connection, schema, kind, [row_id]):
            raise _unknown(kind, row_id)


def _unknown(kind: Kind, row_id: int) -> UnknownRowError:
    return UnknownRowError(
        f"the ERP has no row {row_id} in app.{ERP_TABLES[kind].name}: commit it first, or name"
        " another"
    )


async def _once(engine: Engine, kind: Kind, key: str | None, fingerprint: str, work: Any) -> int:
    """Do the work in one transaction, unless its key says that it was done."""
    with explained(kind):
        async with transaction(engine) as connection:
            await connection.execute(PATIENCE)
            if key is None:
                return int(await work(connection))
            await connection.execute(_TAKE_TURN, {"key": key})
            known = (await connection.execute(_REMEMBERED, {"key": key})).first()
            if known is not None:
                return await _made(connection, known, kind, fingerprint)
            row_id = int(await work(connection))
            await connection.execute(
                _REMEMBER,
                {"key": key, "fingerprint": fingerprint, "kind": kind.value, "row_id": row_id},
            )
            return row_id


@contextmanager
def explained(kind: Kind) -> Iterator[None]:
    """Say what keeps a row from being written. Raises OperationError, LockedError."""
    try:
        yield
    except UnfitError as unfit:
        raise OperationError(str(unfit), unfit.field) from unfit
    except psycopg.Error as error:
        if not is_undone(error):
            raise
        if is_locked(error):
            raise LockedError(
                f"another transaction holds the row in app.{ERP_TABLES[kind].name}: nothing was"
                " written; try again once that has ended"
            ) from error
        raise OperationError(_why(kind, error), _column(error)) from error


def is_locked(error: psycopg.Error) -> bool:
    """Whether a lock was not to be had in time."""
    return error.sqlstate == _LOCKED


async def _made(connection: Connection, known: Any, kind: Kind, fingerprint: str) -> int:
    """The row that the request with this key has made or changed before."""
    if known.fingerprint != fingerprint or known.kind != kind.value:
        raise KeyReusedError(
            "this Idempotency-Key came with another request before: use a new one for each",
            "Idempotency-Key",
        )
    table = ERP_TABLES[kind].name
    there = _ROW.format(table=table)
    if (await connection.execute(there, {"row_id": known.row_id})).first() is None:
        raise UnknownRowError(
            f"row {known.row_id} of app.{table}, which came of this Idempotency-Key, has been"
            " deleted: use a new key to ask for another",
            "Idempotency-Key",
        )
    return int(known.row_id)


async def _insert(
    connection: Connection,
    schema: ErpSchema,
    kind: Kind,
    values: Mapping[str, Value],
    items: Sequence[Mapping[str, Value]],
    unsaid: Mapping[str, Value],
) -> int:
    table = ERP_TABLES[kind]
    stamps = {"created_at": NOW, "updated_at": NOW}
    row = write.require_room(schema, table.name, values)
    row_id = await write.insert(connection, schema, table.name, {**stamps, **unsaid, **row})
    if table.items and table.parent:
        for place, item in enumerate(items):
            line = {**stamps, **_item(schema, table.items, place, item), table.parent: row_id}
            empty = _MEANS_ALL - item.keys()
            await write.insert(connection, schema, table.items, line, empty)
    return row_id


def _item(schema: ErpSchema, table: str, place: int, item: Mapping[str, Value]) -> dict[str, Value]:
    try:
        return write.require_room(schema, table, item)
    except UnfitError as unfit:
        raise UnfitError(str(unfit), f"items.{place}.{unfit.field}") from unfit


async def _change(
    connection: Connection,
    schema: ErpSchema,
    kind: Kind,
    row_id: int,
    values: Mapping[str, Value],
) -> int:
    table = ERP_TABLES[kind].name
    locked = await connection.execute(_LOCK.format(table=table), {"row_id": row_id})
    if locked.first() is None:
        raise _unknown(kind, row_id)
    row = write.require_room(schema, table, values)
    await write.update(connection, schema, table, row_id, row)
    return row_id


def _fingerprint(
    kind: Kind, what: str, values: Mapping[str, Value], items: Sequence[Mapping[str, Value]]
) -> str:
    document = [kind.value, what, dict(values), [dict(item) for item in items]]
    options = orjson.OPT_SORT_KEYS
    return sha256(orjson.dumps(document, default=_spelt, option=options)).hexdigest()


def _spelt(value: object) -> str:
    """Equal amounts are one, however many zeros they came with."""
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _why(kind: Kind, error: psycopg.Error) -> str:
    """What the ERP's database said, without the values that it was given."""
    sqlstate = error.sqlstate
    where = error.diag.constraint_name or error.diag.column_name
    table = f"app.{ERP_TABLES[kind].name}"
    if sqlstate == _DUPLICATE:
        return f"{table} holds a row with this number already ({where}): use another number"
    if sqlstate == _MISSING:
        return f"app.{error.diag.table_name}.{where} must be given: send {where}"
    what = f"{sqlstate}, {where}" if where else sqlstate
    return (
        f"the ERP's database refused the row in {table} ({what}): see what its own rules ask of"
        " such a row"
    )


def _column(error: psycopg.Error) -> str | None:
    """The one column that the ERP's database complained about, where it names one."""
    same = _SAME.match(error.diag.message_detail or "")
    return same.group(1) if same else error.diag.column_name
