"""What capture costs the ERP, in microseconds per row of a bulk update of 20,000 rows.

Run `python -m tests.benchmarks.capture` for a table of its own on an embedded PostgreSQL.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from integrations.embedded import embedded
from migrations.run import upgrade
from tests.migrations import existing_erp

ROWS = 20_000
ROUNDS = 7

Connection = psycopg.AsyncConnection[tuple[object, ...]]


@dataclass(frozen=True)
class Erp:
    """An ERP to measure on; `{n}` stands for another value each time."""

    existing: bool
    fill: str
    matters: str
    other: str


ERPS: Mapping[str, Erp] = {
    "fresh": Erp(
        existing=False,
        fill="""
            INSERT INTO app.cancellation_requests (emag_order_id, customer_name, customer_email,
                reason_description)
            SELECT 480000000 + n, 'Ana Pop', 'ana@example.com', 'changed her mind'
              FROM generate_series(1, {rows}) AS n""",
        matters="UPDATE app.cancellation_requests SET emag_order_id = '{n}'",
        other="UPDATE app.cancellation_requests SET internal_notes = 'note {n}'",
    ),
    "existing": Erp(
        existing=True,
        fill="""
            INSERT INTO app.cancellation_requests (cancellation_number, emag_order_id,
                customer_name, status, reason, cancellation_fee, refund_amount, currency,
                refund_status, refund_processed, stock_restored, account_type, created_at,
                updated_at)
            SELECT 'C' || n, 480000000 + n, 'Ana Pop', 'PENDING', 'OTHER', 1.5, 20.5, 'RON',
                   'PENDING', false, false, 'main', now(), now()
              FROM generate_series(1, {rows}) AS n""",
        matters="UPDATE app.cancellation_requests SET emag_order_id = '{n}'",
        other="UPDATE app.cancellation_requests SET internal_notes = 'note {n}'",
    ),
}


async def measure(database_url: str) -> dict[str, float]:
    """Microseconds per row that capture adds, by ERP and by whether the update matters to eMAG.

    `database_url` names any database of a server on which databases may be created. `worst` is the
    highest of the figures, `lock_waits` the number of bulk updates, beside a runner that consumes,
    that had to wait for a lock.
    """
    costs: dict[str, float] = {}
    waits = 0
    for name, erp in ERPS.items():
        async with _database(database_url, erp) as url, _connect(url) as connection:
            costs[f"{name}, matters"] = await _cost(connection, erp.matters)
            costs[f"{name}, other"] = await _cost(connection, erp.other)
            waits += await _lock_waits(url, connection, erp.matters)
    return costs | {"worst": max(costs.values()), "lock_waits": waits}


async def _cost(connection: Connection, update: str) -> float:
    """The added microseconds per row: the fastest round with triggers less the fastest without."""
    plain: list[float] = []
    captured: list[float] = []
    for number in range(ROUNDS):
        for switch, seconds in (("DISABLE", plain), ("ENABLE", captured)):
            await connection.execute(
                f"ALTER TABLE app.cancellation_requests {switch} TRIGGER USER".encode()
            )
            await connection.execute("TRUNCATE app.emag_changes")
            await connection.execute("VACUUM app.cancellation_requests")
            await connection.execute("CHECKPOINT")
            seconds.append(await _seconds(connection, update.format(n=f"{switch}{number}")))
    return round((min(captured) - min(plain)) / ROWS * 1e6, 2)


async def _seconds(connection: Connection, statement: str) -> float:
    begin = time.perf_counter()
    await connection.execute(statement.encode())
    seconds: float = time.perf_counter() - begin
    return seconds


async def _lock_waits(url: str, connection: Connection, update: str) -> int:
    """How many of three bulk updates waited while another session held all changes locked."""
    waits = 0
    await connection.execute("SET lock_timeout = '1ms'")
    for number in range(3):
        async with _connect(url) as runner, runner.transaction(force_rollback=True):
            await runner.execute("DELETE FROM app.emag_changes")
            try:
                await connection.execute(update.format(n=f"wait{number}").encode())
            except psycopg.errors.LockNotAvailable:
                waits += 1
    return waits


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


@asynccontextmanager
async def _database(server: str, erp: Erp) -> AsyncIterator[str]:
    """A migrated database for this measurement alone, filled without being captured."""
    name = f"bench_{uuid4().hex}"
    async with _connect(server) as admin:
        await admin.execute(f"CREATE DATABASE {name}".encode())
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        try:
            await asyncio.to_thread(_prepare, url, erp)
            yield url
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _prepare(url: str, erp: Erp) -> None:
    if erp.existing:
        existing_erp.install(url)
    upgrade(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE app.cancellation_requests CASCADE")
        connection.execute(erp.fill.format(rows=ROWS).encode())
        connection.execute("VACUUM ANALYZE app.cancellation_requests")


def main() -> None:
    """Measure on a PostgreSQL of its own and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as url:
        print(json.dumps(asyncio.run(measure(url)), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
