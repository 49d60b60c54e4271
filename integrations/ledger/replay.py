"""Queue rows again by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS

_REPLAY = """
    UPDATE {table} SET wanted_revision = wanted_revision + 1, sync_attempts = 0,
           sync_state = CASE WHEN sync_state = 'in_doubt' THEN sync_state ELSE 'pending' END,
           next_attempt_at = CASE WHEN sync_state = 'in_doubt' THEN next_attempt_at
                                  ELSE clock_timestamp() END,
           queued_at = clock_timestamp(), updated_at = timezone('utc', clock_timestamp())
     WHERE {erp_id} = :row_id AND NOT superseded
    RETURNING id
"""


@dataclass(frozen=True)
class Reference:
    """An ERP row as commands name it: `rma:12`, `cancellation:7`, `invoice:3`."""

    kind: Kind
    row_id: int

    @classmethod
    def parse(cls, reference: str) -> Reference:
        """Raises ValueError, in one line, for anything else."""
        kind, _, number = reference.partition(":")
        if kind not in list(Kind) or not number.isdecimal():
            kinds = ", ".join(f"{each.value}:12" for each in Kind)
            raise ValueError(f"'{reference}' names no row: write one of {kinds}")
        return cls(Kind(kind), int(number))

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.row_id}"


async def replay(engine: AsyncEngine, references: Collection[Reference]) -> list[Reference]:
    """Make these rows due now; the ones that were never queued are returned.

    A row in doubt keeps resting until its lost request is surely dead.
    """
    unknown: list[Reference] = []
    async with engine.begin() as connection:
        for reference in sorted(references, key=str):
            books = BOOKS[reference.kind]
            query = text(_REPLAY.format(table=books.name, erp_id=books.erp_id))
            replayed = await connection.execute(query, {"row_id": reference.row_id})
            if replayed.first() is None:
                unknown.append(reference)
    return unknown
