"""A database in which many cancellations were carried to eMAG long ago."""

from __future__ import annotations

from functools import cache

import psycopg

from tests.benchmarks.place import Place

# Straight into the tables: firing the capture triggers would queue history anew.
_NO_CAPTURE = "SET LOCAL session_replication_role = replica"

_ERP_ROWS = """
    INSERT INTO app.cancellation_requests (cancellation_number, emag_order_id, status, reason,
        emag_cancellation_id, customer_name, account_type)
    SELECT 'OLD-' || n, (300000000 + n)::text, 'completed', 'other',
           300000000 + n, 'Ana Exemplu', 'main'
      FROM generate_series(1, %s) AS n
"""
_ERP_ITEMS = """
    INSERT INTO app.cancellation_items (cancellation_request_id, product_id, sku, quantity)
    SELECT n, '1001', 'CANA-350', 1 FROM generate_series(1, %s) AS n
"""
_BOOKS = """
    INSERT INTO app.emag_cancellation_integrations (cancellation_request_id, emag_cancellation_id,
        emag_status, last_synced_at, account_type, sync_state, wanted_revision, synced_revision,
        next_attempt_at, platform, emag_order_id, queued_at, sent_at, emag_response)
    SELECT n, 300000000 + n, 'canceled', timezone('utc', at), 'main', 'synced', 1, 1,
           at, 'sandbox-9', 300000000 + n, at, at,
           '{"verdict":"applied","http_status":200,"message":null}'
      FROM (SELECT n, now() - (%s - n) * interval '30 seconds' AS at
              FROM generate_series(1, %s) AS n) AS old
"""


@cache
def history(place: Place, rows: int) -> str:
    """The URL of a database with so many cancellations, all synced and analysed."""
    url = place.database()
    with psycopg.connect(url) as connection:
        connection.execute(_NO_CAPTURE)
        connection.execute(_ERP_ROWS, [rows])
        connection.execute(_ERP_ITEMS, [rows])
        connection.execute(_BOOKS, [rows, rows])
    _analyse(url)
    return url


def _analyse(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
