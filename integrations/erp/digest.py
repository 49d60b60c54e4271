"""Whether an ERP row asks for anything else than it did."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

from integrations.erp.rows import ErpRow, ReturnRow


def digest(row: ErpRow, emag_id: str | None) -> str:
    """A short text that differs when anything differs that decides what the row asks for.

    `emag_id` is the return that our books have linked to the row: we write it into the ERP's row
    ourselves, so that naming it asks for nothing else than naming none.
    """
    if isinstance(row, ReturnRow) and row.emag_return_id == emag_id:
        row = replace(row, emag_return_id=None)
    return blake2b(repr(row).encode(), digest_size=12).hexdigest()
