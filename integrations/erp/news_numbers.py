"""The numbers of cancellations that eMAG's news makes: they tell such rows from the ERP's own."""

from __future__ import annotations

import re
from collections.abc import Collection

from integrations.erp.connection import Connection
from integrations.erp.load import order_number
from integrations.erp.schema import ErpSchema

_FURTHER = re.compile(r"(?:-(\d{1,6}))?")

_NUMBERS = """
    SELECT id, cancellation_number::text AS number, emag_order_id::text AS order_id
      FROM app.cancellation_requests WHERE id = ANY(CAST(:ids AS bigint[]))
"""


def news_number(platform: str, order_id: int, which: int) -> str:
    """The number of the first row about an order, or of a further one: with -2, -3, ... behind."""
    plain = f"{platform}-{order_id}"
    return plain if which == 1 else f"{plain}-{which}"


def which_of_news(number: str, platform: str, order_id: int) -> int | None:
    """Which row of eMAG's news about the order has this number, from 1; None if none has."""
    plain = news_number(platform, order_id, 1)
    if not number.startswith(plain):
        return None
    found = _FURTHER.fullmatch(number, len(plain))
    return None if found is None else int(found[1] or 1)


async def numbered_by_news(
    connection: Connection, schema: ErpSchema, platform: str, ids: Collection[int]
) -> set[int]:
    """Which of these cancellations have such a number."""
    named = ("cancellation_number", "emag_order_id")
    if not ids or any(schema.column("cancellation_requests", each) is None for each in named):
        return set()
    rows = await connection.execute(_NUMBERS, {"ids": list(ids)})
    return {
        row.id
        for row in rows
        if which_of_news(row.number or "", platform, order_number(row.order_id)) is not None
    }
