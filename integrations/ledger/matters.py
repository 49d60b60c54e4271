"""What needs a person beside the books' rows: parked news, differences, cancellations held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from integrations.emag.accounts import Account
from integrations.erp.connection import Connection
from integrations.erp.rows import Kind
from integrations.erp.times import readable_time
from integrations.ledger.books import BOOKS
from integrations.ledger.unqueued import never_queued, sizing

# Parked news is owed to the ERP, so the index over what is owed finds it. eMAG's own documents
# are parked where nobody knows whose they are. What has no number is called by what came instead.
_PARKED = """
    SELECT 'return' AS entity, m.platform, m.account, m.emag_id::text AS subject, m.order_id,
           m.attempts, m.changed_at AS since, m.problem AS reason
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_returns m ON m.platform = a.platform AND m.account = a.account
     WHERE m.owed AND m.problem IS NOT NULL
    UNION ALL
    SELECT 'order', m.platform, m.account, m.order_id::text, m.order_id, m.attempts, m.changed_at,
           m.problem
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_orders m ON m.platform = a.platform AND m.account = a.account
     WHERE m.owed AND m.problem IS NOT NULL
    UNION ALL
    SELECT 'invoice', m.platform, m.account, m.number, m.order_id, 0, m.seen_at, m.problem
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_issued_invoices m ON m.platform = a.platform AND m.account = a.account
     WHERE m.problem IS NOT NULL
    UNION ALL
    SELECT m.entity, m.platform, m.account, m.shown, m.order_id, m.attempts, m.first_at, m.problem
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_unnumbered m ON m.platform = a.platform AND m.account = a.account
"""

_NEWEST = f"SELECT * FROM ({_PARKED}) AS parked ORDER BY since DESC, subject LIMIT :most"

_LONG = f"""
    SELECT account, count(*) AS news, min(since) AS since FROM ({_PARKED}) AS parked
     WHERE since < statement_timestamp() - :longest GROUP BY account ORDER BY account
"""

_DIFFERENCES = """
    SELECT d.platform, d.account, d.subject, d.difference AS reason, d.times,
           d.first_seen_at AS since
      FROM unnest(CAST(:platforms AS text[]), CAST(:accounts AS text[])) AS a (platform, account)
      JOIN app.emag_differences d ON d.platform = a.platform AND d.account = a.account
     WHERE d.explained IS NULL AND d.times >= 2
     ORDER BY d.first_seen_at DESC, d.subject LIMIT :most
"""


_CANCELLATIONS = BOOKS[Kind.CANCELLATION]

# Among the ERP's newest rows alone: all of them are too many to look through each time.
_NEWEST_ROWS = 20_000

# Approved once, and put up for approval again.
_WITHDRAWN = f"""(SELECT 1 FROM {_CANCELLATIONS.name} b WHERE b.{_CANCELLATIONS.erp_id} = e.id
             AND NOT b.superseded AND b.sync_state = 'withdrawn' LIMIT 1) IS NOT NULL"""

_HELD = f"""
    SELECT count(*) AS rows, min({readable_time("e.created_at")}) AS since
      FROM (SELECT * FROM app.cancellation_requests ORDER BY id DESC LIMIT {_NEWEST_ROWS}) e
     WHERE lower(e.status::text) = 'pending'
       AND ({never_queued(Kind.CANCELLATION)} OR {_WITHDRAWN})
"""

_MOST_DUE = f"""
    SELECT (SELECT count(*) FROM {_CANCELLATIONS.name}
             WHERE sync_state IN ('pending', 'waiting', 'in_doubt') AND NOT superseded)
         + (SELECT count(DISTINCT row_id) FROM app.emag_changes WHERE kind = 'cancellation')
         + (SELECT count(*) FROM {_CANCELLATIONS.name}
             WHERE unasked_at > clock_timestamp() - interval '1 hour' AND NOT superseded) AS rows
"""

ASKED = "cancellations-asked"
"""The cursor whose detail holds what a person was asked about and has not approved."""

_ANY_ASKED = "SELECT 1 FROM app.emag_cursors WHERE resource = :resource LIMIT 1"


@dataclass(frozen=True)
class Parked:
    """News of eMAG's that could not be taken: a return, an order or an invoice, by its number."""

    entity: str
    platform: str
    account: str
    subject: str
    order_id: int | None
    attempts: int
    since: datetime
    reason: str


@dataclass(frozen=True)
class Difference:
    """What eMAG and the ERP hold differently, as often as it was compared; nobody knows why."""

    platform: str
    account: str
    subject: str
    reason: str
    times: int
    since: datetime


@dataclass(frozen=True)
class LongParked:
    """How much of an account's news has been parked for too long, the oldest since when."""

    account: str
    news: int
    since: datetime


@dataclass(frozen=True)
class Held:
    """The ERP's cancellations that nobody has approved, and when it made the oldest.

    `since` is None where it tells no usable time of any.
    """

    rows: int
    since: datetime | None


NONE_HELD = Held(0, None)


async def held_of(connection: Connection) -> Held:
    """Pending cancellations that were never queued, where only approved ones are.

    Of a table that can't be read (see `db check`) none are.
    """
    if (await connection.execute(sizing(Kind.CANCELLATION))).first() is None:
        return NONE_HELD
    found = (await connection.execute(_HELD)).one()
    since = found.since
    return Held(found.rows, since.replace(tzinfo=UTC) if since and not since.tzinfo else since)


async def most_due(connection: Connection) -> int:
    """No fewer than the cancellations that are due or went unasked in the last hour; cheap."""
    found = (await connection.execute(_MOST_DUE)).one()
    return int(found.rows)


async def any_asked(connection: Connection) -> bool:
    """Whether a person was asked about cancellations and has not approved all of them."""
    return (await connection.execute(_ANY_ASKED, {"resource": ASKED})).first() is not None


async def parked_of(connection: Connection, accounts: Sequence[Account], most: int) -> list[Parked]:
    """News that could not be stored, the newest first."""
    rows = (await connection.execute(_NEWEST, {**_whose(accounts), "most": most})).rows
    return [Parked(**row._asdict()) for row in rows]


async def long_parked(
    connection: Connection, accounts: Sequence[Account], longest: timedelta
) -> list[LongParked]:
    """Accounts whose news has been parked for longer than this."""
    rows = (await connection.execute(_LONG, {**_whose(accounts), "longest": longest})).rows
    return [LongParked(**row._asdict()) for row in rows]


async def differences_of(
    connection: Connection, accounts: Sequence[Account], most: int
) -> list[Difference]:
    """Differences that were found at least twice and that nothing explains, the newest first."""
    rows = (await connection.execute(_DIFFERENCES, {**_whose(accounts), "most": most})).rows
    return [Difference(**row._asdict()) for row in rows]


def _whose(accounts: Sequence[Account]) -> dict[str, object]:
    return {
        "platforms": [account.platform for account in accounts],
        "accounts": [account.name for account in accounts],
    }
