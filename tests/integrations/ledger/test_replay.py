"""Queueing rows again by hand."""

from __future__ import annotations

import pytest

from integrations.erp.rows import Kind
from integrations.ledger.database import rolled_back, transaction
from integrations.ledger.engine import Engine
from integrations.ledger.replay import Reference, replay


@pytest.mark.parametrize("reference", ["rma:12", "cancellation:7", "invoice:3"])
def test_a_reference_reads_as_it_is_written(reference: str) -> None:
    assert str(Reference.parse(reference)) == reference


@pytest.mark.parametrize("wrong", ["rma", "rma:", "rma:x", "rma:-1", "offer:1", ":1", "rma:\u0661"])
def test_anything_else_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(ValueError, match="rma:12"):
        Reference.parse(wrong)


async def test_a_row_that_the_erp_does_not_have_is_named(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            "INSERT INTO app.cancellation_requests (id, cancellation_number, customer_name,"
            " status, reason) VALUES (7, 'C-7', 'Ana Exemplu', 'pending', 'other')"
        )
        await connection.execute("DELETE FROM app.emag_changes")
    known, unknown = Reference(Kind.CANCELLATION, 7), Reference(Kind.RMA, 7)
    assert await replay(engine, [known, unknown]) == [unknown]
    async with rolled_back(engine) as connection:
        changes = await connection.execute("SELECT kind, row_id FROM app.emag_changes")
        assert [tuple(change) for change in changes] == [("cancellation", 7)]
