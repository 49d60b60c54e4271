"""The flow `reconcile` under a real Prefect server: its page, and how a run ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
)

from flows import deployed, reconcile
from flows.parameters import ReconcileParameters
from integrations.emag.accounts import Account
from integrations.ledger.database import transaction
from integrations.ledger.engine import Engine
from integrations.sandbox.market import Market
from tests.flows.test_deployed import last_run

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "configured"),
]

LOST = """
    INSERT INTO app.emag_orders (platform, order_id, account, type, status, placed_at, digest,
        read_at, changed_at, owed)
    VALUES (:platform, 480000101, 'main', 3, 2, now() - interval '3 days', '', now(), now(), false)
"""


async def page_of_last_run() -> str:
    run = await last_run("reconcile-")
    async with get_client() as client:
        [artifact] = await client.read_artifacts(
            artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["markdown"])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        )
    return str(artifact.data)


async def test_a_run_leaves_its_certificate_as_a_page(market: Market) -> None:
    market.add_order({"id": 480000101, "status": 0})

    [result] = await reconcile(account="main", recount_minutes=0)

    assert result.exit_code == 0
    page = await page_of_last_run()
    assert "**Nothing is unexplained.**" in page
    assert "order 480000101: eMAG says 0 canceled, the mirror has none" in page
    assert (await last_run("reconcile-main-four-weeks-today")).state_name == "Completed"


async def test_a_run_with_something_unexplained_says_so_in_its_state(
    engine: Engine, account: Account
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(LOST, {"platform": account.platform})

    state = await deployed.reconcile(ReconcileParameters(recount_minutes=0), return_state=True)

    assert (state.type.value, state.name) == ("COMPLETED", "Unexplained")
    assert "## Unexplained: 1" in await page_of_last_run()


async def test_without_emag_the_run_fails_and_its_page_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMAG_PASSWORD", "wr0ng-s3cret")

    state = await deployed.reconcile(ReconcileParameters(), return_state=True)

    assert state.is_failed()
    page = await page_of_last_run()
    assert "**No certificate**" in page
    assert "wr0ng-s3cret" not in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"recount_minutes": -1},
        {"recount_minutes": 121},
        {"account": "longer than ten"},
        {"sinse": "2026-11-01"},
    ],
)
async def test_what_the_form_forbids_is_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        await reconcile(**wrong)
