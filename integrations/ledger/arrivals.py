"""Bring one piece of eMAG's news into the ERP: a row and its items, in one short transaction.

The ERP's row and our books about it are locked, never waited for. What the ERP has decided and eMAG
does not know yet stands: then nothing is written and the plan decides. What capture notes of our
own writing is removed, if the row ends exactly as written: nothing of it is sent back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg

from integrations.erp import write
from integrations.erp.connection import Connection
from integrations.erp.digest import digest
from integrations.erp.load import load_rows
from integrations.erp.named_refund import names_refund
from integrations.erp.rows import CancellationRow, ErpRow, Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.erp.write import UnfitError, Value
from integrations.ledger.books import BOOKS, Books
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.ledger.line import is_broken

ORIGIN = "emag"

WISHED: Mapping[str, str] = {
    "status": "pending",
    "reason": "customer_request",
    "refund_status": "pending",
}
"""What decides about the row of a customer's wish, as long as nobody has touched it."""

_OPEN = """
    SELECT set_config('emag.writing_back', 'on', true) AS marked,
           set_config('lock_timeout', '500ms', true) AS patience,
           EXISTS (SELECT FROM app.emag_api_calls
                    WHERE order_ids @> ARRAY[CAST(:order_id AS bigint)] AND writes
                      AND sent_at > CAST(:read_at AS timestamptz) - interval '1 day'
                      AND verdict <> 'unsent'
                      AND coalesce(closed_at, 'infinity') > :read_at) AS overtaken
"""

# Where two pages show the same return, the one that was read later counts.
_READ_LATER = """
    SELECT 1 FROM app.emag_returns
     WHERE platform = :platform AND emag_id = CAST(:emag_id AS bigint) AND read_at > :read_at
"""

_LOCK_BOOKS = """
    SELECT sync_state, erp_digest, {emag_id} AS emag_id FROM {table}
     WHERE {erp_id} = :row_id AND NOT superseded FOR UPDATE SKIP LOCKED
"""

_BOOKS_EXIST = "SELECT 1 FROM {table} WHERE {erp_id} = :row_id AND NOT superseded"

_LOCK_ROW = "SELECT id FROM app.{table} WHERE id = :row_id FOR UPDATE SKIP LOCKED"

_ROW_EXISTS = "SELECT 1 FROM app.{table} WHERE id = :row_id"

_CHANGED = """
    SELECT 1 FROM app.emag_changes WHERE kind = :kind AND row_id = :row_id LIMIT 1
"""

# A trigger that was off, or a replica role, has let it through.
_CAPTURE = "INSERT INTO app.emag_changes (kind, row_id) VALUES (:kind, :row_id)"

_FORGET_OWN = """
    DELETE FROM app.emag_changes
     WHERE kind = :kind AND row_id = :row_id AND txid = pg_current_xact_id()
"""

_NOTE = """
    INSERT INTO {table} AS t ({erp_id}, {emag_id}, emag_status, platform, emag_order_id,
        account_type, sync_state, origin, erp_digest, wanted_revision, synced_revision,
        sync_attempts, last_synced_at, created_at, updated_at)
    VALUES (:row_id, :emag_id, CAST(:emag_status AS {status_type}), :platform, :order_id, :account,
        'synced', :origin, :digest, 1, 1, 0, timezone('utc', clock_timestamp()),
        timezone('utc', clock_timestamp()), timezone('utc', clock_timestamp()))
    ON CONFLICT ({erp_id}) WHERE NOT superseded DO UPDATE SET
        {emag_id} = coalesce(excluded.{emag_id}, t.{emag_id}),
        emag_status = coalesce(excluded.emag_status, t.emag_status),
        platform = coalesce(t.platform, excluded.platform),
        emag_order_id = coalesce(t.emag_order_id, excluded.emag_order_id),
        account_type = coalesce(t.account_type, excluded.account_type),
        sync_state = coalesce(t.sync_state, 'synced'), erp_digest = excluded.erp_digest,
        write_back = t.write_back - 'emag_status',
        last_synced_at = CASE WHEN coalesce(t.sync_state, 'synced') = 'synced'
                              THEN excluded.last_synced_at ELSE t.last_synced_at END,
        updated_at = excluded.updated_at
"""

