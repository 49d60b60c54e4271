"""`emag-flows status`: what an operator sees beside the counts of rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.flows.cli.conftest import CommandLine

KEY = "tMf-_la7OunCiXuSFkpCF2LO-7pm0gJmJq8JNw2zGPE="


def run(database_url: str, *statements: str) -> None:
    with psycopg.connect(database_url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("key", "line", "bodies"),
    [
        ("", "keeps bodies redacted; set EMAG_CALLS_KEY", "redacted"),
        (KEY, "keeps bodies whole, sealed with EMAG_CALLS_KEY", "sealed"),
    ],
)
async def test_one_line_says_how_bodies_are_kept(
    emag_flows: CommandLine, key: str, line: str, bodies: str
) -> None:
    said = await emag_flows("status", EMAG_CALLS_KEY=key)
    as_json = await emag_flows("status", "--json", EMAG_CALLS_KEY=key)

    assert any(line in each for each in said.out.splitlines())
    assert as_json.json["bodies"] == bodies


async def test_it_says_since_when_emag_counts_as_down_and_why(
    emag_flows: CommandLine, database_url: str
) -> None:
    healthy = await emag_flows("status")
    run(
        database_url,
        "INSERT INTO app.emag_rate_limits (platform, login, bucket, down_since, down_detail)"
        " VALUES ('emag-ro', 'seller', 'orders', now(), 'eMAG refused the credentials')",
    )

    said = await emag_flows("status")

    assert "down" not in healthy.out
    assert "eMAG counts as down since" in said.out
    assert "emag-ro orders (of no account here): eMAG refused the credentials" in said.out


async def test_it_names_the_accounts_of_a_login_for_which_emag_counts_as_down(
    emag_flows: CommandLine, database_url: str
) -> None:
    """Two accounts share a login, a third has its own."""
    users = {"main": "own@example.com", "fbe": "own@example.com", "other": "other@example.com"}
    accounts = json.dumps(
        [{"name": name, "username": user, "password": "p"} for name, user in users.items()]
    )
    run(
        database_url,
        "INSERT INTO app.emag_rate_limits (platform, login, bucket, next_free_at, down_since)"
        " VALUES ('emag-ro', 'own@example.com', 'orders', now(), now()),"
        " ('emag-ro', 'other@example.com', 'orders', now() + interval '1 h', NULL)",
    )

    said = await emag_flows("status", EMAG_ACCOUNTS=accounts)
    as_json = await emag_flows("status", "--json", EMAG_ACCOUNTS=accounts)

    assert "emag-ro orders (main, fbe): it does not answer" in said.out
    assert "reserved ahead: emag-ro orders (other)" in said.out
    assert [each["accounts"] for each in as_json.json["budgets"]] == [["other"], ["main", "fbe"]]
    assert "example.com" not in said.out + as_json.out


async def test_an_estimate_is_called_one(emag_flows: CommandLine, database_url: str) -> None:
    run(
        database_url,
        "SET session_replication_role = replica",
        "INSERT INTO app.invoices (status) SELECT 'paid' FROM generate_series(1, 100000)",
        "INSERT INTO app.return_requests (status) VALUES ('pending')",
    )

    said = await emag_flows("status")
    as_json = await emag_flows("status", "--json")

    assert re.search(r"From before the installation: 1 rma, about \d+ invoice", said.out)
    assert as_json.json["estimated"] == ["invoice"]


async def test_a_database_that_does_not_answer_is_not_waited_for(
    emag_flows: CommandLine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.cli.status.PATIENCE_SECONDS", 0.5)
    with psycopg.connect(database_url) as holding:
        holding.execute("LOCK TABLE app.emag_changes IN ACCESS EXCLUSIVE MODE")

        said = await emag_flows("status")

    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("emag-flows: the database failed (no answer within 0.5 s): ")
    assert said.err.count("\n") == 1


async def test_without_a_database_nothing_is_made_and_one_line_says_how_to_get_one(
    emag_flows: CommandLine, tmp_path: Path
) -> None:
    said = await emag_flows("status", DATABASE_URL="")

    assert said.code == 2
    assert "DATABASE_URL: is not set, and there is no embedded database under .emag" in said.err
    assert len(said.err.splitlines()) == 1
    assert names_in(tmp_path) == []
