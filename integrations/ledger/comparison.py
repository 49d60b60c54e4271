"""Compare the mirror with the ERP, by SQL alone: who holds another state, and what explains it.

The rows of one local day at a time, in batches by eMAG's number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from integrations.ledger.differences import About, Difference, Why
from integrations.ledger.engine import Engine
from integrations.ledger.mirrored import MIRRORS, UNREADABLE

BATCH = 500

# eMAG's statuses of returns in the ERP's words.
RETURN_WORDS: Mapping[int, str] = {
    1: "pending",
    2: "pending",
    3: "approved",
    4: "rejected",
    5: "cancelled",
    6: "processing",
    7: "completed",
}

CANCELED = 0
RETURNED = 5

# What our books call a cancellation by which an order is cancelled, or has been given back; several
# parts can make up a whole. Then the ERP's words that take a cancellation back.
CANCELLING = frozenset({"canceled", "partially_canceled"})
RETURNING = frozenset({"returned", "partially_returned"}) | CANCELLING
TAKEN_BACK = frozenset({"rejected", "cancelled"})

_UNSENT = frozenset({"pending", "waiting", "in_doubt"})

# What was never read is only a hint: nothing is known of it yet.
_ROWS = """
    WITH m AS MATERIALIZED (
        SELECT platform, {number} AS number, status, owed, problem,
               (coalesce(placed_at, changed_at) AT TIME ZONE :zone)::date AS day
          FROM app.{mirror}
         WHERE platform = :platform AND account = :account AND {number} > :number AND {which}
           AND read_at > '-infinity'
         ORDER BY {number} LIMIT :most)
    SELECT m.number, m.status, m.owed, m.problem, m.day, b.{erp_id} AS row_id, b.sync_state,
           b.waiting_for, lower(b.emag_status::text) AS emag_status, b.error_message,
           e.id IS NOT NULL AS there, lower({status}) AS word,
           EXISTS (SELECT FROM app.emag_changes c
                    WHERE c.kind = :kind AND c.row_id = b.{erp_id}) AS changed,
           {returned} AS returned
      FROM m
      LEFT JOIN {books} b ON b.platform = m.platform AND {joined} AND NOT b.superseded
                         AND b.sync_state IS NOT NULL
      LEFT JOIN app.{erp} e ON e.id = b.{erp_id}
     ORDER BY m.number, b.id
"""

# Whether the ERP has returns of an order.
_RETURNED = """EXISTS (SELECT FROM app.emag_return_integrations r
                    WHERE r.platform = m.platform AND r.emag_order_id = m.number
                      AND NOT r.superseded AND r.sync_state IS NOT NULL)"""

_PLACED = "placed_at >= :after AND placed_at < :before"
_UNDATED = "placed_at IS NULL AND changed_at >= :after AND changed_at < :before"
_NAMED = "{number} = ANY(CAST(:numbers AS bigint[]))"

_BEFORE = """
    SELECT {named} AS named FROM app.{erp}
     WHERE {named} = ANY(CAST(:names AS text[]))
"""


@dataclass(frozen=True)
class Shop:
    """An account whose rows are compared."""

    engine: Engine
    schema: ErpSchema
    platform: str
    account: str
    zone: ZoneInfo


@dataclass(frozen=True)
class Compared:
    """What one batch came to: how many rows were compared, and which differ."""

    rows: int
    differences: Sequence[Difference]


@dataclass(frozen=True)
class _Pair:
    """A kind of ERP row, and how eMAG's numbers are found in our books and in the ERP."""

    kind: Kind
    joined: str
    named: str


_PAIRS: Mapping[About, _Pair] = {
    About.RETURN: _Pair(Kind.RMA, "b.emag_return_id = m.number::text", "emag_return_id"),
    About.ORDER: _Pair(Kind.CANCELLATION, "b.emag_order_id = m.number", "emag_order_id"),
}


@dataclass(frozen=True)
class _Judged:
    """A difference, and whether our books know an ERP row that it is about."""

    difference: Difference
    known: bool


async def compare_window(
    shop: Shop, about: About, after: datetime, before: datetime
) -> AsyncIterator[Compared]:
    """Compare what was placed in the window; what has no date, by when it was seen to change."""
    values = {"after": after, "before": before}
    for which in (_PLACED, _UNDATED):
        async for compared in _batches(shop, about, which, values):
            yield compared


async def compare_these(shop: Shop, about: About, numbers: Iterable[int]) -> list[Difference]:
    """Compare these orders or returns."""
    which = _NAMED.format(number=MIRRORS[about].number)
    return [
        each
        async for compared in _batches(shop, about, which, {"numbers": sorted(numbers)})
        for each in compared.differences
    ]


