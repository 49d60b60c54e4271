"""Cancellations that wait for a person's word are seen in `status` and `inbox`, with the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from prefect.settings import PREFECT_API_URL

from flows.approvals import APPROVE_EACH
from flows.prefect_server import settings_for
from integrations.sandbox.market import Market
from tests.flows.asking import ask
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")

APPROVED_ONLY = {"EMAG_CANCELLATIONS_REQUIRE_APPROVAL": "true"}
NOT_MEANT = "not meant for eMAG, so not replayed"
WHEN_ISSUED = "it is carried once the ERP has it as issued, sent, paid or overdue"
AT_MOST_TWO = {"EMAG_CANCELLATIONS_PAUSE_ABOVE": "2"}

ADD = """
    INSERT INTO app.cancellation_requests
           (emag_order_id, account_type, status, refund_amount, currency)
    VALUES (%s, %s, %s, 100.50, 'RON')
"""


def cancel(
    database_url: str,
    market: Market,
    count: int,
    status: str = "pending",
    account: str = "main",
) -> None:
    with psycopg.connect(database_url) as connection:
        for _ in range(count):
            order = market.add_order({"status": 2})
            connection.execute(ADD, [str(order["id"]), account, status])


async def test_what_is_not_approved_in_the_erp_is_counted_with_what_to_do(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 3)
    cancel(database_url, market, 1, status="approved")
    assert (await emag_flows("run", "cancellations", **APPROVED_ONLY)).code == 0

    status, as_json = (
        await emag_flows("status", **APPROVED_ONLY),
        await emag_flows("status", "--json", **APPROVED_ONLY),
    )
    inbox = await emag_flows("inbox", "--json", **APPROVED_ONLY)
    screen = await emag_flows("inbox", **APPROVED_ONLY)
    unasked = await emag_flows("inbox", "--json")

    assert "3 cancellations are pending in the ERP" in status.out
    assert "set each to approved in the ERP" in status.out
    assert "adopt" not in status.out
    assert as_json.json["adoptable"]["cancellation"] == 0
    [approval] = as_json.json["approvals"]
    assert approval["rows"] == 3
    [matter] = inbox.json
    assert (matter["kind"], matter["subject"], matter["waiting_for"]) == (
        "approval",
        "cancellations: 3",
        "person",
    )
    assert matter["since"] is not None
    assert "EMAG_CANCELLATIONS_REQUIRE_APPROVAL=true" in matter["reason"]
    assert "set each to approved" in matter["remedy"]
    assert "cancellations: 3" in screen.out
    assert unasked.json == []


async def test_a_replay_queues_nothing_that_a_run_would_pass_over(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 1)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.invoices (emag_order_id, status, invoice_number, customer_name,"
            " invoice_date, due_date, company_name, company_tax_id) VALUES ('480000900', 'draft',"
            " 'F-1', 'Ana Exemplu', now(), now(), 'Magazin Exemplu', 'RO000')"
        )
        connection.execute("TRUNCATE app.emag_changes")

    held = await emag_flows("replay", "cancellation:1", "invoice:1", **APPROVED_ONLY)
    with psycopg.connect(database_url) as connection:
        [(changes,)] = connection.execute("SELECT count(*) FROM app.emag_changes").fetchall()
    unasked = await emag_flows("replay", "cancellation:1", "invoice:1")

    assert (held.code, held.out.splitlines(), changes) == (
        1,
        [
            "0 of 2 rows queued",
            f"waits for approval, so not replayed: cancellation:1; {APPROVE_EACH}",
            f"{NOT_MEANT}: invoice:1 is draft; {WHEN_ISSUED}",
        ],
        0,
    )
    assert unasked.out.splitlines()[0] == "1 of 2 rows queued; the next run carries them"


async def test_what_was_queued_is_replayed_whatever_the_erp_calls_it_now(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 1, status="approved")
    await emag_flows("run", "cancellations", **APPROVED_ONLY)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE app.cancellation_requests SET status = 'pending'")

    said = await emag_flows("replay", "cancellation:1", **APPROVED_ONLY)

    assert (said.code, said.out) == (0, "1 of 1 row queued; the next run carries them\n")


async def test_what_is_up_for_approval_again_is_not_replayed(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 1, status="approved")
    market.faults.add("order/read", kind="forbidden")
    await emag_flows("run", "cancellations", **APPROVED_ONLY)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE app.cancellation_requests SET status = 'pending'")

    said = await emag_flows("replay", "cancellation:1", **APPROVED_ONLY)

    assert said.out.splitlines() == [
        "0 of 1 row queued",
        f"waits for approval, so not replayed: cancellation:1; {APPROVE_EACH}",
    ]


async def test_adopting_queues_what_is_approved_and_says_what_waits(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 2)
    cancel(database_url, market, 1, status="approved")
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE app.emag_changes")
    adopt = ("adopt", "--since", "2020-01-01", "--kind", "cancellation")

    first = await emag_flows(*adopt, **APPROVED_ONLY)
    await emag_flows("run", "cancellations", **APPROVED_ONLY)
    again = await emag_flows(*adopt, **APPROVED_ONLY)
    unasked = await emag_flows(*adopt)

    carried, wait = "the next run carries them to eMAG", "2 rows wait for approval: set each to"
    assert first.out.startswith(f"cancellation: 1 row queued; {carried}; {wait} approved")
    assert again.out.startswith(f"cancellation: 0 rows queued; {wait} approved")
    assert unasked.out == f"cancellation: 2 rows queued; {carried}\n"


@pytest.mark.parametrize("odd", ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01"])
async def test_a_time_that_nobody_can_read_hides_nothing(
    emag_flows: CommandLine, market: Market, database_url: str, odd: str
) -> None:
    """The ERP may have made a row at any time that PostgreSQL can hold."""
    cancel(database_url, market, 2)
    await emag_flows("run", "cancellations", **APPROVED_ONLY)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE app.cancellation_requests SET created_at = %s", [odd])

    status = await emag_flows("status", **APPROVED_ONLY)
    as_json = await emag_flows("status", "--json", **APPROVED_ONLY)
    inbox = await emag_flows("inbox", **APPROVED_ONLY)
    matters = await emag_flows("inbox", "--json", **APPROVED_ONLY)

    assert [each.code for each in (status, as_json, inbox, matters)] == [0, 0, 0, 0]
    assert "2 cancellations are pending in the ERP" in status.out
    assert [each["since"] for each in as_json.json["approvals"]] == [None]
    assert "cancellations: 2" in inbox.out
    assert [each["since"] for each in matters.json] == [None]


async def test_more_than_may_go_unasked_are_counted_with_how_to_answer(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 2)
    few = await emag_flows("status", "--json", **AT_MOST_TWO)
    cancel(database_url, market, 1)

    status = await emag_flows("status", **AT_MOST_TWO)
    [matter] = (await emag_flows("inbox", "--json", **AT_MOST_TWO)).json

    assert few.json["approvals"] == []
    assert "Account main: 3 cancellations are due with refunds of 301.50 RON" in status.out
    assert "approve with `emag-flows run cancellations --yes`" in status.out
    assert "PREFECT_API_URL is not set, so none was looked for" in status.out
    assert (matter["kind"], matter["account"]) == ("approval", "main")
    assert "EMAG_CANCELLATIONS_PAUSE_ABOVE=2" in matter["reason"]

    assert (await emag_flows("run", "cancellations", "--yes", **AT_MOST_TWO)).code == 0
    assert (await emag_flows("inbox", "--json", **AT_MOST_TWO)).json == []


@pytest.fixture
def two_accounts(shop: dict[str, str]) -> dict[str, str]:
    """The variables of a shop with the accounts main and fbe, of which two rows go unasked."""
    login = {"username": shop.pop("EMAG_USERNAME"), "password": shop.pop("EMAG_PASSWORD")}
    accounts = [{"name": name, **login} for name in ("main", "fbe")]
    return {"EMAG_ACCOUNTS": json.dumps(accounts), **AT_MOST_TWO}


async def test_of_several_accounts_each_wait_names_its_own_and_the_command(
    emag_flows: CommandLine, market: Market, database_url: str, two_accounts: dict[str, str]
) -> None:
    cancel(database_url, market, 3, account="main")
    cancel(database_url, market, 4, account="fbe")

    status = await emag_flows("status", **two_accounts)
    found = {each["account"]: each for each in (await inbox(emag_flows, two_accounts))}
    stopped = await emag_flows("run", "cancellations", "--account", "fbe", **two_accounts)
    both = await emag_flows("run", "cancellations", **two_accounts)

    assert "Account fbe: 4 cancellations are due" in status.out
    assert "`emag-flows run cancellations --account fbe --yes`" in status.out
    assert {name: each["subject"] for name, each in found.items()} == {
        "main": "cancellations: 3",
        "fbe": "cancellations: 4",
    }
    for name, each in found.items():
        assert f"`emag-flows run cancellations --account {name} --yes`" in each["remedy"]
    assert stopped.code == 1
    assert "`emag-flows run cancellations --account fbe --yes`" in stopped.err
    assert "7 cancellations are due (main 3, fbe 4)" in both.err

    approved = await emag_flows(
        "run", "cancellations", "--account", "fbe", "--yes", "--json", **two_accounts
    )
    assert (approved.code, approved.json["rows"]["synced"]) == (0, 4)
    assert [each["account"] for each in await inbox(emag_flows, two_accounts)] == ["main"]


async def inbox(emag_flows: CommandLine, variables: dict[str, str]) -> list[dict[str, str]]:
    return [dict(each) for each in (await emag_flows("inbox", "--json", **variables)).json]


@pytest.mark.long
@pytest.mark.xdist_group("prefect-cli")
async def test_resume_is_said_only_where_a_run_of_the_account_is_suspended(
    emag_flows: CommandLine,
    market: Market,
    database_url: str,
    two_accounts: dict[str, str],
    prefect_server: None,
    tmp_path: Path,
) -> None:
    variables = {**two_accounts, **settings_for(tmp_path / "prefect", PREFECT_API_URL.value())}
    api = variables["PREFECT_API_URL"]
    cancel(database_url, market, 3, account="main")
    cancel(database_url, market, 3, account="fbe")
    run_id = await suspend(api, "cancellations-main-both", "main")

    asked = {each["account"]: each["remedy"] for each in await inbox(emag_flows, variables)}
    await ask("POST", f"{api}/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLED"}})
    ended = {each["account"]: each["remedy"] for each in await inbox(emag_flows, variables)}
    silent = await inbox(emag_flows, {**variables, "PREFECT_API_URL": "http://127.0.0.1:9/api"})

    approving = "`emag-flows run cancellations --account {} --yes`"
    none = "no run of cancellation-sync is suspended for it now: the next one asks"
    assert asked["main"].startswith("press Resume on the suspended run cancellations-main-both")
    assert asked["fbe"].startswith(none)
    for account, remedy in ended.items():
        assert remedy.startswith(f"{none}, or approve with {approving.format(account)}")
    assert all("PREFECT_API_URL does not answer" in each["remedy"] for each in silent)


async def suspend(api: str, name: str, account: str) -> str:
    """A run of cancellation-sync that waits for a person's answer."""
    flow = await ask("POST", f"{api}/flows/", {"name": "cancellation-sync"})
    run = await ask(
        "POST",
        f"{api}/flow_runs/",
        {
            "flow_id": flow["id"],
            "name": name,
            "parameters": {"parameters": {"account": account}},
            "state": {"type": "PAUSED", "name": "Suspended"},
        },
    )
    return str(run["id"])


async def test_what_a_person_was_asked_about_is_shown_however_few_it_is(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market, 1)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.emag_cursors (account, resource, detail)"
            " SELECT 'main', 'cancellations-asked', jsonb_build_object('rows', jsonb_agg(id))"
            " FROM app.cancellation_requests"
        )

    status = await emag_flows("status", **AT_MOST_TWO)
    stopped = await emag_flows("run", "cancellations", **AT_MOST_TWO)

    assert "1 cancellation is due" in status.out
    assert "1 of which a person was asked about before" in status.out
    assert stopped.code == 1
    assert market.journal.effects == []
