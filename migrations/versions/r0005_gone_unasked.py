"""When a cancellation was last sent without a person's word, so that an hour's can be counted."""

from __future__ import annotations

from alembic import op

from migrations.patience import patiently

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        patiently(
            "app.emag_cancellation_integrations",
            """
            ALTER TABLE app.emag_cancellation_integrations
                ADD COLUMN IF NOT EXISTS unasked_at timestamptz;
            CREATE INDEX IF NOT EXISTS emag_cancellation_integrations_unasked_idx
                ON app.emag_cancellation_integrations (account_type, unasked_at)
             WHERE unasked_at IS NOT NULL;""",
        )
    )
