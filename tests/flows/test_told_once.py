"""Deadlines and rows that need a person become events of the Prefect server, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import pytest
from prefect import get_client
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import ReceivedEvent
from sqlalchemy.ext.asyncio import AsyncEngine

from flows import deployed, rma_sync
from flows.parameters import HealthParameters
from integrations.emag.accounts import Account
from tests.integrations.ledger.mirrored import ORDER, hours_ago, insert, mirror_order, mirror_return

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "configured"),
]


async def events(name: str, since: datetime, at_least: int) -> list[ReceivedEvent]:
    """The events of this name that happened since then, once so many have reached the server."""
    found: list[ReceivedEvent] = []
    async with get_client() as client:
        for _ in range(200):  # they get there a moment later
            page = await client.read_events(
                filter=EventFilter(event=EventNameFilter(name=[name])), limit=50
            )
            found = [event for event in page.events if event.occurred >= since]
            if len(found) >= at_least:
                break
            await asyncio.sleep(0.1)
    return found


async def test_a_deadline_becomes_one_event_whichever_run_meets_it_first(
    engine: AsyncEngine, account: Account
) -> None:
    began, platform, passed = datetime.now(UTC), account.platform, date(2026, 1, 1)
    await mirror_return(engine, 52000077, platform=platform, finalize_by=passed)
    await mirror_return(engine, 52000078, platform=platform, finalize_by=passed)

    await deployed.health_check(HealthParameters(), return_state=True)
    await mirror_order(engine, platform=platform, finalized_at=hours_ago(60))
    await rma_sync()
    await deployed.health_check(HealthParameters(), return_state=True)

    found = await events("emag.deadline", began, at_least=3)
    assert sorted(event.resource.id for event in found) == [
        f"emag.order.{ORDER}",
        "emag.return.52000077",
        "emag.return.52000078",
    ]
    assert {key for event in found for key in event.payload} == {
        "platform",
        "account",
        "about",
        "subject",
        "due_at",
        "what",
        "remedy",
    }


async def test_a_refused_row_becomes_an_event_with_its_reason(engine: AsyncEngine) -> None:
    began = datetime.now(UTC)
    row = {"status": "approved", "reason": "other", "customer_name": "Ana Exemplu"}
    await insert(engine, "return_requests", return_number="R-1", emag_order_id=f"x{ORDER}", **row)

    await rma_sync()

    [event] = await events("emag.row.refused", began, at_least=1)
    assert event.resource.id.startswith("emag.rma.")
    assert event.payload["account"] == "main"
    assert "is no eMAG order number" in event.payload["reason"]
    assert "Ana" not in str(event.payload)
