"""`emag-flows doctor` on a terminal: its table, its JSON and its exit codes."""

from __future__ import annotations

import pytest

from integrations.sandbox.market import Market
from integrations.sandbox.switches import Switches
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")


async def test_a_shop_that_is_well_ends_with_0(emag_flows: CommandLine) -> None:
    said = await emag_flows("doctor")
    assert said.code == 0
    assert "Account main" in said.out
    assert "WRONG" not in said.out


async def test_what_is_wrong_ends_with_1_and_says_what_to_do(
    emag_flows: CommandLine, market: Market
) -> None:
    market.add_order({"status": 2})
    market.switches = Switches(ignored_filters=frozenset({"id"}))
    said = await emag_flows("doctor", "--json")
    assert said.code == 1
    [wrong] = [each for each in said.json["main"] if not each["ok"]]
    assert wrong["name"] == "body shape"


async def test_refused_credentials_end_with_3_and_the_password_is_nowhere(
    emag_flows: CommandLine,
) -> None:
    said = await emag_flows("doctor", EMAG_PASSWORD="pa55-w0rd")
    assert said.code == 3
    assert "EMAG_USERNAME" in said.out
    assert "pa55-w0rd" not in said.out + said.err


async def test_missing_settings_end_with_2_in_one_line(emag_flows: CommandLine) -> None:
    said = await emag_flows("doctor", EMAG_USERNAME="")
    assert said.code == 2
    assert "EMAG_USERNAME" in said.err
