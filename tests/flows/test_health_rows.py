"""What the health check says of rows by their age, and of request budgets."""

from __future__ import annotations

import pytest

from flows.health import check_health
from flows.parameters import HealthParameters
from integrations.ledger.engine import Engine
from tests.integrations.ledger.mirrored import execute, insert

pytestmark = pytest.mark.usefixtures("configured")

LIMITS = HealthParameters(pending_minutes=60, doubt_minutes=30, refused_days=7)


async def queue(engine: Engine, state: str, minutes_ago: int) -> None:
    """A cancellation that has been in this state for so long."""
    await insert(
        engine,
        "emag_cancellation_integrations",
        cancellation_request_id=1,
        account_type="main",
        emag_order_id="480000101",
        sync_state=state,
        queued_at=f"sql:clock_timestamp() - interval '{minutes_ago} min'",
        waiting_since=f"sql:clock_timestamp() - interval '{minutes_ago} min'",
    )


async def faults() -> list[str]:
    found = await check_health(LIMITS)
    return [f"{each.name}: {each.detail}" for each in found if not each.ok]


@pytest.mark.parametrize(
    ("state", "fine", "late", "fault"),
    [
        (
            "pending",
            50,
            70,
            "no row is pending for longer than 60 min: 1 row, the oldest for 70 min",
        ),
        (
            "in_doubt",
            20,
            40,
            "no row is in doubt for longer than 30 min: 1 row, the oldest for 40 min",
        ),
        (
            "refused",
            60 * 24 * 6,
            60 * 24 * 8,
            "no row is refused for longer than 7 days: 1 row, the oldest for 8 days",
        ),
    ],
)
async def test_a_row_that_stands_for_too_long_is_a_fault(
    engine: Engine, state: str, fine: int, late: int, fault: str
) -> None:
    await queue(engine, state, fine)
    before = await faults()
    await execute(
        engine,
        "UPDATE app.emag_cancellation_integrations"
        f" SET queued_at = queued_at - interval '{late - fine} min',"
        f" waiting_since = waiting_since - interval '{late - fine} min'",
    )

    assert (before, await faults()) == ([], [fault])


async def test_a_budget_that_is_reserved_far_ahead_is_a_fault(engine: Engine) -> None:
    assert await faults() == []  # which asks eMAG for orders, so that they have a budget
    await execute(
        engine,
        "INSERT INTO app.emag_rate_limits (platform, login, bucket, next_free_at)"
        " SELECT platform, login, 'other', clock_timestamp() + interval '90 s'"
        " FROM app.emag_rate_limits",
    )

    [fault] = await faults()

    assert fault.startswith("request budget sandbox-")
    assert " other (main): reserved " in fault
