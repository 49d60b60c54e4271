"""Rows of the ERP that no run would queue as they stand there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from integrations.erp.connection import Connection
from integrations.erp.load import load_rows
from integrations.erp.rows import ErpRow, Kind, held_back, queued
from integrations.erp.schema import read_schema
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine
from integrations.ledger.replay import Reference

_KNOWN = """
    SELECT {erp_id} AS row_id, sent_at IS NOT NULL OR last_synced_at IS NOT NULL AS begun
      FROM {books}
     WHERE {erp_id} = ANY(CAST(:ids AS bigint[])) AND NOT superseded
"""


@dataclass(frozen=True)
class PassedOver:
    """A row, its status in the ERP, and whether it would be queued once somebody approves it."""

    row: Reference
    status: str
    unapproved: bool


async def passed_over(
    engine: Engine, references: Collection[Reference], *, require_approval: bool
) -> list[PassedOver]:
    """Those of these rows that a run would leave alone.

    They were never queued, and are not to be; or eMAG has had nothing of them, and the ERP does not
    let them go any more. With `require_approval`, so are cancellations that nobody has approved.
    """
    found: list[PassedOver] = []
    async with autocommit(engine) as connection:
        for kind in Kind:
            ids = [each.row_id for each in references if each.kind is kind]
            if ids:
                found += await _of_a_kind(connection, kind, ids, require_approval)
    return found


async def _of_a_kind(
    connection: Connection, kind: Kind, ids: Sequence[int], require_approval: bool
) -> list[PassedOver]:
    books = BOOKS[kind]
    rows = await load_rows(connection, await read_schema(connection), kind, ids)
    query = _KNOWN.format(books=books.name, erp_id=books.erp_id)
    known = await connection.execute(query, {"ids": sorted(rows)})
    begun = {row.row_id: row.begun for row in known}

    def is_left(row: ErpRow) -> bool:
        if row.id not in begun:
            return not queued(row, require_approval)
        return not begun[row.id] and held_back(row, require_approval)

    return [
        PassedOver(Reference(kind, row.id), row.status, queued(row, require_approval=False))
        for row in rows.values()
        if is_left(row)
    ]
