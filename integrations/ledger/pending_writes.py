"""Bring flagged values into the ERP's rows."""

from __future__ import annotations

import logging
from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.write_back import write_back
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit

log = logging.getLogger("emag.write_back")

AT_ONCE = 2000


async def write_flagged(
    engine: AsyncEngine, schema: ErpSchema, kind: Kind, ids: Collection[int] | None = None
) -> int:
    """Write the values that wait for the ERP's rows; how many could not be written yet.

    `ids` limits it to these integration rows. A row that the ERP's own rules refuse stays flagged.
    """
    books = BOOKS[kind]
    some = "" if ids is None else "AND id = ANY(:ids)"
    query = text(
        f"SELECT id, write_back FROM {books.name}"
        f" WHERE write_back IS NOT NULL {some} ORDER BY id LIMIT {AT_ONCE}"
    )
    left = 0
    async with autocommit(engine) as connection:
        parameters = {} if ids is None else {"ids": list(ids)}
        for row in (await connection.execute(query, parameters)).all():
            try:
                done = await write_back(
                    connection, kind, schema, books.name, books.erp_id, row.id, row.write_back
                )
            except DBAPIError as error:
                log.warning(
                    "the ERP refused the write-back of %s:%s (%s)",
                    kind.value,
                    row.id,
                    getattr(error.orig, "sqlstate", None),
                )
                done = False
            left += not done
    return left
