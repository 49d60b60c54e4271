"""What first contact showed of a shop, kept for its runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from integrations.ledger.cursors import move_cursor
from integrations.ledger.engine import Engine
from integrations.ledger.profile import RESOURCE, Profile, read_profile, write_profile

RO = "emag-ro"


async def test_it_is_empty_before_first_contact(engine: Engine) -> None:
    assert await read_profile(engine, RO, "main") == Profile()


async def test_it_is_read_as_it_was_written_with_its_time(engine: Engine) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    await write_profile(engine, RO, "main", Profile(page_cap=7, counts_returns=False))
    told = await read_profile(engine, RO, "main")
    assert (told.page_cap, told.counts_returns, told.currency) == (7, False, None)
    assert told.measured_at is not None
    assert before < told.measured_at < datetime.now(UTC) + timedelta(seconds=5)


async def test_the_last_contact_counts(engine: Engine) -> None:
    await write_profile(engine, RO, "main", Profile(page_cap=7, currency="RON"))
    await write_profile(engine, RO, "main", Profile(page_cap=100))
    told = await read_profile(engine, RO, "main")
    assert (told.page_cap, told.currency) == (100, None)


async def test_each_account_at_each_platform_has_its_own(engine: Engine) -> None:
    await write_profile(engine, RO, "main", Profile(page_cap=7))
    assert await read_profile(engine, RO, "fbe") == Profile()
    assert await read_profile(engine, "emag-bg", "main") == Profile()


async def test_what_another_version_kept_does_no_harm(engine: Engine) -> None:
    moment = datetime(2026, 5, 4, tzinfo=UTC)
    await move_cursor(engine, RO, "main", RESOURCE, moment, {"page_cap": 7, "mood": "fine"})
    assert await read_profile(engine, RO, "main") == Profile(page_cap=7, measured_at=moment)