# In the transaction that makes the wish's row: whatever becomes of that row, it is not made twice.
_WISH_TOLD = """
    UPDATE app.emag_orders SET wish_told = true
     WHERE platform = :platform AND order_id = :order_id
"""

_UNSENT = frozenset({"pending", "waiting", "in_doubt"})

_NOTE_STATUS = """
    UPDATE {table} SET emag_status = CAST(:emag_status AS {status_type})
     WHERE {erp_id} = :row_id AND NOT superseded
       AND emag_status IS DISTINCT FROM CAST(:emag_status AS {status_type})
"""


class Brought(StrEnum):
    """What became of a piece of news.

    `unsent`: the ERP has decided something that eMAG does not know yet. `kept`: eMAG refused what
    the ERP decided, which stands until a person decides. `overtaken`: since it was read we have
    asked eMAG for something about this order, or have read more of it; or it shows what was.
    `locked`: the ERP holds its row. `gone`: the ERP has deleted its row. `parked`: the ERP's
    database refused it.
    """

    CREATED = "created"
    UPDATED = "updated"
    SAME = "same"
    UNSENT = "unsent"
    KEPT = "kept"
    OVERTAKEN = "overtaken"
    LOCKED = "locked"
    GONE = "gone"
    PARKED = "parked"


@dataclass(frozen=True)
class Arrival:
    """What an ERP row is to hold after eMAG's news.

    Attributes:
        order_id: eMAG's order; a request of ours about it that ended after `read_at` overtakes it.
        read_at: when the read began that this was learnt from, by the database's clock.
        row_id: the ERP's row; None creates one.
        values: columns of the ERP's row; those that it lacks are left out.
        items: its items, of a new row only.
        emag_id, emag_status: what our books hold about the row.
        is_wish: a customer's wish to cancel: the new row is the ERP's to decide and goes the way of
            every change. With a `row_id` the wish is taken back, unless somebody has touched it.
        beside: written beside what the ERP has not sent yet, because the two never contradict.
        expected: the refund of a return that nobody has paid yet; written only where the row says
            nothing of any.
    """

    kind: Kind
    platform: str
    account: str
    order_id: int
    read_at: datetime
    row_id: int | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    items: Sequence[Mapping[str, Value]] = ()
    emag_id: str | None = None
    emag_status: str | None = None
    is_wish: bool = False
    beside: bool = False
    expected: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrived:
    """What became of an arrival: the ERP's row, and the problem where it was parked."""

    brought: Brought
    row_id: int | None = None
    problem: str | None = None


class _NotNowError(Exception):
    def __init__(self, brought: Brought) -> None:
        super().__init__(brought.value)
        self.brought = brought


async def bring_in(engine: Engine, schema: ErpSchema, arrival: Arrival) -> Arrived:
    """Write an arrival into the ERP, unless the ERP or a request of ours has moved on."""
    try:
        async with transaction(engine) as connection:
            return await _bring_in(connection, schema, arrival)
    except _NotNowError as not_now:
        return Arrived(not_now.brought, arrival.row_id)
    except UnfitError as unfit:
        return Arrived(Brought.PARKED, arrival.row_id, str(unfit))
    except psycopg.Error as error:
        if is_broken(error):
            raise
        return _refused(arrival, error)


async def _bring_in(connection: Connection, schema: ErpSchema, arrival: Arrival) -> Arrived:
    opened = await connection.execute(
        _OPEN, {"order_id": arrival.order_id, "read_at": arrival.read_at}
    )
    if opened.one().overtaken:
        raise _NotNowError(Brought.OVERTAKEN)
    if arrival.row_id is None:
        return await _create(connection, schema, arrival)
    return await _update(connection, schema, arrival, arrival.row_id)


