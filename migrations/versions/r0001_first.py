"""The ERP's tables where missing, and our books."""

from __future__ import annotations

from alembic import op

from migrations.first import books, erp, integrations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for part in (erp, books, integrations):
        for statement in part.steps():
            op.execute(statement)
