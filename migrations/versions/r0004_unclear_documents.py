"""What of an invoice that eMAG issued can't be read: a person has to look at it."""

from __future__ import annotations

from alembic import op

from migrations.patience import patiently

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        patiently(
            "app.emag_issued_invoices",
            """
            ALTER TABLE app.emag_issued_invoices ADD COLUMN IF NOT EXISTS problem text;
            CREATE INDEX IF NOT EXISTS emag_issued_invoices_problem_idx
                ON app.emag_issued_invoices (platform, account) WHERE problem IS NOT NULL;""",
        )
    )
