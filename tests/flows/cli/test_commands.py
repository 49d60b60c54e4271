"""The commands of an operator's day, on a real database and against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")

ADD_CANCELLATION = "INSERT INTO app.cancellation_requests (emag_order_id, reason) VALUES (%s, %s)"


def cancel(database_url: str, order_id: int, reason: str = "customer_request") -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(ADD_CANCELLATION, [str(order_id), reason])


async def test_a_cancellation_is_carried_and_counted(
    program: CommandLine, market: Market, database_url: str
) -> None:
    order = market.add_order({"status": 2})
    cancel(database_url, order["id"])

    said = await program("run", "cancellations", "--json")

    assert (said.code, said.err) == (
        0,
        "PREFECT_API_URL is not set: running directly, without Prefect\n",
    )
    assert said.json["flow"] == "cancellation-sync"
    assert said.json["rows"]["synced"] == 1
    assert market.orders.get(order["id"])["status"] == 0  # type: ignore[index]


async def test_a_dry_run_shows_wish_state_steps_and_end_and_changes_nothing(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    order = market.add_order({"status": 1})
    cancel(database_url, order["id"])

    table = await emag_flows("run", "cancellations", "--dry-run")
    said = await emag_flows("run", "cancellations", "--dry-run", "--json")

    (plan,) = said.json["plans"]
    assert (plan["kind"], plan["row_id"], plan["order_id"]) == ("cancellation", 1, order["id"])
    assert plan["wish"]
    assert "status 1 new" in plan["state"]
    assert plan["steps"][0] == "acknowledge"
    assert plan["outcome"]
    assert "acknowledge" in table.out
    assert not market.journal.effects


async def test_a_refusal_is_exit_code_1_and_lies_in_the_inbox(
    program: CommandLine, market: Market, database_url: str
) -> None:
    order = market.add_order(
        {"status": 4, "finalization_date": datetime.now(UTC) - timedelta(hours=60)}
    )
    cancel(database_url, order["id"])

    run = await program("run", "cancellations")
    inbox = await program("inbox", "--json")
    status = await program("status", "--json")

    assert run.code == 1
    assert "refund_status" in run.out
    assert [(row["kind"], row["row_id"], row["state"]) for row in inbox.json] == [
        ("cancellation", 1, "refused")
    ]
    assert [(count["state"], count["rows"]) for count in status.json["counts"]] == [("refused", 1)]


async def test_a_replayed_row_is_planned_anew(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, 480009999)
    assert (await emag_flows("run", "cancellations")).code == 1
    market.add_order({"id": 480009999, "status": 2})

    assert (await emag_flows("replay", "cancellation:1")).code == 0
    said = await emag_flows("run", "cancellations", "--json")

    assert said.json["rows"]["synced"] == 1


async def test_wrong_credentials_are_exit_code_3(
    program: CommandLine, market: Market, database_url: str
) -> None:
    cancel(database_url, market.add_order({"status": 2})["id"])

    said = await program("run", "cancellations", EMAG_PASSWORD="wrong-password")

    assert said.code == 3
    assert "wrong-password" not in said.out + said.err


async def test_calls_are_found_by_order(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    orders = [market.add_order({"status": 1})["id"], market.add_order({"status": 2})["id"]]
    for order in orders:
        cancel(database_url, order)
    await emag_flows("run", "cancellations")

    said = await emag_flows("calls", "--order", str(orders[0]), "--json")

    routes = [call["route"] for call in said.json]
    assert "order/acknowledge/{id}" in routes
    assert all(orders[0] in call["order_ids"] for call in said.json)


async def test_rows_from_before_are_counted_and_adopted(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    order = market.add_order({"status": 2})
    with psycopg.connect(database_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(ADD_CANCELLATION, [str(order["id"]), "other"])

    before = await emag_flows("status")
    adopted = await emag_flows("adopt", "--since", "2020-01-01")
    said = await emag_flows("run", "cancellations", "--json")

    assert "1 cancellation; `emag-flows adopt --since DATE`" in before.out
    assert "cancellation: 1 row queued" in adopted.out
    assert said.json["rows"]["synced"] == 1


async def test_several_accounts_give_a_list(emag_flows: CommandLine, emag_url: str) -> None:
    entry = (
        '{{"name": "{}", "username": "seller@example.com", "password": "secret", "base_url": "{}"}}'
    )
    accounts = f"[{entry.format('main', emag_url)}, {entry.format('other', emag_url)}]"

    said = await emag_flows("run", "rma", "--json", EMAG_ACCOUNTS=accounts, EMAG_USERNAME="")

    assert [report["account"] for report in said.json] == ["main", "other"]


async def test_upgrading_twice_and_checking(emag_flows: CommandLine) -> None:
    assert (await emag_flows("db", "upgrade")).code == 0

    said = await emag_flows("db", "check")

    assert said.code == 0
    assert "WRONG" not in said.out


async def test_the_sql_for_the_owner_goes_to_standard_output(emag_flows: CommandLine) -> None:
    said = await emag_flows("db", "upgrade", "--sql")

    assert said.code == 0
    assert "CREATE TABLE" in said.out


async def test_health_is_well_on_a_fresh_installation(emag_flows: CommandLine) -> None:
    said = await emag_flows("run", "health")

    assert (said.code, "WRONG" in said.out) == (0, False)


async def test_health_with_wrong_credentials_is_exit_code_3(emag_flows: CommandLine) -> None:
    said = await emag_flows("run", "health", "--json", EMAG_PASSWORD="wrong-password")

    wrong = [finding["name"] for finding in said.json if not finding["ok"]]
    assert (said.code, wrong) == (3, ["eMAG answers account main"])


async def test_a_prefect_server_that_does_not_answer_is_done_without(
    emag_flows: CommandLine,
) -> None:
    said = await emag_flows("run", "rma", "--json", PREFECT_API_URL="http://127.0.0.1:9/api")

    assert said.code == 0
    assert said.err == "PREFECT_API_URL does not answer: running directly, without Prefect\n"
