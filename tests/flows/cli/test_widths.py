"""What commands print can be read on a narrow terminal: nothing is cut, no word is broken."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from integrations.sandbox.market import Market
from tests.flows.cli.conftest import ROOT

ORDER, RETURN = 480_000_101, 52_000_077

# Commands one after the other, in the one process that the terminal is for.
COMMANDS = """
import json, sys
from flows.cli.main import answer
for arguments in json.loads(sys.argv[1]):
    answer(arguments)
    print(sys.argv[2], flush=True)
"""
END = "-- end --"

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def fill(database_url: str, market: Market) -> None:
    """Orders to cancel (one too late, one unknown at eMAG), one cancelled there, and a return."""
    late = datetime.now(UTC) - timedelta(hours=60)
    market.add_order({"id": ORDER, "status": 1})
    market.add_order({"id": ORDER + 1, "status": 4, "finalization_date": late})
    market.add_order({"id": ORDER + 2, "status": 0})
    market.add_order({"id": ORDER + 3, "status": 4})
    market.add_return({"emag_id": RETURN, "order_id": ORDER + 3, "request_status": 2})
    with psycopg.connect(database_url) as connection:
        for order_id in (ORDER, ORDER + 1, ORDER + 999):
            connection.execute(
                "INSERT INTO app.cancellation_requests (emag_order_id, reason)"
                " VALUES (%s, 'customer_request')",
                [str(order_id)],
            )


def on_terminal(
    width: int, commands: Sequence[Sequence[str]], variables: Mapping[str, str], folder: Path
) -> Sequence[str]:
    """What each command prints on a terminal of so many columns, without its colours."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", COMMANDS, json.dumps(commands), END],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "", **variables},
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    )
    os.close(terminal)
    printed = b""
    with suppress(OSError):  # the terminal is gone once nobody prints on it any more
        while piece := os.read(screen, 65_536):
            printed += piece
    os.close(screen)
    process.wait()
    texts = COLOURS.sub("", printed.decode()).replace("\r\n", "\n").split(f"{END}\n")
    assert texts.pop() == "", "the last command did not end"
    return texts


def words(printed: str) -> str:
    """The text of a screen's last columns as one line, whatever table it stands in."""
    cells = (line.rstrip("│ ").rpartition("│")[2] for line in printed.splitlines())
    return " ".join(" ".join(cells).split())


@pytest.mark.parametrize("width", [80, 120])
async def test_what_is_printed_fits_the_terminal_and_is_whole(
    shop: dict[str, str], tmp_path: Path, market: Market, database_url: str, width: int
) -> None:
    fill(database_url, market)
    titles = {
        ("run", "cancellations", "--dry-run"): [
            "cancellation-sync, account main: what would be done",
            "cancellation-sync, account main: what would come in",
            "Request budget",
        ],
        ("run", "cancellations"): [
            "cancellation-sync, account main",
            "cancellation-sync, account main: eMAG's news",
            "Needs a person",
            "Request budget",
        ],
        ("run", "rma", "--dry-run"): ["rma-sync, account main: what would come in"],
        ("status",): ["Open rows", "Requests of the last day"],
        ("inbox",): ["Needs a person"],
        ("calls",): ["Requests to eMAG"],
        ("calls", "--order", str(ORDER)): [
            f"Requests about order {ORDER}",
            "Our rows about it now",
        ],
    }

    screens = await asyncio.to_thread(on_terminal, width, [*titles], shop, tmp_path)
    for printed, expected in zip(screens, titles.values(), strict=True):
        lines = printed.splitlines()

        assert [line for line in lines if len(line) > width] == []
        assert "…" not in printed
        assert [title for title in expected if title not in lines] == []
        if "not known" in printed:
            assert "Order 480001100 is not known at eMAG: correct emag_order_id." in words(printed)
