"""How many pieces each line of an order held when it was last read: more of them are additions."""

from __future__ import annotations

from alembic import op

from migrations.patience import patiently

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        patiently(
            "app.emag_orders", "ALTER TABLE app.emag_orders ADD COLUMN IF NOT EXISTS held jsonb;"
        )
    )
