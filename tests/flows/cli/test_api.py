"""`emag-flows api`: where it listens, and what it says where it can't."""

from __future__ import annotations

import socket

import pytest

from flows.listening import listening
from tests.flows.cli.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("shop")


async def test_a_port_that_is_taken_is_said_before_anything_else(emag_flows: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = await emag_flows("api", "--port", str(port))

    assert (said.code, said.out) == (2, "")
    assert said.err == f"emag-flows: --port: somebody listens on port {port}; name another\n"


async def test_a_public_address_without_a_token_is_complained_about(
    emag_flows: CommandLine,
) -> None:
    public = {"EMAG_PUBLIC_URL": "https://shop.example.com"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = ("--port", str(taken.getsockname()[1]))

        open_to_all = await emag_flows("api", *port, **public)
        guarded = await emag_flows("api", *port, **public, EMAG_API_TOKEN="a-token")

    assert "whoever reaches shop.example.com may use every endpoint" in open_to_all.err
    assert "set EMAG_API_TOKEN" in open_to_all.err
    assert "EMAG_PUBLIC_URL" not in guarded.err


async def test_up_complains_of_it_as_well(program: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        said = await program("up", "--api-port", port, EMAG_PUBLIC_URL="https://shop.example.com")

    assert "whoever reaches shop.example.com may use every endpoint" in said.out
    assert (said.code, said.err.count("somebody listens")) == (2, 1)


@pytest.mark.parametrize(
    ("host", "problem"),
    [
        ("shop..example", "shop..example does not resolve"),
        ("nowhere.invalid", "nowhere.invalid does not resolve"),
        ("192.0.2.1", "192.0.2.1 is not an address of this machine"),
    ],
)
async def test_a_host_that_is_not_this_one_is_said(
    emag_flows: CommandLine, host: str, problem: str
) -> None:
    said = await emag_flows("api", "--host", host, EMAG_API_TOKEN="a-token")

    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"--host: {problem}" in said.err


def test_a_name_is_served_on_the_addresses_that_this_machine_has() -> None:
    with listening("localhost", 0) as listeners:
        for listener in listeners:
            socket.create_connection(listener.getsockname()[:2]).close()

    assert {listener.fileno() for listener in listeners} == {-1}
