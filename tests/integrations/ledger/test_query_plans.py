"""The statements that run all the time never read history, however long it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.ledger import claims, history, persist, queueing, status
from integrations.ledger.books import BOOKS
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine

HISTORY = 20_000

_BOOKS = BOOKS[Kind.CANCELLATION]
NAMES = {"table": _BOOKS.name, "erp_id": _BOOKS.erp_id, "emag_id": _BOOKS.emag_id}

# statement, its parameters
STATEMENTS: Mapping[str, tuple[str, dict[str, object]]] = {
    "due rows": (
        claims._DUE.format(**NAMES),
        {
            "account": "main",
            "platform": "p",
            "kind": "cancellation",
            "rows": 500,
            "due_by": None,
        },
    ),
    "claimed rows": (claims._READ.format(**NAMES), {"ids": [1, 2, 3]}),
    "counts of open rows": (status._COUNTS.format(**NAMES), {}),
    "rows that wait for a write-back": (status._WRITE_BACKS.format(**NAMES), {}),
    "persisting": (
        persist._PERSIST.format(**NAMES, status_type="text", more=""),
        {
            "outcomes": '[{"id": 5, "order_id": 5, "revision": 1, "state": "synced"}]',
            "platform": "p",
            "account": "main",
        },
    ),
    "queueing": (
        queueing._QUEUE.format(**NAMES, **queueing._CONDITIONS),
        {
            "entries": '[{"row_id": 5, "state": "pending", "admits": false}]',
            "look_again": 900.0,
            "a_part": "{}",
        },
    ),
    "calls about an order": (
        history._STORY.format(conditions="AND order_ids @> ARRAY[CAST(:order AS bigint)]"),
        {"order": 5, "most": 50},
    ),
}


@pytest.fixture
async def crowded(engine: Engine) -> AsyncIterator[Connection]:
    """A connection to books with a long history."""
    async with transaction(engine) as connection:
        await connection.execute(
            f"""
                INSERT INTO {_BOOKS.name} ({_BOOKS.erp_id}, account_type, sync_state,
                       emag_order_id, platform, wanted_revision, next_attempt_at)
                SELECT n, 'main', 'synced', n, 'p', 1, now()
                  FROM generate_series(1, {HISTORY}) AS n
            """
        )
        await connection.execute(
            f"""
                INSERT INTO app.emag_api_calls (id, sent_at, route, order_ids, verdict)
                SELECT gen_random_uuid(), now(), 'order/save', ARRAY[n], 'applied'
                  FROM generate_series(1, {HISTORY}) AS n
            """
        )
        await connection.execute(f"ANALYZE {_BOOKS.name}")
        await connection.execute("ANALYZE app.emag_api_calls")
    async with rolled_back(engine) as connection:
        yield connection


def scans(plan: dict[str, Any]) -> list[str]:
    """Every table that a plan reads from end to end."""
    whole = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return whole + [name for part in plan.get("Plans", ()) for name in scans(part)]


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_statement_reads_history(crowded: Connection, name: str) -> None:
    statement, parameters = STATEMENTS[name]
    explained = await crowded.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
    [plan] = explained.scalar_one()
    read = scans(plan["Plan"])
    assert _BOOKS.table not in read, plan
    assert await todays_calls(crowded) not in read, plan


async def todays_calls(connection: Connection) -> str:
    """The partition that holds the history of calls; the others are empty."""
    found = await connection.execute(
        "SELECT tableoid::regclass::text FROM app.emag_api_calls LIMIT 1"
    )
    return str(found.scalar_one()).removeprefix("app.")


async def test_a_scan_would_be_noticed(crowded: Connection) -> None:
    query = f"EXPLAIN (FORMAT JSON) SELECT count(*) FROM {_BOOKS.name} WHERE sync_attempts = 7"
    [plan] = (await crowded.execute(query)).scalar_one()
    assert scans(plan["Plan"]) == [_BOOKS.table]
