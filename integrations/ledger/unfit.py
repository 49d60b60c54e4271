"""A row that our books can't hold as the ERP has it: it alone is refused, and all others go on."""

from __future__ import annotations

import logging

import psycopg

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS
from integrations.ledger.queueing import Refusal

log = logging.getLogger("emag.ledger")

# Classes of PostgreSQL's errors: data, and integrity constraints.
_OF_VALUES = ("22", "23")

_UNIQUE = "23505"

_TWICE = (
    "The {emag_id} of this row belongs to another row in {table} as well: put the right number into"
    " the ERP's row, and replay it."
)
_TOO_NARROW = (
    "The table {table} can't hold this row (PostgreSQL's error {sqlstate}): `emag-flows db check`"
    " says why."
)

_REFUSE = """
    UPDATE {table} SET sync_state = 'refused', {emag_id} = NULL, error_message = :reason,
           waiting_for = NULL, waiting_since = NULL, wanted_revision = wanted_revision + 1,
           updated_at = timezone('utc', clock_timestamp())
     WHERE {erp_id} = :row_id AND NOT superseded
    RETURNING account_type AS account
"""

# It is not lost: the next run tries again.
_GIVE_BACK = "INSERT INTO app.emag_changes (kind, row_id) VALUES (:kind, :row_id)"


def is_about_values(error: psycopg.Error) -> bool:
    """Whether the database refused what was to be written, which trying again does not change."""
    return (error.sqlstate or "").startswith(_OF_VALUES)


async def refuse_unfit(
    connection: Connection, kind: Kind, row_id: int, error: psycopg.Error
) -> list[Refusal]:
    """Let a person know of a row that can't be queued; what our books know it by stays as it is."""
    books = BOOKS[kind]
    sqlstate = error.sqlstate
    query = _REFUSE.format(table=books.name, erp_id=books.erp_id, emag_id=books.emag_id)
    reason = (_TWICE if sqlstate == _UNIQUE else _TOO_NARROW).format(
        table=books.name, emag_id=books.emag_id, sqlstate=sqlstate
    )
    try:
        async with connection.savepoint():
            values = {"row_id": row_id, "reason": reason}
            known = (await connection.execute(query, values)).first()
    except psycopg.Error as problem:
        if not is_about_values(problem):
            raise
        known = None
    if known is not None:
        return [Refusal(kind, row_id, known.account, reason)]
    log.error("%s:%s can't be queued: %s", kind.value, row_id, reason)
    await connection.execute(_GIVE_BACK, {"kind": kind.value, "row_id": row_id})
    return []
