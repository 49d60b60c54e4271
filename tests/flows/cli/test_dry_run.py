"""`emag-flows run ... --dry-run`: both ways are shown, and nothing is written on either side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine, Said

ORDER, RETURN = 480_000_101, 52_000_077

# What the record of our reads and the request budget are kept in.
WRITTEN = ("emag_api_calls", "emag_rate_limits")

pytestmark = pytest.mark.usefixtures("shop")


def sql(database_url: str, statement: str, *values: object) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute(statement.encode(), values)
        return found.fetchall() if found.description else []


def contents(database_url: str) -> Mapping[str, str]:
    """A digest of every table but those of our reads, and how far the ERP's sequences counted."""
    tables = sql(
        database_url,
        "SELECT relname AS name, relkind FROM pg_class"
        " WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'S')",
    )
    kept = {
        each["name"]: "last_value::text"
        if each["relkind"] == "S"
        else "md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), ''))"
        for each in tables
        if not each["name"].startswith("emag_" if each["relkind"] == "S" else WRITTEN)
    }
    return {
        name: sql(database_url, f"SELECT {digest} AS digest FROM app.{name} t")[0]["digest"]
        for name, digest in kept.items()
    }


def cancellation(database_url: str, **columns: object) -> int:
    """A cancellation that the ERP decides."""
    given = {"emag_order_id": str(ORDER), "reason": "customer_request", **columns}
    names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
    [row] = sql(
        database_url,
        f"INSERT INTO app.cancellation_requests ({names}) VALUES ({marks}) RETURNING id",
        *given.values(),
    )
    return int(row["id"])


def a_return(market: Market, **fields: Any) -> None:
    """A return of a finalized order at eMAG."""
    market.add_order({"id": ORDER, "status": 4})
    given = {"emag_id": RETURN, "order_id": ORDER, "date": market.now(), "request_status": 2}
    market.add_return({**given, **fields})


def move(market: Market, status: int) -> None:
    """Somebody else gives the return another status at eMAG."""
    rma = market.returns.get(RETURN)
    assert rma is not None
    rma["request_status"] = status


def changes(line: Mapping[str, Any]) -> dict[str, tuple[str | None, str]]:
    return {each["column"]: (each["old"], each["new"]) for each in line["changes"]}