async def _batches(
    shop: Shop, about: About, which: str, values: Mapping[str, Any]
) -> AsyncIterator[Compared]:
    pair, mirror = _PAIRS[about], MIRRORS[about]
    books, erp = BOOKS[pair.kind], ERP_TABLES[pair.kind].name
    has_status = shop.schema.column(erp, "status") is not None
    query = _ROWS.format(
        number=mirror.number,
        mirror=mirror.table,
        books=books.name,
        erp_id=books.erp_id,
        erp=erp,
        joined=pair.joined,
        which=which,
        status="e.status::text" if has_status else "NULL",
        returned=_RETURNED if about is About.ORDER else "false",
    )
    given = {
        **values,
        "platform": shop.platform,
        "account": shop.account,
        "zone": shop.zone.key,
        "kind": pair.kind.value,
        "most": BATCH,
    }
    last = -1
    while True:
        async with autocommit(shop.engine) as connection:
            rows = (await connection.execute(query, {**given, "number": last})).rows
            if not rows:
                return
            found = [list(each) for _, each in groupby(rows, key=lambda row: row.number)]
            judged = [each for each in map(_JUDGES[about], found) if each is not None]
            differences = await _from_before(connection, shop, about, judged)
        yield Compared(len(found), differences)
        last = rows[-1].number


def _judge_return(rows: Sequence[Any]) -> _Judged | None:
    """What is wrong with a return; None where the ERP's row says what eMAG says."""
    [row, *_] = rows
    word = RETURN_WORDS.get(row.status)
    if row.there and row.word == word:
        return None
    wanted = f"{word!r} (eMAG's {row.status})" if word else f"eMAG's unknown status {row.status}"
    found = _held(row, "no return")
    return _explained(About.RETURN, row, f"the ERP holds {found} where {wanted} is due")


def _judge_order(rows: Sequence[Any]) -> _Judged | None:
    """What is wrong with an order's cancellations; None where the ERP and eMAG agree about it."""
    first = rows[0]
    if first.status == UNREADABLE:
        return _explained(About.ORDER, first, "the status that eMAG gives is unreadable")
    if first.status not in _CLOSED:
        whole = [row for row in rows if _says(row, {"canceled"})]
        if not whole:
            return None
        what = f"the ERP holds the cancellation {whole[0].row_id} as done"
        return _explained(About.ORDER, whole[0], f"{what}, and eMAG the order as {first.status}")
    closed, words = _CLOSED[first.status]
    if any(_says(row, words) for row in rows) or (first.status == RETURNED and first.returned):
        return None
    row = max(rows, key=lambda each: (each.there, each.row_id or 0))
    held = _held(row, "no cancellation")
    return _explained(About.ORDER, row, f"eMAG holds the order as {closed}, the ERP {held}")


_CLOSED = {CANCELED: ("cancelled", CANCELLING), RETURNED: ("returned", RETURNING)}


def _says(row: Any, words: Set[str]) -> bool:
    """Whether a cancellation says one of these of its order, and eMAG took it."""
    synced = row.there and row.sync_state == "synced"
    return bool(synced and row.emag_status in words and row.word not in TAKEN_BACK)


def _held(row: Any, nothing: str) -> str:
    return f"row {row.row_id} as {row.word!r}" if row.there else nothing


_JUDGES = {About.RETURN: _judge_return, About.ORDER: _judge_order}


def _explained(about: About, row: Any, difference: str) -> _Judged:
    """The difference with what our books say about it; the first that applies."""
    why, detail = next(
        (
            (why, detail)
            for applies, why, detail in (
                (row.row_id is not None and not row.there, Why.DELETED, f"row {row.row_id}"),
                (row.changed, Why.UNSENT, f"row {row.row_id} changed a moment ago"),
                (row.sync_state in _UNSENT, Why.UNSENT, _waits(row)),
                (row.sync_state == "refused", Why.REFUSED, row.error_message or ""),
                (row.sync_state == "withdrawn", Why.WITHDRAWN, f"row {row.row_id}"),
                (row.problem, Why.PARKED, row.problem or ""),
                (row.owed, Why.OWED, ""),
            )
            if applies
        ),
        (None, ""),
    )
    judged = Difference(about, row.number, row.day, difference, why, detail, in_erp=True)
    return _Judged(judged, known=row.row_id is not None)


def _waits(row: Any) -> str:
    waits = f" for {row.waiting_for}" if row.waiting_for else ""
    return f"row {row.row_id} is {row.sync_state}{waits}"


async def _from_before(
    connection: Connection, shop: Shop, about: About, judged: Sequence[_Judged]
) -> list[Difference]:
    """Explain those whose ERP row is from before the installation: our books know nothing of it."""
    pair = _PAIRS[about]
    erp = ERP_TABLES[pair.kind].name
    unknown = [str(each.difference.number) for each in judged if not each.known]
    named: set[str] = set()
    if unknown and shop.schema.column(erp, pair.named) is not None:
        query = _BEFORE.format(erp=erp, named=f"{pair.named}::text")
        named = {row.named for row in await connection.execute(query, {"names": unknown})}
    return [
        replace(each.difference, why=Why.BEFORE, detail="")
        if not each.known and str(each.difference.number) in named
        else each.difference
        for each in judged
    ]
