"""A database whose texts nobody can read: one line with the remedy, whatever was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.cli.conftest import CommandLine
from tests.unusual import encoded


@pytest.fixture
def unreadable(postgres: str, variables: dict[str, str]) -> Iterator[None]:
    with encoded(postgres, "SQL_ASCII") as url:
        variables["DATABASE_URL"] = url
        yield


@pytest.mark.usefixtures("shop", "unreadable")
@pytest.mark.parametrize(
    "command",
    [
        ("db", "upgrade"),
        ("db", "check"),
        ("doctor",),
        ("run", "health"),
        ("run", "rma"),
        ("status",),
    ],
    ids=" ".join,
)
async def test_one_line_says_what_to_do(emag_flows: CommandLine, command: tuple[str, ...]) -> None:
    said = await emag_flows(*command)
    assert said.code in (2, 3)
    line = said.err.splitlines()[-1]
    assert "the database's encoding is SQL_ASCII" in line
    assert "createdb --encoding=UTF8" in line
    assert "Traceback" not in said.err
