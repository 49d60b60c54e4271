"""`emag-flows demo`: a shop's day goes to eMAG, with real parts and all on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.console import console
from flows.cli.demo_day import Happened, erp_decides, others_act, until_believed
from flows.cli.demo_emag import Emag, emag_apart
from flows.cli.demo_ending import disagreed, objected, strayed
from flows.cli.demo_shop import lay_out
from flows.cli.demo_summary import (
    counted,
    show_day,
    show_effort,
    show_states,
    show_what_next,
    show_wrong,
)
from flows.prefect_server import prefect_server, settings_for
from flows.reconciliation import Reconciled
from flows.report import Report
from integrations.embedded import start_embedded
from integrations.logs import configure
from integrations.sandbox.server import API_PATH
from integrations.sandbox.state import DEFAULT_CREDENTIALS

ANSWER_SECONDS = 0.05
QUIET_SECONDS = 0.5
# One that is still starting would take ten seconds to hear that it is to end.
SERVER_STOP_SECONDS = 1.0
DOCUMENT_HOURS = 14 * 24  # the shop has finalized orders without an invoice; none is late yet


@dataclass(frozen=True)
class Stage:
    """Everything that the flows of the demo run against."""

    database_url: str
    emag: Emag
    prefect_url: str


def demo(
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep everything running until Ctrl-C, to look around.")
    ] = False,
) -> int:
    """Run the three syncs and the health check as Prefect flows on an invented shop."""
    configure("ERROR")  # alarms are told by what is shown
    try:
        return asyncio.run(_demo(console(), stay))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _demo(screen: Console, stay: bool) -> int:
    begun = time.monotonic()
    _give_up_on_signal()
    with _workplace() as folder:
        async with _stage(screen, folder) as stage:
            with _step(screen, "an invented shop: the ERP's day, and what eMAG knows of it"):
                host = stage.emag.url.removesuffix(API_PATH)
                laid = await asyncio.to_thread(stage.emag.do, lay_out, host, stage.database_url)
            _configure_flows(stage, folder)
            reports = await _run_flows(screen)
            settled = show_states(screen, laid, stage.database_url)
            more, happened, agreed = await _day_goes_on(screen, stage)
            seen = show_day(screen, stage.database_url, happened, agreed)
            reports, journal = [*reports, *more], stage.emag.do(counted)
            show_effort(screen, reports, journal)
            wrong = [*strayed(settled, reports), *disagreed(seen, agreed), *objected(journal)]
            code = show_wrong(screen, wrong)
            if stay:
                await _stay(screen, stage)
    show_what_next(screen, time.monotonic() - begun)
    return code


def _give_up_on_signal() -> None:
    """At the first Ctrl-C or SIGTERM everything ends in order; further ones change nothing.

    Prefect would log the runs that are given up as crashed, and to a server that is gone by then.
    """
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None

    def on_signal() -> None:
        logging.disable()
        if not main.cancelling():
            main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)


@contextmanager
def _workplace() -> Iterator[Path]:
    """An empty folder to work in: no `.env` of a real shop lies there; gone afterwards."""
    folder, before = Path(tempfile.mkdtemp(prefix="emag-demo-")), Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _stage(screen: Console, folder: Path) -> AsyncIterator[Stage]:
    """Start all parts; the Prefect server takes longest, so it starts while the others do."""
    async with AsyncExitStack() as stack:
        server = prefect_server(folder / "prefect", stop_seconds=SERVER_STOP_SECONDS)
        prefect = asyncio.create_task(stack.enter_async_context(server))
        try:
            with _step(screen, "PostgreSQL, embedded"):
                embedded = await asyncio.to_thread(start_embedded, folder / "postgres", fsync="off")
                stack.callback(embedded.stop)
            with _step(screen, "the ERP's tables, ours, and the capture of changes"):
                await asyncio.to_thread(_upgrade, embedded.url)
            emag = stack.enter_context(emag_apart(ANSWER_SECONDS))
            screen.print(f"  eMAG, a faithful sandbox, at {emag.url}")
            with _step(screen, "a Prefect server"):
                prefect_url = await prefect
        except BaseException:
            prefect.cancel()
            await asyncio.gather(prefect, return_exceptions=True)
            raise
        yield Stage(embedded.url, emag, prefect_url)


def _upgrade(database_url: str) -> None:
    from migrations.run import upgrade

    upgrade(database_url)


def _configure_flows(stage: Stage, folder: Path) -> None:
    """This process becomes the shop's: the flows read their settings from its environment."""
    for name in [name for name in os.environ if name.startswith(("EMAG_", "PREFECT_"))]:
        del os.environ[name]
    username, password = next(iter(DEFAULT_CREDENTIALS.items()))
    os.environ |= settings_for(folder / "prefect", stage.prefect_url)
    os.environ |= {
        "DATABASE_URL": stage.database_url,
        "EMAG_ENVIRONMENT": "sandbox",
        "EMAG_BASE_URL": stage.emag.url,
        "EMAG_USERNAME": username,
        "EMAG_PASSWORD": password,
        "EMAG_QUIET_SECONDS": str(QUIET_SECONDS),
        "EMAG_DOCUMENT_HOURS": str(DOCUMENT_HOURS),
    }


async def _run_flows(screen: Console) -> Sequence[Report]:
    import flows

    reports: list[Report] = []
    with _step(screen, "flow cancellation-sync"):
        reports += await flows.cancellation_sync()
    with _step(screen, "flow rma-sync"):
        reports += await flows.rma_sync()
    with _step(screen, "flow invoice-sync"):
        reports += await flows.invoice_sync()
    with _step(screen, "flow health-check"):
        await flows.health_check()
    return reports


async def _day_goes_on(
    screen: Console, stage: Stage
) -> tuple[Sequence[Report], Sequence[Happened], Sequence[Reconciled]]:
    """Others act at eMAG, the ERP learns of it and decides, and all is compared at the end."""
    import flows

    url, reports = stage.database_url, list[Report]()
    screen.print()
    with _step(screen, "customers, couriers and eMAG act"):
        happened = await asyncio.to_thread(stage.emag.do, others_act, url)
    with _step(screen, "the flows bring it into the ERP"):
        reports += await flows.rma_sync()
        reports += await flows.cancellation_sync()
        reports += await flows.invoice_sync()
    with _step(screen, "the ERP accepts a return, and the flows carry it"):
        await asyncio.to_thread(erp_decides, url, happened)
        reports += await flows.rma_sync()
        reports += await flows.cancellation_sync(direction="out")
    with _step(screen, "flow reconcile"):
        await until_believed(url)
        agreed = await flows.reconcile(recount_minutes=0)
    return reports, happened, agreed


async def _stay(screen: Console, stage: Stage) -> None:
    screen.print(f"\nStill running until Ctrl-C: the flow runs at {stage.prefect_url[:-4]}")
    screen.print(f"eMAG's journal: curl {stage.emag.url.removesuffix(API_PATH)}/sandbox/journal")
    screen.print(f"the ERP's database: psql '{stage.database_url}'")
    await asyncio.Event().wait()


@contextmanager
def _step(screen: Console, what: str) -> Iterator[None]:
    begun = time.monotonic()
    with screen.status(f"{what} ..."):
        yield
    screen.print(f"  {what} ({time.monotonic() - begun:.1f} s)")
