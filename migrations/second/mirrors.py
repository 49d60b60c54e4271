"""What eMAG was last seen to hold, free of customers' data, and what follows from comparing it."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.patience import patiently

# `owed` says that the ERP does not show this state yet; it is looked at again at `next_at`. A
# closed return whose refund is awaited since `refund_since` is looked at again at `refund_at`. All
# of a row, money too, was last compared with the ERP at `compared_at`.
_SEEN = """
        digest text NOT NULL,
        read_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        owed boolean NOT NULL DEFAULT true,
        problem text,
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        compared_at timestamptz"""

_TABLES = (
    f"""
    CREATE TABLE IF NOT EXISTS app.emag_returns (
        platform text NOT NULL,
        emag_id bigint NOT NULL,
        account text NOT NULL,
        type smallint NOT NULL,
        order_id bigint,
        status smallint NOT NULL,
        placed_at timestamptz,
        finalize_by date,
        refund_since timestamptz,
        refund_at timestamptz,{_SEEN},
        PRIMARY KEY (platform, emag_id)
    )""",
    """
    CREATE INDEX IF NOT EXISTS emag_returns_open_idx
        ON app.emag_returns (platform, account, type) WHERE status IN (1, 2, 3, 6)""",
    """
    CREATE INDEX IF NOT EXISTS emag_returns_owed_idx
        ON app.emag_returns (platform, account, next_at) WHERE owed""",
    """
    CREATE INDEX IF NOT EXISTS emag_returns_refund_idx
        ON app.emag_returns (platform, account, refund_at) WHERE refund_at IS NOT NULL""",
    """
    CREATE INDEX IF NOT EXISTS emag_returns_order_idx
        ON app.emag_returns (platform, order_id)""",
    """
    CREATE INDEX IF NOT EXISTS emag_returns_placed_idx
        ON app.emag_returns (platform, account, placed_at)""",
    f"""
    CREATE TABLE IF NOT EXISTS app.emag_orders (
        platform text NOT NULL,
        order_id bigint NOT NULL,
        account text NOT NULL,
        type smallint NOT NULL,
        status smallint NOT NULL,
        placed_at timestamptz,
        modified_at timestamptz,
        finalized_at timestamptz,
        wish_at timestamptz,
        wish_told boolean NOT NULL DEFAULT false,
        documents integer NOT NULL DEFAULT 0,
        lines jsonb NOT NULL DEFAULT '{{}}',{_SEEN},
        PRIMARY KEY (platform, order_id)
    )""",
    """
    CREATE INDEX IF NOT EXISTS emag_orders_owed_idx
        ON app.emag_orders (platform, account, next_at) WHERE owed""",
    """
    CREATE INDEX IF NOT EXISTS emag_orders_placed_idx
        ON app.emag_orders (platform, account, placed_at)""",
    """
    CREATE INDEX IF NOT EXISTS emag_orders_undocumented_idx
        ON app.emag_orders (platform, account, finalized_at)
     WHERE status = 4 AND documents = 0""",
    """
    CREATE INDEX IF NOT EXISTS emag_orders_wished_idx
        ON app.emag_orders (platform, account, wish_at)
     WHERE wish_at IS NOT NULL AND status IN (1, 2, 3)""",
    """
    CREATE TABLE IF NOT EXISTS app.emag_drift (
        platform text NOT NULL,
        route text NOT NULL,
        name text NOT NULL,
        what text NOT NULL,
        value text,
        seen bigint NOT NULL DEFAULT 0,
        first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        shown_at timestamptz,
        PRIMARY KEY (platform, route, name, what)
    )""",
    """
    CREATE TABLE IF NOT EXISTS app.emag_alarms (
        platform text NOT NULL,
        account text NOT NULL,
        about text NOT NULL,
        subject text NOT NULL,
        due_at timestamptz NOT NULL,
        raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        told_at timestamptz,
        PRIMARY KEY (platform, about, subject, due_at)
    )""",
    """
    CREATE TABLE IF NOT EXISTS app.emag_differences (
        platform text NOT NULL,
        account text NOT NULL,
        subject text NOT NULL,
        difference text NOT NULL,
        times integer NOT NULL DEFAULT 1,
        first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        explained text,
        PRIMARY KEY (platform, account, subject)
    )""",
    """
    CREATE TABLE IF NOT EXISTS app.emag_certificates (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        platform text NOT NULL,
        account text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        since date NOT NULL,
        until date NOT NULL,
        compared bigint NOT NULL,
        differences bigint NOT NULL,
        unexplained bigint NOT NULL,
        document jsonb NOT NULL
    )""",
    "ALTER TABLE app.emag_rate_limits ADD COLUMN IF NOT EXISTS wanted_at timestamptz",
    "ALTER TABLE app.emag_rate_limits ADD COLUMN IF NOT EXISTS background_at timestamptz",
    """
    ALTER TABLE app.emag_issued_invoices
        ADD COLUMN IF NOT EXISTS source text NOT NULL DEFAULT 'customer-invoice'""",
    "ALTER TABLE app.emag_issued_invoices ADD COLUMN IF NOT EXISTS total numeric",
    "ALTER TABLE app.emag_issued_invoices ADD COLUMN IF NOT EXISTS currency text",
)

_INTEGRATIONS = (
    "emag_return_integrations",
    "emag_cancellation_integrations",
    "emag_invoice_integrations",
)


def steps() -> Iterator[str]:
    """SQL statements, each a transaction of its own; none touches a table of the ERP's."""
    yield from _TABLES
    for table in _INTEGRATIONS:
        yield _add_origin(table)


def _add_origin(table: str) -> str:
    """Where a row came from: null for the ERP's own, 'emag' for one that eMAG's news brought."""
    return patiently(
        f"app.{table}",
        f"""
            IF NOT EXISTS (SELECT FROM pg_attribute
                            WHERE attrelid = 'app.{table}'::regclass AND attname = 'origin') THEN
                ALTER TABLE app.{table} ADD COLUMN origin text;
            END IF;""",
    )
