"""`emag-flows calls`: the newest requests, the story of one order, and evidence in a file."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")

KEY = "tMf-_la7OunCiXuSFkpCF2LO-7pm0gJmJq8JNw2zGPE="
NEW_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
PRIVATE = "Ioana Exemplu"


@pytest.fixture
async def order(emag_flows: CommandLine, market: Market, database_url: str) -> int:
    """An order that was cancelled with everything recorded."""
    order_id: int = market.add_order({"status": 1})["id"]
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.cancellation_requests (emag_order_id, reason)"
            " VALUES (%s, 'inventory_unavailable')",
            [str(order_id)],
        )
    assert (
        await emag_flows("run", "cancellations", "--direction", "out", EMAG_CALLS_KEY=KEY)
    ).code == 0
    return order_id


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*dispute*")]


async def test_the_story_of_an_order_is_told_oldest_first(
    emag_flows: CommandLine, order: int
) -> None:
    said = await emag_flows("calls", "--order", str(order), EMAG_CALLS_KEY=KEY)

    assert said.code == 0
    told = ["read the order", "acknowledge the order", "status 2 in progress", "cancel: status"]
    places = [said.out.index(words) for words in told]
    assert places == sorted(places)
    assert "-> 0, reason 33" in said.out
    assert "cancellation:1" in said.out


async def test_the_story_says_that_reads_of_pages_are_not_in_it(
    emag_flows: CommandLine, order: int
) -> None:
    told = await emag_flows("calls", "--order", str(order), EMAG_CALLS_KEY=KEY)
    newest = await emag_flows("calls", EMAG_CALLS_KEY=KEY)

    assert "Reads of many orders or returns at once name none of them" in told.out
    assert "Reads of many" not in newest.out


async def test_the_story_ends_with_where_our_rows_stand(
    emag_flows: CommandLine, order: int
) -> None:
    said = await emag_flows("calls", "--order", str(order), EMAG_CALLS_KEY=KEY)

    _, _, rows = said.out.partition("Our rows about it now")
    assert "cancellation:1" in rows
    assert "synced" in rows
    assert f"{order} canceled" in rows


async def test_what_was_asked_again_to_the_same_effect_shares_a_line_and_hides_no_write(
    emag_flows: CommandLine, order: int, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.emag_api_calls (id, sent_at, account, platform, route, writes,"
            " order_ids, verdict) SELECT gen_random_uuid(), clock_timestamp(), 'main', 'p',"
            " 'order/read', false, ARRAY[%s::bigint], 'applied' FROM generate_series(1, 300)",
            [order],
        )

    said = await emag_flows("calls", "--order", str(order), EMAG_CALLS_KEY=KEY)

    shown = " ".join(said.out.split())
    assert "(198 times, last" in shown
    assert "acknowledge the order" in shown
    assert "cancel: status" in shown
    assert "All writes are here; there may be earlier reads, see --limit." in shown
    assert len(said.out.splitlines()) <= 40


async def test_with_a_rotated_key_the_story_is_told_as_before(
    emag_flows: CommandLine, order: int
) -> None:
    both = await emag_flows("calls", "--order", str(order), EMAG_CALLS_KEY=f"{NEW_KEY},{KEY}")
    new = await emag_flows("calls", "--order", str(order), EMAG_CALLS_KEY=NEW_KEY)

    assert "reason 33" in both.out
    assert "sealed with another key" not in both.out
    assert "sealed with another key" in new.out
    assert new.code == 0


async def test_a_story_for_programs_is_json(emag_flows: CommandLine, order: int) -> None:
    said = await emag_flows("calls", "--order", str(order), "--json", EMAG_CALLS_KEY=KEY)

    assert [call["route"] for call in said.json] == [
        "order/read",
        "order/acknowledge/{id}",
        "order/read",
        "order/save",
    ]
    assert said.json[-1]["row"] == "cancellation:1"
    assert said.json[-1]["kept"] == "whole"
    assert "request" not in said.json[-1]


async def test_an_order_that_nothing_was_asked_about(emag_flows: CommandLine) -> None:
    said = await emag_flows("calls", "--order", "5")

    assert said.code == 0
    assert said.out.splitlines()[:2] == [
        "No request about order 5 is recorded by its number.",
        "No row of ours is about it.",
    ]


async def test_without_a_filter_the_newest_are_shown(emag_flows: CommandLine, order: int) -> None:
    table = await emag_flows("calls")
    said = await emag_flows("calls", "--limit", "2", "--json")

    assert table.out.startswith("Requests to eMAG")
    assert [call["route"] for call in said.json] == ["order/save", "order/read"]


async def test_evidence_is_whole_and_its_owners_alone(
    emag_flows: CommandLine, order: int, tmp_path: Path
) -> None:
    said = await emag_flows(
        *("calls", "--order", str(order), "--export", "dispute.json"), EMAG_CALLS_KEY=KEY
    )

    file = tmp_path / "dispute.json"
    assert said.code == 0
    assert "SHA-256" in said.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document: dict[str, Any] = json.loads(file.read_text())
    assert document["header"]["filter"]["order"] == order
    assert [call["verdict"] for call in document["calls"]] == ["applied"] * 4
    assert json.loads(document["calls"][-1]["request"]["text"])[0]["customer"]["name"]
    assert names(tmp_path) == ["dispute.json"]


async def test_evidence_is_overwritten_only_by_force(
    emag_flows: CommandLine, order: int, tmp_path: Path
) -> None:
    file = tmp_path / "dispute.json"
    file.write_text("what was there")
    export = ("calls", "--order", str(order), "--export", str(file))

    refused = await emag_flows(*export, EMAG_CALLS_KEY=KEY)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "--force" in refused.err
    assert file.read_text() == "what was there"

    forced = await emag_flows(*export, "--force", EMAG_CALLS_KEY=KEY)
    assert forced.code == 0
    assert json.loads(file.read_text())["count"] == 4
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_evidence_of_some_days(emag_flows: CommandLine, order: int, tmp_path: Path) -> None:
    for name, days in {
        "all.json": ("--since", "2020-01-01"),
        "none.json": ("--since", "2020-01-01", "--until", "2020-01-31"),
    }.items():
        said = await emag_flows("calls", "--export", name, *days, EMAG_CALLS_KEY=KEY)
        assert said.code == 0

    assert json.loads((tmp_path / "all.json").read_text())["count"] == 4
    assert json.loads((tmp_path / "none.json").read_text())["count"] == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--export", "dispute.json"], "--since"),
        (["--export", "none/dispute.json", "--order", "5"], "folder"),
        (["--order", "5", "--rma", "6"], "exclude"),
        (["--since", "yesterday"], "yesterday"),
    ],
)
async def test_wrong_usage_is_said_in_one_line(
    emag_flows: CommandLine, arguments: list[str], problem: str
) -> None:
    said = await emag_flows("calls", *arguments)

    assert (said.code, said.err.count("\n")) == (2, 1)
    assert problem in said.err


async def test_without_a_key_nothing_of_a_customer_is_exported(
    emag_flows: CommandLine, market: Market, database_url: str, tmp_path: Path
) -> None:
    found = market.add_order({"status": 2, "customer": {"name": PRIVATE}})
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO app.cancellation_requests (emag_order_id, reason) VALUES (%s, 'other')",
            [str(found["id"])],
        )
    await emag_flows("run", "cancellations", "--direction", "out")

    await emag_flows("calls", "--order", str(found["id"]), "--export", "dispute.json")

    document = json.loads((tmp_path / "dispute.json").read_text())
    assert {call["request"]["kept"] for call in document["calls"]} == {"redacted"}
    assert PRIVATE not in (tmp_path / "dispute.json").read_text()
