"""What the health check says of deadlines, parked news, cursors and new fields."""

from __future__ import annotations

import logging
from datetime import date
from uuid import uuid4

import pytest

from flows.health import check_health
from flows.parameters import HealthParameters
from flows.tidings import gather_tidings, tidings_table
from integrations.emag.accounts import Account
from integrations.emag.routes import ORDER_COUNT, RMA_READ
from integrations.ledger import budget
from integrations.ledger.database import transaction
from integrations.ledger.drift import What, note_drift
from integrations.ledger.engine import Engine
from integrations.ledger.findings import Finding
from integrations.ledger.status import read_status
from integrations.sandbox.market import Market
from tests.integrations.ledger.mirrored import (
    ORDER,
    execute,
    hours_ago,
    insert,
    mirror_order,
    mirror_return,
)

pytestmark = pytest.mark.usefixtures("configured")

WAY_IN = ("deadlines at eMAG", "no news of eMAG's", "eMAG's news", "fields of eMAG's", "the way in")


async def findings() -> dict[str, Finding]:
    """What the check says of the way in, by name."""
    found = await check_health(HealthParameters())
    return {each.name: each for each in found if each.name.startswith(WAY_IN)}


async def wrong() -> list[str]:
    return [f"{each.name}: {each.detail}" for each in (await findings()).values() if not each.ok]


async def waiting_to_be_queued() -> Finding:
    [found] = [
        each
        for each in await check_health(HealthParameters())
        if each.name == "no change of the ERP's waits to be queued for longer than 60 min"
    ]
    return found


async def test_a_shop_without_news_has_nothing_wrong() -> None:
    found = await findings()

    assert {name: each.detail for name, each in found.items()} == {
        "deadlines at eMAG": "none within 72 h",
        "no news of eMAG's is parked for longer than 24 h": "none",
        "eMAG's news is brought in": "no cursor stands still",
        "fields of eMAG's that are new": "none",
    }
    assert all(each.ok for each in found.values())


async def test_what_is_due_is_counted_and_named_and_no_fault_before_it_is_late(
    engine: Engine, account: Account
) -> None:
    await mirror_order(engine, platform=account.platform, finalized_at=hours_ago(40))

    finding = (await findings())["deadlines at eMAG, account main: orders without an invoice"]

    assert finding.ok
    assert "0 late, 1 due within 24 h, 1 within 72 h" in finding.detail
    assert f"invoice of order {ORDER} due " in finding.detail


async def test_a_deadline_that_has_passed_is_a_fault(engine: Engine, account: Account) -> None:
    await mirror_return(
        engine, platform=account.platform, order_id=ORDER, finalize_by=date(2026, 1, 1)
    )

    [fault] = await wrong()

    assert fault.startswith("deadlines at eMAG, account main: returns to finalize: 1 late")
    assert f"return 52000077 of order {ORDER} due 2026-01-0" in fault


async def test_a_late_wish_says_what_ships_and_what_cancels_whether_approval_is_required_or_not(
    engine: Engine, account: Account
) -> None:
    await mirror_order(engine, platform=account.platform, status=2, wish_at=hours_ago(30))

    finding = (await findings())["deadlines at eMAG, account main: wishes to cancel"]

    assert not finding.ok
    assert "approve the order's cancellation in the ERP" in finding.remedy
    assert "reject it and ship only then" in finding.remedy
    assert "unless EMAG_CANCELLATIONS_REQUIRE_APPROVAL is true" in finding.remedy


async def test_a_wish_and_a_return_that_only_emag_can_settle_are_no_fault(
    engine: Engine, account: Account
) -> None:
    here = account.platform
    await mirror_order(engine, platform=here, type=2, status=2, wish_at=hours_ago(30))
    await mirror_return(engine, platform=here, type=2, finalize_by=date(2026, 1, 1))

    assert await wrong() == []


async def test_a_corrected_mistake_is_found_out_at_once_for_orders_and_for_returns(
    market: Market, engine: Engine, account: Account
) -> None:
    for route in (ORDER_COUNT, RMA_READ):
        await budget.reserve(engine, account, route, longest=20.0)
        await budget.mark_down(engine, account, route, "credentials", "refused", probe=60.0)

    found = {each.name: each for each in await check_health(HealthParameters())}

    assert found["eMAG answers account main"].ok
    assert not await budget.is_down(engine, account, ORDER_COUNT)
    assert not await budget.is_down(engine, account, RMA_READ)
    assert len(market.journal.requests) == 2
    assert market.journal.violations() == []


async def test_what_no_person_corrects_is_asked_about_in_its_time(
    market: Market, engine: Engine, account: Account
) -> None:
    await budget.reserve(engine, account, ORDER_COUNT, longest=20.0)
    await budget.mark_down(engine, account, ORDER_COUNT, "network", "no way", probe=60.0)

    found = {each.name: each for each in await check_health(HealthParameters())}

    assert "no way (since " in found["eMAG answers account main"].detail
    assert market.journal.requests == []


