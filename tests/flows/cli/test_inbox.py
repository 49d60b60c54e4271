"""`emag-flows inbox` and `status`: deadlines, parked news and differences beside the rows."""

from __future__ import annotations

from datetime import date

import pytest

from integrations.emag.accounts import Account
from integrations.ledger.alarms import raise_alarms
from integrations.ledger.database import autocommit
from integrations.ledger.deadlines import Hours
from integrations.ledger.engine import Engine
from tests.flows.cli.conftest import CommandLine
from tests.integrations.ledger.mirrored import (
    ORDER,
    execute,
    hours_ago,
    insert,
    mirror_order,
    mirror_return,
)

pytestmark = pytest.mark.usefixtures("shop")


async def test_an_alarm_lies_in_the_inbox_until_it_was_handled(
    emag_flows: CommandLine, engine: Engine, account: Account
) -> None:
    await mirror_return(
        engine, platform=account.platform, order_id=ORDER, finalize_by=date(2026, 1, 1)
    )
    async with autocommit(engine) as connection:
        await raise_alarms(connection, [account], Hours())

    said, as_json = await emag_flows("inbox"), await emag_flows("inbox", "--json")
    await execute(engine, "UPDATE app.emag_returns SET status = 7")
    afterwards = await emag_flows("inbox")

    assert "52000077" in said.out
    [alarm] = as_json.json
    assert (alarm["kind"], alarm["state"], alarm["order_id"]) == ("alarm", "late", ORDER)
    assert alarm["subject"] == f"return 52000077 of order {ORDER}"
    assert alarm["remedy"].startswith("complete or reject the return")
    assert "The inbox is empty." in afterwards.out


async def test_parked_news_and_unexplained_differences_lie_there_with_a_remedy(
    emag_flows: CommandLine, engine: Engine, account: Account
) -> None:
    await mirror_order(engine, platform=account.platform, owed=True, problem="no room", documents=1)
    await insert(
        engine,
        "emag_differences",
        platform=account.platform,
        account="main",
        subject="return 52000077",
        difference="eMAG has 7 finalized",
        times=2,
    )

    as_json = await emag_flows("inbox", "--json")

    assert [(each["kind"], each["subject"], each["reason"]) for each in as_json.json] == [
        ("parked", f"order {ORDER}", "no room"),
        ("difference", "return 52000077", "eMAG has 7 finalized"),
    ]
    assert all(each["remedy"] and each["row_id"] is None for each in as_json.json)


async def test_status_shows_what_is_due_and_late(
    emag_flows: CommandLine, engine: Engine, account: Account
) -> None:
    await mirror_order(engine, platform=account.platform, finalized_at=hours_ago(40))
    await mirror_order(engine, 5, platform=account.platform, finalized_at=hours_ago(60))

    said, as_json = await emag_flows("status"), await emag_flows("status", "--json")
    patient = await emag_flows("status", "--json", EMAG_DOCUMENT_HOURS="100")

    assert "Due at eMAG" in said.out
    assert "orders without an" in said.out
    [clock] = as_json.json["deadlines"]
    assert (clock["late"], clock["within_24_hours"], clock["within_72_hours"]) == (1, 1, 1)
    assert [each["subject"] for each in clock["next"]] == [str(ORDER), "5"]
    assert [each["late"] for each in patient.json["deadlines"]] == [0]
