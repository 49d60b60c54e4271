"""What a person answers holds, however many cancellations are due by the time the run goes on."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_API_URL

from flows.deployed import cancellation_sync
from flows.parameters import CancellationParameters
from flows.pausing import Question, question_of, remember
from integrations.emag.accounts import Account
from integrations.sandbox.market import Market
from tests.flows.asking import ask

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "configured", "two_go_unasked"),
]

STATES = "SELECT sync_state FROM app.emag_cancellation_integrations ORDER BY 1"
ADD = "INSERT INTO app.cancellation_requests (emag_order_id, account_type) VALUES (%s, %s)"
REJECT = """
    UPDATE app.cancellation_requests SET status = 'rejected'
     WHERE id IN (SELECT id FROM app.cancellation_requests ORDER BY id LIMIT %s)
"""


@pytest.fixture
def two_go_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAG_CANCELLATIONS_PAUSE_ABOVE", "2")


def cancel(database_url: str, market: Market, count: int, account: str = "main") -> None:
    with psycopg.connect(database_url) as connection:
        for _ in range(count):
            connection.execute(ADD, [str(market.add_order({"status": 2})["id"]), account])


def reject(database_url: str, count: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(REJECT, [count])


def synced(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        return [state for (state,) in connection.execute(STATES.encode())].count("synced")


async def begin() -> FlowRun:
    """A run of a deployment of its own, as a worker takes it up."""
    async with get_client() as client:
        flow_id = await client.create_flow(cancellation_sync)
        deployment_id = await client.create_deployment(flow_id, f"answers-{uuid4()}")
        return await client.create_flow_run_from_deployment(deployment_id)


async def go_on(run: FlowRun) -> State[Any]:
    """Run until it ends, or waits for a person; the state that Prefect then shows."""
    async with get_client() as client:
        run = await client.read_flow_run(run.id)
        with suppress(Pause):
            await run_flow_async(cancellation_sync, flow_run=run, return_type="state")
        state = (await client.read_flow_run(run.id)).state
    assert state is not None
    return state


async def suspended() -> FlowRun:
    """A run that waits for a person."""
    run = await begin()
    assert (await go_on(run)).name == "Suspended"
    return run


async def submit(run: FlowRun, form: dict[str, Any]) -> None:
    sent = await ask(
        "POST", f"{PREFECT_API_URL.value()}/flow_runs/{run.id}/resume", {"run_input": form}
    )
    assert sent["status"] == "ACCEPT", sent


@pytest.mark.parametrize("form", [{"approve": False}, {}])
async def test_a_no_holds_where_fewer_are_due_by_then_than_go_unasked(
    database_url: str, market: Market, form: dict[str, Any]
) -> None:
    cancel(database_url, market, 4)
    run = await suspended()
    reject(database_url, 2)
    await submit(run, form)

    ended = await go_on(run)

    assert (ended.type.value, ended.name) == ("COMPLETED", "Refused by a person")
    assert market.journal.effects == []


async def test_no_more_are_cancelled_than_a_person_allowed_where_fewer_are_due_by_then(
    database_url: str, market: Market
) -> None:
    cancel(database_url, market, 4)
    run = await suspended()
    reject(database_url, 2)
    await submit(run, {"approve": True, "at_most": 1})

    ended = await go_on(run)

    assert ended.type.value == "COMPLETED"
    assert synced(database_url) == 1


async def test_a_yes_is_about_as_many_as_the_form_named(database_url: str, market: Market) -> None:
    cancel(database_url, market, 4)
    run = await suspended()
    cancel(database_url, market, 3)
    await submit(run, {"approve": True})

    await go_on(run)

    assert synced(database_url) == 4


async def test_an_answer_serves_one_attempt_alone(database_url: str, market: Market) -> None:
    cancel(database_url, market, 4)
    run = await suspended()
    await submit(run, {"approve": True, "at_most": 1})
    await go_on(run)

    await ask(
        "POST",
        f"{PREFECT_API_URL.value()}/flow_runs/{run.id}/set_state",
        {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True},
    )
    again = await go_on(run)

    assert again.type.value == "FAILED"
    assert "start another run" in (again.message or "")
    assert synced(database_url) == 1


async def test_what_a_capped_yes_leaves_waits_for_a_person_again(
    database_url: str, market: Market
) -> None:
    cancel(database_url, market, 4)
    run = await suspended()
    await submit(run, {"approve": True, "at_most": 3})
    await go_on(run)
    assert synced(database_url) == 3

    asking = await suspended()

    assert synced(database_url) == 3
    assert "1 cancellation is due, 1 of which a person was asked about before" in (
        await question_on(asking)
    )
    await submit(asking, {"approve": True})
    await go_on(asking)
    assert synced(database_url) == 4


async def test_what_was_refused_waits_for_a_person_again_and_so_does_what_comes_behind_it(
    database_url: str, market: Market
) -> None:
    cancel(database_url, market, 3)
    run = await suspended()
    await submit(run, {"approve": False})
    await go_on(run)
    reject(database_url, 2)
    cancel(database_url, market, 1)

    asking = await suspended()

    assert "2 cancellations are due, 1 of which" in await question_on(asking)
    assert market.journal.effects == []


async def test_once_all_that_was_refused_is_rejected_in_the_erp_new_ones_go_unasked(
    database_url: str, market: Market
) -> None:
    cancel(database_url, market, 3)
    run = await suspended()
    await submit(run, {"approve": False})
    await go_on(run)
    reject(database_url, 3)
    cancel(database_url, market, 2)

    ended = await go_on(await begin())

    assert ended.name == "Completed"
    assert synced(database_url) == 2


async def test_the_refusals_of_one_account_hold_no_other_account_up(
    database_url: str, account: Account, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"username": account.username, "password": account.password.get_secret_value()}
    accounts = [{"name": name, **login} for name in ("main", "fbe")]
    monkeypatch.setenv("EMAG_ACCOUNTS", json.dumps(accounts))
    monkeypatch.delenv("EMAG_USERNAME")
    monkeypatch.delenv("EMAG_PASSWORD")
    cancel(database_url, market, 1)
    cancel(database_url, market, 1, "fbe")
    both = await question(1)
    assert both.accounts == {"main": 1, "fbe": 1}
    await remember(replace(both, about={"main": both.about["main"]}))

    left = await question(2)

    assert (left.rows, left.again, dict(left.about)) == (1, 1, {"main": [1]})


async def question(above: int) -> Question:
    """What is to be asked where so many go unasked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMAG_CANCELLATIONS_PAUSE_ABOVE", str(above))
        asked = await question_of(CancellationParameters())
    assert asked is not None
    return asked


async def question_on(run: FlowRun) -> str:
    """What stands above the form of a suspended run."""
    key = "suspended-approval-description"
    return str(await ask("GET", f"{PREFECT_API_URL.value()}/flow_runs/{run.id}/input/{key}"))
