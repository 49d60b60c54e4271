"""The flow `backfill` under a real Prefect server: how far it is, and what it has stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
)

from flows import backfill
from integrations.sandbox.market import Market
from tests.flows.test_deployed import last_run, tables_of

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "configured"),
]


async def test_a_run_shows_how_far_it_is_and_leaves_a_table(market: Market) -> None:
    today = datetime.now(UTC)
    market.add_order({"id": 480000101, "status": 0, "date": today - timedelta(days=40)})

    [history] = await backfill(
        since=(today - timedelta(days=45)).date(), until=(today - timedelta(days=35)).date()
    )

    assert history.exit_code == 0
    run = await last_run("backfill-")
    assert await tables_of(run)
    async with get_client() as client:
        [shown] = await client.read_artifacts(
            artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        )
    assert float(str(shown.data)) == 100.0
