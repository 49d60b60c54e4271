"""Queue rows again by hand, as if the ERP had just changed them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine

# What the ERP deleted can't be carried any more: a person who replays it has seen to it. Where
# something is still to be settled, or withdrawn, nobody can have: the next run does that.
_DISMISS = """
    UPDATE {table} t SET superseded = true WHERE t.{erp_id} = :row_id AND NOT t.superseded
       AND coalesce(t.sync_state, 'synced') IN ('synced', 'refused', 'withdrawn')
       AND NOT EXISTS (SELECT FROM app.{erp_table} e WHERE e.id = :row_id)
    RETURNING t.id
"""

_REPLAY = """
    INSERT INTO app.emag_changes (kind, row_id)
    SELECT '{kind}', id FROM app.{table} WHERE id = :row_id RETURNING row_id
"""

_REPLAY_DELETED = """
    INSERT INTO app.emag_changes (kind, row_id)
    SELECT '{kind}', t.{erp_id} FROM {table} t WHERE t.{erp_id} = :row_id AND NOT t.superseded
    RETURNING row_id
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


async def replay(engine: Engine, references: Collection[Reference]) -> list[Reference]:
    """Let the next run carry these rows anew; the ones that nobody knows are returned.

    A row in doubt keeps resting until its lost request is surely dead. A row that the ERP deleted
    leaves the inbox, unless something is still to be settled about it.
    """
    async with transaction(engine) as connection:
        return [each for each in references if not await _replay(connection, each)]


async def _replay(connection: Connection, reference: Reference) -> bool:
    erp_table, books = ERP_TABLES[reference.kind].name, BOOKS[reference.kind]
    statements = (
        _REPLAY.format(table=erp_table, kind=reference.kind.value),
        _DISMISS.format(table=books.name, erp_id=books.erp_id, erp_table=erp_table),
        _REPLAY_DELETED.format(table=books.name, erp_id=books.erp_id, kind=reference.kind.value),
    )
    for statement in statements:
        done = await connection.execute(statement, {"row_id": reference.row_id})
        if done.first() is not None:
            return True
    return False
