"""Databases that an ERP used before us."""

from __future__ import annotations

import pytest

from tests.migrations import existing_erp


@pytest.fixture
def existing_url(bare_database_url: str) -> str:
    """URL of a database with an ERP that was there first, not migrated yet."""
    existing_erp.install(bare_database_url)
    return bare_database_url
