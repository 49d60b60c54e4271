"""`emag-flows api`: where it listens, and what it says where it can't."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from flows.listening import listening
from tests.flows.cli.conftest import ROOT, CommandLine

pytestmark = pytest.mark.usefixtures("shop")

PATIENCE_SECONDS = 60.0
TOKEN, NEXT_TOKEN = "first" * 8, "next" * 8
ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing is listened on there
PUBLIC = {"EMAG_PUBLIC_URL": "https://shop.example.com"}


@dataclass
class Api:
    """A running `emag-flows api`."""

    url: str
    screen: str
    process: Process

    async def answers(self, path: str, token: str = "") -> int:
        """The status of an answer."""
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.url}{path}", headers=shown)).status_code

    async def comes_to_answer(self, path: str, token: str) -> None:
        for _ in range(int(PATIENCE_SECONDS / 0.1)):
            if await self.answers(path, token) == httpx.codes.OK:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} never answered")

    async def says(self, text: str) -> str:
        """Wait for a line of the log."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self.process.stderr.readline()).decode():
                if text in line:
                    return line
        raise AssertionError(f"{text!r} was never said")


@asynccontextmanager
async def serving(folder: Path, variables: dict[str, str], *arguments: str) -> AsyncIterator[Api]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "api", "--port", "0", *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        cwd=folder,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    screen = ""
    try:
        while "Ctrl-C ends it" not in screen:
            screen += (await process.stdout.readline()).decode() or f"{await process.communicate()}"
        [url] = re.findall(r"http://\S+/api/v1/emag", screen.splitlines()[0])
        yield Api(url, screen, process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def test_a_port_that_is_taken_is_said_before_anything_else(emag_flows: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = await emag_flows("api", "--port", str(port))

    assert (said.code, said.out) == (2, "")
    assert said.err == f"emag-flows: --port: somebody listens on port {port}; name another\n"


async def test_a_public_address_without_a_token_is_complained_about(
    emag_flows: CommandLine,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = ("--port", str(taken.getsockname()[1]))

        open_to_all = await emag_flows("api", *port, **PUBLIC)
        short = await emag_flows("api", *port, **PUBLIC, EMAG_API_TOKEN="a-token")
        guarded = await emag_flows("api", *port, **PUBLIC, EMAG_API_TOKEN=TOKEN)

    assert "EMAG_API_TOKEN is shorter than 32 characters" in short.err
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
    said = await emag_flows("api", "--host", host, EMAG_API_TOKEN=TOKEN)

    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"--host: {problem}" in said.err


def test_a_name_is_served_on_the_addresses_that_this_machine_has() -> None:
    with listening("localhost", 0) as listeners:
        for listener in listeners:
            socket.create_connection(listener.getsockname()[:2]).close()

    assert {listener.fileno() for listener in listeners} == {-1}


@pytest.mark.parametrize(
    ("token", "problem"), [("", "is not set"), ("x" * 31, "is shorter than 32 characters")]
)
async def test_nothing_but_loopback_is_listened_on_without_a_good_token(
    emag_flows: CommandLine, token: str, problem: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = ("--port", str(taken.getsockname()[1]))

        here = await emag_flows("api", *port, EMAG_API_TOKEN=token)
        everywhere = await emag_flows("api", "--host", ANYWHERE, *port, EMAG_API_TOKEN=token)

    assert "somebody listens" in here.err
    assert (everywhere.code, everywhere.out) == (2, "")
    assert everywhere.err == (
        f"emag-flows: EMAG_API_TOKEN: {problem}, and 0.0.0.0 is open to others;"
        " make one with: head -c 32 /dev/urandom | base64 | tr +/ -_\n"
    )


async def test_no_host_is_no_address(emag_flows: CommandLine) -> None:
    said = await emag_flows("api", "--host", "")

    assert (said.code, said.out) == (2, "")
    assert said.err == "emag-flows: --host: is empty; name an address, such as 127.0.0.1\n"


async def test_a_token_that_has_changed_is_asked_for_with_no_stop(
    shop: dict[str, str], tmp_path: Path
) -> None:
    env = tmp_path / ".env"
    env.write_text(f"EMAG_API_TOKEN={TOKEN}\n")
    async with serving(tmp_path, shop) as api:
        assert await api.answers("/integration/flows", TOKEN) == 200

        env.write_text(f"EMAG_API_TOKEN={NEXT_TOKEN}\n")
        await api.comes_to_answer("/integration/flows", NEXT_TOKEN)
        assert await api.answers("/integration/flows", TOKEN) == 401

        env.write_text("")
        await api.says("EMAG_API_TOKEN is gone")
        assert await api.answers("/integration/flows") == 401
        assert await api.answers("/integration/flows", NEXT_TOKEN) == 200


async def test_where_callbacks_go_is_shown_and_their_secrets_on_demand_alone(
    shop: dict[str, str], tmp_path: Path, emag_flows: CommandLine
) -> None:
    async with serving(tmp_path, shop | PUBLIC) as api:
        on_demand = await emag_flows("api", "--callbacks", **PUBLIC)
        addresses = [line.split()[-1] for line in on_demand.out.splitlines()]
        path = urlsplit(addresses[0]).path.removeprefix("/api/v1/emag")
        secret = path.split("/")[2]

        assert await api.answers(path) == 200
        assert await api.answers(path.replace(secret, "0" * len(secret))) == 404

    shown = "https://shop.example.com/api/v1/emag/callbacks/{secret}/{event}"
    assert f"callbacks       {shown}  (with the secret: emag-flows api --callbacks)" in api.screen
    assert secret not in api.screen
    assert shown.format(secret=secret, event="new_order") in addresses


async def test_there_are_no_callback_addresses_without_a_public_one(
    emag_flows: CommandLine,
) -> None:
    said = await emag_flows("api", "--callbacks")

    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "EMAG_PUBLIC_URL: is not set" in said.err
