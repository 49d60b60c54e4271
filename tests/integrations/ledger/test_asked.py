"""What a person was asked about is kept until it is approved, or settled in some other way."""

from __future__ import annotations

from integrations.ledger.asked import asked_about, forget_asked, note_asked
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine

SETTLE = """
    INSERT INTO app.emag_cancellation_integrations (cancellation_request_id, account_type,
           platform, sync_state)
    VALUES (1, 'main', 'ro', 'synced'), (2, 'main', 'ro', 'pending')
"""


async def test_it_is_kept_for_each_account_until_it_is_approved(engine: Engine) -> None:
    await note_asked(engine, "main", [3, 4])
    await note_asked(engine, "fbe", [5])

    await forget_asked(engine, "main")

    assert await asked_about(engine, "main") == frozenset()
    assert await asked_about(engine, "fbe") == {5}


async def test_a_further_question_keeps_what_is_not_settled(engine: Engine) -> None:
    async with transaction(engine) as connection:
        await connection.execute(SETTLE)
    await note_asked(engine, "main", [1, 2])

    await note_asked(engine, "main", [2, 3])

    assert await asked_about(engine, "main") == {2, 3}
