"""Reconcile: compare eMAG, its mirror and the ERP, look twice, and certify."""

from __future__ import annotations

from integrations.ledger.certificates import Certificate
from integrations.sync import reconcile
from integrations.sync.reconcile import Reconciliation
from tasks.step import step

PAUSES = (2, 10)


@step("compare-with-emag", pauses=PAUSES)
async def compare_with_emag(work: Reconciliation) -> None:
    """Compare eMAG's numbers with the mirror's; what was read before a repetition stays."""
    await reconcile.reconcile_with_emag(work)


@step("compare-with-erp", pauses=PAUSES)
async def compare_with_erp(work: Reconciliation) -> None:
    """Compare the mirror with the ERP, row by row, and put right what nothing explains."""
    await reconcile.reconcile_with_erp(work)


@step("note-differences", pauses=PAUSES)
async def note_differences(work: Reconciliation) -> None:
    """Note what will be looked at again: its time counts from now."""
    await reconcile.note_first_sight(work)


@step("look-again", pauses=PAUSES)
async def look_again(work: Reconciliation) -> None:
    """Compare anew what differed."""
    await reconcile.look_once_more(work)


@step("certify", pauses=())
async def certify(work: Reconciliation) -> Certificate:
    """Write the certificate."""
    return await reconcile.certify(work)
