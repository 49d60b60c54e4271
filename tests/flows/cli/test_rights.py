"""A role that may not do what a command needs: what is missing, in a line that names the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from tests.flows.cli.conftest import CommandLine


def alter(database_url: str, *statements: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def role(database_url: str, variables: dict[str, str]) -> Iterator[str]:
    """A role that may log in and nothing more; the commands use it."""
    name = f"runner_{uuid4().hex}"
    alter(database_url, f"CREATE ROLE {name} LOGIN")
    variables["DATABASE_URL"] = database_url.replace("//postgres@", f"//{name}@")
    yield name
    alter(database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize("command", [("status",), ("calls",), ("db", "check")])
async def test_without_the_schema_the_missing_grant_is_named(
    emag_flows: CommandLine, role: str, command: tuple[str, ...]
) -> None:
    said = await emag_flows(*command)

    assert (said.code, said.out, said.err.count("\n")) == (3, "", 1)
    assert f"GRANT USAGE ON SCHEMA app TO {role}" in said.err


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("command", [("status",), ("calls",), ("run", "rma")])
async def test_without_a_table_the_line_names_it_and_the_check(
    emag_flows: CommandLine, role: str, database_url: str, command: tuple[str, ...]
) -> None:
    alter(database_url, f"GRANT USAGE ON SCHEMA app TO {role}")

    said = await emag_flows(*command)

    assert (said.code, said.out) == (3, "")
    last = said.err.splitlines()[-1]
    assert last.startswith("emag-flows: the role of DATABASE_URL lacks a right (permission denied")
    assert "emag-flows db check" in last
    assert "Traceback" not in said.err
    assert "SELECT" not in said.err


async def test_the_check_never_sends_for_an_upgrade_where_a_right_is_missing(
    emag_flows: CommandLine, role: str, database_url: str
) -> None:
    alter(database_url, f"GRANT USAGE ON SCHEMA app TO {role}")

    found = {each["name"]: each for each in (await emag_flows("db", "check", "--json")).json}

    assert f"GRANT SELECT ON app.emag_alembic_version TO {role}" in found["rights"]["remedy"]
    assert found["revision"]["detail"] == "permission denied for table emag_alembic_version"
    assert found["revision"]["remedy"] == "grant what the finding about rights lists"
