"""Orders and returns that eMAG shows without a usable number: known until they have one."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE IF NOT EXISTS app.emag_unnumbered (
            platform text NOT NULL,
            account text NOT NULL,
            entity text NOT NULL,
            key text NOT NULL,
            shown text NOT NULL,
            type smallint NOT NULL,
            placed_at timestamptz,
            order_id bigint,
            problem text NOT NULL,
            first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            seen_at timestamptz NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            next_at timestamptz NOT NULL,
            PRIMARY KEY (platform, account, entity, key)
        )""")