class TestTheWayOut:
    async def test_a_queued_row_that_the_erp_deleted_would_be_withdrawn(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        market.add_order({"id": ORDER, "status": 4})
        sql(
            database_url,
            "INSERT INTO app.return_requests (emag_order_id, status, reason)"
            " VALUES (%s, 'approved', 'other')",
            str(ORDER),
        )
        await emag_flows("run", "rma", "--direction", "out")
        sql(database_url, "DELETE FROM app.return_requests")

        said = await emag_flows("run", "rma", "--dry-run", "--json")
        await emag_flows("run", "rma")

        [plan] = said.json["plans"]
        assert (plan["row_id"], plan["wish"]) == (1, "the row was deleted")
        assert plan["outcome"].startswith("withdrawn: The row was deleted")
        [books] = sql(database_url, "SELECT sync_state FROM app.emag_return_integrations")
        assert books["sync_state"] == "withdrawn"

    async def test_of_a_deleted_row_that_was_synced_nothing_becomes(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        market.add_order({"id": ORDER, "status": 2})
        cancellation(database_url)
        await emag_flows("run", "cancellations", "--direction", "out")
        sql(database_url, "DELETE FROM app.cancellation_requests")

        said = await emag_flows("run", "cancellations", "--dry-run", "--json")

        [plan] = said.json["plans"]
        assert (plan["wish"], plan["steps"]) == ("the row was deleted", [])
        assert plan["outcome"] == "nothing: it is synced already"

    async def test_a_row_of_an_account_that_nobody_configured_is_shown_with_the_remedy(
        self, emag_flows: CommandLine, database_url: str
    ) -> None:
        cancellation(database_url, account_type="nobody")
        out = ("run", "cancellations", "--direction", "out")

        new = await emag_flows(*out, "--dry-run", "--json")
        await emag_flows(*out)
        queued = await emag_flows(*out, "--dry-run", "--json")

        for said in (new, queued):
            [plan] = said.json["plans"]
            assert plan["outcome"] == (
                "waiting for account: No account named 'nobody' is configured:"
                " correct account_type or add the account."
            )


class TestTheWayIn:
    async def test_a_new_return_is_shown_and_not_written(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        a_return(market, customer_name="Ioana Exemplu")
        before = contents(database_url)

        table = await emag_flows("run", "rma", "--dry-run")
        said = await emag_flows("run", "rma", "--dry-run", "--json")

        [line] = said.json["news"]
        assert (line["row_id"], line["outcome"]) == (None, "created")
        assert line["subject"] == f"return {RETURN} of order {ORDER}"
        assert changes(line)["status"] == (None, "pending")
        assert said.json["looked_at"] > 0
        assert f"return {RETURN} of" in table.out
        assert contents(database_url) == before

    async def test_what_changed_is_shown_with_old_and_new_values(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        a_return(market)
        await emag_flows("run", "rma")
        move(market, 3)
        before = contents(database_url)

        said = await emag_flows("run", "rma", "--dry-run", "--json", "--direction", "in")

        [line] = said.json["news"]
        assert (line["row_id"], line["outcome"]) == (1, "changed")
        assert changes(line) == {
            "status": ("pending", "approved"),
            "emag_status": ("new", "approved"),
        }
        assert contents(database_url) == before

    async def test_a_return_that_is_open_no_more_is_looked_for(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        a_return(market, date="2026-01-05 10:00:00")
        await emag_flows("run", "rma")
        move(market, 5)

        said = await emag_flows("run", "rma", "--dry-run", "--json")

        [line] = said.json["news"]
        assert changes(line)["status"] == ("pending", "cancelled")

    async def test_a_decision_of_the_erps_that_is_not_sent_yet_stands(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        a_return(market)
        await emag_flows("run", "rma")
        sql(database_url, "UPDATE app.return_requests SET status = 'completed'")
        move(market, 3)

        said = await emag_flows("run", "rma", "--dry-run", "--json")

        assert [plan["row_id"] for plan in said.json["plans"]] == [1]
        assert any(line["outcome"].startswith("stays") for line in said.json["news"])

    async def test_a_cancelled_order_is_shown_and_then_brought_in_just_so(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        market.add_order({"id": ORDER, "status": 0, "reason_cancellation": 24})
        before = contents(database_url)

        said = await emag_flows("run", "cancellations", "--dry-run", "--json")

        assert contents(database_url) == before
        [line] = said.json["news"]
        assert (line["kind"], line["subject"]) == ("cancellation", f"order {ORDER}")
        await emag_flows("run", "cancellations")
        shown = {name: new for name, (_, new) in changes(line).items() if name != "items"}
        columns = ", ".join(f"{name}::text" for name in shown)
        [row] = sql(database_url, f"SELECT {columns} FROM app.cancellation_requests")
        assert row == shown

    async def test_money_and_documents_are_shown(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        market.add_order({"id": ORDER, "status": 4, "payment_mode_id": 2, "payment_status": 1})
        market.add_issued_invoice({"number": "X-1", "category": "normal", "order_id": ORDER + 1})
        sql(
            database_url,
            "INSERT INTO app.invoices (invoice_number, emag_order_id, invoice_type, status,"
            " total_amount, currency) VALUES ('F-1', %s, 'sales_invoice', 'sent', 100, 'RON')",
            str(ORDER),
        )
        before = contents(database_url)

        said = await emag_flows("run", "invoices", "--dry-run", "--json")

        assert contents(database_url) == before
        document, money = said.json["news"]
        assert document["subject"] == "1 invoices that eMAG issued to customers"
        assert changes(money)["status"] == ("sent", "paid")

    async def test_an_invoice_made_after_the_order_was_paid_gets_the_money(
        self, emag_flows: CommandLine, market: Market, database_url: str
    ) -> None:
        long_ago = "2026-01-05 10:00:00"
        market.add_order({"id": ORDER, "status": 4, "payment_mode_id": 2, "payment_status": 1})
        await emag_flows("run", "invoices")
        order = market.orders.get(ORDER)
        assert order is not None
        order["modified"] = long_ago
        sql(
            database_url,
            "INSERT INTO app.invoices (invoice_number, emag_order_id, invoice_type, status,"
            " total_amount, currency) VALUES ('F-1', %s, 'sales_invoice', 'sent', 100, 'RON')",
            str(ORDER),
        )
        await emag_flows("run", "invoices", "--direction", "out")

        said = await emag_flows("run", "invoices", "--dry-run", "--json")

        assert [line["row_id"] for line in said.json["news"]] == [1]

    @pytest.mark.parametrize(("way", "keys"), [("in", (0, 1)), ("out", (1, 0)), ("both", (1, 1))])
    async def test_each_way_shows_its_own(
        self,
        emag_flows: CommandLine,
        market: Market,
        database_url: str,
        way: str,
        keys: tuple[int, int],
    ) -> None:
        market.add_order({"id": ORDER, "status": 2})
        market.add_order({"id": ORDER + 1, "status": 0})
        cancellation(database_url)

        said = await emag_flows("run", "cancellations", "--dry-run", "--json", "--direction", way)

        assert (len(said.json["plans"]), len(said.json.get("news", ()))) == keys

    @pytest.mark.parametrize("what", ["rma", "cancellations"])
    async def test_no_more_than_the_limit_is_listed_and_the_rest_is_counted(
        self, emag_flows: CommandLine, market: Market, what: str
    ) -> None:
        for number in range(5):
            market.add_order({"id": ORDER + number, "status": 0})
            market.add_return({"order_id": ORDER + number, "request_status": 2})

        table = await emag_flows("run", what, "--dry-run", "--limit", "2")
        said = await emag_flows("run", what, "--dry-run", "--limit", "2", "--json")
        whole = await emag_flows("run", what, "--dry-run", "--json")

        assert (len(said.json["news"]), said.json["unlisted"]) == (2, 3)
        assert said.json["looked_at"] == whole.json["looked_at"] == 5
        assert "3 more would come in: a greater --limit lists them" in table.out
        assert (len(whole.json["news"]), whole.json["unlisted"]) == (5, 0)

    async def test_who_the_customer_is_is_not_shown(
        self, emag_flows: CommandLine, market: Market
    ) -> None:
        a_return(market, customer_name="Ioana Exemplu", customer_phone="0799000111")

        said = [
            await emag_flows("run", "rma", "--dry-run"),
            await emag_flows("run", "rma", "--dry-run", "--json"),
        ]

        assert not any(word in _all(each) for each in said for word in ("Ioana", "0799000111"))

    async def test_an_emag_that_refuses_the_credentials_is_exit_code_3(
        self, emag_flows: CommandLine
    ) -> None:
        said = await emag_flows(
            "run", "rma", "--dry-run", "--direction", "in", EMAG_PASSWORD="wrong-password"
        )

        assert said.code == 3
        assert "EMAG_PASSWORD" in said.out


def _all(said: Said) -> str:
    return said.out + said.err
