"""Alembic's entry point; `migrations.run` calls it with a connection in autocommit.

Every statement of a revision is a transaction of its own (a lock on one of the ERP's tables is
never held while another is waited for), so Alembic opens none.
"""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="emag_alembic_version",
    version_table_schema="app",
    transactional_ddl=False,
)
context.run_migrations()
