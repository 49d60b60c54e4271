"""`emag-flows inbox`: what needs a person, and why."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from flows.cli.console import begin, console, print_json, table
from flows.database import open_connection
from integrations.ledger.status import inbox_of
from integrations.settings import Settings


def inbox(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    limit: Annotated[int, typer.Option(help="At most this many rows of each kind.", min=1)] = 200,
) -> int:
    """List refused rows and those that wait for a person, newest first, with the reason."""
    return asyncio.run(_inbox(begin(log_to_file=False), as_json, limit))


async def _inbox(settings: Settings, as_json: bool, limit: int) -> int:
    async with open_connection(settings) as connection:
        entries = await inbox_of(connection, limit)
    if as_json:
        print_json(entries)
        return 0
    screen = console()
    if not entries:
        screen.print("The inbox is empty.")
        return 0
    columns = ["row", "eMAG order", "account", "state", "since", "why"]
    rows = [
        (
            f"{each.kind}:{each.row_id}",
            each.order_id,
            each.account,
            each.state,
            each.since,
            each.reason,
        )
        for each in entries
    ]
    screen.print(table("Needs a person", columns, rows))
    screen.print("Change the row in the ERP, or try it again as it is: emag-flows replay ROW")
    return 0
