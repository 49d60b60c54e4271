"""Whether an ERP row asks for anything else than it did."""

from __future__ import annotations

from hashlib import blake2b

from integrations.erp.rows import ErpRow


def digest(row: ErpRow) -> str:
    """A short text that differs when anything differs that decides what the row asks for."""
    return blake2b(repr(row).encode(), digest_size=12).hexdigest()
