"""What in our books asks for work at this moment: one cheap look, made every second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.emag.accounts import Account
from integrations.ledger.books import BOOKS
from integrations.ledger.engine import Engine
from integrations.ledger.line import line
from integrations.ledger.timings import Timings

# As `claim` will find them: a row that is leased, or that is being changed, is due for nobody.
_DUE = """
    SELECT '{kind}' AS what, a.name FROM a
     WHERE EXISTS (
           SELECT FROM {table} t
            WHERE t.account_type = a.name AND NOT t.superseded
              AND t.sync_state IN ('pending', 'waiting', 'in_doubt')
              AND t.next_attempt_at <= clock_timestamp() AND t.emag_order_id IS NOT NULL
              AND NOT EXISTS (SELECT FROM app.emag_order_leases l
                               WHERE l.platform = a.platform AND l.emag_order_id = t.emag_order_id
                                 AND l.expires_at > clock_timestamp())
              AND NOT EXISTS (SELECT FROM app.emag_changes c
                               WHERE c.kind = '{kind}' AND c.row_id = t.{erp_id}))
"""

# A hint is owed since the beginning of time. What a scheduled run left owed is not read again at
# once.
_HINTED = """
    SELECT '{about}' AS what, a.name FROM a
     WHERE EXISTS (
           SELECT FROM app.{table} m
            WHERE m.platform = a.platform AND m.account = a.name AND m.owed
              AND m.next_at <= clock_timestamp()
              AND (m.next_at = '-infinity'
                   OR m.read_at < clock_timestamp() - make_interval(secs => :hint_rest)))
"""

_MIRRORS = {"returns": "emag_returns", "orders": "emag_orders"}

_ASKED = " UNION ALL ".join(
    [
        *(
            _DUE.format(kind=kind.value, table=books.name, erp_id=books.erp_id)
            for kind, books in BOOKS.items()
        ),
        *(_HINTED.format(about=about, table=table) for about, table in _MIRRORS.items()),
    ]
)

_LOOK = f"""
    WITH a AS (SELECT * FROM unnest(CAST(:names AS text[]), CAST(:platforms AS text[]))
                             AS a(name, platform))
    SELECT (SELECT min(extract(epoch FROM least(
                       CASE WHEN seen THEN last + make_interval(secs => :quiet) END,
                       first + make_interval(secs => :quiet_cap)) - clock_timestamp()))::float8
              FROM (SELECT bool_and(seen_at IS NOT NULL) AS seen,
                           max(seen_at) AS last, min(seen_at) AS first
                      FROM app.emag_changes GROUP BY kind, row_id) AS resting) AS rest,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(name, what)), '[]')
              FROM ({_ASKED}) AS asked) AS asked
"""

_OPEN = " UNION ALL ".join(
    f"""
    SELECT sync_state AS state FROM {books.name}
     WHERE sync_state IN ('pending', 'waiting', 'in_doubt', 'refused') AND NOT superseded"""
    for books in BOOKS.values()
)

_STANDING = f"""
    SELECT count(*) FILTER (WHERE state = 'pending') AS pending,
           count(*) FILTER (WHERE state = 'waiting') AS waiting,
           count(*) FILTER (WHERE state = 'in_doubt') AS in_doubt,
           count(*) FILTER (WHERE state = 'refused') AS refused,
           (SELECT count(*) FROM app.emag_changes) AS changes,
           (SELECT closed_at FROM app.emag_api_calls
             WHERE verdict = 'applied' AND sent_at > clock_timestamp() - interval '1 day'
             ORDER BY sent_at DESC LIMIT 1) AS last_success
      FROM ({_OPEN}) AS rows
"""


@dataclass(frozen=True)
class Beat:
    """What one look found.

    Attributes:
        rest: seconds until the next changed ERP row has rested, not above 0 where one has; None
            where nothing has changed.
        asked: an account and the kind of its rows that can be claimed now, or "returns" or "orders"
            where eMAG has dropped a hint about some.
    """

    rest: float | None
    asked: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Standing:
    """How many rows stand where, over all kinds and accounts; `last_success` within a day."""

    pending: int
    waiting: int
    in_doubt: int
    refused: int
    changes: int
    last_success: datetime | None


async def look(
    engine: Engine, accounts: Sequence[Account], timings: Timings, *, hint_rest: float
) -> Beat:
    """Look once; what is owed without a hint counts as hinted `hint_rest` seconds after its read.

    Raises:
        psycopg.Error: the database does not answer.
    """
    found = await line(engine).row(
        _LOOK,
        {
            "names": [account.name for account in accounts],
            "platforms": [account.platform for account in accounts],
            "quiet": timings.quiet,
            "quiet_cap": timings.quiet_cap,
            "hint_rest": hint_rest,
        },
    )
    return Beat(found.rest, [(name, what) for name, what in found.asked])


async def standing(engine: Engine) -> Standing:
    """Where the rows stand now; psycopg.Error as above."""
    found = await line(engine).row(_STANDING, {})
    return Standing(**found._asdict())
