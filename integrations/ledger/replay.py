"""Queue rows again by hand, as if the ERP had just changed them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES

_REPLAY = """
    INSERT INTO app.emag_changes (kind, row_id)
    SELECT :kind, id FROM app.{table} WHERE id = :row_id RETURNING row_id
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
        if kind not in list(Kind) or not (number.isascii() and number.isdecimal()):
            kinds = ", ".join(f"{each.value}:12" for each in Kind)
            raise ValueError(f"'{reference}' names no row: write one of {kinds}")
        return cls(Kind(kind), int(number))

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.row_id}"


async def replay(engine: AsyncEngine, references: Collection[Reference]) -> list[Reference]:
    """Let the next run carry these rows anew; the ones that the ERP does not have are returned.

    A row in doubt keeps resting until its lost request is surely dead.
    """
    unknown: list[Reference] = []
    async with engine.begin() as connection:
        for reference in references:
            query = text(_REPLAY.format(table=ERP_TABLES[reference.kind].name))
            replayed = await connection.execute(
                query, {"kind": reference.kind.value, "row_id": reference.row_id}
            )
            if replayed.first() is None:
                unknown.append(reference)
    return unknown
