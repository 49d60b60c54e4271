"""What is known of eMAG, so that its news can be brought in; what programs hand in."""

from __future__ import annotations

from alembic import op

from migrations.second import mirrors, requests

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for part in (mirrors, requests):
        for statement in part.steps():
            op.execute(statement)
