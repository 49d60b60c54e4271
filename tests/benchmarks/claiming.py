"""How much slower 500 rows are claimed where there is a long history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import psycopg
from pydantic import SecretStr

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.schema import ErpSchema, read_schema
from integrations.ledger import claims, leases
from integrations.ledger.books import BOOKS
from integrations.ledger.database import rolled_back
from integrations.ledger.engine import Engine
from integrations.ledger.timings import Timings
from tests.benchmarks.figures import Figure
from tests.benchmarks.history import history
from tests.benchmarks.place import NOWHERE, PASSWORD, USERNAME, Place
from tests.statements import Values, told_of_statements

LONG, SHORT = 1_000_000, 1_000
ROUNDS = 15

ACCOUNT = Account(
    name="main",
    account_type="main",
    username=USERNAME,
    password=SecretStr(PASSWORD),
    base_url=NOWHERE,
    rates={},
)
BOOKED = BOOKS[Kind.CANCELLATION]

_PENDING = """
    WITH added AS (
        INSERT INTO app.cancellation_requests (emag_order_id, status, reason)
        SELECT (400000000 + n)::text, 'pending', 'other' FROM generate_series(1, %(rows)s) AS n
        RETURNING id, emag_order_id::bigint AS order_id),
    items AS (
        INSERT INTO app.cancellation_items (cancellation_request_id, product_id, sku, quantity)
        SELECT id, '1001', 'CANA-350', 1 FROM added)
    INSERT INTO app.emag_cancellation_integrations (cancellation_request_id, account_type,
        sync_state, wanted_revision, next_attempt_at, platform, emag_order_id, queued_at)
    SELECT id, 'main', 'pending', 1, now(), %(platform)s, order_id, now() FROM added
"""


def claiming(place: Place) -> Sequence[Figure]:
    """The median time of a claim with a long history, in proportion to a short one's."""
    with _pending(history(place, LONG)) as long, _pending(history(place, SHORT)) as short:
        seconds, plans = asyncio.run(_measure({LONG: long, SHORT: short}))
    medians = {rows: median(each) for rows, each in seconds.items()}
    return [
        Figure(
            "claiming 500 rows, 1,000,000 rows of history to 1,000",
            measured=medians[LONG] / medians[SHORT],
            limit=1.5,
            unit="times",
            details={"median_seconds": medians, "seconds": seconds, "plans": plans},
        )
    ]


@contextmanager
def _pending(url: str) -> Iterator[str]:
    """The database with a batch of due rows, which are gone again after the block."""
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(_PENDING, {"rows": claims.BATCH, "platform": ACCOUNT.platform})
    with psycopg.connect(url) as connection:
        connection.execute("ANALYZE")
    yield url
    with psycopg.connect(url) as connection:
        connection.execute(f"DELETE FROM {BOOKED.name} WHERE sync_state = 'pending'")


async def _measure(
    urls: Mapping[int, str],
) -> tuple[Mapping[int, Sequence[float]], Mapping[int, Any]]:
    """Seconds of each claim, taken in turns so that both see the same machine, and the plans."""
    engines = {rows: Engine(url) for rows, url in urls.items()}
    async with rolled_back(engines[SHORT]) as connection:
        schema = await read_schema(connection)
    seconds: dict[int, list[float]] = {rows: [] for rows in urls}
    for _ in range(ROUNDS):
        for rows, engine in engines.items():
            seconds[rows].append(await _claim(engine, schema))
    plans = {rows: await _plans(engine, schema) for rows, engine in engines.items()}
    for engine in engines.values():
        engine.close()
    return seconds, plans


async def _claim(engine: Engine, schema: ErpSchema) -> float:
    """Seconds that a claim takes, whose leases are given back afterwards."""
    token = leases.new_token()
    accounts = {ACCOUNT.name: ACCOUNT}
    began = time.perf_counter()
    claimed = await claims.claim(
        engine,
        schema,
        accounts,
        ACCOUNT,
        Kind.CANCELLATION,
        token,
        "bench",
        Timings(),
        require_approval=False,
    )
    seconds = time.perf_counter() - began
    assert len(claimed) == claims.BATCH
    orders = {each.order_id for each in claimed}
    await leases.release(engine, ACCOUNT.platform, orders, token)
    return seconds


async def _plans(engine: Engine, schema: ErpSchema) -> Sequence[Sequence[str]]:
    """The node types of each statement that a claim makes, outermost first."""
    made: list[tuple[str, Values]] = []
    with told_of_statements(lambda *executed: made.append(executed)):
        await _claim(engine, schema)
    async with rolled_back(engine) as connection:
        return [list(_nodes((await _explained(connection, *each))[0]["Plan"])) for each in made]


async def _explained(connection: Connection, statement: str, values: Values) -> Any:
    explained = f"EXPLAIN (FORMAT JSON) {statement}"
    return (await connection.execute(explained, values)).scalar_one()


def _nodes(plan: Mapping[str, Any]) -> Iterator[str]:
    over = plan.get("Index Name") or plan.get("Relation Name")
    yield f"{plan['Node Type']} on {over}" if over else plan["Node Type"]
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
