"""What programs hand in over HTTP: their idempotency keys, and documents for eMAG to fetch."""

from __future__ import annotations

from collections.abc import Iterator

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS app.emag_idempotency_keys (
        key text PRIMARY KEY,
        fingerprint text NOT NULL,
        kind text NOT NULL,
        row_id bigint NOT NULL,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    """
    CREATE INDEX IF NOT EXISTS emag_idempotency_keys_age_idx
        ON app.emag_idempotency_keys (made_at)""",
    """
    CREATE TABLE IF NOT EXISTS app.emag_documents (
        name text PRIMARY KEY,
        invoice_id bigint NOT NULL,
        content bytea NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    """
    CREATE INDEX IF NOT EXISTS emag_documents_invoice_idx
        ON app.emag_documents (invoice_id)""",
)


def steps() -> Iterator[str]:
    """SQL statements, each a transaction of its own; none touches a table of the ERP's."""
    yield from _TABLES