async def _create(connection: Connection, schema: ErpSchema, arrival: Arrival) -> Arrived:
    table = ERP_TABLES[arrival.kind]
    told = {**arrival.values, **arrival.expected}
    written = write.with_required(schema, table.name, told)
    row_id = await write.insert(connection, schema, table.name, written)
    items = []
    if table.items and table.parent:
        for item in arrival.items:
            values = write.with_required(schema, table.items, {**item, table.parent: row_id})
            items.append((await write.insert(connection, schema, table.items, values), values))
    if arrival.is_wish:
        wish = {"platform": arrival.platform, "order_id": arrival.order_id}
        await connection.execute(_WISH_TOLD, wish)
        return Arrived(Brought.CREATED, row_id)
    as_written = await write.holds(connection, schema, table.name, row_id, written)
    for item_id, values in items:
        as_written &= await write.holds(connection, schema, str(table.items), item_id, values)
    await _note(connection, schema, arrival, row_id, as_written)
    return Arrived(Brought.CREATED, row_id)


async def _update(
    connection: Connection, schema: ErpSchema, arrival: Arrival, row_id: int
) -> Arrived:
    table, books = ERP_TABLES[arrival.kind], BOOKS[arrival.kind]
    known = await _lock_books(connection, books, row_id)
    state = known.sync_state if known else None
    await _lock_row(connection, table.name, row_id)
    if await _was_read_later(connection, arrival):
        raise _NotNowError(Brought.OVERTAKEN)
    before = await _row(connection, schema, arrival.kind, row_id)
    if arrival.is_wish:
        return await _take_wish_back(connection, schema, arrival, row_id, before)
    is_unsent = (
        state in _UNSENT
        or await _has_changed(connection, arrival.kind, row_id)
        or await _slipped_through(connection, arrival.kind, row_id, before, known)
    )
    if (is_unsent or state == "refused") and not arrival.beside:
        await _note_status(connection, schema, arrival, row_id)
        return Arrived(Brought.UNSENT if is_unsent else Brought.KEPT, row_id)
    values = dict(arrival.values)
    if arrival.expected and not await names_refund(connection, schema, row_id):
        values |= arrival.expected
    written = await write.update(connection, schema, table.name, row_id, values)
    if is_unsent:
        return Arrived(Brought.UPDATED if written else Brought.SAME, row_id)
    as_written = await write.holds(connection, schema, table.name, row_id, values)
    after = await _row(connection, schema, arrival.kind, row_id)
    as_written &= _rest(table.columns, values, before) == _rest(table.columns, values, after)
    if arrival.beside and state is None:  # it was never queued, and may be adopted yet
        await _forget(connection, arrival, row_id, as_written)
    else:
        await _note(connection, schema, arrival, row_id, as_written)
    return Arrived(Brought.UPDATED if written else Brought.SAME, row_id)


async def _take_wish_back(
    connection: Connection,
    schema: ErpSchema,
    arrival: Arrival,
    row_id: int,
    before: ErpRow | None,
) -> Arrived:
    """Like a decision of the ERP's, which the plan finds; what a person decided is kept."""
    if not (isinstance(before, CancellationRow) and _is_as_wished(before)):
        return Arrived(Brought.KEPT, row_id)
    table = ERP_TABLES[arrival.kind].name
    written = await write.update(connection, schema, table, row_id, arrival.values)
    return Arrived(Brought.UPDATED if written else Brought.SAME, row_id)


def _is_as_wished(row: CancellationRow) -> bool:
    return not row.items and all(
        getattr(row, name) in (None, word) for name, word in WISHED.items()
    )


async def _lock_books(connection: Connection, books: Books, row_id: int) -> Any | None:
    """The row in our books, locked; None where they know nothing of it."""
    names = {"table": books.name, "erp_id": books.erp_id, "emag_id": books.emag_id}
    row = (await connection.execute(_LOCK_BOOKS.format(**names), {"row_id": row_id})).first()
    if row is not None:
        return row
    exists = await connection.execute(_BOOKS_EXIST.format(**names), {"row_id": row_id})
    if exists.first() is not None:
        raise _NotNowError(Brought.LOCKED)
    return None


async def _lock_row(connection: Connection, table: str, row_id: int) -> None:
    locked = await connection.execute(_LOCK_ROW.format(table=table), {"row_id": row_id})
    if locked.first() is None:
        exists = await connection.execute(_ROW_EXISTS.format(table=table), {"row_id": row_id})
        raise _NotNowError(Brought.LOCKED if exists.first() else Brought.GONE)


