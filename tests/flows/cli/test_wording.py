"""What the screen says of numbers: one thing is not called several, nothing is counted twice."""

from __future__ import annotations

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")

ORDER = 480_000_101


def cancel(database_url: str, order_id: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.cancellation_requests (emag_order_id) VALUES (%s)", [order_id]
        )


@pytest.mark.parametrize("order_id", ["", "unknown"])
async def test_a_row_without_a_usable_order_has_a_blank_where_others_have_it(
    emag_flows: CommandLine, market: Market, database_url: str, order_id: str
) -> None:
    cancel(database_url, order_id)
    command = ("run", "cancellations", "--direction", "out", "--dry-run")

    shown = await emag_flows(*command)
    said = await emag_flows(*command, "--json")

    [line] = [line for line in shown.out.splitlines() if "cancellation:1" in line]
    assert line.split("│")[2].strip() == ""
    assert [plan["order_id"] for plan in said.json["plans"]] == [None]


async def test_one_request_is_called_so(
    emag_flows: CommandLine, market: Market, database_url: str
) -> None:
    market.add_order({"id": ORDER, "status": 2})
    cancel(database_url, str(ORDER))

    said = await emag_flows("run", "cancellations", "--direction", "out", "--dry-run")

    assert said.out.splitlines()[-1].startswith("1 request (order/read 1)")


async def test_a_row_that_is_named_twice_is_replayed_once(
    emag_flows: CommandLine, database_url: str
) -> None:
    cancel(database_url, str(ORDER))

    said = await emag_flows("replay", "cancellation:1", "cancellation:1")

    assert said.out == "1 of 1 row queued; the next run carries them\n"
    with psycopg.connect(database_url) as connection:
        [(changes,)] = connection.execute("SELECT count(*) FROM app.emag_changes").fetchall()
    assert changes == 2  # as the ERP wrote it, and as it was replayed


async def test_a_dry_run_of_retention_does_not_speak_of_what_was_deleted(
    emag_flows: CommandLine,
) -> None:
    dry, real = await emag_flows("retention", "--dry-run"), await emag_flows("retention")

    assert dry.out.splitlines()[-1] == "A dry run: nothing was deleted."
    assert real.out.splitlines()[-1] == (
        "Out of date and deleted: 0 alarms, 0 idempotency keys, 0 differences."
    )


async def test_the_limit_is_one_of_the_erps_rows(emag_flows: CommandLine) -> None:
    said = await emag_flows("run", "rma", "--help", COLUMNS="200")

    assert "At most this many ERP rows are claimed per account; a dry run" in said.out


async def test_where_nothing_was_queued_nothing_is_promised(emag_flows: CommandLine) -> None:
    adopted = await emag_flows("adopt", "--since", "2026-01-01", "--kind", "rma")
    replayed = await emag_flows("replay", "rma:1")

    assert adopted.out == "rma: 0 rows queued; none is left to queue\n"
    assert replayed.out == "0 of 1 row queued\nnobody knows, so not replayed: rma:1\n"
