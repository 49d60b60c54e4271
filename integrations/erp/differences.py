"""What columns of the ERP's rows hold, beside what they would be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.erp.connection import Connection
from integrations.erp.schema import ErpSchema
from integrations.erp.write import Value, stored

_ROW = "FROM app.{table} r WHERE r.id = :row_id"
_NEW_ROW = (
    "FROM (VALUES (CAST(:row_id AS bigint))) AS new (id) LEFT JOIN app.{table} r ON r.id = new.id"
)


@dataclass(frozen=True)
class Change:
    """A column, what it holds and what it is to hold, as PostgreSQL writes it; None is null."""

    column: str
    old: str | None
    new: str | None


async def differences(
    connection: Connection,
    schema: ErpSchema,
    table: str,
    row_id: int | None,
    values: Mapping[str, Value],
) -> list[Change]:
    """The columns in which a row holds something else; of a new one (None) all that are not null.

    A row that is not there has none.

    Raises:
        UnfitError: an enum lacks a word.
    """
    wanted = stored(schema, table, values)
    if not wanted.values:
        return []
    pairs = ", ".join(
        f"jsonb_build_array('{name}', r.{name}::text, {wanted.cast(name)}::text)"
        for name in wanted.values
    )
    row = _NEW_ROW if row_id is None else _ROW
    query = f"SELECT jsonb_build_array({pairs}) AS pairs {row.format(table=table)}"
    found = (await connection.execute(query, {**wanted.values, "row_id": row_id})).first()
    return [Change(*each) for each in found.pairs if each[1] != each[2]] if found else []
