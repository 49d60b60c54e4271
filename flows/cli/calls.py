"""`emag-flows calls`: the record of requests to eMAG."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import begin, console, print_json, table
from integrations.ledger.engine import Engine
from integrations.ledger.history import PastCall, Wanted, read_calls
from integrations.settings import Settings

FEW = 4
NEWEST, STORY = 50, 200
LARGEST_ID = 2**63 - 1  # bigint's

# Of a page nobody writes down what was on it: its body alone could tell.
PAGES = (
    "Reads of many orders or returns at once name none of them and are not shown here: see"
    " `emag-flows calls --since DAY`."
)


def calls(
    order: Annotated[
        int | None, typer.Option(help="Only calls about this eMAG order.", min=1, max=LARGEST_ID)
    ] = None,
    rma: Annotated[
        int | None, typer.Option(help="Only calls about this eMAG return.", min=1, max=LARGEST_ID)
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Up to and with this day, UTC.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="At most this many, the newest; of a story, writes first.",
            min=1,
            max=1_000_000,
            show_default="50",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(help="Write all of them with their bodies to this file, as evidence."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite that file.")] = False,
) -> int:
    """Show requests to eMAG: the newest ones, or the story of one order or return, oldest first."""
    if order is not None and rma is not None:
        raise typer.BadParameter("--order and --rma exclude each other")
    wanted = Wanted(order, rma, _midnight(since), _midnight_after(until))
    settings = begin(log_to_file=False)
    if export is not None:
        return asyncio.run(_export(settings, wanted, export, force))
    return asyncio.run(_show(settings, wanted, limit, as_json))


def _midnight(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day else None


def _midnight_after(day: datetime | None) -> datetime | None:
    try:
        return _midnight(day + timedelta(days=1)) if day else None
    except OverflowError:
        raise typer.BadParameter("no day comes after it", param_hint="--until") from None


async def _export(settings: Settings, wanted: Wanted, path: Path, force: bool) -> int:
    from flows.cli.evidence import check_free, save
    from flows.database import open_database
    from integrations.ledger.evidence import write_evidence
    from integrations.ledger.sealing import sealer_of

    if not wanted.named and wanted.since is None:
        raise typer.BadParameter("--export needs --order, --rma or --since")
    check_free(path, force)
    async with open_database(settings) as engine:
        pieces = write_evidence(engine, wanted, sealer_of(settings.calls_keys))
        size, digest = await save(pieces, path, force)
    console().print(f"{path}: {size} bytes, SHA-256 {digest}", soft_wrap=True)
    return 0


async def _show(settings: Settings, wanted: Wanted, limit: int | None, as_json: bool) -> int:
    from flows.database import open_database

    async with open_database(settings) as engine:
        if wanted.named:
            from flows.cli.story import show_story

            await show_story(settings, engine, wanted, limit or STORY, as_json)
            if not as_json:
                console().print(PAGES)
        else:
            await _show_newest(engine, wanted, limit or NEWEST, as_json)
    return 0


async def _show_newest(engine: Engine, wanted: Wanted, most: int, as_json: bool) -> None:
    found = await read_calls(engine, wanted, most=most)
    if as_json:
        print_json(found)
    elif found:
        columns = ["sent", "account", "route", "about", "rows", "verdict", "s", "message"]
        console().print(table("Requests to eMAG", columns, map(_line, found)))
    else:
        console().print("No request is recorded.")


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
