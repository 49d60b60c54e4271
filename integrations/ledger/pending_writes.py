"""Bring flagged values into the ERP's rows."""

from __future__ import annotations

import logging

import psycopg

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.write_back import write_back
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

log = logging.getLogger("emag.write_back")

AT_ONCE = 2000


async def write_flagged(engine: Engine, schema: ErpSchema, kind: Kind) -> int:
    """Write the values that wait for the ERP's rows; how many could not be written yet.

    A row that the ERP's own rules refuse stays flagged; what the ERP decided since is not undone.
    """
    books = BOOKS[kind]
    query = (
        f"SELECT id, write_back FROM {books.name} WHERE write_back IS NOT NULL"
        f" ORDER BY id LIMIT {AT_ONCE}"
    )
    left = 0
    async with autocommit(engine) as connection:
        for row_id, values in await connection.execute(query):
            try:
                done = await write_back(
                    connection, kind, schema, books.name, books.erp_id, row_id, values
                )
            except psycopg.DatabaseError as error:
                if connection.driver.closed:
                    raise
                log.warning(
                    "the ERP refused the write-back of %s:%s (%s)",
                    kind.value,
                    row_id,
                    error.sqlstate,
                )
                done = False
            left += not done
    return left
