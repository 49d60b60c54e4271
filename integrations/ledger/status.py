"""Where everything stands, from our books alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection, rows_of
from integrations.erp.rows import Kind
from integrations.ledger.books import BOOKS, State
from integrations.ledger.database import autocommit
from integrations.ledger.engine import Engine

# From this failure on, or after this long without its return, a row is also a person's matter.
INBOX_ATTEMPTS = 10
INBOX_RETURN_DAYS = 7

# Settled rows are left out: counting history would grow with it.
_COUNTS = """
    SELECT account_type AS account, sync_state AS state, waiting_for, count(*) AS rows,
           min(coalesce(waiting_since, queued_at)) AS since
      FROM {table}
     WHERE sync_state IN ('pending', 'waiting', 'in_doubt', 'refused') AND NOT superseded
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

_INBOX = """
    SELECT {erp_id} AS row_id, emag_order_id AS order_id, account_type AS account,
           sync_state AS state, waiting_for, error_message AS reason, sync_attempts AS attempts,
           coalesce(waiting_since, updated_at AT TIME ZONE 'UTC') AS since
      FROM {table}
     WHERE NOT superseded AND (sync_state = 'refused'
           OR sync_state = 'waiting' AND waiting_for = 'person'
           OR sync_state = 'waiting' AND waiting_for = 'emag_return'
              AND waiting_since < clock_timestamp() - make_interval(days => {return_days})
           OR sync_state IN ('pending', 'in_doubt') AND sync_attempts >= {attempts})
     ORDER BY since DESC LIMIT :rows
"""

_CHANGES = "SELECT count(*) AS rows, min(at) AS since FROM app.emag_changes"

_WRITE_BACKS = "SELECT count(*) AS rows FROM {table} WHERE write_back IS NOT NULL"

_CALLS = """
    SELECT account, max(closed_at) FILTER (WHERE verdict = 'applied') AS last_applied,
           (array_agg(message ORDER BY closed_at DESC)
               FILTER (WHERE verdict IN ('unavailable', 'unknown')))[1] AS last_trouble,
           max(closed_at) FILTER (WHERE verdict IN ('unavailable', 'unknown')) AS trouble_at,
           count(*) FILTER (WHERE verdict = 'sent') AS open,
           count(*) FILTER (WHERE verdict = 'throttled') AS throttled
      FROM app.emag_api_calls WHERE sent_at > clock_timestamp() - interval '1 day'
     GROUP BY account ORDER BY account
"""

_BUDGETS = """
    SELECT platform, login, bucket, throttled,
           greatest(0, extract(epoch FROM next_free_at - clock_timestamp()))::float8 AS ahead,
           down_since, down_detail
      FROM app.emag_rate_limits ORDER BY platform, login, bucket
"""

_NOW = "SELECT clock_timestamp() AS now"


@dataclass(frozen=True)
class Count:
    """How many rows of a kind and account are in a state, and since when the oldest is."""

    kind: Kind
    account: str | None
    state: State
    waiting_for: str | None
    rows: int
    since: datetime | None


@dataclass(frozen=True)
class Traffic:
    """An account's calls of the last day."""

    account: str
    last_applied: datetime | None
    last_trouble: str | None
    trouble_at: datetime | None
    open: int
    throttled: int


@dataclass(frozen=True)
class Budget:
    """A login's bucket of the request budget, reserved `ahead` seconds; since when eMAG is down."""

    platform: str
    login: str
    bucket: str
    throttled: int
    ahead: float
    down_since: datetime | None
    down_detail: str | None

    def accounts(self, accounts: Iterable[Account]) -> list[str]:
        """The names of those with this login, which itself is shown to nobody."""
        login = (self.platform, self.login)
        return [each.name for each in accounts if (each.platform, each.username) == login]

    def name(self, accounts: Iterable[Account]) -> str:
        """What to call it before a person: `emag-ro orders (main, fbe)`."""
        whose = ", ".join(self.accounts(accounts)) or "of no account here"
        return f"{self.platform} {self.bucket} ({whose})"


@dataclass(frozen=True)
class Status:
    """Open rows, changes not queued yet, values the ERP's rows wait for, and traffic.

    `at` is when, by the database's clock: that of all other times here. `changes_since` is when the
    ERP made the oldest of the changes.
    """

    at: datetime
    counts: Sequence[Count]
    changes: int
    changes_since: datetime | None
    write_backs: int
    traffic: Sequence[Traffic]
    budgets: Sequence[Budget]


@dataclass(frozen=True)
class InboxEntry:
    """A row that a person must look at, and why."""

    kind: Kind
    row_id: int
    order_id: int | None
    account: str | None
    state: State
    waiting_for: str | None
    attempts: int
    since: datetime | None
    reason: str


async def read_status(engine: Engine) -> Status:
    """Where everything stands now; its cost does not grow with history."""
    async with autocommit(engine) as connection:
        return await status_of(connection)


async def status_of(connection: Connection) -> Status:
    """The same over a connection in autocommit."""
    [now] = await rows_of(connection, _NOW)
    [changes] = await rows_of(connection, _CHANGES)
    return Status(
        at=now.now,
        counts=[count for kind in Kind for count in await _counts(connection, kind)],
        changes=changes.rows,
        changes_since=changes.since,
        write_backs=sum(
            [
                await _number(connection, _WRITE_BACKS.format(table=BOOKS[kind].name))
                for kind in Kind
            ]
        ),
        traffic=[Traffic(**row._asdict()) for row in await rows_of(connection, _CALLS)],
        budgets=[Budget(**row._asdict()) for row in await rows_of(connection, _BUDGETS)],
    )


async def _counts(connection: Connection, kind: Kind) -> list[Count]:
    return [
        Count(kind, row.account, State(row.state), row.waiting_for, row.rows, row.since)
        for row in await rows_of(connection, _COUNTS.format(table=BOOKS[kind].name))
    ]


async def _number(connection: Connection, query: str) -> int:
    [row] = await rows_of(connection, query)
    return int(row.rows)


async def read_inbox(engine: Engine, rows: int = 200) -> list[InboxEntry]:
    """The rows that wait for a person, the newest first, at most so many of each kind."""
    async with autocommit(engine) as connection:
        return await inbox_of(connection, rows)


async def inbox_of(connection: Connection, rows: int) -> list[InboxEntry]:
    """The same over a connection in autocommit."""
    entries: list[InboxEntry] = []
    for kind, books in BOOKS.items():
        query = _INBOX.format(
            table=books.name,
            erp_id=books.erp_id,
            return_days=INBOX_RETURN_DAYS,
            attempts=INBOX_ATTEMPTS,
        )
        entries += [_entry(kind, row) for row in await rows_of(connection, query, rows=rows)]
    return entries


def _entry(kind: Kind, row: Any) -> InboxEntry:
    return InboxEntry(
        kind=kind,
        row_id=row.row_id,
        order_id=row.order_id,
        account=row.account,
        state=State(row.state),
        waiting_for=row.waiting_for,
        attempts=row.attempts,
        since=row.since,
        reason=row.reason or "",
    )