async def test_news_that_is_parked_for_longer_than_a_day_is_a_fault(
    engine: Engine, account: Account
) -> None:
    parked = {"platform": account.platform, "owed": True, "problem": "no room", "documents": 1}
    await mirror_order(engine, 1, **parked, changed_at=hours_ago(20))
    before = await wrong()
    await mirror_order(engine, 2, **parked, changed_at=hours_ago(30))

    [fault] = await wrong()

    assert before == []
    assert fault.startswith("no news of eMAG's is parked for longer than 24 h: account main: 1,")


async def test_a_cursor_that_stands_still_while_emag_is_read_is_a_fault(
    engine: Engine, account: Account
) -> None:
    of_account = {"platform": account.platform, "account": "main"}
    cursor = {"resource": "orders:3", "position": hours_ago(2)}
    await insert(engine, "emag_platform_cursors", **of_account, **cursor)
    before = await wrong()
    await execute(
        engine,
        "INSERT INTO app.emag_api_calls (id, sent_at, platform, account, route, verdict)"
        " VALUES (gen_random_uuid(), now() - interval '16 min',"
        f" '{account.platform}', 'main', 'order/read', 'applied')",
    )

    [fault] = await wrong()

    assert before == []
    assert "account main, orders:3: nothing since" in fault


async def test_changes_that_no_run_queues_are_a_fault(engine: Engine) -> None:
    """Rows that nothing is known of yet are in no count of rows."""
    for number in range(1, 51):
        await insert(engine, "cancellation_requests", emag_order_id=str(ORDER + number))
    fresh = await waiting_to_be_queued()
    await execute(engine, "UPDATE app.emag_changes SET at = at - interval '60 min 30 s'")
    resting = await waiting_to_be_queued()
    await execute(engine, "UPDATE app.emag_changes SET at = at - interval '3 days'")

    late = await waiting_to_be_queued()

    assert (fresh.ok, fresh.detail) == (True, "50 changes, the oldest for 0 min")
    assert resting.ok
    assert (late.ok, late.detail) == (False, "50 changes, the oldest for 3 days")
    assert "`emag-flows run rma`" in late.remedy


async def test_a_shop_whose_changes_are_queued_has_none_that_wait() -> None:
    found = await waiting_to_be_queued()

    assert (found.ok, found.detail) == (True, "none")


async def test_new_fields_are_a_note_and_no_fault(engine: Engine, account: Account) -> None:
    await note_drift(engine, account.platform, "order/read", What.UNKNOWN, {"promise": 3})

    note = (await findings())["fields of eMAG's that are new"]

    assert note.ok
    assert note.detail == "order/read sends a field that is not known here: promise (3 times)"


async def test_a_database_without_the_tables_is_a_finding_with_a_remedy(
    engine: Engine,
) -> None:
    await execute(engine, "DROP TABLE app.emag_drift")

    finding = (await findings())["the way in"]

    assert not finding.ok
    assert finding.remedy == "run `emag-flows db upgrade`"
    assert (await read_status(engine)).counts == []


async def test_a_right_that_is_missing_is_said_as_what_it_is(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"runner_{uuid4().hex}"
    for statement in (
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA app TO {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA app TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA app TO {role}",
        f"REVOKE ALL ON app.emag_drift FROM {role}",
    ):
        await execute(engine, statement)
    monkeypatch.setenv("DATABASE_URL", database_url.replace("//postgres@", f"//{role}@"))
    try:
        finding = (await findings())["the way in"]
    finally:
        await execute(engine, f"DROP OWNED BY {role}")
        await execute(engine, f"DROP ROLE {role}")

    assert not finding.ok
    assert finding.detail == "permission denied for table emag_drift"
    assert finding.remedy == "grant what `emag-flows db check` lists about rights"


async def test_a_database_that_does_not_answer_is_not_sent_for_an_upgrade(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is locked, and the check waits half a second for it."""
    impatient = (
        f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20lock_timeout%3D500"
    )
    monkeypatch.setenv("DATABASE_URL", impatient)
    async with transaction(engine) as locking:
        await locking.execute("LOCK TABLE app.emag_drift")

        finding = (await findings())["the way in"]

    assert not finding.ok
    assert "lock timeout" in finding.detail
    assert finding.remedy == "check DATABASE_URL and the server"


async def test_tidings_are_logged_by_the_first_run_and_told_by_the_first_that_is_heard(
    engine: Engine, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    await mirror_return(engine, platform=account.platform, finalize_by=date(2026, 1, 1))
    await note_drift(engine, account.platform, "order/read", What.UNKNOWN, {"promise": 3})

    with caplog.at_level(logging.WARNING, "emag"):
        unheard = await gather_tidings("all", heard=False)
        first = await gather_tidings("all", heard=True)
        second = await gather_tidings("main", heard=True)

    assert len(caplog.messages) == 1
    assert "return 52000077 due 2026-01-0" in caplog.messages[0]
    assert [(line["row"], line["state"]) for line in tidings_table(first)] == [
        ("return 52000077", "due"),
        ("order/read", "new at eMAG"),
    ]
    assert tidings_table(unheard) == tidings_table(second) == []


async def test_what_keeps_alarms_from_being_raised_stops_no_run(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    await execute(engine, "DROP TABLE app.emag_alarms")

    tidings = await gather_tidings("all", heard=True)

    assert tidings_table(tidings) == []
    assert "no alarm could be raised" in caplog.text