async def _was_read_later(connection: Connection, arrival: Arrival) -> bool:
    """Whether a later read has shown the return; orders are brought in one at a time."""
    if arrival.kind is not Kind.RMA:
        return False
    about = {
        "platform": arrival.platform,
        "emag_id": arrival.emag_id,
        "read_at": arrival.read_at,
    }
    return (await connection.execute(_READ_LATER, about)).first() is not None


async def _has_changed(connection: Connection, kind: Kind, row_id: int) -> bool:
    changed = await connection.execute(_CHANGED, {"kind": kind.value, "row_id": row_id})
    return changed.first() is not None


async def _slipped_through(
    connection: Connection,
    kind: Kind,
    row_id: int,
    row: ErpRow | None,
    known: Any | None,
) -> bool:
    """Whether the ERP has changed a settled row unseen; if so, that is queued like any change."""
    if row is None or known is None or known.erp_digest in (None, digest(row, known.emag_id)):
        return False
    await connection.execute(_CAPTURE, {"kind": kind.value, "row_id": row_id})
    return True


async def _row(connection: Connection, schema: ErpSchema, kind: Kind, row_id: int) -> ErpRow | None:
    return (await load_rows(connection, schema, kind, [row_id])).get(row_id)


def _rest(
    columns: Sequence[str], values: Mapping[str, Value], row: ErpRow | None
) -> dict[str, object]:
    """What decides about the row and was not written: only the ERP's own triggers can change it."""
    if row is None:
        return {}
    written = {_FIELDS.get(name, name) for name in columns if name in values}
    return {name: getattr(row, name) for name in row.__slots__ if name not in written}


# Columns that a row's field is called otherwise.
_FIELDS = {"emag_order_id": "order_id", "account_type": "account", "invoice_number": "number"}


async def _note_status(
    connection: Connection, schema: ErpSchema, arrival: Arrival, row_id: int
) -> None:
    """Note what eMAG says now; the plan, or a person, decides what it means."""
    books = BOOKS[arrival.kind]
    status = schema.column(books.table, "emag_status")
    word = status.stored(arrival.emag_status) if status else None
    if word is None or status is None:
        return
    query = _NOTE_STATUS.format(table=books.name, erp_id=books.erp_id, status_type=status.type_name)
    await connection.execute(query, {"row_id": row_id, "emag_status": word})


async def _forget(connection: Connection, arrival: Arrival, row_id: int, as_written: bool) -> None:
    """Remove what capture noted of our own writing, if the row ended exactly as written."""
    if as_written:
        await connection.execute(_FORGET_OWN, {"kind": arrival.kind.value, "row_id": row_id})


async def _note(
    connection: Connection,
    schema: ErpSchema,
    arrival: Arrival,
    row_id: int,
    as_written: bool,
) -> None:
    """Enter the row as synced and forget that it changed; left alone if it ended otherwise."""
    await _forget(connection, arrival, row_id, as_written)
    books = BOOKS[arrival.kind]
    status = schema.column(books.table, "emag_status")
    row = await _row(connection, schema, arrival.kind, row_id)
    noted = _NOTE.format(
        table=books.name,
        erp_id=books.erp_id,
        emag_id=books.emag_id,
        status_type=status.type_name if status else "text",
    )
    await connection.execute(
        noted,
        {
            "row_id": row_id,
            "emag_id": arrival.emag_id,
            "emag_status": status.stored(arrival.emag_status) if status else None,
            "platform": arrival.platform,
            "order_id": arrival.order_id,
            "account": arrival.account,
            "origin": ORIGIN if arrival.row_id is None else None,
            "digest": digest(row, arrival.emag_id) if row else None,
        },
    )


def _refused(arrival: Arrival, error: psycopg.Error) -> Arrived:
    """What the ERP's database said no to, without the values; a lock is no refusal."""
    sqlstate = error.sqlstate
    if sqlstate in ("55P03", "40P01", "40001"):
        return Arrived(Brought.LOCKED, arrival.row_id)
    where = error.diag.constraint_name or error.diag.column_name
    table = ERP_TABLES[arrival.kind].name
    why = sqlstate or type(error).__name__
    problem = f"the ERP refused the row in app.{table} ({why}{f', {where}' if where else ''})"
    return Arrived(Brought.PARKED, arrival.row_id, problem)
