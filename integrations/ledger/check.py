"""Looks for what would keep changes from being captured or carried, and says how to put it right."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from integrations.erp.schema import read_schema
from integrations.erp.tables import ERP_TABLES
from integrations.ledger.adopt import INTEGERS, adoptable
from integrations.ledger.books import BOOKS
from integrations.ledger.database import autocommit
from migrations.capture import CAPTURED, FUNCTIONS, Captured

OLDEST_SERVER = 14
MOST_CLOCK_DIFFERENCE = 5.0
DAYS_AHEAD = 2

UPGRADE = "run `emag-flows db upgrade`"

OUR_TABLES = (
    *(books.table for books in BOOKS.values()),
    "emag_changes",
    "emag_order_leases",
    "emag_api_calls",
    "emag_cursors",
    "emag_rate_limits",
    "emag_issued_invoices",
    "emag_offer_syncs",
)

_KINDS_OF_RELATION = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}

# pg_type.typcategory of what can be read as a word or a number: strings, enums, numbers.
_READABLE = frozenset("SEN")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        ok: whether it is as it must be.
        detail: what was found, in a few words.
        remedy: what to do about it; empty where nothing is to be done.
    """

    name: str
    ok: bool
    detail: str
    remedy: str


Check = Callable[[AsyncConnection], Awaitable[list[Finding]]]


async def check_database(engine: AsyncEngine) -> list[Finding]:
    """Everything that was looked at, good or bad. Changes nothing; raises nothing the database does."""
    try:
        async with autocommit(engine) as connection:
            findings = [_good("database", "reachable")]
            for check in _CHECKS:
                findings += await check(connection)
            migrated = all(finding.ok for finding in findings if finding.name == _TABLES)
        return findings + (await _check_history(engine) if migrated else [])
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        problem = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return [_bad("database", problem, "see that the server runs and DATABASE_URL is right")]


def _good(name: str, detail: str) -> Finding:
    return Finding(name, ok=True, detail=detail, remedy="")


def _bad(name: str, detail: str, remedy: str) -> Finding:
    return Finding(name, ok=False, detail=detail, remedy=remedy)


def _verdict(name: str, problems: Sequence[str], remedy: str, good: str) -> Finding:
    return _bad(name, "; ".join(problems), remedy) if problems else _good(name, good)


async def _rows(connection: AsyncConnection, query: str, **values: object) -> Sequence[Row[tuple[object, ...]]]:
    return (await connection.execute(text(query), values)).all()


_TABLES = "our tables"
