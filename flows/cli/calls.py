"""`emag-flows calls`: the record of requests to eMAG."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from flows.cli.console import begin, console, print_json, table
from integrations.ledger.history import PastCall, read_calls
from integrations.settings import Settings

FEW = 4


def calls(
    order: Annotated[int | None, typer.Option(help="Only calls about this eMAG order.")] = None,
    rma: Annotated[int | None, typer.Option(help="Only calls about this eMAG return.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> int:
    """Show requests to eMAG, newest first: what was asked, for which rows, and what came of it."""
    settings = begin(log_to_file=False)
    found = asyncio.run(_read(settings, order, rma, limit))
    if as_json:
        print_json(found)
    elif found:
        columns = ["sent", "account", "route", "about", "rows", "verdict", "s", "message"]
        console().print(table("Requests to eMAG", columns, map(_line, found)))
    else:
        console().print("No request is recorded.")
    return 0


async def _read(
    settings: Settings, order: int | None, rma: int | None, limit: int
) -> list[PastCall]:
    from flows.database import open_database

    async with open_database(settings) as engine:
        return await read_calls(engine, order=order, rma=rma, most=limit)


def _line(call: PastCall) -> tuple[object, ...]:
    about = [f"order {number}" for number in call.order_ids]
    about += [f"return {number}" for number in call.return_ids]
    verdict = f"{call.verdict} ({call.cause})" if call.cause else call.verdict
    seconds = "" if call.seconds is None else f"{call.seconds:.2f}"
    return (
        call.sent_at,
        call.account,
        call.route,
        _few(about),
        _few(call.rows),
        verdict,
        seconds,
        call.message,
    )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
