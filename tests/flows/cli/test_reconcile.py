"""`emag-flows reconcile` as an operator calls it: its report, its JSON and its exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")

AT_ONCE = ("--recount-minutes", "0")

LOST = """
    INSERT INTO app.emag_orders (platform, order_id, account, type, status, placed_at, digest,
        read_at, changed_at, owed)
    VALUES (%s, 480000101, 'main', 3, 2, now() - interval '3 days', '', now(), now(), false)
"""


async def test_a_shop_that_agrees_is_certified(emag_flows: CommandLine, market: Market) -> None:
    market.add_order({"status": 0, "date": datetime.now(UTC) - timedelta(days=2)})

    said = await emag_flows("reconcile", *AT_ONCE)
    again = await emag_flows("reconcile", *AT_ONCE, "--json")

    assert said.code == 0
    assert "Nothing is unexplained." in said.out
    assert "account main: orders, own" in said.err
    assert again.code == 0
    assert again.json["certificate"]["clean"]
    assert again.json["certificate"]["differences"] == 0


async def test_what_nothing_explains_is_exit_code_1(
    emag_flows: CommandLine, database_url: str, shop: dict[str, str]
) -> None:
    port = shop["EMAG_BASE_URL"].rsplit(":", 1)[1].partition("/")[0]
    with psycopg.connect(database_url) as connection:
        connection.execute(LOST, [f"sandbox-{port}"])

    said = await emag_flows("reconcile", *AT_ONCE)

    assert said.code == 1
    assert "Unexplained: 1" in said.out
    assert "480000101" in said.out


async def test_days_the_wrong_way_round_are_exit_code_2(emag_flows: CommandLine) -> None:
    said = await emag_flows("reconcile", "--since", "2026-11-02", "--until", "2026-11-01")

    assert said.code == 2
    assert "since, 2026-11-02, is after until, 2026-11-01: swap them" in said.err


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (("--since", "0001-01-01"), "since: Input should be greater than or equal to 2011-01-01"),
        (("--until", "0001-01-01"), "until: Input should be greater than or equal to 2011-01-01"),
        (("--since", "2019-01-01"), "since, 2019-01-01, to today are more than 400 days"),
        (
            ("--since", "2019-01-01", "--until", "2020-02-05"),
            "since, 2019-01-01, to 2020-02-05 are more than 400 days: reconcile a year at a time",
        ),
        (("--until", "9999-12-31"), "until, 9999-12-31, is not over yet"),
        (("--since", "9999-12-31"), "since, 9999-12-31, is still to come"),
    ],
)
async def test_days_that_cannot_be_reconciled_are_one_line_and_exit_code_2(
    emag_flows: CommandLine, market: Market, days: Sequence[str], words: str
) -> None:
    said = await emag_flows("reconcile", *days)

    assert said.code == 2
    assert words in said.err
    assert said.err.count("\n") == 1
    assert market.journal.requests == []


async def test_days_to_come_are_exit_code_2(emag_flows: CommandLine) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()

    said = await emag_flows("reconcile", "--since", tomorrow)

    assert said.code == 2


async def test_an_emag_that_refuses_the_credentials_is_exit_code_3(
    emag_flows: CommandLine,
) -> None:
    said = await emag_flows("reconcile", *AT_ONCE, EMAG_PASSWORD="wrong")

    assert said.code == 3
    assert "no certificate" in said.out
